/* SPDX-License-Identifier: Apache-2.0
 *
 * Averages, means and sums over all pixels, int8, added up row by row: the rows need not be in
 * memory together.
 */
#ifndef TA_SUMS_H
#define TA_SUMS_H

#include "ta_requant.h"
#include "ta_rows.h"

typedef struct ta_sums ta_sums;

/* Makes the one output pixel, out[channels], from the sums. */
typedef void ta_sums_kernel(const ta_sums *op, int8_t *out);

struct ta_sums {
    ta_sums_kernel *kernel;
    ta_source in;
    ta_sink out;
    int32_t *sums;            /* [channels], nobody else's until the last row is added */
    ta_multiplier multiplier; /* of a sum, where it is scaled */
    int32_t offset;           /* added to a sum that is scaled */
    int32_t count;            /* pixels that are averaged */
    int16_t width;
    int16_t channels;
    int16_t zero_point; /* of the output */
    int8_t lowest;
    int8_t highest;
};

/* Adds input rows [y_start, y_stop) to the sums, which row 0 starts and the last row ends: with
 * it the output is made. Rows come in order, each once. */
void ta_sums_rows(const ta_sums *op, int32_t y_start, int32_t y_stop);

/* The same, on cores with the DSP extension. */
void ta_sums_rows_dsp(const ta_sums *op, int32_t y_start, int32_t y_stop);

/* The average over `count` pixels, as pools round it. */
ta_sums_kernel ta_average_sums_s8_c;

/* The sum with the offset, times the multiplier: means and sums. */
ta_sums_kernel ta_scale_sums_s8_c;

#endif

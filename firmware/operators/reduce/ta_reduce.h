/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums over rows, columns, channels or any of them together, int8, scaled (a mean's multiplier
 * has the count divided into it).
 */
#ifndef TA_REDUCE_H
#define TA_REDUCE_H

#include "ta_requant.h"
#include "ta_rows.h"

typedef struct ta_reduce ta_reduce;

/* Makes one row of sums, out[out_width][out_channels], from rows[0..rows_a_sum). Nothing
 * overlaps out. */
typedef void ta_reduce_kernel(const ta_reduce *op, const int8_t *const *rows, int8_t *out);

struct ta_reduce {
    ta_reduce_kernel *kernel;
    ta_source in;
    ta_sink out;
    void *scratch;            /* rows_a_sum row pointers, then the kernel's own */
    ta_multiplier multiplier; /* of a sum */
    int32_t offset;           /* where a sum starts: the inputs' zero points, less than 0 */
    int16_t zero_point;       /* of the output */
    int16_t rows_a_sum;       /* all input rows, or 1 */
    int16_t parts;            /* rows of sums that make one row of the output */
    int16_t width;
    int16_t channels;
    int16_t out_width;    /* width, or 1 */
    int16_t out_channels; /* channels, or 1 */
};

/* Makes output rows [y_start, y_stop). */
void ta_reduce_rows(const ta_reduce *op, int32_t y_start, int32_t y_stop);

/* Any shape, any core; the reference for all others. */
ta_reduce_kernel ta_reduce_s8_c;

#endif

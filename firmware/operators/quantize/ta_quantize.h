/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization of float32 to int8. (Between 8-bit types it is a table: ta_lookup.h.)
 */
#ifndef TA_QUANTIZE_H
#define TA_QUANTIZE_H

#include "ta_rows.h"

typedef struct ta_quantize ta_quantize;

/* Makes pixels [x_start, x_stop) of one output row from the input row. in: column 0, float32,
 * 4-byte aligned; out: column 0. They do not overlap. */
typedef void ta_quantize_kernel(const ta_quantize *op, const int8_t *in, int8_t *out,
                                int32_t x_start, int32_t x_stop);

struct ta_quantize {
    ta_quantize_kernel *kernel;
    ta_source in;
    ta_sink out;
    float scale;
    int32_t zero_point;
    int32_t width;
    int32_t channels;
};

/* Makes output rows [y_start, y_stop). */
void ta_quantize_rows(const ta_quantize *op, int32_t y_start, int32_t y_stop);

/* in / scale rounded to the nearest, halves away from zero, plus the zero point, saturated.
 * A NaN becomes -128. */
ta_quantize_kernel ta_quantize_f32_c;

#endif

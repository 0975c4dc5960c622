/* SPDX-License-Identifier: Apache-2.0
 *
 * Dequantization of int8 or uint8 to float32.
 */
#ifndef TA_DEQUANTIZE_H
#define TA_DEQUANTIZE_H

#include "ta_rows.h"

typedef struct ta_dequantize ta_dequantize;

/* Makes pixels [x_start, x_stop) of one output row from the input row. in: column 0; out:
 * column 0, float32, 4-byte aligned. They do not overlap. */
typedef void ta_dequantize_kernel(const ta_dequantize *op, const int8_t *in, int8_t *out,
                                  int32_t x_start, int32_t x_stop);

struct ta_dequantize {
    ta_dequantize_kernel *kernel;
    ta_source in;
    ta_sink out;
    float scale;
    int32_t zero_point;
    int32_t width;
    int32_t channels;
};

/* Makes output rows [y_start, y_stop). */
void ta_dequantize_rows(const ta_dequantize *op, int32_t y_start, int32_t y_stop);

/* scale * (in - zero_point), for int8 and for uint8. */
ta_dequantize_kernel ta_dequantize_s8_c;
ta_dequantize_kernel ta_dequantize_u8_c;

#endif

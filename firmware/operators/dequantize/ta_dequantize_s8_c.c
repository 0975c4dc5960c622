/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_dequantize.h"

void ta_dequantize_s8_c(const ta_dequantize *op, const int8_t *in, int8_t *out, int32_t x_start,
                        int32_t x_stop)
{
    float *reals = (float *)(void *)out;
    const int32_t stop = x_stop * op->channels;
    for (int32_t k = x_start * op->channels; k < stop; ++k) {
        reals[k] = op->scale * (float)(in[k] - op->zero_point);
    }
}

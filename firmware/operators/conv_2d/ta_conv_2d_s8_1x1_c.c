/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_conv_2d.h"
#include "ta_dot.h"

void ta_conv_2d_s8_1x1_c(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                         int32_t x_start, int32_t x_stop)
{
    const int32_t channels = op->in_channels;
    const int32_t out_channels = op->out_channels;
    const int32_t step = op->stride_w * channels;
    for (int32_t oc = 0; oc < out_channels; ++oc) {
        const int8_t *filter = op->weights + oc * channels;
        const int32_t bias = op->bias[oc];
        const ta_multiplier multiplier = ta_channel_multiplier(&op->requant, oc);
        const int8_t *pixel = rows[0] + x_start * step;
        for (int32_t x = x_start; x < x_stop; ++x, pixel += step) {
            const int32_t acc = ta_dot_s8(bias, filter, pixel, channels);
            out[x * out_channels + oc] = ta_requantize_s8(&op->requant, multiplier, acc);
        }
    }
}

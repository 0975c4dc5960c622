/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_conv_2d.h"

/* Sum over one filter: taps [kernel_h][kernel_w][in_channels]. */
static int32_t accumulate(const ta_conv_2d *op, const int8_t *const *rows, int32_t x, int32_t oc)
{
    const int32_t channels = op->in_channels;
    const int8_t *weights = op->weights + oc * op->kernel_h * op->kernel_w * channels;
    int32_t acc = op->bias[oc];
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        for (int32_t kx = 0; kx < op->kernel_w; ++kx, weights += channels) {
            const int32_t column = x * op->stride_w - op->pad_left + kx * op->dilation_w;
            const int8_t *pixel = (column >= 0 && column < op->in_width)
                                      ? rows[ky] + column * channels
                                      : op->zero_row;
            for (int32_t c = 0; c < channels; ++c) {
                acc += weights[c] * pixel[c];
            }
        }
    }
    return acc;
}

void ta_conv_2d_s8_c(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                     int32_t x_start, int32_t x_stop)
{
    for (int32_t x = x_start; x < x_stop; ++x) {
        for (int32_t oc = 0; oc < op->out_channels; ++oc) {
            out[x * op->out_channels + oc] =
                ta_requantize_channel(&op->requant, oc, accumulate(op, rows, x, oc));
        }
    }
}

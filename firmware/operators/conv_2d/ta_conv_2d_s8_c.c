/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

#include "ta_conv_2d.h"
#include "ta_dot.h"

/* acc + the sum over one filter, [kernel_h][kernel_w][filter_channels], at output column x.
 * channel: the first input channel of the filter's group. */
static int32_t accumulate(const ta_conv_2d *op, const int8_t *const *rows, const int8_t *filter,
                          int32_t channel, int32_t x, int32_t acc)
{
    const int32_t left = x * op->stride_w - op->pad_left;
    /* Taps that lie side by side in the input are taken as one. */
    const bool contiguous = op->dilation_w == 1 && op->filter_channels == op->in_channels &&
                            left >= 0 && left + op->kernel_w <= op->in_width;
    const int32_t taps = contiguous ? 1 : op->kernel_w;
    const int32_t count = contiguous ? op->kernel_w * op->in_channels : op->filter_channels;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        int32_t column = left;
        for (int32_t kx = 0; kx < taps; ++kx, column += op->dilation_w, filter += count) {
            const int8_t *pixel = (column >= 0 && column < op->in_width)
                                      ? rows[ky] + column * op->in_channels
                                      : op->zero_row;
            acc = ta_dot_s8(acc, filter, pixel + channel, count);
        }
    }
    return acc;
}

void ta_conv_2d_s8_c(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                     int32_t x_start, int32_t x_stop)
{
    const int32_t filter_size = op->kernel_h * op->kernel_w * op->filter_channels;
    const int32_t filters_a_group = op->out_channels / (op->in_channels / op->filter_channels);
    for (int32_t oc = 0; oc < op->out_channels; ++oc) {
        const int8_t *filter = op->weights + oc * filter_size;
        const int32_t channel = oc / filters_a_group * op->filter_channels;
        const int32_t bias = op->bias[oc];
        const ta_multiplier multiplier = ta_channel_multiplier(&op->requant, oc);
        for (int32_t x = x_start; x < x_stop; ++x) {
            const int32_t acc = accumulate(op, rows, filter, channel, x, bias);
            out[x * op->out_channels + oc] = ta_requantize_s8(&op->requant, multiplier, acc);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_depthwise_conv_2d.h"

/* acc + the sum over the filter of output channel oc, which reads input channel ic. */
static int32_t accumulate(const ta_conv_2d *op, const int8_t *const *taps, int32_t ic, int32_t oc,
                          int32_t acc)
{
    const int8_t *weight = op->weights + oc;
    for (int32_t k = 0; k < op->kernel_h * op->kernel_w; ++k, weight += op->out_channels) {
        acc += *weight * taps[k][ic];
    }
    return acc;
}

void ta_depthwise_conv_2d_s8_c(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                               int32_t x_start, int32_t x_stop)
{
    const int32_t multiplier = op->out_channels / op->in_channels;
    const int8_t **taps = (const int8_t **)op->scratch + op->kernel_h;
    for (int32_t x = x_start; x < x_stop; ++x) {
        int8_t *pixel = out + x * op->out_channels;
        ta_depthwise_taps(op, rows, x, taps);
        for (int32_t oc = 0; oc < op->out_channels; ++oc) {
            const int32_t acc = accumulate(op, taps, oc / multiplier, oc, op->bias[oc]);
            pixel[oc] =
                ta_requantize_s8(&op->requant, ta_channel_multiplier(&op->requant, oc), acc);
        }
    }
}

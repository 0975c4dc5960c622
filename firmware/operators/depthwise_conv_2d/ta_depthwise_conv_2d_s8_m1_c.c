/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_depthwise_conv_2d.h"

static void requantize(const ta_conv_2d *op, int8_t *pixel, int32_t c, int32_t acc)
{
    pixel[c] = ta_requantize_s8(&op->requant, ta_channel_multiplier(&op->requant, c), acc);
}

/* Channels c to c + 3 of one pixel. */
static void four_channels(const ta_conv_2d *op, const int8_t *const *taps, int8_t *pixel,
                          int32_t c)
{
    int32_t acc0 = op->bias[c];
    int32_t acc1 = op->bias[c + 1];
    int32_t acc2 = op->bias[c + 2];
    int32_t acc3 = op->bias[c + 3];
    const int8_t *weights = op->weights + c;
    for (int32_t k = 0; k < op->kernel_h * op->kernel_w; ++k, weights += op->out_channels) {
        const int8_t *in = taps[k] + c;
        acc0 += weights[0] * in[0];
        acc1 += weights[1] * in[1];
        acc2 += weights[2] * in[2];
        acc3 += weights[3] * in[3];
    }
    requantize(op, pixel, c, acc0);
    requantize(op, pixel, c + 1, acc1);
    requantize(op, pixel, c + 2, acc2);
    requantize(op, pixel, c + 3, acc3);
}

static void one_channel(const ta_conv_2d *op, const int8_t *const *taps, int8_t *pixel, int32_t c)
{
    int32_t acc = op->bias[c];
    const int8_t *weight = op->weights + c;
    for (int32_t k = 0; k < op->kernel_h * op->kernel_w; ++k, weight += op->out_channels) {
        acc += *weight * taps[k][c];
    }
    requantize(op, pixel, c, acc);
}

void ta_depthwise_conv_2d_s8_m1_c(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                  int32_t x_start, int32_t x_stop)
{
    const int8_t **taps = (const int8_t **)op->scratch + op->kernel_h;
    for (int32_t x = x_start; x < x_stop; ++x) {
        int8_t *pixel = out + x * op->out_channels;
        int32_t c = 0;
        ta_depthwise_taps(op, rows, x, taps);
        for (; c + 4 <= op->out_channels; c += 4) {
            four_channels(op, taps, pixel, c);
        }
        for (; c < op->out_channels; ++c) {
            one_channel(op, taps, pixel, c);
        }
    }
}

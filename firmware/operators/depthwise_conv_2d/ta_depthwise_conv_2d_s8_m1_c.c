/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_depthwise_conv_2d.h"
#include "ta_linear_c.h"

static void requantize(const ta_conv_2d *op, int8_t *pixel, int32_t c, int32_t acc)
{
    const ta_requant *requant = &op->requant;
    int32_t value;
    if (requant->floors) {
        value = ta_floor(requant, TA_LINEAR_C_FLOOR_SHIFT, 256 * acc + op->bias[c],
                         (int32_t)requant->words[c]);
    } else {
        const ta_multiplier multiplier = ta_channel_multiplier(requant, c);
        value = requant->zero_point +
                ta_scale(acc + op->bias[c], multiplier.mantissa, multiplier.right_shift);
    }
    pixel[c] = ta_clamp_s8(value, requant->lowest, requant->highest);
}

/* Channels c to c + 3 of one pixel. */
static void four_channels(const ta_conv_2d *op, const int8_t *const *taps, int8_t *pixel,
                          int32_t c)
{
    int32_t acc0 = 0;
    int32_t acc1 = 0;
    int32_t acc2 = 0;
    int32_t acc3 = 0;
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

void ta_depthwise_conv_2d_s8_m1_c(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                  int32_t x_start, int32_t x_stop)
{
    const int8_t **taps = (const int8_t **)op->scratch + op->kernel_h;
    for (int32_t x = x_start; x < x_stop; ++x) {
        int8_t *pixel = out + x * op->out_channels;
        ta_depthwise_taps(op, rows, x, taps);
        for (int32_t c = 0; c < op->out_channels; c += 4) {
            /* The last four are made again where channels are no multiple of four. */
            const int32_t last = op->out_channels - 4;
            four_channels(op, taps, pixel, c < last ? c : last);
        }
    }
}

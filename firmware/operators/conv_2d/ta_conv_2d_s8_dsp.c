/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the row pointers: the widened windows of a stretch, then one window as bytes.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_conv_2d.h"
#include "ta_linear_dsp.h"

#include <stdbool.h>
#include <string.h>

/* Copies one row of the window at column `left`, padded; returns its end. */
static int8_t *copy_run(const ta_conv_2d *op, int8_t *line, const int8_t *row, int32_t left,
                        bool together)
{
    const int32_t taps = together ? 1 : op->kernel_w;
    const int32_t count = together ? op->kernel_w * op->in_channels : op->in_channels;
    for (int32_t kx = 0; kx < taps; ++kx) {
        const int32_t column = left + kx * op->dilation_w;
        const bool inside = column >= 0 && column < op->in_width;
        const int8_t *from = inside ? row + column * op->in_channels : op->zero_row;
        for (int32_t k = 0; k < count; ++k) {
            *line++ = from[k];
        }
    }
    return line;
}

/* Widens the window of output column x into a group of `lanes`. Where taps do not fill the last
 * word of `line`, zeros of the filters meet what lies there. */
static void widen_window(const ta_conv_2d *op, const int8_t *const *rows, int32_t x,
                         int32_t *pixel, int32_t lanes, int8_t *line)
{
    const int32_t run = op->kernel_w * op->in_channels;
    const int32_t left = x * op->stride_w - op->pad_left;
    /* Whether taps lie side by side in the input. */
    const bool together =
        op->dilation_w == 1 && left >= 0 && left + op->kernel_w <= op->in_width;
    if (together && run % 4 == 0) {
        for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
            pixel = ta_linear_dsp_widen(pixel, rows[ky] + left * op->in_channels, run / 4, lanes);
        }
        return;
    }
    int8_t *end = line;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        end = copy_run(op, end, rows[ky], left, together);
    }
    (void)ta_linear_dsp_widen(pixel, line, (op->kernel_h * run + 3) / 4, lanes);
}

void ta_conv_2d_s8_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    const int32_t taps = op->kernel_h * op->kernel_w * op->in_channels;
    const ta_linear_dsp layer = {
        .filters = (const int32_t *)(const void *)op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .eights = (taps + 7) / 8,
        .channels = op->out_channels,
    };
    int32_t *const pixels = (int32_t *)op->scratch + op->kernel_h;
    int8_t *const line = (int8_t *)(pixels + 4 * layer.eights * op->stretch);
    while (x_start < x_stop) {
        const int32_t left = x_stop - x_start;
        const int32_t count = left < op->stretch ? left : op->stretch;
        int32_t *group = pixels;
        for (int32_t p = 0; p < count; p += TA_LINEAR_DSP_GROUP) {
            const int32_t lanes = count - p < TA_LINEAR_DSP_GROUP ? count - p : TA_LINEAR_DSP_GROUP;
            for (int32_t lane = 0; lane < lanes; ++lane) {
                widen_window(op, rows, x_start + p + lane, group + lane, lanes, line);
            }
            group += 4 * layer.eights * lanes;
        }
        ta_linear_s8_dsp(&layer, pixels, count, out + x_start * op->out_channels);
        x_start += count;
    }
}

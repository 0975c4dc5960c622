/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution's windows one by one, widened, for cores with the DSP extension; input channels in
 * fours.
 *
 * Scratch after the row pointers: a widened window.
 */
#ifndef TA_WINDOW_QUADS_DSP_H
#define TA_WINDOW_QUADS_DSP_H

#include "ta_conv_2d.h"
#include "ta_linear_dsp.h"
#include "ta_quads_dsp.h"

/* Widens the window at an input column, which lies in part beside the input or in columns apart. */
static void widen_columns(const ta_conv_2d *op, const int8_t *const *rows, int32_t left,
                          int32_t *widened)
{
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        int32_t column = left;
        for (int32_t kx = 0; kx < op->kernel_w; ++kx, column += op->dilation_w) {
            const int32_t inside = column >= 0 && column < op->in_width;
            const int8_t *const pixel =
                inside ? rows[ky] + column * op->in_channels : op->zero_row;
            widened = ta_linear_dsp_widen_pixel(widened, pixel, op->in_channels / 4);
        }
    }
}

static inline void widen_window(const ta_conv_2d *op, const int8_t *const *rows, int32_t left,
                                int32_t *widened)
{
    if (op->kernel_h * op->kernel_w == 1) {
        (void)ta_linear_dsp_widen_pixel(widened, *rows + left * op->in_channels,
                                        op->in_channels / 4);
        return;
    }
    if (op->dilation_w != 1 || left < 0 || left + op->kernel_w > op->in_width) {
        widen_columns(op, rows, left, widened);
        return;
    }
    const int32_t offset = left * op->in_channels;
    const int32_t fours = op->kernel_w * op->in_channels / 4;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        widened = ta_linear_dsp_widen_pixel(widened, rows[ky] + offset, fours);
    }
}

static inline void ta_convolve_quads(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                     int32_t x_start, int32_t x_stop, ta_quads_kernel *kernel)
{
    int32_t *const window = (int32_t *)((const int8_t **)op->scratch + op->kernel_h);
    const int32_t taps = op->kernel_h * op->kernel_w * op->in_channels;
    for (int32_t x = x_start; x < x_stop; ++x) {
        widen_window(op, rows, x * op->stride_w - op->pad_left, window);
        kernel(&op->requant, op->weights, window, ta_linear_dsp_fours(taps), op->out_channels,
               out + x * op->out_channels);
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels,
                        (x_stop - x_start) * op->out_channels);
}

#endif

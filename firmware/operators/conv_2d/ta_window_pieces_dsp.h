/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution's windows as pixels in pieces, for cores with the DSP extension.
 *
 * Scratch after the row pointers: a pointer to each pixel of a window.
 */
#ifndef TA_WINDOW_PIECES_DSP_H
#define TA_WINDOW_PIECES_DSP_H

#include <stdbool.h>

#include "ta_conv_2d.h"
#include "ta_pieces_dsp.h"

/* Points at the pixels of the window at an input column, those beside the input being zero
 * points; or at its rows, where all of it is inside and side by side. */
static inline ta_pieces_dsp ta_window_pieces(const ta_conv_2d *op, const int8_t *const *rows,
                                             int32_t left, const int8_t **pieces)
{
    const bool inside =
        op->dilation_w == 1 && left >= 0 && left + op->kernel_w <= op->in_width;
    ta_pieces_dsp window = {
        .pieces = pieces,
        .count = op->kernel_h,
        .words = op->in_channels / 4,
    };
    if (inside) {
        const int32_t offset = left * op->in_channels;
        for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
            pieces[ky] = rows[ky] + offset;
        }
        window.words *= op->kernel_w;
        return window;
    }
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        int32_t column = left;
        for (int32_t kx = 0; kx < op->kernel_w; ++kx, column += op->dilation_w) {
            const bool beside = column < 0 || column >= op->in_width;
            *pieces++ = beside ? op->zero_row : rows[ky] + column * op->in_channels;
        }
    }
    window.count *= op->kernel_w;
    return window;
}

static inline void ta_convolve_pieces(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                      int32_t x_start, int32_t x_stop, ta_pieces_kernel *kernel)
{
    const int8_t **pieces = (const int8_t **)op->scratch + op->kernel_h;
    for (int32_t x = x_start; x < x_stop; ++x) {
        const ta_pieces_dsp window =
            ta_window_pieces(op, rows, x * op->stride_w - op->pad_left, pieces);
        kernel(&op->requant, op->weights, &window, op->out_channels, out + x * op->out_channels);
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels,
                        (x_stop - x_start) * op->out_channels);
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution by columns: windows are kernel_w input columns side by side, laid in scratch as
 * [columns][kernel_h][in_channels]; where dilation and stride let them, they share columns.
 */
#ifndef TA_COLUMNS_H
#define TA_COLUMNS_H

#include <stdbool.h>
#include <string.h>

#include "ta_conv_2d.h"
#include "ta_linear.h"

/* Copies `bytes` bytes `count` times, between places a step apart; count may be 0 or less. */
typedef void ta_copy_columns(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step,
                             int32_t bytes, int32_t count);

/* In portable C. */
static inline void ta_copy_columns_c(int8_t *to, int32_t to_step, const int8_t *from,
                                     int32_t from_step, int32_t bytes, int32_t count)
{
    for (; count > 0; --count, to += to_step, from += from_step) {
        if (bytes >= 8) {
            memcpy(to, from, (size_t)bytes);
        } else {
            for (int32_t k = 0; k < bytes; ++k) {
                to[k] = from[k];
            }
        }
    }
}

/* Lays input columns x, x + step, ..., `count` of them; those beside the input are of zero
 * points. Returns where the next goes. */
static inline int8_t *ta_lay_columns(const ta_conv_2d *op, const int8_t *const *rows, int8_t *to,
                                     int32_t x, int32_t step, int32_t count, ta_copy_columns *copy)
{
    const int32_t channels = op->in_channels;
    const int32_t column = op->kernel_h * channels;
    int32_t before = 0;
    for (; x < 0 && before < count; x += step) {
        ++before;
    }
    int32_t inside = 0;
    for (int32_t at = x; at < op->in_width && before + inside < count; at += step) {
        ++inside;
    }
    const int32_t after = count - before - inside;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky, to += channels) {
        copy(to, column, op->zero_row, 0, channels, before);
        copy(to + before * column, column, rows[ky] + x * channels, step * channels, channels,
             inside);
        copy(to + (before + inside) * column, column, op->zero_row, 0, channels, after);
    }
    return to + (count - 1) * column;
}

/* The kernel ta_conv_2d_s8_..., by way of the filters over pixels. Scratch after the row
 * pointers holds the columns of `stretch` output pixels. */
static inline void ta_convolve_by_columns(const ta_conv_2d *op, const int8_t *const *rows,
                                          int8_t *out, int32_t x_start, int32_t x_stop,
                                          ta_copy_columns *copy, ta_linear_kernel *linear)
{
    const int32_t column = op->kernel_h * op->in_channels;
    const ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->kernel_w * column,
        .channels = op->out_channels,
    };
    const bool shared = op->dilation_w == 1 && op->stride_w < op->kernel_w;
    const int32_t pitch = shared ? op->stride_w * column : layer.taps;
    int8_t *const columns = (int8_t *)op->scratch + op->kernel_h * (int32_t)sizeof *rows;
    for (int32_t x = x_start; x < x_stop; x += op->stretch) {
        const int32_t count = x_stop - x < op->stretch ? x_stop - x : op->stretch;
        const int32_t left = x * op->stride_w - op->pad_left;
        if (shared) {
            (void)ta_lay_columns(op, rows, columns, left, 1,
                                 (count - 1) * op->stride_w + op->kernel_w, copy);
        } else {
            int8_t *to = columns;
            for (int32_t k = 0; k < count; ++k) {
                to = ta_lay_columns(op, rows, to, left + k * op->stride_w, op->dilation_w,
                                    op->kernel_w, copy);
            }
        }
        linear(&layer, columns, pitch, count, out + x * op->out_channels);
    }
}

/* The same for 1x1 windows, whose pixels are where the input has them. */
static inline void ta_convolve_pixels(const ta_conv_2d *op, const int8_t *const *rows,
                                      int8_t *out, int32_t x_start, int32_t x_stop,
                                      ta_linear_kernel *linear)
{
    const ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->in_channels,
        .channels = op->out_channels,
    };
    const int32_t pitch = op->stride_w * op->in_channels;
    linear(&layer, rows[0] + x_start * pitch, pitch, x_stop - x_start,
           out + x_start * op->out_channels);
}

#endif

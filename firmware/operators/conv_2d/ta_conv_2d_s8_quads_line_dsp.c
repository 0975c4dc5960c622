/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the row pointers: the bytes of a window in one line, in whole words.
 */
#include <string.h>

#include "ta_conv_2d.h"
#include "ta_quads_dsp.h"

static inline int8_t *copy(int8_t *to, const int8_t *from, int32_t count)
{
    const int8_t *const stop = to + count;
    for (; stop - to >= 4; to += 4, from += 4) {
        memcpy(to, from, 4);
    }
    while (to != stop) {
        *to++ = *from++;
    }
    return to;
}

/* The pixels under a row of the window at an input column, zero points beside the input; returns
 * where the next row's go. */
static int8_t *lay_row(const ta_conv_2d *op, const int8_t *row, int32_t left, int8_t *line)
{
    const int32_t pixel = op->in_channels;
    for (int32_t kx = 0; kx < op->kernel_w; ++kx) {
        const int32_t column = left + kx * op->dilation_w;
        if (column >= 0 && column < op->in_width) {
            line = copy(line, row + column * pixel, pixel);
        } else {
            line = memset(line, op->zero_row[0], (size_t)pixel);
            line += pixel;
        }
    }
    return line;
}

static void lay_window(const ta_conv_2d *op, const int8_t *const *rows, int32_t left, int8_t *line)
{
    if (op->dilation_w == 1 && left >= 0 && left + op->kernel_w <= op->in_width) {
        const int32_t offset = left * op->in_channels;
        for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
            line = copy(line, rows[ky] + offset, op->kernel_w * op->in_channels);
        }
        return;
    }
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        line = lay_row(op, rows[ky], left, line);
    }
}

void ta_conv_2d_s8_quads_line_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                  int32_t x_start, int32_t x_stop)
{
    int8_t *const line = (int8_t *)((const int8_t **)op->scratch + op->kernel_h);
    const int8_t *const pieces[] = { line };
    const ta_pieces_dsp window = {
        .pieces = pieces,
        .count = 1,
        .words = (op->kernel_h * op->kernel_w * op->in_channels + 3) / 4,
    };
    for (int32_t x = x_start; x < x_stop; ++x) {
        lay_window(op, rows, x * op->stride_w - op->pad_left, line);
        ta_quads_pieces_s8_dsp(&op->requant, op->weights, &window, op->out_channels,
                               out + x * op->out_channels);
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels,
                        (x_stop - x_start) * op->out_channels);
}

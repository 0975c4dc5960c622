/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the row pointers: a pointer to each pixel of a window.
 */
#include <stdbool.h>

#include "ta_conv_2d.h"
#include "ta_pieces_v6m.h"

void ta_conv_2d_s8_pieces_v6m(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                              int32_t x_start, int32_t x_stop)
{
    const int8_t **const pieces = (const int8_t **)op->scratch + op->kernel_h;
    ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .channels = op->out_channels,
    };
    for (int32_t x = x_start; x < x_stop; ++x) {
        const int32_t left = x * op->stride_w - op->pad_left;
        const bool inside =
            op->dilation_w == 1 && left >= 0 && left + op->kernel_w <= op->in_width;
        const int32_t columns = inside ? 1 : op->kernel_w;
        int32_t count = 0;
        for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
            int32_t column = left;
            for (int32_t kx = 0; kx < columns; ++kx, column += op->dilation_w) {
                const bool beside = column < 0 || column >= op->in_width;
                pieces[count++] = beside ? op->zero_row : rows[ky] + column * op->in_channels;
            }
        }
        layer.taps = op->in_channels * (inside ? op->kernel_w : 1);
        ta_pieces_s8_v6m(&layer, pieces, count, out + x * op->out_channels);
    }
}

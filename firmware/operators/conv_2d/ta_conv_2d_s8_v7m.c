/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_v7m.h"
#include "ta_padded_columns.h"

#define PIXELS TA_LINEAR_V7M_PIXELS

/* Widens the windows of a tile, of which `count` are output pixels from x on, the rest any.
 * columns: kernel_h pointers to be set; copies: as ta_padded_columns needs them. */
static void widen_windows(const ta_conv_2d *op, const int8_t *const *rows, int32_t x,
                          int32_t tile, int32_t count, int32_t *to, const int8_t **columns,
                          int8_t *copies)
{
    const int32_t step = op->stride_w * op->in_channels;
    const int32_t span = (op->kernel_w - 1) * op->dilation_w + 1;
    /* Taps that lie side by side in the input. */
    const int32_t parts = op->dilation_w > 1 ? op->kernel_w : 1;
    const int32_t taps = op->kernel_w / parts * op->in_channels;
    ta_padded_columns(op, rows, x * op->stride_w - op->pad_left, (count - 1) * op->stride_w + span,
                      copies, columns);
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        const int8_t *part = columns[ky];
        for (int32_t k = 0; k < parts; ++k, part += op->dilation_w * op->in_channels) {
            const int8_t *pixels[PIXELS];
            const int8_t *pixel = part;
            for (int32_t p = 0; p < PIXELS; ++p) {
                pixels[p] = pixel;
                pixel += p + 1 < count ? step : 0;
            }
            ta_widen_v7m(to, pixels, tile, taps);
            to += tile * taps;
        }
    }
}

void ta_conv_2d_s8_v7m(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    const ta_linear layer = {
        .filters = op->weights,
        .requant = &op->requant,
        .taps = op->kernel_h * op->kernel_w * op->in_channels,
        .channels = op->out_channels,
    };
    int32_t *const taps = (int32_t *)op->scratch + op->kernel_h;
    const int8_t **const columns = (const int8_t **)(taps + PIXELS * layer.taps);
    int8_t *const copies = (int8_t *)(columns + op->kernel_h);
    int32_t count;
    for (int32_t x = x_start; x < x_stop; x += count) {
        const int32_t tile = ta_tile_v7m(x_stop - x);
        count = x_stop - x < tile ? x_stop - x : tile;
        widen_windows(op, rows, x, tile, count, taps, columns, copies);
        ta_linear_s8_v7m(&layer, taps, tile, count, out + x * op->out_channels);
    }
}

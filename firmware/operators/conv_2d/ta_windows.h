/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution by windows side by side, whose taps are widened to words: kernels that take several
 * pixels with one load.
 */
#ifndef TA_WINDOWS_H
#define TA_WINDOWS_H

#include "ta_linear.h"
#include "ta_padded_columns.h"

/* The most pixels of a tile. */
#define TA_WINDOWS_MOST 6

/* What a core has for tiles. */
typedef struct ta_window_kernels {
    int32_t most;  /* pixels of a tile */
    int32_t joins; /* 1: two pixels share a word */
    /* How many of `left` pixels to take. */
    int32_t (*tile_of)(int32_t left);
    /* Widens taps of a tile's pixels, each from its own place, to [taps][tile >> joins]. */
    void (*widen)(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps);
    /* Makes all channels of the first `count` of a tile's pixels, out[count][channels]. */
    void (*linear)(const ta_linear *layer, const int32_t *taps, int32_t tile, int32_t count,
                   int8_t *out);
} ta_window_kernels;

/* Widens the windows of a tile, of which `count` are output pixels from x on, the rest any.
 * columns: kernel_h pointers to be set; copies: as ta_padded_columns needs them. */
static inline void ta_widen_windows(const ta_conv_2d *op, const int8_t *const *rows, int32_t x,
                                    int32_t tile, int32_t count, int32_t *to,
                                    const int8_t **columns, int8_t *copies,
                                    const ta_window_kernels *kernels)
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
            const int8_t *pixels[TA_WINDOWS_MOST];
            const int8_t *pixel = part;
            for (int32_t p = 0; p < kernels->most; ++p) {
                pixels[p] = pixel;
                pixel += p + 1 < count ? step : 0;
            }
            kernels->widen(to, pixels, tile, taps);
            to += (tile >> kernels->joins) * taps;
        }
    }
}

/* The kernel ta_conv_2d_s8_...; scratch after the row pointers: the taps of `most` pixels as words
 * (where two share one, an even number of taps), kernel_h pointers, and the columns under that many
 * where some lie beside the input. */
static inline void ta_convolve_windows(const ta_conv_2d *op, const int8_t *const *rows,
                                       int8_t *out, int32_t x_start, int32_t x_stop,
                                       const ta_window_kernels *kernels)
{
    const ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->kernel_h * op->kernel_w * op->in_channels,
        .channels = op->out_channels,
    };
    int32_t *const taps = (int32_t *)op->scratch + op->kernel_h;
    const int32_t words = (layer.taps + kernels->joins) >> kernels->joins;
    const int8_t **const columns = (const int8_t **)(taps + kernels->most * words);
    int8_t *const copies = (int8_t *)(columns + op->kernel_h);
    int32_t count;
    for (int32_t x = x_start; x < x_stop; x += count) {
        const int32_t tile = kernels->tile_of(x_stop - x);
        count = x_stop - x < tile ? x_stop - x : tile;
        ta_widen_windows(op, rows, x, tile, count, taps, columns, copies, kernels);
        kernels->linear(&layer, taps, tile, count, out + x * op->out_channels);
    }
}

#endif

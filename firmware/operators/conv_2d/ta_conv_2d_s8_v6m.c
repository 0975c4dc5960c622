/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly elsewhere; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include <stdbool.h>
#include <string.h>

#include "ta_conv_2d.h"
#include "ta_linear_v6m.h"

/* Taps of a part. */
#define PART 32

/* The windows of a tile, and the next of their taps. Windows are pieces whose taps lie side by
 * side: rows, or pixels where some lie beside the input or are dilated. */
typedef struct windows {
    const ta_conv_2d *op;
    const int8_t *const *rows;
    int32_t tile;
    int32_t count;  /* of pixels that there are, the first of the tile */
    int32_t left;   /* column of the first tap of the first pixel */
    int32_t pieces; /* of a row */
    int32_t taps;   /* of a piece */
    int32_t ky;
    int32_t kx;
    int32_t k;
} windows;

/* What lies in scratch, as stacks are short. */
typedef struct state {
    ta_linear layer;
    ta_tile_v6m tile;
    windows windows;
} state;

#ifdef __ARM_ARCH_6M__
typedef char state_is_as_large_as_its_scratch[sizeof(state) == TA_CONV_2D_V6M_STATE ? 1 : -1];
#endif

/* Goes to the first tap of a tile's windows. */
static void rewind_to(windows *w, int32_t x)
{
    const ta_conv_2d *op = w->op;
    const int32_t left = x * op->stride_w - op->pad_left;
    const int32_t last = left + (w->count - 1) * op->stride_w + op->kernel_w;
    const bool by_rows = op->dilation_w == 1 && left >= 0 && last <= op->in_width;
    w->left = left;
    w->pieces = by_rows ? 1 : op->kernel_w;
    w->taps = by_rows ? op->kernel_w * op->in_channels : op->in_channels;
    w->ky = 0;
    w->kx = 0;
    w->k = 0;
}

/* Points at the next tap of the tile's pixels, of missing ones at any. */
static void point_at(const windows *w, const int8_t **pixels)
{
    const ta_conv_2d *op = w->op;
    int32_t column = w->left + w->kx * op->dilation_w;
    for (int32_t p = 0; p < TA_LINEAR_V6M_PIXELS; ++p) {
        const bool beside = column < 0 || column >= op->in_width;
        const int8_t *const pixel =
            beside ? op->zero_row : w->rows[w->ky] + column * op->in_channels;
        pixels[p] = pixel + w->k;
        column += p + 1 < w->count ? op->stride_w : 0;
    }
}

/* Widens the next `taps`. */
static void widen(windows *w, int32_t *to, int32_t taps)
{
    while (taps > 0) {
        const int8_t *pixels[TA_LINEAR_V6M_PIXELS];
        const int32_t run = w->taps - w->k < taps ? w->taps - w->k : taps;
        point_at(w, pixels);
        ta_widen_v6m(to, pixels, w->tile, run);
        to += w->tile * run;
        taps -= run;
        w->k += run;
        if (w->k == w->taps) {
            w->k = 0;
            if (++w->kx == w->pieces) {
                w->kx = 0;
                ++w->ky;
            }
        }
    }
}

void ta_conv_2d_s8_v6m(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    state *const all = (state *)((int8_t *)op->scratch + op->kernel_h * (int32_t)sizeof *rows);
    ta_linear *const layer = &all->layer;
    ta_tile_v6m *const part = &all->tile;
    windows *const w = &all->windows;
    layer->filters = op->weights;
    layer->bias = op->bias;
    layer->requant = &op->requant;
    layer->taps = op->kernel_h * op->kernel_w * op->in_channels;
    layer->channels = op->out_channels;
    const bool in_parts = op->stretch < 5 && layer->taps > PART + layer->channels;
    part->layer = layer;
    part->sums = (int32_t *)(all + 1);
    part->taps = part->sums + (in_parts ? 4 * layer->channels : 0);
    memset(part->start, 0, sizeof part->start);
    w->op = op;
    w->rows = rows;
    for (int32_t x = x_start; x < x_stop; x += part->count) {
        part->tile = op->stretch == 5 && (x_stop - x) % 5 == 0 ? 5 : 4;
        part->count = x_stop - x < part->tile ? x_stop - x : part->tile;
        part->out = out + x * op->out_channels;
        w->tile = part->tile;
        w->count = part->count;
        rewind_to(w, x);
        for (part->from = 0; part->from < layer->taps; part->from = part->stop) {
            const int32_t rest = layer->taps - part->from;
            part->stop = part->from + (in_parts && rest > PART ? PART : rest);
            widen(w, part->taps, part->stop - part->from);
            ta_linear_s8_v6m(part);
        }
    }
}

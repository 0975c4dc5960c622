/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels, for Armv6-M (Cortex-M0): a tile's taps come by one LDM, and weights by LDRB,
 * which unlike LDRSB takes an offset.
 */
#ifndef TA_LINEAR_V6M_H
#define TA_LINEAR_V6M_H

#include "ta_outputs_v6m.h"

/* A tile of four or five pixels, and the part of its taps that has been widened. */
typedef struct ta_tile_v6m {
    /* Filters are [channels][taps], weights plus 128. bias and requant are as in ta_linear_c.h, but
     * where requant->floors, bias is [channels][2], a slope behind each, and requant->words is not
     * read. */
    const ta_linear *layer;
    int32_t *taps; /* [stop - from][tile] */
    int32_t *sums; /* [channels][4], and a word behind them, where there are several parts; tile is 4 */
    int32_t tile;
    int32_t count; /* of pixels that are outputs, the first of the tile; the others may be any */
    int32_t from;  /* the part's first tap, the first part's being 0 */
    int32_t stop;
    int8_t *out; /* [count][channels] */
    int32_t start[TA_LINEAR_V6M_PIXELS]; /* zeros before the first part */
    ta_frame_v6m frame;                  /* this and the next: for ta_linear_s8_v6m */
    ta_exact_v6m exact;
} ta_tile_v6m;

/* Widens taps of a tile's pixels, each from its own place, to [taps][tile]; pixels has five
 * pointers. tile is 4 or 5. */
void ta_widen_v6m(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps);

/* Adds a part's products; with the last part makes all channels of the pixels. */
void ta_linear_s8_v6m(ta_tile_v6m *tile);

#endif

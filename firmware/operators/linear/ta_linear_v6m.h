/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels, for Armv6-M (Cortex-M0): four taps come by one LDM, and weights by LDRB,
 * which unlike LDRSB takes an offset.
 */
#ifndef TA_LINEAR_V6M_H
#define TA_LINEAR_V6M_H

#include "ta_linear.h"

/* Pixels that are taken at a time. */
#define TA_LINEAR_V6M_PIXELS 4

static inline int32_t ta_tile_v6m(int32_t left)
{
    (void)left;
    return TA_LINEAR_V6M_PIXELS;
}

/* Widens taps of four pixels, each from its own place, to [taps][4]; tile is 4. */
void ta_widen_v6m(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps);

/* Makes all channels of the first `count` of four pixels, out[count][channels], widened to
 * taps[layer->taps][4]; pixels beyond those may be any. Filters are [channels][taps], weights plus
 * 128; bias and requant as in ta_linear_c.h. */
void ta_linear_s8_v6m(const ta_linear *layer, const int32_t *taps, int32_t tile, int32_t count,
                      int8_t *out);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels, for cores with Thumb-2 and no instructions for bytes in pairs (Cortex-M3).
 * Taps are widened to words, of which one LDM brings several.
 */
#ifndef TA_LINEAR_V7M_H
#define TA_LINEAR_V7M_H

#include "ta_linear.h"

/* Most pixels that are taken at a time. */
#define TA_LINEAR_V7M_PIXELS 5

/* How many of `left` pixels to take, so that the last are as few as can be beside multiples of
 * five. */
static inline int32_t ta_tile_v7m(int32_t left)
{
    return left % 5 == 0 ? 5 : 4;
}

/* Widens taps of a tile's pixels, each from its own place, to [taps][tile]; pixels has five
 * pointers. tile is 4 or 5. */
void ta_widen_v7m(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps);

/* Makes all channels of the first `count` of a tile's pixels, out[count][channels], widened to
 * taps[layer->taps][tile]; pixels beyond those may be any. Filters are [channels][taps + 9]: behind
 * the taps four bytes each of 2 * bias and the mantissa and a byte of the right shift less 1, as
 * ta_dsp_requant.h bounds them; or, where requant->floors by TA_V7M_FLOOR_SHIFT, of the
 * bias and the slope, and no byte. bias and requant->words are not read, nor is scratch. */
void ta_linear_s8_v7m(const ta_linear *layer, const int32_t *taps, int32_t tile, int32_t count,
                      int8_t *out);

/* Makes all channels of one pixel, out[channels]. Filters are by fours, aligned to words, zeros
 * where there is none: [ceil(taps / 4)][4 filters][4 taps], then the same numbers as above for
 * four filters each. Scratch holds 4 * ceil(taps / 4) words. */
void ta_linear_s8_1_v7m(const ta_linear *layer, const int8_t *pixel, int8_t *out);

#endif

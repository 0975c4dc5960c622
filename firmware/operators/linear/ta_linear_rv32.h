/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels, for RV32IM: its 28 registers hold 16 sums.
 */
#ifndef TA_LINEAR_RV32_H
#define TA_LINEAR_RV32_H

#include "ta_linear.h"

/* Filters are by fours, [ceil(channels / 4)][taps][4], zeros where there is none; bias and requant
 * as in ta_linear_c.h. */
ta_linear_kernel ta_linear_s8_rv32;

/* Makes all channels of one pixel, out[channels]; the same filters. */
void ta_linear_s8_1_rv32(const ta_linear *layer, const int8_t *pixel, int8_t *out);

/* As many as six pixels two to a word, which ta_windows.h calls for. Filters are two by two, the
 * last perhaps with the one before once more: a word, -2^15 for each block; blocks, a byte that says
 * of how many two taps, then those, [2 taps][2 filters]; zeros, one at least, up to a whole word;
 * then of each filter two words, bias and slope of a floor as in ta_linear_c.h, or without floors,
 * twice the bias and the mantissa, and a word of two right shifts less 1. Of odd taps there is
 * another, zero. A filter's weights in a block come to at most 255, signs aside. Aligned to words.
 */
#define TA_LINEAR_PAIRS_RV32_PIXELS 6

/* How many of `left` pixels to take: six or four. */
int32_t ta_tile_pairs_rv32(int32_t left);

/* Joins taps of a tile's pixels, each from its own place, to [taps][tile / 2]. */
void ta_join_pairs_rv32(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps);

/* Makes all channels, two at least, of the first `count` of a tile's pixels, out[count][channels].
 * Reads the word of one tap more where taps are odd. */
void ta_linear_s8_pairs_rv32(const ta_linear *layer, const int32_t *taps, int32_t tile,
                             int32_t count, int8_t *out);

#endif

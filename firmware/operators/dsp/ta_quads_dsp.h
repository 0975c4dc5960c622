/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters four at a time, for cores with the DSP extension: two pairs as in ta_linear_dsp.h, side
 * by side, so that what is loaded of a pixel serves both.
 *
 * Channels are a multiple of four. Quad q: filters 4q and 4q + 1 in one pair, 4q + 2 and 4q + 3 in
 * the other. Taps go in fours, at least two of them, in the order and with the padding of
 * ta_linear_dsp.h; pixels too. Around the taps of a quad lie its constants, in the order in which
 * they are read:
 *   [2] what the sums S of both pairs start from,
 *   [fours][2][2] words of taps: of each four its first two taps of both pairs, then its others,
 *   [2] requantization of both pairs, as it lies behind the taps of a pair there.
 */
#ifndef TA_QUADS_DSP_H
#define TA_QUADS_DSP_H

#include "ta_pieces_dsp.h"
#include "ta_requant.h"

/* Makes all channels of one pixel, [2 * fours] words, out[channels], saturated: the caller clamps
 * them. */
typedef void ta_quads_kernel(const ta_requant *requant, const int8_t *weights,
                             const int32_t *pixel, int32_t fours, int32_t channels, int8_t *out);
ta_quads_kernel ta_quads_s8_dsp;

/* Over the bytes of a pixel of at least eight taps, where they lie: hardly slower, and without
 * scratch. */
ta_pieces_kernel ta_quads_pieces_s8_dsp;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over the bytes of one pixel where they lie, for cores with the DSP extension: slower than
 * over widened pixels, and without scratch for them. Filters are those of ta_linear_dsp.h.
 */
#ifndef TA_PIECES_DSP_H
#define TA_PIECES_DSP_H

#include "ta_requant.h"

/* A pixel in pieces of some words each, which may lie anywhere. */
typedef struct ta_pieces_dsp {
    const int8_t *const *pieces;
    int32_t count; /* of pieces */
    int32_t words; /* of a piece */
} ta_pieces_dsp;

/* Makes all channels of the pixel, out[channels], saturated: the caller clamps them. */
typedef void ta_pieces_kernel(const ta_requant *requant, const int8_t *weights,
                              const ta_pieces_dsp *pixel, int32_t channels, int8_t *out);

ta_pieces_kernel ta_pieces_s8_dsp;

#endif

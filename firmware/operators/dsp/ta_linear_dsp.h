/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over widened pixels, for cores with the DSP extension. A pixel is what one output
 * pixel's filters meet: a window of a convolution, a batch of a fully connected layer.
 *
 * Filters. Two int8 filters w0 and w1 share halfwords 256 * w1[k] + w0[k]. A dual MAC of these
 * halfwords as they lie sums S = 256 * D1 + D0; unpacking their low bytes (one SXTB16) gives w0
 * and with it D0; 256 * D1 = S - D0. That is half the unpacking of two filters.
 *
 * Taps go in fours, in the order 0, 2, 1, 3 in which SXTB16 takes a word apart. Filters are
 * padded with zeros to eights; what pixels have there does not matter. Pixels lie in groups of
 * three, the last group as many as are left: [4 * eights][n] words for a group of n, word
 * [2 * i + h][p] holding taps 4i + h and 4i + h + 2 of pixel p.
 */
#ifndef TA_LINEAR_DSP_H
#define TA_LINEAR_DSP_H

#include "ta_requant.h"

#define TA_LINEAR_DSP_GROUP 3
#define TA_LINEAR_FLOOR_SHIFT 11

typedef struct ta_linear_dsp {
    const int32_t *filters;    /* [(channels + 1) / 2][4 * eights] words, each of two halfwords; where
                                * channels is odd the last pair is that of the last two */
    const int32_t *bias;       /* [channels] */
    const ta_requant *requant;
    int32_t eights;            /* taps of a filter / 8, rounded up */
    int32_t channels;          /* at least 2 */
} ta_linear_dsp;

/* Makes all channels of `count` pixels, out[count][channels]. Accumulators are short of 2^23,
 * right shifts from 1 to 22. Where requant->floors, bias and words are those of a floor (see
 * ta_dsp_requant.h) by TA_LINEAR_FLOOR_SHIFT: 256 * acc + bias is an int32, words are in
 * [1, 2^31). */
void ta_linear_s8_dsp(const ta_linear_dsp *layer, const int32_t *pixels, int32_t count,
                      int8_t *out);

/* Widens 4 * fours taps of a pixel in a group of `lanes`; returns where its next taps go. */
int32_t *ta_linear_dsp_widen(int32_t *pixel, const int8_t *taps, int32_t fours, int32_t lanes);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels, for cores with Helium. A pixel is what one output pixel's filters meet:
 * a window of a convolution, a batch of a fully connected layer. Sixteen taps at a time meet
 * sixteen of a filter in one VMLADAVA; the last ones are predicated, so that nothing beyond a
 * pixel or a filter is read. No alignment is needed.
 */
#ifndef TA_LINEAR_MVE_H
#define TA_LINEAR_MVE_H

#include "ta_requant.h"

typedef struct ta_linear_mve {
    const int8_t *filters; /* [channels][taps] */
    const int32_t *bias;   /* [channels], the input's zero point folded in */
    const ta_requant *requant;
    int32_t taps;
    int32_t channels;
} ta_linear_mve;

/* Makes all channels of `count` pixels, out[count][channels]. Pixel p begins at
 * pixels + p * pitch; pixels may overlap. */
void ta_linear_s8_mve(const ta_linear_mve *layer, const int8_t *pixels, int32_t pitch,
                      int32_t count, int8_t *out);

/* Makes all channels of one pixel, out[channels]. */
void ta_linear_s8_1_mve(const ta_linear_mve *layer, const int8_t *pixel, int8_t *out);

#endif

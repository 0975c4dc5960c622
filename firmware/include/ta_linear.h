/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels: what convolutions and fully connected layers come down to. A pixel is
 * what one output pixel's filters meet, a window of a convolution or a batch of a fully
 * connected layer, its taps one behind the other.
 */
#ifndef TA_LINEAR_H
#define TA_LINEAR_H

#include "ta_requant.h"

/* No alignment is needed. */
typedef struct ta_linear {
    const int8_t *filters; /* [channels][taps] */
    const int32_t *bias;   /* [channels], the input's zero point folded in */
    const ta_requant *requant;
    void *scratch; /* words, where the kernel asks for some */
    int32_t taps;
    int32_t channels;
} ta_linear;

/* Makes all channels of `count` pixels, out[count][channels]. Pixel p begins at
 * pixels + p * pitch; pixels may overlap. */
typedef void ta_linear_kernel(const ta_linear *layer, const int8_t *pixels, int32_t pitch,
                              int32_t count, int8_t *out);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over one pixel as it lies, for Armv6-M (Cortex-M0): four at a time share a tap, without
 * scratch.
 */
#ifndef TA_PIECES_V6M_H
#define TA_PIECES_V6M_H

#include "ta_linear.h"

/* Makes all channels of the pixel that is `count` pieces of layer->taps taps each, out[channels].
 * Filters are by fours, weights plus 128, any where there is none: [ceil(channels / 4)][taps][4];
 * bias and requant as in ta_linear_v6m.h. */
void ta_pieces_s8_v6m(const ta_linear *layer, const int8_t *const *pieces, int32_t count,
                      int8_t *out);

#endif

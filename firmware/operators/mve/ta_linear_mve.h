/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels, for cores with Helium. Sixteen taps at a time meet sixteen of a filter in
 * one VMLADAVA; the last ones are predicated, so that nothing beyond a pixel or a filter is read.
 */
#ifndef TA_LINEAR_MVE_H
#define TA_LINEAR_MVE_H

#include "ta_linear.h"

ta_linear_kernel ta_linear_s8_mve;

/* Makes all channels of one pixel, out[channels]. */
void ta_linear_s8_1_mve(const ta_linear *layer, const int8_t *pixel, int8_t *out);

#endif

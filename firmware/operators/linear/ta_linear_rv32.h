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

#endif

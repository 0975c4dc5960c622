/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels, for cores with Helium. Sixteen taps at a time meet sixteen of a filter in
 * one VMLADAVA; four filters share what is read of a pixel.
 */
#ifndef TA_LINEAR_MVE_H
#define TA_LINEAR_MVE_H

#include "ta_linear.h"

/* Filters are by fours, [channels / 4]: of each, where taps are no multiple of 16, the first
 * taps % 16, [4][8] or [4][16], zeros behind them; then [taps / 16][4][16]. Those beyond the last
 * four are [channels % 4][taps], as in ta_linear.h. No alignment is needed. */
ta_linear_kernel ta_linear_s8_mve;

/* Makes all channels of one pixel, out[channels]; the same filters. */
void ta_linear_s8_1_mve(const ta_linear *layer, const int8_t *pixel, int8_t *out);

/* As ta_linear_s8_mve, makes the channels beyond the last four; nothing is clamped. */
ta_linear_kernel ta_linear_s8_rest_mve;

/* Bytes from the first taps of a filter to those of the next; 0 where there is none of them. */
static inline int32_t ta_mve_rest_step(int32_t taps)
{
    return ((taps & 15) + 7) & ~7;
}

/* Bytes of four filters. */
static inline int32_t ta_mve_four_bytes(int32_t taps)
{
    return 4 * ((taps & ~15) + ta_mve_rest_step(taps));
}

#endif

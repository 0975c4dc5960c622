/* SPDX-License-Identifier: Apache-2.0
 *
 * Requantization on cores with the DSP extension.
 */
#ifndef TA_DSP_REQUANT_H
#define TA_DSP_REQUANT_H

#include "ta_requant.h"

/* Exact requantization of one channel, 1 <= right_shift <= 22, of an accumulator acc, itself
 * short of 2^30:
 *   high = SMMLAR(2 * acc, mantissa, rounding)
 *   out = saturate((high + (acc < 0 ? -1 : 0)) >> right_shift)
 * The sign of the accumulator may stand for the high product's: where they differ that is 0. */
typedef struct ta_dsp_channel {
    int32_t mantissa;
    int32_t rounding; /* half an output and the zero point, before the shift */
    int32_t right_shift;
} ta_dsp_channel;

static inline ta_dsp_channel ta_dsp_channel_of(const ta_requant *requant, int32_t c)
{
    const ta_multiplier multiplier = ta_channel_multiplier(requant, c);
    const int32_t one = 1 << multiplier.right_shift;
    const ta_dsp_channel channel = {
        .mantissa = multiplier.mantissa,
        .rounding = (one >> 1) + requant->zero_point * one,
        .right_shift = multiplier.right_shift,
    };
    return channel;
}

#endif

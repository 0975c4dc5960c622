/* SPDX-License-Identifier: Apache-2.0
 *
 * Requantization of a sum in a register, in assembly for cores with Thumb-2. Other arguments are
 * registers too; `low` is lost.
 */
#ifndef TA_V7M_REQUANT_H
#define TA_V7M_REQUANT_H

#include "ta_requant.h"

/* ta_floor by this shift, saturated to int8: of 256 times the sum, and `bias`. */
#define TA_V7M_FLOOR_SHIFT 11
#define TA_V7M_FLOOR(acc, bias, slope, offset, low)                                               \
    "add " acc ", " bias ", " acc ", lsl #8\n"                                                    \
    "smull " low ", " acc ", " acc ", " slope "\n"                                                \
    "add " acc ", " offset "\n"                                                                   \
    "ssat " acc ", #8, " acc ", asr #11\n"

/* ta_dsp_channel's, saturated to int8: of twice the sum, and `bias`, which is twice the bias.
 * high is lost too. */
#define TA_V7M_ROUND_TWICE(acc, bias, mantissa, rounding, shift, low, high)                       \
    "add " acc ", " bias ", " acc ", lsl #1\n"                                                    \
    "smull " low ", " high ", " acc ", " mantissa "\n"                                            \
    "adds " low ", " low ", " low "\n"                                                            \
    "adc " high ", " high ", " rounding "\n"                                                      \
    "add " high ", " high ", " acc ", asr #31\n"                                                  \
    "asr " high ", " high ", " shift "\n"                                                         \
    "ssat " acc ", #8, " high "\n"

/* What makes a channel's offset: the floor's, or twice the zero point and 1, to be shifted left by
 * the channel's right shift less 1. */
static inline int32_t ta_v7m_offset(const ta_requant *requant)
{
    return requant->floors ? ta_floor_offset(requant, TA_V7M_FLOOR_SHIFT)
                           : 2 * requant->zero_point + 1;
}

#endif

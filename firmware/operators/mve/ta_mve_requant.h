/* SPDX-License-Identifier: Apache-2.0
 *
 * Requantization of four accumulators at a time on cores with Helium. VQRDMULH is gemmlowp's
 * doubling high multiply, and VRSHL rounds halves up; taking one from what is negative makes
 * that away from zero. So it is exact for every multiplier.
 */
#ifndef TA_MVE_REQUANT_H
#define TA_MVE_REQUANT_H

#include <stdbool.h>

#include <arm_mve.h>

#include "ta_requant.h"

/* Constants of the channels of four lanes. */
typedef struct ta_mve_channels {
    int32x4_t left;     /* shift before the multiplication, 0 or more */
    int32x4_t mantissa;
    int32x4_t right;    /* shift after it, 0 or less */
} ta_mve_channels;

/* The constants of channels[lane]. */
static inline ta_mve_channels ta_mve_channels_of(const ta_requant *requant, uint32x4_t channels)
{
    const uint32x4_t places = requant->per_channel ? channels : vdupq_n_u32(0);
    const uint32x4_t words = vldrwq_gather_shifted_offset_u32(requant->words, places);
    const int32x4_t shift =
        requant->right_shifts != NULL
            ? vldrbq_gather_offset_s32(requant->right_shifts, channels)
            : vaddq_n_s32(vreinterpretq_s32_u32(vshrq_n_u32(words, 30)), requant->right_shift);
    const int32x4_t zero = vdupq_n_s32(0);
    const uint32x4_t fraction = vandq_u32(words, vdupq_n_u32(0x3fffffffu));
    const ta_mve_channels found = {
        .left = vmaxq_s32(vnegq_s32(shift), zero),
        .mantissa = vreinterpretq_s32_u32(vorrq_u32(fraction, vdupq_n_u32(0x40000000u))),
        .right = vminq_s32(vnegq_s32(shift), zero),
    };
    return found;
}

/* Outputs, saturated to int8, in the low bytes of the lanes; ranges of accumulators as in
 * ta_requantize_s8. */
static inline int32x4_t ta_mve_requantize_s8(const ta_mve_channels *channels, int32x4_t acc,
                                             int32_t zero_point)
{
    acc = vqrdmulhq_s32(vshlq_s32(acc, channels->left), channels->mantissa);
    acc = vqaddq_s32(acc, vshrq_n_s32(vandq_s32(acc, channels->right), 31));
    acc = vaddq_n_s32(vrshlq_s32(acc, channels->right), zero_point);
    const int16x8_t halves = vqmovnbq_s32(vreinterpretq_s16_s32(acc), acc);
    return vreinterpretq_s32_s8(vqmovnbq_s16(vreinterpretq_s8_s16(halves), halves));
}

/* Whether no channel shifts to the left and all that is below the zero point is clamped to it:
 * then it does not matter how halves of negative values round. */
static inline bool ta_mve_is_simple(const ta_requant *requant)
{
    return requant->lowest >= requant->zero_point && requant->right_shifts == NULL &&
           requant->right_shift >= 0;
}

/* Clamps outputs that were saturated to int8; costs nothing where that is all. */
void ta_clamp_s8_mve(const ta_requant *requant, int8_t *out, int32_t count);

#endif

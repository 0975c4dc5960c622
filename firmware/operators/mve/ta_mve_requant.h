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

/* The constants of channels c to c + 3; words[c] is the first of four, or of one for all. */
static inline ta_mve_channels ta_mve_four_channels(const ta_requant *requant, int32_t c)
{
    const uint32x4_t words = requant->per_channel ? vldrwq_u32(requant->words + c)
                                                  : vdupq_n_u32(requant->words[0]);
    const int32x4_t shift =
        requant->right_shifts != NULL
            ? vldrbq_s32(requant->right_shifts + c)
            : vaddq_n_s32(vreinterpretq_s32_u32(vshrq_n_u32(words, 30)), requant->right_shift);
    const int32x4_t zero = vdupq_n_s32(0);
    const int32x4_t fraction = vbicq_n_s32(vreinterpretq_s32_u32(words), -0x40000000);
    const ta_mve_channels found = {
        .left = vmaxq_s32(vnegq_s32(shift), zero),
        .mantissa = vorrq_n_s32(fraction, 0x40000000),
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

/* The same, where ta_mve_is_simple. */
static inline int32x4_t ta_mve_requantize_simple_s8(const ta_mve_channels *channels,
                                                    int32x4_t acc, int32_t zero_point)
{
    acc = vrshlq_s32(vqrdmulhq_s32(acc, channels->mantissa), channels->right);
    acc = vaddq_n_s32(acc, zero_point);
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

/* What requantization must do beside multiplying and shifting right, rounding halves up. */
typedef enum ta_mve_rounding {
    TA_MVE_HALVES_UP,   /* nothing: all that is below the zero point is clamped to it */
    TA_MVE_HALVES_AWAY, /* round halves of negative values down; all channels shift right */
    TA_MVE_ANY_SHIFT,   /* that, and shift some channels left, or not at all */
} ta_mve_rounding;

static inline ta_mve_rounding ta_mve_rounding_of(const ta_requant *requant, int32_t channels)
{
    int32_t least = requant->right_shift;
    if (requant->right_shifts != NULL) {
        int8x16_t smallest = vdupq_n_s8(INT8_MAX);
        for (int32_t c = 0; c < channels; c += 16) {
            const mve_pred16_t left = vctp8q((uint32_t)(channels - c));
            const int8x16_t shifts = vldrbq_z_s8(requant->right_shifts + c, left);
            smallest = vminq_m_s8(smallest, smallest, shifts, left);
        }
        least = vminvq_s8(INT8_MAX, smallest);
    }
    if (requant->lowest >= requant->zero_point && least >= 0) {
        return TA_MVE_HALVES_UP;
    }
    return least > 0 ? TA_MVE_HALVES_AWAY : TA_MVE_ANY_SHIFT;
}

/* Clamps outputs that were saturated to int8; costs nothing where that is all. */
void ta_clamp_s8_mve(const ta_requant *requant, int8_t *out, int32_t count);

#endif

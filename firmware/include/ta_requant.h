/* SPDX-License-Identifier: Apache-2.0
 *
 * Requantization of int32 accumulators to int8, as TensorFlow Lite Micro does it: gemmlowp's
 * rounding doubling high multiply, then a rounding shift, halves away from zero.
 */
#ifndef TA_REQUANT_H
#define TA_REQUANT_H

#include <stddef.h>
#include <stdint.h>

/* A positive real as mantissa * 2^-(31 + right_shift). The mantissa is in [0, 2^31), the shift
 * in [-30, 31]; a negative one shifts left. */
typedef struct ta_multiplier {
    int32_t mantissa;
    int32_t right_shift;
} ta_multiplier;

/* Constants of a layer.
 * words[c]: bits 0-29 the mantissa less 2^30 of channel c, bits 30-31 added to right_shift;
 * words[0] is every channel's where per_channel is 0.
 * right_shifts[c]: the whole right shift where two bits do not hold the spread, else NULL.
 * Outputs are clamped to [lowest, highest]. */
typedef struct ta_requant {
    const uint32_t *words;
    const int8_t *right_shifts;
    uint8_t per_channel;
    uint8_t floors; /* 1: words are slopes as the kernel defines them */
    int8_t right_shift;
    int8_t zero_point;
    int8_t lowest;
    int8_t highest;
} ta_requant;

/* (a * b * 2) >> 32, rounded to nearest, halves up: gemmlowp's
 * SaturatingRoundingDoublingHighMul. Not both INT32_MIN. */
static inline int32_t ta_doubling_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1LL << 30)) >> 31);
}

/* x / 2^exponent rounded to nearest, halves away from zero; 0 <= exponent <= 31. */
static inline int32_t ta_rounding_shift_right(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << (uint32_t)exponent) - 1u);
    const int32_t remainder = x & mask;
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

/* x * mantissa * 2^-(31 + right_shift), ranges as in ta_multiplier. A left shift that
 * overflows wraps, as it does in TFLM on its usual hosts. */
static inline int32_t ta_scale(int32_t x, int32_t mantissa, int32_t right_shift)
{
    const int32_t left = right_shift < 0 ? -right_shift : 0;
    const int32_t right = right_shift < 0 ? 0 : right_shift;
    const int32_t shifted = (int32_t)((uint32_t)x << (uint32_t)left);
    return ta_rounding_shift_right(ta_doubling_high_multiply(shifted, mantissa), right);
}

static inline int8_t ta_clamp_s8(int32_t x, int32_t lowest, int32_t highest)
{
    return (int8_t)(x < lowest ? lowest : (x > highest ? highest : x));
}

/* The multiplier of channel c. */
static inline ta_multiplier ta_channel_multiplier(const ta_requant *requant, int32_t c)
{
    const uint32_t word = requant->words[requant->per_channel ? c : 0];
    const ta_multiplier multiplier = {
        .mantissa = (int32_t)((word & 0x3fffffffu) | 0x40000000u),
        .right_shift = requant->right_shifts != NULL
                           ? requant->right_shifts[c]
                           : requant->right_shift + (int32_t)(word >> 30),
    };
    return multiplier;
}

/* The int8 output for the accumulator acc; neither it nor its left shift comes within 256 of
 * leaving int32. */
static inline int8_t ta_requantize_s8(const ta_requant *requant, ta_multiplier multiplier,
                                      int32_t acc)
{
    return ta_clamp_s8(ta_scale(acc, multiplier.mantissa, multiplier.right_shift) +
                           requant->zero_point,
                       requant->lowest, requant->highest);
}

/* (a * b) >> 32, for 0 <= b. */
static inline int32_t ta_high_product(int32_t a, int32_t b)
{
#if defined(__ARM_ARCH_6M__)
    /* There is no product of 64 bits: by halves, of which no sum leaves 32. */
    const int32_t a1 = a >> 16;
    const int32_t b1 = b >> 16;
    const uint32_t a0 = (uint32_t)a & 0xffffu;
    const uint32_t b0 = (uint32_t)b & 0xffffu;
    const int32_t middle = a1 * (int32_t)b0 + (int32_t)((a0 * b0) >> 16);
    const uint32_t other = a0 * (uint32_t)b1 + ((uint32_t)middle & 0xffffu);
    return a1 * b1 + (middle >> 16) + (int32_t)(other >> 16);
#else
    return (int32_t)(((int64_t)a * b) >> 32);
#endif
}

/* Requantization by one floor, where the generator proved that it gives the same:
 *   out = (offset + (scaled * word >> 32)) >> shift, scaled = 256 * acc + bias
 * The offset is half an output and the zero point, before the shift; words are in [1, 2^31). */
static inline int32_t ta_floor_offset(const ta_requant *requant, int32_t shift)
{
    return (2 * requant->zero_point + 1) * (INT32_C(1) << (shift - 1));
}

static inline int32_t ta_floor(const ta_requant *requant, int32_t shift, int32_t scaled,
                               int32_t word)
{
    return (ta_floor_offset(requant, shift) + ta_high_product(scaled, word)) >> shift;
}

/* Clamps outputs that were saturated to int8; costs nothing where that is all. */
void ta_clamp_outputs_s8(const ta_requant *requant, int8_t *out, int32_t count);

#endif

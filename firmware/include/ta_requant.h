/* SPDX-License-Identifier: Apache-2.0
 *
 * Requantization of int32 accumulators to int8, as TensorFlow Lite Micro does it: gemmlowp's
 * rounding doubling high multiply, then a rounding shift, halves away from zero.
 */
#ifndef TA_REQUANT_H
#define TA_REQUANT_H

#include <stddef.h>
#include <stdint.h>

/* Constants of a layer with one multiplier for each output channel.
 * words[c]: bits 0-29 the mantissa less 2^30, bits 30-31 added to right_shift.
 * right_shifts[c]: the whole right shift of channel c where two bits do not do, else NULL.
 * A negative right shift shifts left. */
typedef struct ta_requant {
    const uint32_t *words;
    const int8_t *right_shifts;
    int8_t right_shift;
    int8_t zero_point;
    int8_t lowest;
    int8_t highest;
} ta_requant;

/* (a * b * 2) >> 32, rounded to nearest; a = b = INT32_MIN does not occur, as b > 0. */
static inline int32_t ta_doubling_high_multiply(int32_t a, int32_t b)
{
    const int64_t product = (int64_t)a * b;
    const int64_t nudge = product >= 0 ? (1LL << 30) : 1 - (1LL << 30);
    return (int32_t)((product + nudge) / (1LL << 31));
}

/* x / 2^exponent rounded to nearest, halves away from zero; 0 <= exponent <= 31. */
static inline int32_t ta_rounding_shift_right(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)((1u << (uint32_t)exponent) - 1u);
    const int32_t remainder = x & mask;
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

/* x * multiplier * 2^-(31 + right_shift); multiplier in [2^30, 2^31) or 0; right_shift in
 * [-30, 31]. A left shift that overflows wraps, as it does in TFLM on its usual hosts. */
static inline int32_t ta_scale(int32_t x, int32_t multiplier, int32_t right_shift)
{
    if (right_shift < 0) {
        return ta_doubling_high_multiply((int32_t)((uint32_t)x << (uint32_t)-right_shift),
                                         multiplier);
    }
    return ta_rounding_shift_right(ta_doubling_high_multiply(x, multiplier), right_shift);
}

static inline int8_t ta_clamp_s8(int32_t x, int32_t lowest, int32_t highest)
{
    return (int8_t)(x < lowest ? lowest : (x > highest ? highest : x));
}

/* The int8 output of channel c for the accumulator acc. */
static inline int8_t ta_requantize_channel(const ta_requant *requant, int32_t c, int32_t acc)
{
    const uint32_t word = requant->words[c];
    const int32_t multiplier = (int32_t)((word & 0x3fffffffu) | 0x40000000u);
    const int32_t right_shift = requant->right_shifts != NULL
                                    ? requant->right_shifts[c]
                                    : requant->right_shift + (int32_t)(word >> 30);
    return ta_clamp_s8(ta_scale(acc, multiplier, right_shift) + requant->zero_point,
                       requant->lowest, requant->highest);
}

#endif

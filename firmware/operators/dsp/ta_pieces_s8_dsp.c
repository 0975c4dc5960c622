/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_dsp.h"
#include "ta_pieces_dsp.h"

/* The sums of a pair of filters over a pixel. */
typedef struct pair_sums {
    int32_t both;  /* what it starts from, 256 * D1 and D0 */
    int32_t first; /* D0 */
} pair_sums;

/* Adds four taps of a pair of filters, at r1, over the word at r0. */
#define FOUR_TAPS                                                                                 \
    "ldr r8, [%[taps]], #4\n"                                                                     \
    "ldr r4, [%[pair]], #4\n"                                                                     \
    "ldr r5, [%[pair]], #4\n"                                                                     \
    "sxtb16 r6, r8\n"                                                                             \
    "sxtb16 r8, r8, ror #8\n"                                                                     \
    "smlad %[both], r4, r6, %[both]\n"                                                            \
    "sxtb16 r4, r4\n"                                                                             \
    "smlad %[first], r4, r6, %[first]\n"                                                          \
    "smlad %[both], r5, r8, %[both]\n"                                                            \
    "sxtb16 r5, r5\n"                                                                             \
    "smlad %[first], r5, r8, %[first]\n"

/* Adds a piece; returns where the pair goes on. An odd word comes first. */
static inline const int32_t *add_piece(pair_sums *sums, const int32_t *pair, const int8_t *taps,
                                       int32_t words)
{
    int32_t both = sums->both;
    int32_t first = sums->first;
    int32_t twos = (words + 1) / 2;
    __asm__ volatile("lsls r4, %[words], #31\n"
                     "bne 2f\n"
                     "1:\n" FOUR_TAPS "2:\n" FOUR_TAPS "subs %[twos], #1\n"
                     "bne 1b\n"
                     : [both] "+r"(both), [first] "+r"(first), [taps] "+r"(taps),
                       [pair] "+r"(pair), [twos] "+r"(twos)
                     : [words] "r"(words)
                     : "r4", "r5", "r6", "r8", "cc", "memory");
    sums->both = both;
    sums->first = first;
    return pair;
}

static int8_t saturate(int32_t value)
{
    return ta_clamp_s8(value, INT8_MIN, INT8_MAX);
}

/* Both outputs by floors; constants are those behind the taps. */
static void floor_pair(const ta_requant *requant, const pair_sums *sums, const int32_t *constants,
                       int8_t *out)
{
    const int32_t shift = TA_LINEAR_FLOOR_SHIFT;
    const int32_t scaled = sums->first * 256 + constants[1];
    out[0] = saturate(ta_floor(requant, shift, scaled, constants[0]));
    out[1] = saturate(ta_floor(requant, shift, sums->both - sums->first, constants[2]));
}

/* Both outputs exactly. */
static void scale_pair(const ta_requant *requant, const pair_sums *sums, const int32_t *constants,
                       int8_t *out)
{
    const int32_t first = (2 * sums->first + constants[1]) / 2;
    const int32_t second = (sums->both - sums->first) / 256;
    const int32_t shifts[2] = { (constants[2] & 255) + 1, (constants[2] >> 8) + 1 };
    out[0] = saturate(ta_scale(first, constants[0], shifts[0]) + requant->zero_point);
    out[1] = saturate(ta_scale(second, constants[3], shifts[1]) + requant->zero_point);
}

void ta_pieces_s8_dsp(const ta_requant *requant, const int8_t *weights, const ta_pieces_dsp *pixel,
                      int32_t channels, int8_t *out)
{
    const int32_t *pair = (const int32_t *)(const void *)weights;
    const int32_t fours = ta_linear_dsp_fours(4 * pixel->count * pixel->words);
    for (int32_t c = 0; c < channels; c += 2) {
        /* Of an odd number of channels the last two are made again. */
        int8_t *const two = out + (c + 2 <= channels ? c : channels - 2);
        const int32_t *const constants = pair + 1 + 2 * fours;
        pair_sums sums = { .both = *pair++, .first = 0 };
        for (int32_t k = 0; k < pixel->count; ++k) {
            pair = add_piece(&sums, pair, pixel->pieces[k], pixel->words);
        }
        if (requant->floors) {
            floor_pair(requant, &sums, constants, two);
            pair = constants + 3;
        } else {
            scale_pair(requant, &sums, constants, two);
            pair = constants + 4;
        }
    }
}

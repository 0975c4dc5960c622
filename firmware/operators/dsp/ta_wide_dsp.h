/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters widened to int16 in flash, over widened pixels, for cores with the DSP extension: as
 * ta_linear_dsp.h without unpacking, by twice the flash.
 *
 * Groups are of one pixel or two, laid out and widened as there. Filters go in pairs: of each two
 * taps a word of the first filter, then one of the second. What they are multiplied by gives sums
 * that are requantized as they are. Around the taps of a pair lie its constants:
 *   [2] biases, [2 * fours][2] taps, then
 *   floors (see ta_requant.h, by TA_LINEAR_FLOOR_SHIFT): [2] slopes, in [1, 2^31); filters are
 *     times 256, and 256 * acc + bias is an int32;
 *   else, of each of both: mantissa, half an output and the zero point before the shift, right
 *     shift from 1 to 22; filters and biases are times 2, and accumulators short of 2^30.
 */
#ifndef TA_WIDE_DSP_H
#define TA_WIDE_DSP_H

#include "ta_linear_dsp.h"

/* As ta_linear_s8_dsp, of one pixel or two. */
void ta_linear_s8_wide_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out);

/* All pairs of the groups, whose pixels end at `end`: what ta_linear_s8_wide_dsp calls when it has set
 * the layer. Of pixels with k fours a pair takes 10 k + 17 instructions for 4 outputs where k is 2, 4
 * or 6, else 18, and of exact requantization 27. */
void ta_wide_dsp_apply(const ta_linear_dsp *layer, const int32_t *end);

/* How often its loops are unrolled, and bytes of each turn. */
enum {
    TA_WIDE_TWO_TURNS = 32,
    TA_WIDE_TWO_BYTES = 40,
    TA_WIDE_ONE_TURNS = 16,
    TA_WIDE_ONE_BYTES = 32
};

/* Kinds of groups: the number of taps that come first of one pixel, or these; 4 more where
 * requantization is exact. Of two pixels by floors those whose loop runs more than once have a kind,
 * and those that have two, four or six fours. */
enum {
    TA_WIDE_TWO_PIXELS = 3,
    TA_WIDE_TWO_LOOPED = 8,
    TA_WIDE_TWO_STRAIGHT = 8,
    TA_WIDE_MOST_STRAIGHT = 6
};

/* How often a loop of so many turns runs for `rest` of them, and what its first run leaves out. */
static inline void ta_wide_dsp_enter(ta_linear_dsp *layer, int32_t rest, int32_t turns,
                                     int32_t bytes)
{
    layer->turns = rest > turns ? (rest + turns - 1) / turns : 1;
    layer->skip = (layer->turns * turns - rest) * bytes;
}

/* Where the loop is entered for groups of two pixels, and their kind; the first fours are not in the
 * loop. kind is what ta_linear_dsp_of left. */
static inline void ta_wide_dsp_enter_two(ta_linear_dsp *layer)
{
    const int32_t fours = layer->fours;
    ta_wide_dsp_enter(layer, fours - 1, TA_WIDE_TWO_TURNS, TA_WIDE_TWO_BYTES);
    layer->kind = (layer->kind & 4) + TA_WIDE_TWO_PIXELS;
    if (layer->kind == TA_WIDE_TWO_PIXELS) {
        if (layer->turns > 1) {
            layer->kind = TA_WIDE_TWO_LOOPED;
        } else if ((fours & 1) == 0 && fours <= TA_WIDE_MOST_STRAIGHT) {
            layer->kind = TA_WIDE_TWO_STRAIGHT + fours / 2;
        }
    }
}

/* The same of one pixel. */
static inline void ta_wide_dsp_enter_one(ta_linear_dsp *layer)
{
    const int32_t rest = (2 * layer->fours - 1) / 3;
    ta_wide_dsp_enter(layer, rest, TA_WIDE_ONE_TURNS, TA_WIDE_ONE_BYTES);
    layer->kind = (layer->kind & 4) + 2 * layer->fours - 1 - 3 * rest;
}

/* Widens 4 * fours taps of two pixels, wherever they are, into a group; returns where their next
 * taps go. */
int32_t *ta_wide_dsp_widen_two(int32_t *group, const int8_t *first, const int8_t *second,
                               int32_t fours);

/* Four taps of two pixels at r1 and r2, to r0; r4-r8 are lost. 7 instructions. */
#define TA_WIDEN_FOUR_OF_2                                                                        \
    "ldr r7, [r1], #4\n"                                                                          \
    "ldr r8, [r2], #4\n"                                                                          \
    "sxtb16 r4, r7\n"                                                                             \
    "sxtb16 r5, r8\n"                                                                             \
    "sxtb16 r6, r7, ror #8\n"                                                                     \
    "sxtb16 r7, r8, ror #8\n"                                                                     \
    "stmia r0!, {r4, r5, r6, r7}\n"

/* As many fours as r10 says, by two; an odd one comes first. Labels: of the loop, of its middle, and
 * what comes behind it, which may be at once. */
#define TA_WIDEN_TWO(loop, middle, behind)                                                        \
    "adds r10, #1\n"                                                                              \
    "lsrs r10, #1\n"                                                                              \
    "beq " behind "f\n"                                                                           \
    "bcc " middle "f\n" loop ":\n" TA_WIDEN_FOUR_OF_2 middle ":\n" TA_WIDEN_FOUR_OF_2             \
    "subs r10, #1\n"                                                                              \
    "bne " loop "b\n"

#endif

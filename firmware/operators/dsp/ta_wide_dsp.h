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

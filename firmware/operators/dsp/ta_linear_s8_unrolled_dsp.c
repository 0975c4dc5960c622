/* SPDX-License-Identifier: Apache-2.0
 *
 * What ta_linear_s8_dsp does, with more code: loops over taps are unrolled further. That of three
 * pixels counts nothing, so lr holds filters too, and goes straight on to requantization by floors; 16
 * fours run straight into it.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include <stdbool.h>

#include "ta_pairs_dsp.h"

/* How often the loop of three pixels is unrolled, bytes of each turn and of its first two taps, and of
 * four taps of a group. */
enum { TURNS = 10, TURN_BYTES = 100, FIRST_BYTES = 36, FOUR_PIXELS = 24 };

/* Rows of the table below: of three pixels of 16 fours by floors; with two taps before the loop, or
 * four, or two before the second third of a turn: where it runs once by floors, more often, exactly. */
enum { SIXTEEN = 3, ONCE = 7, OFTEN = 10, EXACTLY = 13 };

/* Two taps of three pixels. */
#define TWO_OF_3(filters)                                                                         \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r2, " filters ", r10, r2\n"                                                            \
    "smlad r3, " filters ", r11, r3\n"                                                            \
    "smlad r4, " filters ", r12, r4\n"                                                            \
    "sxtb16 " filters ", " filters "\n"                                                           \
    "smlad r5, " filters ", r10, r5\n"                                                            \
    "smlad r6, " filters ", r11, r6\n"                                                            \
    "smlad r7, " filters ", r12, r7\n"

/* Six: 25 instructions for 36 MACs. */
#define SIX_OF_3 "ldmia.w r1!, {r8, r9, lr}\n" TWO_OF_3("r8") TWO_OF_3("r9") TWO_OF_3("lr")

/* The first two, in r8, behind what S starts from, in r2. */
#define FIRST_OF_3                                                                                \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r3, r8, r11, r2\n"                                                                     \
    "smlad r4, r8, r12, r2\n"                                                                     \
    "smlad r2, r8, r10, r2\n"                                                                     \
    "sxtb16 r8, r8\n"                                                                             \
    "smuad r5, r8, r10\n"                                                                         \
    "smuad r6, r8, r11\n"                                                                         \
    "smuad r7, r8, r12\n"

/* What comes before the loop. */
#define BEGIN_TWO "ldmia r1!, {r2, r8}\n" FIRST_OF_3
#define BEGIN_FOUR "ldmia r1!, {r2, r8, r9}\n" FIRST_OF_3 TWO_OF_3("r9")
#define BEGIN_TURN "ldmia r1!, {r2, r8, r9, lr}\n" FIRST_OF_3

/* Into a loop. That of three pixels asks what comes next where the carry flag is set. */
#define INTO "ldr pc, " ENTRY "\n"
#define SET_CARRY                                                                                 \
    "ldr r0, " PIXELS "\n"                                                                        \
    "cmp r0, #0\n"

/* All pairs of the groups. Of three pixels with k fours a pair takes 49 k / 3 + 45 instructions by
 * floors, its outputs going from the byte behind `out` on. Where a pair starts, r0 is the pixels and
 * carry is clear, as it is when an address below the end was compared with that. */
__attribute__((naked, noinline)) static void apply(const ta_linear_dsp *layer
                                                   __attribute__((unused)))
{
    __asm__ volatile(
        TA_START
        "67:\n" SET_CARRY "61:\n" BEGIN_TWO INTO
        "68:\n" SET_CARRY "62:\n" BEGIN_FOUR INTO
        "69:\n" SET_CARRY "63:\n" BEGIN_TURN INTO
        "64:\n" BEGIN_FOUR
        "1:\n" SIX_OF_3 "2:\n"
        ".rept 9\n" SIX_OF_3 ".endr\n"
        "bcs 24f\n" IS("100", "1b", "2b")
        "23:\n" CONSTANTS FLOORS("r2", "r5") FLOORS("r3", "r6") FLOORS("r4", "r7")
        "strb r5, [r0, #1]!\n"
        "strb r6, [r0, r12]\n"
        "strb r7, [r0, r12, lsl #1]\n"
        "strb r2, [r0, #1]!\n"
        "strb r3, [r0, r12]\n"
        "strb r4, [r0, r12, lsl #1]\n"
        "cmp r0, r11\n"
        "ittt ne\n"
        "strne r0, " OUT "\n"
        "ldrne r0, " PIXELS "\n"
        "ldrne pc, " START "\n"
        "str r0, " OUT "\n"
        "b 80f\n"
        "24:\n"
        "ldrd r8, r9, " PIXELS "\n"
        "add r8, r9\n"
        "cmp r8, r0\n"
        "bne 1b\n"
        "ldr pc, " FINISH "\n"
        /* Two pixels: 50 instructions for 64 MACs. */
        "12:\n" FIRST_OF_2 INTO
        "3:\n" FOUR_OF_2 "4:\n" FOUR_OF_2 FOUR_OF_2 FOUR_OF_2
        TA_AGAIN("3b") IS("48", "3b", "4b") TA_ONE_PIXEL TA_FLOORS_OF_2_AND_1 TA_EXACT
        TA_GROUPS("adds r0, #0\n", "ldr r0, " PIXELS "\n")
        ".balign 4\n"
        "90:\n"
        ".word 5b + 1, 21b + 1, 0, 10b + 1\n"
        ".word 5b + 1, 21b + 1, 0, 11b + 1\n"
        ".word 3b + 1, 22b + 1, 0, 12b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 64b + 1\n"
        ".word 5b + 1, 31b + 1, 51b + 1, 10b + 1\n"
        ".word 5b + 1, 31b + 1, 51b + 1, 11b + 1\n"
        ".word 3b + 1, 32b + 1, 52b + 1, 12b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 61b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 62b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 63b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 67b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 68b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 69b + 1\n"
        ".word 1b + 1, 33b + 1, 53b + 1, 67b + 1\n"
        ".word 1b + 1, 33b + 1, 53b + 1, 68b + 1\n"
        ".word 1b + 1, 33b + 1, 53b + 1, 69b + 1\n");
}

/* The same of three pixels; returns the group's kind. */
static int32_t enter_three(ta_linear_dsp *layer, bool exact)
{
    const int32_t rest = 2 * layer->fours - 1; /* pairs of taps behind the first */
    const int32_t turns = (rest + 1) / 3;
    const int32_t begin = rest % 3;
    const int32_t runs = (turns + TURNS - 1) / TURNS;
    layer->turns = layer->fours * FOUR_PIXELS;
    layer->skip = (runs * TURNS - turns) * TURN_BYTES + (begin >> 1) * FIRST_BYTES;
    if (exact) {
        return EXACTLY + begin;
    }
    if (layer->fours == 16) {
        return SIXTEEN;
    }
    return (runs > 1 ? OFTEN : ONCE) + begin;
}

/* Where and how often the loop runs for a group of `count` pixels, and the group's kind. */
static void enter(ta_linear_dsp *layer, int32_t count, bool exact)
{
    layer->kind = exact ? TA_PAIRS_EXACT : 0;
    ta_pairs_dsp_enter(layer, count);
    if (count == TA_LINEAR_DSP_GROUP) {
        layer->kind = enter_three(layer, exact);
    } else if (count == 2) {
        layer->turns = (layer->fours + 2) >> 2;
        layer->skip = ((1 - layer->fours) & 3) * 48;
    }
}

void ta_linear_s8_unrolled_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out)
{
    const bool exact = (layer->offset & 1) != 0;
    if (count != layer->count) {
        enter(layer, count, exact);
    }
    if (count == TA_LINEAR_DSP_GROUP && !exact) {
        --out;
    }
    layer->out = out;
    layer->end = out + (layer->channels & -2);
    apply(layer);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_pairs_dsp.h"

/* The second half of four taps of three pixels. */
#define HALF_OF_3                                                                                 \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r2, r9, r10, r2\n"                                                                     \
    "smlad r3, r9, r11, r3\n"                                                                     \
    "smlad r4, r9, r12, r4\n"                                                                     \
    "sxtb16 r9, r9\n"                                                                             \
    "smlad r5, r9, r10, r5\n"                                                                     \
    "smlad r6, r9, r11, r6\n"                                                                     \
    "smlad r7, r9, r12, r7\n"

/* Four taps of three pixels: 17 instructions for 24 MACs. */
#define FOUR_OF_3                                                                                 \
    "ldmia.w r1!, {r8, r9}\n"                                                                     \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r2, r8, r10, r2\n"                                                                     \
    "smlad r3, r8, r11, r3\n"                                                                     \
    "smlad r4, r8, r12, r4\n"                                                                     \
    "sxtb16 r8, r8\n"                                                                             \
    "smlad r5, r8, r10, r5\n"                                                                     \
    "smlad r6, r8, r11, r6\n"                                                                     \
    "smlad r7, r8, r12, r7\n" HALF_OF_3

/* The first four, behind what S starts from. */
#define FIRST_OF_3                                                                                \
    "ldmia r1!, {r2, r8, r9}\n"                                                                   \
    "ldrd r0, lr, " PIXELS "\n"                                                                   \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r3, r8, r11, r2\n"                                                                     \
    "smlad r4, r8, r12, r2\n"                                                                     \
    "smlad r2, r8, r10, r2\n"                                                                     \
    "sxtb16 r8, r8\n"                                                                             \
    "smuad r5, r8, r10\n"                                                                         \
    "smuad r6, r8, r11\n"                                                                         \
    "smuad r7, r8, r12\n" HALF_OF_3

/* All pairs of the groups. */
__attribute__((naked, noinline)) static void apply(const ta_linear_dsp *layer
                                                   __attribute__((unused)))
{
    __asm__ volatile(
        TA_START
        /* Three pixels: 70 instructions for 96 MACs. */
        "13:\n" FIRST_OF_3 "ldr pc, " ENTRY "\n"
        "1:\n" FOUR_OF_3 "2:\n" FOUR_OF_3 FOUR_OF_3 FOUR_OF_3 TA_AGAIN("1b") IS("68", "1b", "2b")
        /* Two: 26 for 32. */
        "12:\n" FIRST_OF_2 "ldr pc, " ENTRY "\n"
        "3:\n" FOUR_OF_2 "4:\n" FOUR_OF_2 TA_AGAIN("3b") IS("48", "3b", "4b") TA_ONE_PIXEL
        "23:\n" CONSTANTS FLOORS("r2", "r5") FLOORS("r3", "r6") FLOORS("r4", "r7")
        "strb r6, [r0, r12]\n"
        "strb r7, [r0, r12, lsl #1]\n"
        "strb r5, [r0], #1\n"
        "strb r3, [r0, r12]\n"
        "strb r4, [r0, r12, lsl #1]\n"
        "strb r2, [r0], #1\n" NEXT
        "bne 13b\n"
        "b 80f\n" TA_FLOORS_OF_2_AND_1 TA_EXACT TA_GROUPS("", "")
        ".balign 4\n"
        "90:\n"
        ".word 5b + 1, 21b + 1, 0, 10b + 1\n"
        ".word 5b + 1, 21b + 1, 0, 11b + 1\n"
        ".word 3b + 1, 22b + 1, 0, 12b + 1\n"
        ".word 1b + 1, 23b + 1, 0, 13b + 1\n"
        ".word 5b + 1, 31b + 1, 51b + 1, 10b + 1\n"
        ".word 5b + 1, 31b + 1, 51b + 1, 11b + 1\n"
        ".word 3b + 1, 32b + 1, 52b + 1, 12b + 1\n"
        ".word 1b + 1, 33b + 1, 53b + 1, 13b + 1\n");
}

void ta_linear_s8_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out)
{
    if (count != layer->count) {
        ta_pairs_dsp_enter(layer, count);
    }
    layer->out = out;
    layer->end = out + (layer->channels & -2);
    apply(layer);
}

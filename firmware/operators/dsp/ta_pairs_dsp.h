/* SPDX-License-Identifier: Apache-2.0
 *
 * Pairs of filters over groups of pixels, for cores with the DSP extension: what kernels share that
 * differ in how they take three pixels. Who includes this says that in a piece of assembly that makes
 * all pairs of the groups: it begins with TA_START and ends with TA_GROUPS. Its table, 90, has for
 * each kind of group, of four words: the loop over taps, where pairs are requantized, there their second
 * filter where that goes on its own, and where the next pair starts. Kinds 0 to 2 are one pixel of an
 * even number of fours, one of an odd number, and two; 4 to 6 the same where requantization is exact.
 *
 * Registers: r0 pixels, then out; r1 pairs; r2-r4 the sums S of pixels 0 to 2, r5-r7 their sums
 * D0; r8-r9 filters, r10-r12 taps, lr the count; later constants. A group of two uses the sums of
 * pixels 1 and 2, a single pixel those of pixel 2. Everything else waits on the stack: the first
 * six members of ta_linear_dsp, four addresses, and what is left to do.
 */
#ifndef TA_PAIRS_DSP_H
#define TA_PAIRS_DSP_H

#include "ta_dsp_requant.h"
#include "ta_linear_dsp.h"

#define OUT "[sp]"
#define CHANNELS "[sp, #8]"
#define OFFSET "[sp, #12]"
#define PIXELS "[sp, #16]" /* and turns of the loop */
#define ENTRY "[sp, #24]"  /* of the loop */
#define FINISH "[sp, #28]" /* where a pair is requantized */
#define SECOND "[sp, #32]" /* its second filter, where that goes on its own */
#define START "[sp, #36]"  /* where the next pair starts */
#define ODD "[sp, #40]"    /* whether the last two channels of an odd number are left, and groups */
#define LAYER "[sp, #48]"

/* Four taps of pixels 1 and 2: 12 instructions for 16 MACs. */
#define FOUR_OF_2                                                                                 \
    "ldmia.w r1!, {r2, r5}\n"                                                                     \
    "ldmia r0!, {r9, r10, r11, r12}\n"                                                            \
    "smlad r3, r2, r9, r3\n"                                                                      \
    "smlad r4, r2, r10, r4\n"                                                                     \
    "sxtb16 r2, r2\n"                                                                             \
    "smlad r6, r2, r9, r6\n"                                                                      \
    "smlad r7, r2, r10, r7\n"                                                                     \
    "smlad r3, r5, r11, r3\n"                                                                     \
    "smlad r4, r5, r12, r4\n"                                                                     \
    "sxtb16 r5, r5\n"                                                                             \
    "smlad r6, r5, r11, r6\n"                                                                     \
    "smlad r7, r5, r12, r7\n"

#define FIRST_OF_2                                                                                \
    "ldmia r1!, {r2, r5, r8}\n"                                                                   \
    "ldrd r0, lr, " PIXELS "\n"                                                                   \
    "ldmia r0!, {r9, r10, r11, r12}\n"                                                            \
    "smlad r3, r5, r9, r2\n"                                                                      \
    "smlad r4, r5, r10, r2\n"                                                                     \
    "sxtb16 r5, r5\n"                                                                             \
    "smuad r6, r5, r9\n"                                                                          \
    "smuad r7, r5, r10\n"                                                                         \
    "smlad r3, r8, r11, r3\n"                                                                     \
    "smlad r4, r8, r12, r4\n"                                                                     \
    "sxtb16 r8, r8\n"                                                                             \
    "smlad r6, r8, r11, r6\n"                                                                     \
    "smlad r7, r8, r12, r7\n"

/* Eight taps of pixel 2: 14 instructions for 16 MACs. */
#define EIGHT_OF_1                                                                                \
    "ldmia.w r1!, {r2, r3, r5, r6}\n"                                                             \
    "ldmia r0!, {r9, r10, r11, r12}\n"                                                            \
    "smlad r4, r2, r9, r4\n"                                                                      \
    "sxtb16 r2, r2\n"                                                                             \
    "smlad r7, r2, r9, r7\n"                                                                      \
    "smlad r4, r3, r10, r4\n"                                                                     \
    "sxtb16 r3, r3\n"                                                                             \
    "smlad r7, r3, r10, r7\n"                                                                     \
    "smlad r4, r5, r11, r4\n"                                                                     \
    "sxtb16 r5, r5\n"                                                                             \
    "smlad r7, r5, r11, r7\n"                                                                     \
    "smlad r4, r6, r12, r4\n"                                                                     \
    "sxtb16 r6, r6\n"                                                                             \
    "smlad r7, r6, r12, r7\n"

/* The first four taps, where their number is no multiple of eight. */
#define FIRST_OF_1                                                                                \
    "ldmia r1!, {r4, r5, r6}\n"                                                                   \
    "ldrd r0, lr, " PIXELS "\n"                                                                   \
    "ldmia r0!, {r9, r10}\n"                                                                      \
    "smlad r4, r5, r9, r4\n"                                                                      \
    "sxtb16 r5, r5\n"                                                                             \
    "smuad r7, r5, r9\n"                                                                          \
    "smlad r4, r6, r10, r4\n"                                                                     \
    "sxtb16 r6, r6\n"                                                                             \
    "smlad r7, r6, r10, r7\n"

/* What sums start from, where it is a multiple. */
#define BIAS_OF_1                                                                                 \
    "ldrd r0, lr, " PIXELS "\n"                                                                   \
    "ldr r4, [r1], #4\n"                                                                          \
    "movs r7, #0\n"

#define TA_AGAIN(loop)                                                                               \
    "subs lr, #1\n"                                                                               \
    "bne " loop "\n"                                                                              \
    "ldr pc, " FINISH "\n"

/* After the sums: r0 out, r11 its end, r12 the channels, lr the offset, r8-r10 constants. */
#define CONSTANTS                                                                                 \
    "ldmia sp, {r0, r11, r12, lr}\n"                                                              \
    "ldmia r1!, {r8, r9, r10}\n"

/* Both outputs of a pixel by floors. */
#define FLOORS(s, d)                                                                              \
    "sub " s ", " s ", " d "\n"                                                                   \
    "add " d ", r9, " d ", lsl #8\n"                                                              \
    "smmla " s ", " s ", r10, lr\n"                                                               \
    "smmla " d ", " d ", r8, lr\n"                                                                \
    "ssat " s ", #8, " s ", asr #11\n"                                                            \
    "ssat " d ", #8, " d ", asr #11\n"

/* Goes on to the next pair, if any. */
#define NEXT                                                                                      \
    "str r0, " OUT "\n"                                                                           \
    "cmp r0, r11\n"

/* The first output of a pixel, exactly (see ta_dsp_requant.h), and 256 times the second's sum. */
#define EXACT_0(s, d)                                                                             \
    "sub " s ", " s ", " d "\n"                                                                   \
    "add " d ", r9, " d ", lsl #1\n"                                                              \
    "add r11, lr, " d ", asr #31\n"                                                               \
    "smmlar " d ", " d ", r8, r11\n"                                                              \
    "asr " d ", " d ", r10\n"                                                                     \
    "ssat " d ", #8, " d ", asr #1\n"                                                             \
    "strb " d ", [r0]\n"                                                                          \
    "add r0, r12\n"

/* The second. */
#define EXACT_1(s)                                                                                \
    "asr " s ", " s ", #7\n"                                                                      \
    "add r11, lr, " s ", asr #31\n"                                                               \
    "smmlar " s ", " s ", r8, r11\n"                                                              \
    "asr " s ", " s ", r10\n"                                                                     \
    "ssat " s ", #8, " s ", asr #1\n"                                                             \
    "strb " s ", [r0, #-1]\n"                                                                     \
    "add r0, r12\n"

/* The loop is entered so many bytes from its start for each four, or eight, that is to be left out:
 * ta_linear_s8_dsp reckons with them. */
#define IS(bytes, from, to) ".if " to " - " from " != " bytes "\n.error \"size\"\n.endif\n"

/* What waits is laid on the stack. */
#define TA_START                                                                                  \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "ldr r3, [r0, #36]\n"                                                                         \
    "adr r2, 90f\n"                                                                               \
    "add r2, r2, r3, lsl #4\n"                                                                    \
    "ldmia r2, {r10, r11, r12, lr}\n"                                                             \
    "ldr r4, [r0, #8]\n"                                                                          \
    "and r4, r4, #1\n"                                                                            \
    "ldr r5, [r0, #44]\n"                                                                         \
    "mov r6, r0\n"                                                                                \
    "push {r4, r5, r6}\n"                                                                         \
    "ldmia r0!, {r4, r5, r6, r7, r8, r9}\n"                                                       \
    "ldr r0, [r0]\n"                                                                              \
    "add r10, r0\n"                                                                               \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}\n"                                          \
    "b 83f\n"

/* One pixel: 30 instructions for 32 MACs. */
#define TA_ONE_PIXEL                                                                              \
    "11:\n" FIRST_OF_1 "ldr pc, " ENTRY "\n"                                                      \
    "10:\n" BIAS_OF_1 "ldr pc, " ENTRY "\n"                                                       \
    "5:\n" EIGHT_OF_1 "6:\n" EIGHT_OF_1 TA_AGAIN("5b") IS("56", "5b", "6b")

/* Pairs of two pixels and of one by floors. */
#define TA_FLOORS_OF_2_AND_1                                                                      \
    "22:\n" CONSTANTS FLOORS("r3", "r6") FLOORS("r4", "r7")                                       \
    "strb r7, [r0, r12]\n"                                                                        \
    "strb r6, [r0], #1\n"                                                                         \
    "strb r4, [r0, r12]\n"                                                                        \
    "strb r3, [r0], #1\n" NEXT                                                                    \
    "bne 12b\n"                                                                                   \
    "b 80f\n"                                                                                     \
    "21:\n" CONSTANTS FLOORS("r4", "r7")                                                          \
    "strb r7, [r0], #1\n"                                                                         \
    "strb r4, [r0], #1\n" NEXT                                                                    \
    "beq 80f\n"                                                                                   \
    "ldr pc, " START "\n"

/* Exact pairs, of three pixels too. r10: the right shifts less 1; a shift takes the lowest byte.
 * lr: half an output and the zero point, before the shift. */
#define TA_EXACT                                                                                  \
    "33:\n" CONSTANTS "lsl lr, lr, r10\n" EXACT_0("r2", "r5")                                     \
    "b 42f\n"                                                                                     \
    "32:\n" CONSTANTS "lsl lr, lr, r10\n"                                                         \
    "42:\n" EXACT_0("r3", "r6")                                                                   \
    "b 41f\n"                                                                                     \
    "31:\n" CONSTANTS "lsl lr, lr, r10\n"                                                         \
    "41:\n" EXACT_0("r4", "r7")                                                                   \
    "ldrd r0, r11, " OUT "\n"                                                                     \
    "ldr r8, [r1], #4\n"                                                                          \
    "ldr lr, " OFFSET "\n"                                                                        \
    "lsr r10, r10, #8\n"                                                                          \
    "lsl lr, lr, r10\n"                                                                           \
    "adds r0, #2\n" NEXT                                                                          \
    "ldr pc, " SECOND "\n"                                                                        \
    "53:\n" EXACT_1("r2")                                                                         \
    "52:\n" EXACT_1("r3")                                                                         \
    "51:\n" EXACT_1("r4")                                                                         \
    "beq 80f\n"                                                                                   \
    "ldr pc, " START "\n"

/* The last two of an odd number of channels; then the next group. `first` and `before`: what comes before
 * the first pair of each; r0 may be lost. */
#define TA_GROUPS(first, before)                                                                  \
    "80:\n"                                                                                       \
    "ldrd r6, r7, " OUT "\n"                                                                      \
    "ldrd r4, r5, " ODD "\n"                                                                      \
    "cbnz r4, 81f\n"                                                                              \
    "subs r5, #1\n"                                                                               \
    "beq 84f\n"                                                                                   \
    "ldr r12, " CHANNELS "\n"                                                                     \
    "and r4, r12, #1\n"                                                                           \
    "strd r4, r5, " ODD "\n"                                                                      \
    "add r6, r7, r12, lsl #1\n"                                                                   \
    "add r7, r6, r12\n"                                                                           \
    "subs r7, r4\n"                                                                               \
    "strd r6, r7, " OUT "\n"                                                                      \
    "83:\n"                                                                                       \
    "ldr r4, " LAYER "\n"                                                                         \
    "ldr r0, [r4, #16]\n"                                                                         \
    "ldrd r2, r12, [r4, #48]\n"                                                                   \
    "cbz r2, 82f\n"                                                                               \
    "blx r2\n"                                                                                    \
    "82:\n" first                                                                                 \
    "ldr r4, " LAYER "\n"                                                                         \
    "ldr r1, [r4, #32]\n" before                                                                  \
    "ldr pc, " START "\n"                                                                         \
    "81:\n"                                                                                       \
    "subs r6, #1\n"                                                                               \
    "adds r7, #1\n"                                                                               \
    "strd r6, r7, " OUT "\n"                                                                      \
    "movs r4, #0\n"                                                                               \
    "str r4, " ODD "\n" before                                                                    \
    "ldr pc, " START "\n"                                                                         \
    "84:\n"                                                                                       \
    "add sp, #52\n"                                                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* Of a layer's kind, where requantization is exact. */
#define TA_PAIRS_EXACT 4

/* Where and how often the loop runs for a group of `count` pixels, and the group's kind; of three as
 * ta_linear_s8_dsp has it. */
static inline void ta_pairs_dsp_enter(ta_linear_dsp *layer, int32_t count)
{
    const int32_t fours = layer->fours;
    const int32_t rest = fours - 1; /* the first are not in the loop */
    layer->count = count;
    if (count == 1) {
        layer->turns = ((fours >> 1) + 1) >> 1;
        layer->skip = (fours >> 1 & 1) * 56;
        count = fours & 1;
    } else if (count == 2) {
        layer->turns = (rest + 1) >> 1;
        layer->skip = (rest & 1) * 48;
    } else {
        layer->turns = (rest + 3) >> 2;
        layer->skip = (-rest & 3) * 68;
    }
    layer->kind = (layer->kind & TA_PAIRS_EXACT) + count;
}

#endif

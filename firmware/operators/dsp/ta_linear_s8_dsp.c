/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: r0 pixels, then out; r1 pairs; r2-r4 the sums S of pixels 0 to 2, r5-r7 their sums
 * D0; r8-r9 filters, r10-r12 taps, lr the count; later constants. A group of two uses the sums of
 * pixels 1 and 2, a single pixel those of pixel 2. Everything else waits on the stack:
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_dsp_requant.h"
#include "ta_linear_dsp.h"

#define START "[sp]"       /* where a pair starts, for a group of this size */
#define FINISH "[sp, #4]"  /* where it is requantized */
#define SECOND "[sp, #8]"  /* its second filter, where that goes on its own */
#define PIXELS "[sp, #12]" /* the first six members of ta_linear_dsp */
#define OUT "#20"
#define OFFSET "[sp, #32]"

/* Four taps of three pixels: 17 instructions for 24 MACs. */
#define FOUR_OF_3                                                                                 \
    "ldmia r1!, {r8, r9}\n"                                                                       \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r2, r8, r10, r2\n"                                                                     \
    "smlad r3, r8, r11, r3\n"                                                                     \
    "smlad r4, r8, r12, r4\n"                                                                     \
    "sxtb16 r8, r8\n"                                                                             \
    "smlad r5, r8, r10, r5\n"                                                                     \
    "smlad r6, r8, r11, r6\n"                                                                     \
    "smlad r7, r8, r12, r7\n"                                                                     \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r2, r9, r10, r2\n"                                                                     \
    "smlad r3, r9, r11, r3\n"                                                                     \
    "smlad r4, r9, r12, r4\n"                                                                     \
    "sxtb16 r9, r9\n"                                                                             \
    "smlad r5, r9, r10, r5\n"                                                                     \
    "smlad r6, r9, r11, r6\n"                                                                     \
    "smlad r7, r9, r12, r7\n"

/* Four taps of pixels 1 and 2: 12 instructions for 16 MACs. */
#define FOUR_OF_2                                                                                 \
    "ldmia r1!, {r2, r5}\n"                                                                       \
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

/* Eight taps of pixel 2: 14 instructions for 16 MACs. */
#define EIGHT_OF_1                                                                                \
    "ldmia r1!, {r2, r3, r5, r6}\n"                                                               \
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

/* Sixteen taps a turn; an odd number of eights starts in the middle. */
#define SUMS(eight)                                                                               \
    "bcc 2f\n"                                                                                    \
    "1:\n" eight "2:\n" eight "subs lr, #1\n"                                                     \
    "bne 1b\n"

/* After the sums: r0 the next pair's out, r8-r10 constants, r12 the channels, lr the offset. The
 * flags tell until the end whether this was the last pair. */
#define GO_ON                                                                                     \
    "add r0, sp, " OUT "\n"                                                                       \
    "ldmia r0, {r0, r11, r12, lr}\n"                                                              \
    "ldmia r1!, {r8, r9, r10}\n"                                                                  \
    "adds r0, #2\n"                                                                               \
    "str r0, [sp, " OUT "]\n"                                                                     \
    "cmp r0, r11\n"                                                                               \
    "ldr pc, " FINISH "\n"

/* Both outputs of a pixel by floors. */
#define FLOORS(s, d)                                                                              \
    "sub " s ", " s ", " d "\n"                                                                   \
    "add " d ", r9, " d ", lsl #8\n"                                                              \
    "smmla " s ", " s ", r10, lr\n"                                                               \
    "smmla " d ", " d ", r8, lr\n"                                                                \
    "ssat " s ", #8, " s ", asr #11\n"                                                            \
    "ssat " d ", #8, " d ", asr #11\n"                                                            \
    "strb " s ", [r0, #-1]\n"                                                                     \
    "strb " d ", [r0, #-2]\n"                                                                     \
    "add r0, r12\n"

/* The first output of a pixel, exactly (see ta_dsp_requant.h), and 256 times the second's sum. */
#define EXACT_0(s, d)                                                                             \
    "sub " s ", " s ", " d "\n"                                                                   \
    "add " d ", r9, " d ", lsl #1\n"                                                              \
    "add r11, lr, " d ", asr #31\n"                                                               \
    "smmlar " d ", " d ", r8, r11\n"                                                              \
    "asr " d ", " d ", r10\n"                                                                     \
    "ssat " d ", #8, " d ", asr #1\n"                                                             \
    "strb " d ", [r0, #-2]\n"                                                                     \
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

/* All pairs of a group, kind: three less its pixels, and three more where requantization is
 * exact. Returns the end of the pairs. */
__attribute__((naked, noinline)) static const int32_t *apply(
    const ta_linear_dsp *layer __attribute__((unused)),
    const int32_t *pairs __attribute__((unused)), int32_t kind __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "adr r3, 90f\n"
        "add r2, r2, r2, lsl #1\n"
        "add r3, r3, r2, lsl #2\n"
        "ldmia r3, {r4, r5, r6}\n"
        "ldmia r0, {r7, r8, r9, r10, r11, r12}\n"
        "push {r4, r5, r6, r7, r8, r9, r10, r11, r12}\n"
        "bx r4\n"
        /* Three pixels: 68 instructions for 96 MACs. */
        "13:\n"
        "ldrd r0, lr, " PIXELS "\n"
        "ldr r2, [r1], #4\n"
        "movs r5, #0\n"
        "mov r6, r5\n"
        "mov r7, r5\n"
        "mov r3, r2\n"
        "mov r4, r2\n"
        "lsrs lr, lr, #1\n" SUMS(FOUR_OF_3 FOUR_OF_3) GO_ON
        /* Two. */
        "12:\n"
        "ldrd r0, lr, " PIXELS "\n"
        "ldr r3, [r1], #4\n"
        "movs r6, #0\n"
        "mov r7, r6\n"
        "mov r4, r3\n"
        "sub lr, #1\n"
        "lsl lr, lr, #1\n"
        "1:\n" FOUR_OF_2 "subs lr, #1\n"
        "bne 1b\n" GO_ON
        /* One. */
        "11:\n"
        "ldrd r0, lr, " PIXELS "\n"
        "ldr r4, [r1], #4\n"
        "movs r7, #0\n"
        "lsrs lr, lr, #1\n" SUMS(EIGHT_OF_1) GO_ON
        "23:\n" FLOORS("r2", "r5")
        "22:\n" FLOORS("r3", "r6")
        "21:\n" FLOORS("r4", "r7")
        "beq 80f\n"
        "ldr pc, " START "\n"
        /* r10: the right shifts less 1; a shift takes the lowest byte. lr: half an output and the
         * zero point, before the shift. */
        "33:\n" "lsl lr, lr, r10\n" EXACT_0("r2", "r5")
        "b 42f\n"
        "32:\n" "lsl lr, lr, r10\n"
        "42:\n" EXACT_0("r3", "r6")
        "b 41f\n"
        "31:\n" "lsl lr, lr, r10\n"
        "41:\n" EXACT_0("r4", "r7")
        "ldr r0, [sp, " OUT "]\n"
        "ldr r8, [r1], #4\n"
        "ldr lr, " OFFSET "\n"
        "lsr r10, r10, #8\n"
        "lsl lr, lr, r10\n"
        "ldr pc, " SECOND "\n"
        "53:\n" EXACT_1("r2")
        "52:\n" EXACT_1("r3")
        "51:\n" EXACT_1("r4")
        "beq 80f\n"
        "ldr pc, " START "\n"
        "80:\n"
        "mov r0, r1\n"
        "add sp, #36\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
        ".balign 4\n"
        "90:\n"
        ".word 13b + 1, 23b + 1, 0\n"
        ".word 12b + 1, 22b + 1, 0\n"
        ".word 11b + 1, 21b + 1, 0\n"
        ".word 13b + 1, 33b + 1, 53b + 1\n"
        ".word 12b + 1, 32b + 1, 52b + 1\n"
        ".word 11b + 1, 31b + 1, 51b + 1\n");
}

void ta_linear_s8_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out)
{
    const int32_t kind = layer->kind - count;
    const int32_t odd = layer->channels & 1;
    layer->out = out;
    layer->end = out + layer->channels - odd;
    const int32_t *last = apply(layer, layer->pairs, kind);
    if (odd) {
        layer->out = layer->end - 1;
        layer->end += 1;
        (void)apply(layer, last, kind);
    }
}

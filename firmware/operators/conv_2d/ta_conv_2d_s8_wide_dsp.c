/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#define TA_KNOWN_WORDS
#include "ta_known_windows_dsp.h"
#include "ta_wide_dsp.h"

/* Windows of one row of whole words: 8 instructions for four taps of both, and 11. */
__attribute__((naked)) static void widen_words(void)
{
    __asm__ volatile("ldr r1, [r12]\n"
                     "ldrd r3, r10, [r12, #12]\n"
                     "add r2, r1, r3\n"
                     "add r3, r2\n"
                     "str r3, [r12]\n" TA_WIDEN_TWO("1", "2", "3")
                     "3:\n"
                     "bx lr\n");
}

/* Eight taps of a row of both windows, and the ninth, in r10 and r11. r1 the row, r12 from a window
 * to the next. */
#define NINE_TAPS                                                                                 \
    "add r9, r1, r12\n"                                                                           \
    "ldr r4, [r1]\n"                                                                              \
    "ldr r6, [r1, #4]\n"                                                                          \
    "ldrsb r10, [r1, #8]\n"                                                                       \
    "ldr r5, [r9]\n"                                                                              \
    "ldr r7, [r9, #4]\n"                                                                          \
    "ldrsb r11, [r9, #8]\n"                                                                       \
    "sxtb16 r2, r4\n"                                                                             \
    "sxtb16 r3, r5\n"                                                                             \
    "sxtb16 r4, r4, ror #8\n"                                                                     \
    "sxtb16 r5, r5, ror #8\n"                                                                     \
    "sxtb16 r8, r6, ror #8\n"                                                                     \
    "sxtb16 r9, r7, ror #8\n"                                                                     \
    "sxtb16 r6, r6\n"                                                                             \
    "sxtb16 r7, r7\n"                                                                             \
    "stmia r0!, {r2, r3, r4, r5, r6, r7, r8, r9}\n"

/* Windows of three rows of nine taps: 63 instructions. The ninth taps go into a four of their own, as
 * (0, 2) and (1, any). */
__attribute__((naked)) static void widen_nines(void)
{
    __asm__ volatile("push {r12, lr}\n"
                     "ldmia r12, {r1, r2, r3}\n"
                     "ldr r12, [r12, #12]\n"
                     "push {r2, r3}\n" NINE_TAPS
                     "strd r10, r11, [r0, #64]\n"
                     "pop {r1}\n" NINE_TAPS
                     "strd r10, r11, [r0, #40]\n"
                     "pop {r1}\n" NINE_TAPS
                     "strh r10, [r0, #2]\n"
                     "strh r11, [r0, #6]\n"
                     "pop {r0, lr}\n"
                     "ldmia r0, {r1, r2, r3}\n"
                     "add r1, r1, r12, lsl #1\n"
                     "add r2, r2, r12, lsl #1\n"
                     "add r3, r3, r12, lsl #1\n"
                     "stmia r0, {r1, r2, r3}\n"
                     "bx lr\n");
}

/* Windows of three rows of three taps: 46 instructions. */
__attribute__((naked)) static void widen_threes(void)
{
    __asm__ volatile("ldmia r12, {r1, r2, r3, r10}\n" THREE_BY_THREE
                     "str r4, [r0]\n"
                     "str r5, [r0, #8]\n"
                     "str r6, [r0, #16]\n"
                     "str r7, [r0, #24]\n"
                     "str r8, [r0, #32]\n" THREE_BY_THREE
                     "str r4, [r0, #4]\n"
                     "str r5, [r0, #12]\n"
                     "str r6, [r0, #20]\n"
                     "str r7, [r0, #28]\n"
                     "str r8, [r0, #36]\n"
                     "stmia r12, {r1, r2, r3}\n"
                     "bx lr\n");
}

#define TA_GROUP 2
#define TA_LINEAR ta_linear_s8_wide_dsp
#define TA_KNOWN_WINDOWS
#include "ta_groups_dsp.h"

void ta_conv_2d_s8_wide_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                            int32_t x_start, int32_t x_stop)
{
    ta_convolve_groups(op, rows, out, x_start, x_stop);
}

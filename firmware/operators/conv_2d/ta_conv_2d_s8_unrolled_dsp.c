/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_known_windows_dsp.h"

/* Windows of three rows of nine taps: 107 instructions. The ninth taps go into a four of their own, as
 * (0, 2) and (1, any). */
__attribute__((naked)) static void widen_nines(void)
{
    __asm__ volatile("add r10, r0, #144\n"
                     "mov r11, #12\n"
                     "1:\n"
                     "ldr r1, [r12]\n"
                     "ldr r4, [r12, r11]\n"
                     "add r2, r1, r4\n"
                     "add r3, r2, r4\n"
                     "add r4, r3\n"
                     "str r4, [r12], #4\n" TA_WIDEN_FOUR_OF_3 TA_WIDEN_FOUR_OF_3
                     "ldrsb r7, [r1]\n"
                     "ldrsb r8, [r2]\n"
                     "ldrsb r9, [r3]\n"
                     "strh r7, [r10]\n"
                     "strh r8, [r10, #4]\n"
                     "strh r9, [r10, #8]\n"
                     "cmp r11, #8\n"
                     "ite eq\n"
                     "subeq r10, #10\n"
                     "addne r10, #12\n"
                     "subs r11, #4\n"
                     "bne 1b\n"
                     "bx lr\n");
}

/* Windows of three rows of three taps: 73 instructions. */
__attribute__((naked)) static void widen_threes(void)
{
    __asm__ volatile("ldmia r12, {r1, r2, r3, r10}\n"
                     "push {r12, lr}\n"
                     "mov lr, #3\n"
                     "1:\n" THREE_BY_THREE
                     "str r5, [r0, #12]\n"
                     "str r6, [r0, #24]\n"
                     "str r7, [r0, #36]\n"
                     "str r8, [r0, #48]\n"
                     "str r4, [r0], #4\n"
                     "subs lr, #1\n"
                     "bne 1b\n"
                     "pop {r12, lr}\n"
                     "stmia r12, {r1, r2, r3}\n"
                     "bx lr\n");
}

#define TA_GROUP TA_LINEAR_DSP_GROUP
#define TA_LINEAR ta_linear_s8_unrolled_dsp
#define TA_KNOWN_WINDOWS
#include "ta_groups_dsp.h"

void ta_conv_2d_s8_unrolled_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                int32_t x_start, int32_t x_stop)
{
    ta_convolve_groups(op, rows, out, x_start, x_stop);
}

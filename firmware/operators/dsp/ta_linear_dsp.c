/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_linear_dsp.h"

#include "ta_dsp_requant.h"

ta_linear_dsp ta_linear_dsp_of(const ta_requant *requant, const int8_t *weights, int32_t taps,
                               int32_t channels, const int32_t *pixels)
{
    const ta_linear_dsp layer = {
        .channels = channels,
        .offset = ta_linear_dsp_offset(requant),
        .pixels = pixels,
        .fours = ta_linear_dsp_fours(taps),
        .pairs = (const int32_t *)(const void *)weights,
        .kind = requant->floors ? 0 : 4,
        .groups = 1,
    };
    return layer;
}

/* Four taps: 12 instructions. */
__attribute__((naked)) int32_t *ta_linear_dsp_widen_three(
    int32_t *group __attribute__((unused)), const int8_t *first __attribute__((unused)),
    const int8_t *second __attribute__((unused)), const int8_t *third __attribute__((unused)),
    int32_t fours __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, lr}\n"
                     "ldr r12, [sp, #28]\n"
                     "1:\n" TA_WIDEN_FOUR_OF_3 "subs r12, #1\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, r8, r9, pc}\n");
}

/* Four taps: 6 instructions, and 2 of the loop. */
__attribute__((naked)) int32_t *ta_linear_dsp_widen_one(int32_t *pixel __attribute__((unused)),
                                                        const int8_t *taps __attribute__((unused)),
                                                        int32_t fours __attribute__((unused)),
                                                        int32_t lanes __attribute__((unused)))
{
    __asm__ volatile("push {r4, lr}\n"
                     "1:\n"
                     "ldr r12, [r1], #4\n"
                     "sxtb16 r4, r12\n"
                     "sxtb16 r12, r12, ror #8\n"
                     "str r4, [r0]\n"
                     "str r12, [r0, r3, lsl #2]\n"
                     "add r0, r0, r3, lsl #3\n"
                     "subs r2, #1\n"
                     "bne 1b\n"
                     "pop {r4, pc}\n");
}

/* 16 taps: 15 instructions. Pixels need not begin with a word. */
__attribute__((naked)) int32_t *ta_linear_dsp_widen_pixel(int32_t *pixel __attribute__((unused)),
                                                          const int8_t *taps __attribute__((unused)),
                                                          int32_t fours __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, lr}\n"
                     "subs r2, #4\n"
                     "blo 2f\n"
                     "1:\n"
                     "ldr r4, [r1], #4\n"
                     "ldr r6, [r1], #4\n"
                     "ldr r8, [r1], #4\n"
                     "ldr r10, [r1], #4\n"
                     "sxtb16 r3, r4\n"
                     "sxtb16 r4, r4, ror #8\n"
                     "sxtb16 r5, r6\n"
                     "sxtb16 r6, r6, ror #8\n"
                     "sxtb16 r7, r8\n"
                     "sxtb16 r8, r8, ror #8\n"
                     "sxtb16 r9, r10\n"
                     "sxtb16 r10, r10, ror #8\n"
                     "stmia r0!, {r3, r4, r5, r6, r7, r8, r9, r10}\n"
                     "subs r2, #4\n"
                     "bhs 1b\n"
                     "2:\n"
                     "adds r2, #4\n"
                     "beq 4f\n"
                     "3:\n"
                     "ldr r4, [r1], #4\n"
                     "sxtb16 r3, r4\n"
                     "sxtb16 r4, r4, ror #8\n"
                     "stmia r0!, {r3, r4}\n"
                     "subs r2, #1\n"
                     "bne 3b\n"
                     "4:\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, pc}\n");
}

int32_t *ta_linear_dsp_widen(int32_t *group, const int8_t *taps, int32_t step, int32_t fours,
                             int32_t lanes)
{
    if (lanes == TA_LINEAR_DSP_GROUP) {
        return ta_linear_dsp_widen_three(group, taps, taps + step, taps + 2 * step, fours);
    }
    for (int32_t lane = 0; lane < lanes; ++lane) {
        (void)ta_linear_dsp_widen_one(group + lane, taps + lane * step, fours, lanes);
    }
    return group + 2 * fours * lanes;
}

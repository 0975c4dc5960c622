/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of the commonest windows are made one after another in assembly: of one row of whole words,
 * and of three rows of nine taps or of three, which an image of three channels or of one has under
 * 3x3 filters.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include <stdbool.h>

#include "ta_conv_2d.h"
#include "ta_wide_dsp.h"

/* Where the next group's windows lie; the assembly knows the offsets. */
typedef struct next_windows {
    const int8_t *rows[3]; /* of the first window; of one row the other two are not read */
    int32_t step;          /* 12: from a window to the next */
    int32_t fours;         /* 16: of one row */
    ta_linear_dsp_widener *widen;
} next_windows;

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

/* Nine taps of a window at r1 to r3, which go on to the next by r10: (0, 2), (1, 3), (4, 6), (5, 7)
 * and 8. */
#define THREE_BY_THREE                                                                            \
    "ldrsb r4, [r1]\n"                                                                            \
    "ldrsb r6, [r1, #2]\n"                                                                        \
    "ldrsb r5, [r1, #1]\n"                                                                        \
    "ldrsb r7, [r2]\n"                                                                            \
    "ldrsb r8, [r2, #2]\n"                                                                        \
    "ldrsb r9, [r3, #1]\n"                                                                        \
    "pkhbt r4, r4, r6, lsl #16\n"                                                                 \
    "pkhbt r5, r5, r7, lsl #16\n"                                                                 \
    "ldrsb r6, [r2, #1]\n"                                                                        \
    "ldrsb r11, [r3]\n"                                                                           \
    "pkhbt r7, r8, r9, lsl #16\n"                                                                 \
    "ldrsb r8, [r3, #2]\n"                                                                        \
    "pkhbt r6, r6, r11, lsl #16\n"                                                                \
    "add r1, r10\n"                                                                               \
    "add r2, r10\n"                                                                               \
    "add r3, r10\n"

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

/* Whether it is known how windows are widened whose taps lie side by side in each row, `offset` bytes
 * from its start. */
static bool widens_known(const ta_conv_2d *op, const int8_t *const *rows, int32_t offset,
                         next_windows *next)
{
    const int32_t row_taps = op->kernel_w * op->in_channels;
    if (op->kernel_h == 1 && row_taps % 4 == 0) {
        next->widen = widen_words;
    } else if (op->kernel_h == 3 && row_taps == 9) {
        next->widen = widen_nines;
    } else if (op->kernel_h == 3 && row_taps == 3) {
        next->widen = widen_threes;
    } else {
        return false;
    }
    next->step = op->stride_w * op->in_channels;
    next->fours = row_taps / 4;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        next->rows[ky] = rows[ky] + offset;
    }
    return true;
}

#define TA_GROUP 2
#define TA_LINEAR ta_linear_s8_wide_dsp
#include "ta_groups_dsp.h"

void ta_conv_2d_s8_wide_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                            int32_t x_start, int32_t x_stop)
{
    ta_convolve_groups(op, rows, out, x_start, x_stop);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows side by side share columns: each is widened once and stored wherever it is needed. Taps
 * go row by row, four channels at a time, of each the three columns.
 *
 * Scratch after the row pointers: the widened windows of a group.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_conv_2d.h"
#include "ta_linear_dsp.h"

#define COLUMNS 5 /* of a group of three */

/* Four channels of five columns, r4 to r8 as bytes: taken apart into r4 to r8 and r9 to lr. */
#define TAKE_APART                                                                                \
    "sxtb16 r9, r4, ror #8\n"                                                                     \
    "sxtb16 r10, r5, ror #8\n"                                                                    \
    "sxtb16 r11, r6, ror #8\n"                                                                    \
    "sxtb16 r12, r7, ror #8\n"                                                                    \
    "sxtb16 lr, r8, ror #8\n"                                                                     \
    "sxtb16 r4, r4\n"                                                                             \
    "sxtb16 r5, r5\n"                                                                             \
    "sxtb16 r6, r6\n"                                                                             \
    "sxtb16 r7, r7\n"                                                                             \
    "sxtb16 r8, r8\n"

/* Those of three windows, by column. */
#define STORE_THREE                                                                               \
    "stmia r0!, {r4, r5, r6, r9, r10, r11}\n"                                                     \
    "stmia r0!, {r5, r6, r7, r10, r11, r12}\n"                                                    \
    "stmia r0!, {r6, r7, r8, r11, r12, lr}\n"

/* Three windows inside the input; the assembly knows the offsets. */
typedef struct inner {
    int32_t channels;         /* 0 */
    int32_t offset;           /* 4: of the first column in each row */
    const int8_t *const *end; /* 8: of the rows */
} inner;

/* Widens three windows inside the input: 21 instructions for 36 taps. */
__attribute__((naked, noinline)) static void widen_inner(
    const inner *at __attribute__((unused)), const int8_t *const *rows __attribute__((unused)),
    int32_t *group __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0, {r3, r4, r5}\n"
                     "mov r0, r2\n"
                     "sub sp, #16\n"
                     "strd r4, r5, [sp]\n"
                     "1:\n"
                     "ldr r4, [r1], #4\n"
                     "str r1, [sp, #8]\n"
                     "ldr r1, [sp]\n"
                     "add r1, r4\n"
                     "add r4, r1, r3\n"
                     "add r2, r4, r3, lsl #1\n"
                     "str r4, [sp, #12]\n"
                     "2:\n"
                     "ldr r5, [r1, r3]\n"
                     "ldr r6, [r1, r3, lsl #1]\n"
                     "ldr r4, [r1], #4\n"
                     "ldr r8, [r2, r3]\n"
                     "ldr r7, [r2], #4\n" TAKE_APART STORE_THREE
                     "ldr r4, [sp, #12]\n"
                     "cmp r1, r4\n"
                     "bne 2b\n"
                     "ldrd r4, r1, [sp, #4]\n"
                     "cmp r1, r4\n"
                     "bne 1b\n"
                     "add sp, #16\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Four channels of five columns wherever they are: r2, r3 and three on the stack; r1 the channel. */
#define LOAD_FIVE                                                                                 \
    "ldr r4, [r2, r1]\n"                                                                          \
    "ldr r5, [r3, r1]\n"                                                                          \
    "ldrd r6, r7, [sp]\n"                                                                         \
    "ldr r8, [sp, #8]\n"                                                                          \
    "ldr r6, [r6, r1]\n"                                                                          \
    "ldr r7, [r7, r1]\n"                                                                          \
    "ldr r8, [r8, r1]\n"

#define NEXT_FOUR(again)                                                                          \
    "ldr r4, [sp, #12]\n"                                                                         \
    "adds r1, #4\n"                                                                               \
    "cmp r1, r4\n"                                                                                \
    "bne " again "\n"

/* Widens a row of one to three windows from columns wherever they are. Returns where the next
 * taps go. */
__attribute__((naked, noinline)) static int32_t *widen_row(
    int32_t *group __attribute__((unused)), const int8_t *const *columns __attribute__((unused)),
    int32_t channels __attribute__((unused)), int32_t lanes __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r1, {r4, r5, r6, r7, r8}\n"
                     "mov r9, r2\n"
                     "push {r6, r7, r8, r9}\n"
                     "movs r1, #0\n"
                     "mov r2, r4\n"
                     "cmp r3, #2\n"
                     "mov r3, r5\n"
                     "blo 2f\n"
                     "bhi 1f\n"
                     "0:\n" LOAD_FIVE TAKE_APART
                     "stmia r0!, {r4, r5, r9, r10}\n"
                     "stmia r0!, {r5, r6, r10, r11}\n"
                     "stmia r0!, {r6, r7, r11, r12}\n" NEXT_FOUR("0b")
                     "b 3f\n"
                     "1:\n" LOAD_FIVE TAKE_APART STORE_THREE NEXT_FOUR("1b")
                     "b 3f\n"
                     "2:\n" LOAD_FIVE TAKE_APART
                     "strd r4, r9, [r0], #8\n"
                     "strd r5, r10, [r0], #8\n"
                     "strd r6, r11, [r0], #8\n" NEXT_FOUR("2b")
                     "3:\n"
                     "add sp, #16\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Widens windows from input column `first` on, padded. */
static void widen_padded(const ta_conv_2d *op, const int8_t *const *rows, int32_t first,
                         int32_t lanes, int32_t *group)
{
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        /* Without padding nothing beside the input is needed, but read. */
        const int8_t *const beside = op->zero_row != NULL ? op->zero_row : rows[ky];
        const int8_t *columns[COLUMNS];
        for (int32_t k = 0; k < COLUMNS; ++k) {
            const int32_t column = first + k;
            columns[k] = column >= 0 && column < op->in_width
                             ? rows[ky] + column * op->in_channels
                             : beside;
        }
        group = widen_row(group, columns, op->in_channels, lanes);
    }
}

void ta_conv_2d_s8_w3_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                          int32_t x_start, int32_t x_stop)
{
    int32_t *const group = (int32_t *)op->scratch + op->kernel_h;
    ta_linear_dsp layer =
        ta_linear_dsp_of(&op->requant, op->weights, op->kernel_h * 3 * op->in_channels,
                         op->out_channels, group);
    inner at = { .channels = op->in_channels, .end = rows + op->kernel_h };
    for (int32_t x = x_start; x < x_stop;) {
        const int32_t left = x_stop - x;
        const int32_t lanes = left < TA_LINEAR_DSP_GROUP ? left : TA_LINEAR_DSP_GROUP;
        const int32_t first = x - op->pad_left;
        if (lanes == TA_LINEAR_DSP_GROUP && first >= 0 && first + COLUMNS <= op->in_width) {
            at.offset = first * op->in_channels;
            widen_inner(&at, rows, group);
        } else {
            widen_padded(op, rows, first, lanes, group);
        }
        ta_linear_s8_dsp(&layer, lanes, out + x * op->out_channels);
        x += lanes;
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels,
                        (x_stop - x_start) * op->out_channels);
}

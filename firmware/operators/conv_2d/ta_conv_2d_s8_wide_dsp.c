/* SPDX-License-Identifier: Apache-2.0
 *
 * What is hot is assembly. Plans that cut rows into blocks call the kernel for a group each, where
 * what surrounds it counts as well: that is built for speed, what takes many groups for size.
 */
#define TA_KNOWN_WORDS
#include "ta_known_windows_dsp.h"
#include "ta_known_wide_dsp.h"

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

ta_linear_dsp_widener *const ta_wide_dsp_wideners[] = { widen_words, widen_nines, widen_threes };

#define TA_GROUP 2
#define TA_LINEAR ta_linear_s8_wide_dsp
#define TA_KNOWN_WINDOWS
#pragma GCC push_options
#pragma GCC optimize("Os")
#include "ta_groups_dsp.h"

static void convolve_groups(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                            int32_t x_start, int32_t x_stop)
{
    ta_convolve_groups(op, rows, out, x_start, x_stop);
}
#pragma GCC pop_options

/* Has a group widened whose taps lie side by side, `offset` bytes from where each row starts. */
static inline void widen_from(const ta_conv_2d *op, const int8_t *const *rows, int32_t offset,
                              ta_linear_dsp *layer, ta_next_windows *next, runs *r)
{
    const int32_t row_taps = op->kernel_w * op->in_channels;
    const int32_t step = op->stride_w * op->in_channels;
    layer->state = next;
    next->rows[0] = rows[0] + offset;
    next->step = step;
    next->fours = row_taps >> 2;
    if (op->kernel_h == 1 && (row_taps & (FOUR - 1)) == 0) {
        layer->widen = widen_words;
        return;
    }
    if (op->kernel_h == 3 && (row_taps == 9 || row_taps == 3)) {
        layer->widen = row_taps == 9 ? widen_nines : widen_threes;
        next->rows[1] = rows[1] + offset;
        next->rows[2] = rows[2] + offset;
        return;
    }
    layer->widen = widen_group_runs;
    layer->state = r;
    r->offset = offset;
    r->step = step;
    r->fours = row_taps >> 2;
    r->rest = row_taps & (FOUR - 1);
    r->rows = rows;
    r->end = rows + op->kernel_h;
    r->lines = (int8_t *)((int32_t *)op->scratch + op->kernel_h + 2 * TA_GROUP * layer->fours);
    r->pitch = (r->rest * op->kernel_h + FOUR - 1) & -FOUR;
}

/* Pixels that make whole groups, of which nothing lies beside the input; out: of the first. */
static inline void convolve_whole(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                  int32_t left, int32_t count)
{
    ta_linear_dsp layer; /* no initialiser: that would be a call of memset */
    ta_next_windows next;
    runs r;
    layer.channels = op->out_channels;
    layer.offset = ta_linear_dsp_offset(&op->requant);
    layer.pixels = (const int32_t *)op->scratch + op->kernel_h;
    layer.fours = ta_linear_dsp_fours(op->kernel_h * op->kernel_w * op->in_channels);
    layer.pairs = (const int32_t *)(const void *)op->weights;
    layer.kind = op->requant.floors ? 0 : 4;
    layer.count = 0;
    layer.groups = count / TA_GROUP;
    widen_from(op, rows, left * op->in_channels, &layer, &next, &r);
    ta_linear_s8_wide_dsp(&layer, TA_GROUP, out);
    if (op->requant.lowest != INT8_MIN || op->requant.highest != INT8_MAX) {
        ta_clamp_outputs_s8(&op->requant, out, count * op->out_channels);
    }
}

void ta_conv_2d_s8_wide_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                            int32_t x_start, int32_t x_stop)
{
    const int32_t left = x_start * op->stride_w - op->pad_left;
    const int32_t count = x_stop - x_start;
    if (count % TA_GROUP == 0 && op->stretch == TA_GROUP && op->dilation_w == 1 && left >= 0 &&
        left <= op->in_width - op->kernel_w - (count - 1) * op->stride_w) {
        convolve_whole(op, rows, out + x_start * op->out_channels, left, count);
    } else {
        convolve_groups(op, rows, out, x_start, x_stop);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution by groups of widened windows, for cores with the DSP extension. Who includes this says
 * how many windows make a group, TA_GROUP, 2 or 3, and which kernel takes them, TA_LINEAR; of two also
 * widens_known, for windows that it knows how to widen faster.
 *
 * Taps of a window go row by row in fours, as many as each row has; behind them those that are
 * left over of the first row, of the second and so on.
 *
 * Scratch after the row pointers: the widened windows of a group; where channels are no multiple
 * of four, what is left over of each window, in words; then, where windows are padded or dilated,
 * pointers to the rows of a strip, and the strip: the taps of the group's windows as bytes, those
 * of a row side by side.
 */
#ifndef TA_GROUPS_DSP_H
#define TA_GROUPS_DSP_H

#include <stdbool.h>
#include <string.h>

#include "ta_conv_2d.h"
#include "ta_linear_dsp.h"

#define FOUR 4

/* A group of windows, of `lanes` output columns. */
typedef struct windows {
    const ta_conv_2d *op;
    const int8_t *const *rows;
    int32_t left; /* input column of the first window */
    int32_t lanes;
} windows;

/* The pixel at an input column, where that is inside. */
static const int8_t *inside(const ta_conv_2d *op, const int8_t *pixel, int32_t column)
{
    return (uint32_t)column < (uint32_t)op->in_width ? pixel : op->zero_row;
}

/* Widens windows tap by tap, padded; each tap is of whole words. */
__attribute__((noinline)) static void widen_taps(const windows *w, int32_t *group)
{
    const ta_conv_2d *op = w->op;
    const int32_t channels = op->in_channels;
    const int32_t fours = channels >> 2;
    const int32_t stride = op->stride_w;
    const int32_t step = stride * channels;
    for (const int8_t *const *row = w->rows; row < w->rows + op->kernel_h; ++row) {
        int32_t column = w->left;
        const int8_t *from = *row + column * channels;
        for (int32_t kx = op->kernel_w; kx > 0; --kx) {
            const int8_t *first = inside(op, from, column);
            const int8_t *second = inside(op, from + step, column + stride);
            if (w->lanes == TA_GROUP) {
#if TA_GROUP == 3
                const int8_t *third = inside(op, from + 2 * step, column + 2 * stride);
                group = ta_linear_dsp_widen_three(group, first, second, third, fours);
#else
                group = ta_wide_dsp_widen_two(group, first, second, fours);
#endif
            } else {
                int32_t *next = ta_linear_dsp_widen_one(group, first, fours, w->lanes);
                if (w->lanes == 2) {
                    (void)ta_linear_dsp_widen_one(group + 1, second, fours, 2);
                }
                group = next;
            }
            column += op->dilation_w;
            from += op->dilation_w * channels;
        }
    }
}

/* Windows whose taps lie side by side in each row; the assembly knows the offsets. */
typedef struct runs {
    int32_t offset;           /* 0: of the first window in each row */
    int32_t step;             /* 4: from one window to the next */
    int32_t fours;            /* 8: of taps of a row */
    int32_t rest;             /* 12: taps behind them */
    const int8_t *const *end; /* 16: of the rows */
    int8_t *lines;            /* 20: what is left over of each window, `pitch` apart */
    int32_t pitch;            /* 24 */
    const int8_t *const *rows; /* 28 */
} runs;

#if TA_GROUP == 3
/* Widens three windows of `runs`: the fours of each row, then what is left over, which it copies
 * first. */
__attribute__((naked, noinline)) static void widen_group_runs(void)
{
    __asm__ volatile("push {r12, lr}\n"
                     "ldmia r12, {r4, r5, r6, r7, r8, r11, lr}\n"
                     "ldr r12, [r12, #28]\n"
                     "push {r4, r5, r6, r7, r8}\n"
                     "1:\n"
                     "ldr r1, [r12], #4\n"
                     "ldrd r2, r3, [sp]\n"
                     "ldr r10, [sp, #8]\n"
                     "add r1, r2\n"
                     "adds r2, r1, r3\n"
                     "add r3, r2\n"
                     "b 3f\n"
                     "2:\n" TA_WIDEN_FOUR_OF_3 "3:\n"
                     "subs r10, #1\n"
                     "bpl 2b\n"
                     "ldr r10, [sp, #12]\n"
                     "b 5f\n"
                     "4:\n"
                     "ldrb r4, [r1], #1\n"
                     "ldrb r5, [r2], #1\n"
                     "ldrb r6, [r3], #1\n"
                     "strb r5, [r11, lr]\n"
                     "strb r6, [r11, lr, lsl #1]\n"
                     "strb r4, [r11], #1\n"
                     "5:\n"
                     "subs r10, #1\n"
                     "bpl 4b\n"
                     "ldr r10, [sp, #16]\n"
                     "cmp r12, r10\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, r8}\n"
                     "pop {r12, lr}\n"
                     "add r4, r4, r5, lsl #1\n"
                     "add r4, r5\n"
                     "str r4, [r12]\n"
                     "cbz r7, 7f\n"
                     "ldrd r1, r10, [r12, #20]\n"
                     "add r2, r1, r10\n"
                     "add r3, r2, r10\n"
                     "lsrs r4, r10, #2\n"
                     "push {r4, lr}\n"
                     "bl ta_linear_dsp_widen_three\n"
                     "pop {r4, pc}\n"
                     "7:\n"
                     "bx lr\n");
}
#else
/* The same of two. */
__attribute__((naked, noinline)) static void widen_group_runs(void)
{
    __asm__ volatile("push {r12, lr}\n"
                     "ldmia r12, {r4, r5, r6, r7, r8, r11, lr}\n"
                     "ldr r12, [r12, #28]\n"
                     "push {r4, r5, r6, r7, r8}\n"
                     "1:\n"
                     "ldr r1, [r12], #4\n"
                     "ldrd r2, r3, [sp]\n"
                     "ldr r10, [sp, #8]\n"
                     "add r1, r2\n"
                     "adds r2, r1, r3\n"
                     TA_WIDEN_TWO("2", "3", "4")
                     "4:\n"
                     "ldr r10, [sp, #12]\n"
                     "b 6f\n"
                     "5:\n"
                     "ldrb r4, [r1], #1\n"
                     "ldrb r5, [r2], #1\n"
                     "strb r5, [r11, lr]\n"
                     "strb r4, [r11], #1\n"
                     "6:\n"
                     "subs r10, #1\n"
                     "bpl 5b\n"
                     "ldr r10, [sp, #16]\n"
                     "cmp r12, r10\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, r8}\n"
                     "pop {r12, lr}\n"
                     "add r4, r4, r5, lsl #1\n"
                     "str r4, [r12]\n"
                     "cbz r7, 7f\n"
                     "ldrd r1, r10, [r12, #20]\n"
                     "add r2, r1, r10\n"
                     "lsrs r3, r10, #2\n"
                     "b.w ta_wide_dsp_widen_two\n"
                     "7:\n"
                     "bx lr\n");
}
#endif

/* The same of fewer windows. */
static void widen_runs(const runs *r, int32_t *group, int32_t lanes)
{
    int8_t *line = r->lines;
    for (const int8_t *const *rows = r->rows; rows < r->end; ++rows) {
        const int8_t *from = *rows + r->offset;
        for (int32_t lane = 0; lane < lanes && r->fours > 0; ++lane) {
            (void)ta_linear_dsp_widen_one(group + lane, from + lane * r->step, r->fours, lanes);
        }
        group += 2 * r->fours * lanes;
        from += FOUR * r->fours;
        for (int32_t k = 0; k < r->rest; ++k, ++line, ++from) {
            for (int32_t lane = 0; lane < lanes; ++lane) {
                line[lane * r->pitch] = from[lane * r->step];
            }
        }
    }
    /* Zeros of the filters meet what lies behind the last tap. */
    if (r->rest != 0) {
        (void)ta_linear_dsp_widen(group, r->lines, r->pitch, r->pitch >> 2, lanes);
    }
}

/* Copies `count` bytes of each of some rows, from rows[k] + offset to to[k] + start. */
__attribute__((naked, noinline)) static void copy_rows(
    int8_t *const *to __attribute__((unused)), int32_t start __attribute__((unused)),
    const int8_t *const *rows __attribute__((unused)), int32_t offset __attribute__((unused)),
    int32_t count __attribute__((unused)), int32_t height __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, lr}\n"
                     "ldrd r7, r8, [sp, #24]\n"
                     "1:\n"
                     "ldr r4, [r2], #4\n"
                     "ldr r5, [r0], #4\n"
                     "add r4, r3\n"
                     "add r5, r1\n"
                     "subs r6, r7, #4\n"
                     "bmi 3f\n"
                     "2:\n"
                     "ldr r12, [r4], #4\n"
                     "str r12, [r5], #4\n"
                     "subs r6, #4\n"
                     "bpl 2b\n"
                     "3:\n"
                     "adds r6, #4\n"
                     "beq 5f\n"
                     "4:\n"
                     "ldrb r12, [r4], #1\n"
                     "strb r12, [r5], #1\n"
                     "subs r6, #1\n"
                     "bne 4b\n"
                     "5:\n"
                     "subs r8, #1\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, r8, pc}\n");
}

/* Copies `count` input columns from `column` on to the rows of a strip; those beside the input
 * stay as they are. */
static void copy_columns(const windows *w, int8_t *const *strip, int32_t start, int32_t column,
                         int32_t count)
{
    const ta_conv_2d *op = w->op;
    const int32_t channels = op->in_channels;
    const int32_t first = column < 0 ? -column : 0;
    const int32_t stop = op->in_width - column < count ? op->in_width - column : count;
    if (first < stop) {
        copy_rows(strip, start + first * channels, w->rows, (column + first) * channels,
                  (stop - first) * channels, op->kernel_h);
    }
}

/* Lays a strip behind the pointers to its rows. Returns the bytes from one window to the next:
 * they share columns where dilation and stride let them. */
__attribute__((noinline)) static int32_t lay_strip(const windows *w, int8_t **strip)
{
    const ta_conv_2d *op = w->op;
    const int32_t window = op->kernel_w * op->in_channels;
    const int32_t pitch = w->lanes * window;
    int8_t *row = (int8_t *)(strip + op->kernel_h);
    (void)memset(row, *op->zero_row, (size_t)(pitch * op->kernel_h));
    for (int32_t ky = 0; ky < op->kernel_h; ++ky, row += pitch) {
        strip[ky] = row;
    }
    if (op->dilation_w == 1 && op->stride_w <= op->kernel_w) {
        copy_columns(w, strip, 0, w->left, (w->lanes - 1) * op->stride_w + op->kernel_w);
        return op->stride_w * op->in_channels;
    }
    for (int32_t lane = 0; lane < w->lanes; ++lane) {
        int32_t column = w->left + lane * op->stride_w;
        for (int32_t kx = 0; kx < op->kernel_w; ++kx, column += op->dilation_w) {
            copy_columns(w, strip, lane * window + kx * op->in_channels, column, 1);
        }
    }
    return window;
}

/* Widens a group, wherever its windows lie; or finds the rows from which a whole one is to be widened,
 * and returns that. */
__attribute__((noinline)) static bool widen(const windows *w, runs *r, int32_t *group)
{
    const ta_conv_2d *op = w->op;
    const int32_t stop = w->left + (w->lanes - 1) * op->stride_w + op->kernel_w;
    if (w->left < 0 || stop > op->in_width || op->dilation_w != 1) {
        if ((op->in_channels & (FOUR - 1)) == 0) {
            widen_taps(w, group);
            return false;
        }
        int8_t **const strip = (int8_t **)(void *)(r->lines + r->pitch * op->stretch);
        r->rows = (const int8_t *const *)strip;
        r->step = lay_strip(w, strip);
        r->offset = 0;
        r->end = r->rows + op->kernel_h;
    }
    if (w->lanes == TA_GROUP) {
        return true;
    }
    widen_runs(r, group, w->lanes);
    return false;
}

/* The kernel ta_conv_2d_s8_... */
static inline void ta_convolve_groups(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                      int32_t x_start, int32_t x_stop)
{
    const int32_t row_taps = op->kernel_w * op->in_channels;
    int32_t *const group = (int32_t *)op->scratch + op->kernel_h;
    ta_linear_dsp layer = ta_linear_dsp_of(&op->requant, op->weights, op->kernel_h * row_taps,
                                           op->out_channels, group);
    runs r;
    r.fours = row_taps >> 2;
    r.rest = row_taps & (FOUR - 1);
    r.lines = (int8_t *)(group + 2 * layer.fours * op->stretch);
    r.pitch = (r.rest * op->kernel_h + FOUR - 1) & -FOUR;
    windows w;
    w.op = op;
    w.rows = rows;
    w.left = x_start * op->stride_w - op->pad_left;
    /* The input columns of a group, and where the last starts whose taps lie side by side, if there
     * is scratch for whole groups. */
    const int32_t pace = TA_GROUP * op->stride_w;
    const bool groups = op->dilation_w == 1 && op->stretch == TA_GROUP;
    const int32_t last = groups ? op->in_width - op->kernel_w - pace + op->stride_w : -1;
    int8_t *const start = out + x_start * op->out_channels;
    const int32_t outputs = (x_stop - x_start) * op->out_channels;
    out = start;
#ifdef TA_KNOWN_WINDOWS
    ta_next_windows next;
#endif
    while (x_start < x_stop) {
        const int32_t left = x_stop - x_start;
        const int32_t groups = left / TA_GROUP;
        r.step = op->stride_w * op->in_channels;
        r.offset = w.left * op->in_channels;
        r.rows = rows;
        r.end = rows + op->kernel_h;
        layer.groups = 1;
        layer.widen = widen_group_runs;
        layer.state = &r;
        w.lanes = left < op->stretch ? left : op->stretch;
        if (groups > 0 && w.left >= 0 && w.left <= last) {
            const int32_t inner = (last - w.left) / pace + 1;
            layer.groups = inner < groups ? inner : groups;
#ifdef TA_KNOWN_WINDOWS
            if (widens_known(op, rows, r.offset, &next)) {
                layer.widen = next.widen;
                layer.state = &next;
            }
#endif
        } else if (!widen(&w, &r, group)) {
            layer.widen = NULL;
        }
        TA_LINEAR(&layer, w.lanes, out);
        const int32_t count = layer.groups * w.lanes;
        out += count * op->out_channels;
        w.left += count * op->stride_w;
        x_start += count;
    }
    ta_clamp_outputs_s8(&op->requant, start, outputs);
}

#endif

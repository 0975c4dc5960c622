/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the row pointers: the widened windows of a group, then, where channels are no
 * multiple of four, each of its windows as bytes.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include <stdbool.h>
#include <string.h>

#include "ta_conv_2d.h"
#include "ta_dsp_requant.h"
#include "ta_linear_dsp.h"

/* A group of windows, of `lanes` output columns. */
typedef struct windows {
    const ta_conv_2d *op;
    const int8_t *const *rows;
    int32_t left; /* input column of the first window */
    int32_t last; /* of the last one whose taps lie side by side in the input; -1 for none */
    int32_t lanes;
} windows;

/* Whether the taps of each row lie side by side in the input, in windows from column `first`. */
static bool together(const windows *w, int32_t first, int32_t lanes)
{
    return first >= 0 && first + (lanes - 1) * w->op->stride_w <= w->last;
}

/* The pixel under a tap at an input column. */
static const int8_t *pixel(const ta_conv_2d *op, const int8_t *row, int32_t column)
{
    return column >= 0 && column < op->in_width ? row + column * op->in_channels : op->zero_row;
}

/* Widens windows tap by tap; each is of whole words. */
__attribute__((noinline)) static void widen_taps(const windows *w, int32_t *group)
{
    const ta_conv_2d *op = w->op;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        for (int32_t kx = 0; kx < op->kernel_w; ++kx) {
            int32_t column = w->left + kx * op->dilation_w;
            int32_t *next = group;
            for (int32_t lane = 0; lane < w->lanes; ++lane, column += op->stride_w) {
                next = ta_linear_dsp_widen_one(group + lane, pixel(op, w->rows[ky], column),
                                               op->in_channels / 4, w->lanes);
            }
            group = next - (w->lanes - 1);
        }
    }
}

/* Copies `count` bytes, at least 4, of each of some rows from rows[k] + offset, by words, which
 * may lie anywhere; the last word of a row overlaps the one before. */
__attribute__((naked, noinline)) static void copy_rows(
    int8_t *line __attribute__((unused)), const int8_t *const *rows __attribute__((unused)),
    int32_t offset __attribute__((unused)), int32_t count __attribute__((unused)),
    int32_t height __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, lr}\n"
                     "ldr r7, [sp, #20]\n"
                     "1:\n"
                     "ldr r4, [r1], #4\n"
                     "add r4, r2\n"
                     "add r5, r4, r3\n"
                     "subs r5, #4\n"
                     "2:\n"
                     "ldr r6, [r4], #4\n"
                     "str r6, [r0], #4\n"
                     "cmp r4, r5\n"
                     "blo 2b\n"
                     "ldr r6, [r5]\n"
                     "subs r4, r4, r5\n"
                     "subs r0, r0, r4\n"
                     "str r6, [r0], #4\n"
                     "subs r7, #1\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, pc}\n");
}

/* Copies the window at an input column, padded. */
__attribute__((noinline)) static void copy_window(const windows *w, int32_t left, int8_t *line)
{
    const ta_conv_2d *op = w->op;
    const int32_t run = op->kernel_w * op->in_channels;
    if (run >= 4 && together(w, left, 1)) {
        copy_rows(line, w->rows, left * op->in_channels, run, op->kernel_h);
        return;
    }
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        int32_t column = left;
        for (int32_t kx = op->kernel_w; kx > 0; --kx, column += op->dilation_w) {
            const int8_t *from = pixel(op, w->rows[ky], column);
            for (int32_t k = op->in_channels; k > 0; --k) {
                *line++ = *from++;
            }
        }
    }
}

void ta_conv_2d_s8_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    const int32_t run = op->kernel_w * op->in_channels;
    const int32_t taps = op->kernel_h * run;
    const int32_t fours = (taps + 3) / 4;
    int32_t *const group = (int32_t *)op->scratch + op->kernel_h;
    int8_t *const lines = (int8_t *)(group + (fours + 1) / 2 * 4 * op->stretch);
    ta_linear_dsp layer = ta_linear_dsp_of(&op->requant, op->weights, taps, op->out_channels, group);
    windows w = {
        .op = op,
        .rows = rows,
        .left = x_start * op->stride_w - op->pad_left,
        .last = op->dilation_w == 1 ? op->in_width - op->kernel_w : -1,
        .lanes = op->stretch,
    };
    for (int32_t x = x_start; x < x_stop; x += w.lanes, w.left += w.lanes * op->stride_w) {
        w.lanes = x_stop - x < w.lanes ? x_stop - x : w.lanes;
        if (run % 4 == 0 && together(&w, w.left, w.lanes)) {
            int32_t *next = group;
            for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
                next = ta_linear_dsp_widen(next, rows[ky] + w.left * op->in_channels,
                                           op->stride_w * op->in_channels, run / 4, w.lanes);
            }
        } else if (op->in_channels % 4 == 0) {
            widen_taps(&w, group);
        } else {
            /* Where taps do not fill the last word, zeros of the filters meet what lies there. */
            for (int32_t lane = 0; lane < w.lanes; ++lane) {
                copy_window(&w, w.left + lane * op->stride_w, lines + 4 * fours * lane);
            }
            (void)ta_linear_dsp_widen(group, lines, 4 * fours, fours, w.lanes);
        }
        ta_linear_s8_dsp(&layer, w.lanes, out + x * op->out_channels);
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels,
                 (x_stop - x_start) * op->out_channels);
}

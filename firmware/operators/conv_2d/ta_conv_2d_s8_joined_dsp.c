/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows with four bytes of each row, in groups of three that may go on from one output row to the
 * next.
 *
 * Scratch after the row pointers: the widened windows of a group.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_conv_2d.h"
#include "ta_linear_dsp.h"

#define GROUP TA_LINEAR_DSP_GROUP
#define ROW_BYTES 4

/* The window at an input column; the assembly knows the offsets. */
typedef struct window {
    const int8_t *const *rows;
    int32_t offset; /* 4: of the word that is read of each row */
    int32_t height; /* 8 */
    int32_t up;     /* 12: bits by which it is shifted where columns left of the input come first */
    int32_t down;   /* 16: where columns right of it come last */
    uint32_t beside; /* 20: zero points in their place */
} window;

/* Widens a window into its lane of a group: 12 instructions for a row. */
__attribute__((naked, noinline)) static void widen_lane(int32_t *lane __attribute__((unused)),
                                                        const window *from __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9}\n"
                     "ldmia r1, {r2, r3, r4, r5, r6, r7}\n"
                     "1:\n"
                     "ldr r8, [r2], #4\n"
                     "ldr r8, [r8, r3]\n"
                     "lsl r8, r8, r5\n"
                     "lsr r8, r8, r6\n"
                     "orr r8, r7\n"
                     "sxtb16 r9, r8\n"
                     "sxtb16 r8, r8, ror #8\n"
                     "str r9, [r0]\n"
                     "str r8, [r0, #12]\n"
                     "adds r0, #24\n"
                     "subs r4, #1\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, r8, r9}\n"
                     "bx lr\n");
}

/* Moves the window to output column x. */
static void move(window *at, const ta_conv_2d *op, int32_t x)
{
    const int32_t last = op->in_width * op->in_channels - ROW_BYTES;
    const int32_t start = (x * op->stride_w - op->pad_left) * op->in_channels;
    int32_t left = start < 0 ? -start : 0;
    int32_t right = start > last ? start - last : 0;
    left = left < ROW_BYTES ? left : ROW_BYTES;
    right = right < ROW_BYTES ? right : ROW_BYTES;
    at->offset = start < 0 ? 0 : start > last ? last : start;
    at->up = 8 * left;
    at->down = 8 * right;
    at->beside = 0;
    if (left + right != 0) {
        const uint64_t zeros = (uint8_t)*op->zero_row * 0x01010101ull;
        at->beside = (uint32_t)(left != 0 ? zeros >> (32 - at->up) : zeros << (32 - at->down));
    }
}

/* Lays `lanes` of a group of three as a group of their own. */
static void close_up(int32_t *group, int32_t words, int32_t lanes)
{
    for (int32_t word = 0; word < words; ++word) {
        for (int32_t lane = 0; lane < lanes; ++lane) {
            group[word * lanes + lane] = group[word * GROUP + lane];
        }
    }
}

/* Windows on their way to groups. */
typedef struct windows {
    const ta_conv_2d *op;
    ta_linear_dsp layer;
    int32_t *group;
    int32_t lanes; /* of the group that are laid */
    int8_t *out;   /* of its first window */
} windows;

static void begin(windows *w, const ta_conv_2d *op, int8_t *out)
{
    w->op = op;
    w->group = (int32_t *)op->scratch + op->kernel_h;
    w->layer = ta_linear_dsp_of(&op->requant, op->weights, op->kernel_h * ROW_BYTES,
                                op->out_channels, w->group);
    w->lanes = 0;
    w->out = out;
}

/* Makes the windows that are laid. */
static void make(windows *w)
{
    ta_linear_s8_unrolled_dsp(&w->layer, w->lanes, w->out);
    w->out += w->lanes * w->op->out_channels;
    w->lanes = 0;
}

static void add_row(windows *w, const int8_t *const *rows, int32_t x_start, int32_t x_stop)
{
    window at = {.rows = rows, .height = w->op->kernel_h};
    for (int32_t x = x_start; x < x_stop; ++x) {
        move(&at, w->op, x);
        widen_lane(w->group + w->lanes, &at);
        if (++w->lanes == GROUP) {
            make(w);
        }
    }
}

/* Makes what is left, and clamps all from `start` on. */
static void finish(windows *w, int8_t *start)
{
    if (w->lanes != 0) {
        close_up(w->group, 2 * w->layer.fours, w->lanes);
        make(w);
    }
    ta_clamp_outputs_s8(&w->op->requant, start, (int32_t)(w->out - start));
}

void ta_conv_2d_s8_joined_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                              int32_t x_start, int32_t x_stop)
{
    windows w;
    out += x_start * op->out_channels;
    begin(&w, op, out);
    add_row(&w, rows, x_start, x_stop);
    finish(&w, out);
}

void ta_conv_2d_s8_joined_dsp_rows(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const int8_t **rows = op->scratch;
    int8_t *const out = ta_sink_row(&op->out, y_start);
    windows w;
    begin(&w, op, out);
    for (int32_t y = y_start; y < y_stop; ++y) {
        ta_conv_2d_window(op, y, rows);
        add_row(&w, rows, 0, op->out_width);
    }
    finish(&w, out);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Three, four or five outputs of a channel at a time: a column's tap is loaded once for all the
 * outputs that it takes part in. Scratch after the row pointers holds the columns of a tile where
 * some lie beside the input. TA_V7M_FLOORS: whether requantization is by floors, or exact.
 */
#ifndef TA_DEPTHWISE_3X3_V7M_H
#define TA_DEPTHWISE_3X3_V7M_H

#include "ta_depthwise_conv_2d.h"
#include "ta_padded_columns.h"
#include "ta_v7m_requant.h"

/* All channels of a tile; the assembly makes this its frame, and knows the offsets. */
typedef struct pass {
    const int8_t *rows[3]; /* 0, 4, 8: column 0 */
    int32_t offset;        /* 12: ta_v7m_offset */
    int8_t *out;           /* 16 */
    int32_t missing;       /* 20: outputs */
    const int8_t *weights; /* 24 */
    int32_t channels;      /* 28 */
} pass;

/* r0-r4 sums, r5-r7 weights of a row, r8 tap, r9 column 0 and r10 column 1, r11 channels, r12
 * weights, lr channel. */
#define BEGIN                                                                                     \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "ldmia r0, {r1, r2, r3, r4, r5, r6, r12}\n"                                                   \
    "ldr r11, [r0, #28]\n"                                                                        \
    "adr.w r7, 2f\n"                                                                              \
    "add r6, r7, r6, lsl #2\n"                                                                    \
    "orr r6, #1\n"                                                                                \
    "push {r1, r2, r3, r4, r5, r6}\n"                                                             \
    "mov lr, #0\n"                                                                                \
    "1:\n"

#define ROW(place)                                                                                \
    "ldr r9, [sp, #" place "]\n"                                                                  \
    "ldrsb r5, [r12], #1\n"                                                                       \
    "ldrsb r6, [r12], #1\n"                                                                       \
    "ldrsb r7, [r12], #1\n"                                                                       \
    "add r9, lr\n"                                                                                \
    "add r10, r9, r11\n"

/* Taps of columns; those of 6, 7 and 8 after FOUR_ON. */
#define COLUMN_0 "ldrsb r8, [r9]\n"
#define COLUMN_1 "ldrsb r8, [r10]\n"
#define COLUMN_2 "ldrsb r8, [r10, r11]\n"
#define COLUMN_3 "ldrsb r8, [r10, r11, lsl #1]\n"
#define COLUMN_4 "ldrsb r8, [r9, r11, lsl #2]\n"
#define COLUMN_5 "ldrsb r8, [r10, r11, lsl #2]\n"
#define COLUMN_6 "ldrsb r8, [r9, r11, lsl #1]\n"
#define COLUMN_7 "ldrsb r8, [r10, r11, lsl #1]\n"
#define COLUMN_8 "ldrsb r8, [r9, r11, lsl #2]\n"
#define FOUR_ON(column) "add " column ", " column ", r11, lsl #2\n"

/* What a tap adds to a sum, by its place in the window; the first of all makes it. */
#define MAKE(acc) "mul " acc ", r5, r8\n"
#define LEFT(acc) "mla " acc ", r5, r8, " acc "\n"
#define MIDDLE(acc) "mla " acc ", r6, r8, " acc "\n"
#define RIGHT(acc) "mla " acc ", r7, r8, " acc "\n"

#define ROW_OF_3(place, left)                                                                     \
    ROW(place) COLUMN_0 left("r0") COLUMN_1 MIDDLE("r0") left("r1") COLUMN_2 RIGHT("r0")          \
        MIDDLE("r1") left("r2") COLUMN_3 RIGHT("r1") MIDDLE("r2") COLUMN_4 RIGHT("r2")
#define ROW_OF_4(place, left)                                                                     \
    ROW(place) COLUMN_0 left("r0") COLUMN_1 MIDDLE("r0") left("r1") COLUMN_2 RIGHT("r0")          \
        MIDDLE("r1") left("r2") COLUMN_3 RIGHT("r1") MIDDLE("r2") left("r3") COLUMN_4 RIGHT("r2") \
            MIDDLE("r3") COLUMN_5 RIGHT("r3")
#define ROW_OF_5(place, left)                                                                     \
    ROW(place) COLUMN_0 left("r0") COLUMN_1 MIDDLE("r0") left("r1") COLUMN_2 RIGHT("r0")          \
        MIDDLE("r1") left("r2") COLUMN_3 RIGHT("r1") MIDDLE("r2") left("r3") COLUMN_4 RIGHT("r2") \
            MIDDLE("r3") left("r4") COLUMN_5 RIGHT("r3") MIDDLE("r4") FOUR_ON("r9") COLUMN_6      \
                RIGHT("r4")

/* The same by a stride of two. */
#define ROW_OF_3_BY_2(place, left)                                                                \
    ROW(place) COLUMN_0 left("r0") COLUMN_1 MIDDLE("r0") COLUMN_2 RIGHT("r0") left("r1") COLUMN_3 \
        MIDDLE("r1") COLUMN_4 RIGHT("r1") left("r2") COLUMN_5 MIDDLE("r2") FOUR_ON("r9") COLUMN_6 \
            RIGHT("r2")
#define ROW_OF_4_BY_2(place, left)                                                                \
    ROW_OF_3_BY_2(place, left) left("r3") FOUR_ON("r10") COLUMN_7 MIDDLE("r3") COLUMN_8 RIGHT("r3")

/* Then r9 and r10 are places of outputs. */
#if TA_V7M_FLOORS
#define WORDS                                                                                     \
    "ldr r5, [r12], #4\n"                                                                         \
    "ldr r6, [r12], #4\n"                                                                         \
    "ldr r7, [sp, #12]\n"
#define REQUANTIZE(acc) TA_V7M_FLOOR(acc, "r5", "r6", "r7", "r8")
#else
#define WORDS                                                                                     \
    "ldr r5, [r12], #4\n"                                                                         \
    "ldr r6, [r12], #4\n"                                                                         \
    "ldrb r10, [r12], #1\n"                                                                       \
    "ldr r7, [sp, #12]\n"                                                                         \
    "lsl r7, r7, r10\n"                                                                           \
    "add r10, #1\n"
#define REQUANTIZE(acc) TA_V7M_ROUND_TWICE(acc, "r5", "r6", "r7", "r10", "r8", "r9")
#endif
#define REQUANTIZE_3 WORDS REQUANTIZE("r0") REQUANTIZE("r1") REQUANTIZE("r2")

#define STORE                                                                                     \
    "ldr r9, [sp, #16]\n"                                                                         \
    "add r9, lr\n"                                                                                \
    "add r10, r9, r11\n"                                                                          \
    "ldr pc, [sp, #20]\n"                                                                         \
    "2:\n"
#define STORE_4 "strb.w r4, [r9, r11, lsl #2]\n"
#define STORE_3 "strb.w r3, [r10, r11, lsl #1]\n"
#define END                                                                                       \
    "strb.w r2, [r9, r11, lsl #1]\n"                                                              \
    "strb.w r1, [r9, r11]\n"                                                                      \
    "strb r0, [r9]\n"                                                                             \
    "add lr, #1\n"                                                                                \
    "cmp lr, r11\n"                                                                               \
    "bne 1b\n"                                                                                    \
    "add sp, #24\n"                                                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

#define END_OF_3 REQUANTIZE_3 STORE END
#define END_OF_4 REQUANTIZE_3 REQUANTIZE("r3") STORE STORE_3 END
#define END_OF_5 REQUANTIZE_3 REQUANTIZE("r3") REQUANTIZE("r4") STORE STORE_4 STORE_3 END

/* ADR counts from whole words. */
#define TILE __attribute__((naked, noinline, aligned(4))) static void
#define ROWS(row) row("0", MAKE) row("4", LEFT) row("8", LEFT)

/* By floors a channel takes 85 instructions for three outputs, 102 for four and 122 for five, with a
 * stride of two 94 and 117; exactly, three more for each output and three. */
TILE three(const pass *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN ROWS(ROW_OF_3) END_OF_3);
}

TILE four(const pass *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN ROWS(ROW_OF_4) END_OF_4);
}

TILE five(const pass *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN ROWS(ROW_OF_5) END_OF_5);
}

TILE three_by_2(const pass *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN ROWS(ROW_OF_3_BY_2) END_OF_3);
}

TILE four_by_2(const pass *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN ROWS(ROW_OF_4_BY_2) END_OF_4);
}

/* How many of `left` outputs to take, so that few are missing in the last tile. */
static int32_t tile_of(int32_t left, int32_t stride)
{
    if (stride == 1 && left % 5 == 0) {
        return 5;
    }
    return left <= 3 || left == 6 ? 3 : 4;
}

static void ta_depthwise_3x3(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                             int32_t x_start, int32_t x_stop)
{
    const int32_t channels = op->in_channels;
    const int32_t stride = op->stride_w;
    int8_t *const copies = (int8_t *)op->scratch + 3 * sizeof *rows;
    pass p;
    p.offset = ta_v7m_offset(&op->requant);
    p.weights = op->weights;
    p.channels = channels;
    int32_t count;
    for (int32_t x = x_start; x < x_stop; x += count) {
        const int32_t tile = tile_of(x_stop - x, stride);
        count = x_stop - x < tile ? x_stop - x : tile;
        const int32_t left = x * stride - op->pad_left;
        const int32_t columns = (tile - 1) * stride + 3;
        ta_padded_columns(op, rows, left, columns, copies, p.rows);
        p.out = out + x * channels;
        p.missing = tile - count;
        if (stride == 1) {
            (tile == 5 ? five : (tile == 4 ? four : three))(&p);
        } else {
            (tile == 4 ? four_by_2 : three_by_2)(&p);
        }
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * channels, (x_stop - x_start) * channels);
}

#endif

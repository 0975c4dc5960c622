/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes ta_depthwise_3x3 of 3x3 windows side by side, stride 1 or 2, at most one column of padding
 * on each side, for RV32IM: floors where TA_RV32_FLOORS is 1, exact where it is 0.
 *
 * A channel's nine weights stay in registers while three rows pass by: a column's taps are loaded
 * once for the outputs that it is right, middle and left of.
 */
#ifndef TA_DEPTHWISE_3X3_RV32_H
#define TA_DEPTHWISE_3X3_RV32_H

#include "ta_depthwise_conv_2d.h"
#include "ta_rv32_requant.h"

/* Nine weights, a right shift less 1 where requantization is exact, two bytes of zeros, a bias and
 * a slope or mantissa. */
#define TA_RV32_CHANNEL_BYTES 20

/* Of a stretch of a row; the assembly knows the offsets. */
typedef struct pass {
    const int8_t *rows[3];  /* 0, 4, 8: the first column that is inside the input */
    const int8_t *channels; /* 12: the first's constants */
    const int8_t *stop;     /* 16: of them */
    int8_t *out;            /* 20 */
    const int8_t *end;      /* 24: of outputs whose right column is inside */
    int32_t step;           /* 28: from a column to the next */
    int32_t lowest;         /* 32 */
    int32_t highest;        /* 36 */
    int32_t offset;         /* 40: see ta_rv32_offset */
    int32_t columns_back;   /* 44: from behind the last column to the next channel's first */
    int32_t outputs_back;   /* 48: the same of outputs, without one whose right column is beside */
    int32_t zero;           /* 52: what is beside the input */
    int32_t is_left_beside; /* 56 */
    int32_t is_right_beside; /* 60 */
} pass;

/* a0-a2 rows, a3 step, a4 out, a5 its end, a6 bias, a7 multiplier, s0-s8 weights, s9 offset, s10
 * and s11 the ends of the range, ra constants, t6 shift, t0-t2 a column's taps, t3 product, t4 the
 * sum of an output that lacks its right column, t5 of one that lacks the middle one too. */
#define COLUMN                                                                                    \
    "lb t0, 0(a0)\n"                                                                              \
    "lb t1, 0(a1)\n"                                                                              \
    "lb t2, 0(a2)\n"                                                                              \
    "add a0, a0, a3\n"                                                                            \
    "add a1, a1, a3\n"                                                                            \
    "add a2, a2, a3\n"
#define ADD_PRODUCT(sum, to, weight, tap)                                                         \
    "mul t3, " weight ", " tap "\n"                                                               \
    "add " to ", " sum ", t3\n"
#define LEFT(sum)                                                                                 \
    "mul " sum ", s0, t0\n" ADD_PRODUCT(sum, sum, "s3", "t1") ADD_PRODUCT(sum, sum, "s6", "t2")
#define MIDDLE(sum)                                                                               \
    ADD_PRODUCT(sum, "t4", "s1", "t0") ADD_PRODUCT("t4", "t4", "s4", "t1")                        \
        ADD_PRODUCT("t4", "t4", "s7", "t2")
#define RIGHT(top, middle, bottom)                                                                \
    ADD_PRODUCT("t4", "t4", "s2", top) ADD_PRODUCT("t4", "t4", "s5", middle)                      \
        ADD_PRODUCT("t4", "t4", "s8", bottom)

#if TA_RV32_FLOORS
#define CHANNEL_WORDS
#define REQUANTIZE TA_RV32_FLOOR("t4", "a6", "a7", "s9")
#else
#define CHANNEL_WORDS                                                                             \
    "lbu t6, 9(ra)\n"                                                                             \
    "lw s9, 40(t3)\n"                                                                             \
    "sll s9, s9, t6\n"                                                                            \
    "addi t6, t6, 1\n"
#define REQUANTIZE TA_RV32_ROUND_TWICE("t4", "a6", "a7", "s9", "t6", "t3")
#endif

/* Outputs beyond the range are stored at `below` and `above`, which CLAMPED makes. */
#define OUTPUT(below, above)                                                                      \
    REQUANTIZE                                                                                    \
    "blt t4, s10, " below "f\n"                                                                   \
    "bgt t4, s11, " above "f\n"                                                                   \
    "sb t4, 0(a4)\n"
#define CLAMPED(label, to, back)                                                                  \
    label ":\n"                                                                                   \
    "sb " to ", 0(a4)\n"                                                                          \
    "j " back "b\n"

#define BEGIN                                                                                     \
    "addi sp, sp, -64\n" TA_RV32_ALL_SAVED("sw")                                                  \
    "sw a0, 52(sp)\n"                                                                             \
    "mv t3, a0\n"                                                                                 \
    "lw a0, 0(t3)\n"                                                                              \
    "lw a1, 4(t3)\n"                                                                              \
    "lw a2, 8(t3)\n"                                                                              \
    "lw ra, 12(t3)\n"                                                                             \
    "lw a4, 20(t3)\n"                                                                             \
    "lw a5, 24(t3)\n"                                                                             \
    "lw a3, 28(t3)\n"                                                                             \
    "lw s10, 32(t3)\n"                                                                            \
    "lw s11, 36(t3)\n"                                                                            \
    "lw s9, 40(t3)\n"                                                                             \
    "1:\n"                                                                                        \
    "lb s0, 0(ra)\n" "lb s1, 1(ra)\n" "lb s2, 2(ra)\n"                                            \
    "lb s3, 3(ra)\n" "lb s4, 4(ra)\n" "lb s5, 5(ra)\n"                                            \
    "lb s6, 6(ra)\n" "lb s7, 7(ra)\n" "lb s8, 8(ra)\n"                                            \
    "lw a6, 12(ra)\n"                                                                             \
    "lw a7, 16(ra)\n"                                                                             \
    CHANNEL_WORDS                                                                                 \
    "addi ra, ra, 20\n"                                                                           \
    "lw t0, 52(t3)\n"                                                                             \
    "lw t4, 56(t3)\n"                                                                             \
    "mv t1, t0\n"                                                                                 \
    "mv t2, t0\n"                                                                                 \
    "bnez t4, 2f\n"                                                                               \
    COLUMN                                                                                        \
    "2:\n"                                                                                        \
    LEFT("t4")

/* Then the output whose right column is beside the input, after what precedes that column. */
#define END(before)                                                                               \
    "5:\n"                                                                                        \
    "lw t5, 52(sp)\n"                                                                             \
    "lw t3, 60(t5)\n"                                                                             \
    "beqz t3, 7f\n"                                                                               \
    before                                                                                        \
    "lw t0, 52(t5)\n" RIGHT("t0", "t0", "t0") OUTPUT("10", "11")                                  \
    "7:\n"                                                                                        \
    "lw t3, 52(sp)\n"                                                                             \
    "lw t0, 44(t3)\n"                                                                             \
    "lw t1, 48(t3)\n"                                                                             \
    "lw t2, 16(t3)\n"                                                                             \
    "sub a0, a0, t0\n"                                                                            \
    "sub a1, a1, t0\n"                                                                            \
    "sub a2, a2, t0\n"                                                                            \
    "sub a4, a4, t1\n"                                                                            \
    "addi a5, a5, 1\n"                                                                            \
    "bne ra, t2, 1b\n"                                                                            \
    TA_RV32_ALL_SAVED("lw")                                                                       \
    "addi sp, sp, 64\n"                                                                           \
    "ret\n"                                                                                       \
    CLAMPED("8", "s10", "4") CLAMPED("9", "s11", "4")                                             \
    CLAMPED("10", "s10", "7") CLAMPED("11", "s11", "7")

#define ALL_CHANNELS __attribute__((naked, noinline)) static void

/* By floors an output takes 33 instructions and a channel some 50 beside; exactly, five and three
 * more. */
ALL_CHANNELS make_by_1(const pass *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN COLUMN MIDDLE("t4") LEFT("t5")
                     "beq a4, a5, 5f\n"
                     "3:\n" COLUMN RIGHT("t0", "t1", "t2") OUTPUT("8", "9")
                     "4:\n" MIDDLE("t5") LEFT("t5")
                     "add a4, a4, a3\n"
                     "bne a4, a5, 3b\n" END(""));
}

/* By floors an output takes 39, exactly 44. */
ALL_CHANNELS make_by_2(const pass *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN "beq a4, a5, 5f\n"
                     "3:\n" COLUMN MIDDLE("t4") COLUMN RIGHT("t0", "t1", "t2") OUTPUT("8", "9")
                     "4:\n" LEFT("t4")
                     "add a4, a4, a3\n"
                     "bne a4, a5, 3b\n" END(COLUMN MIDDLE("t4")));
}

static void ta_depthwise_3x3(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                             int32_t x_start, int32_t x_stop)
{
    const int32_t step = op->in_channels;
    const int32_t left = x_start * op->stride_w - op->pad_left;
    const int32_t columns = (x_stop - x_start - 1) * op->stride_w + 3;
    const int32_t left_beside = left < 0 ? 1 : 0;
    const int32_t right_beside = left + columns > op->in_width ? 1 : 0;
    const int32_t outputs = x_stop - x_start - right_beside;
    pass p = {
        .channels = op->weights,
        .stop = op->weights + TA_RV32_CHANNEL_BYTES * step,
        .out = out + x_start * step,
        .end = out + (x_start + outputs) * step,
        .step = step,
        .lowest = op->requant.lowest,
        .highest = op->requant.highest,
        .offset = ta_rv32_offset(&op->requant),
        .columns_back = (columns - left_beside - right_beside) * step - 1,
        .outputs_back = outputs * step - 1,
        .zero = op->zero_row != NULL ? op->zero_row[0] : 0,
        .is_left_beside = left_beside,
        .is_right_beside = right_beside,
    };
    for (int32_t ky = 0; ky < 3; ++ky) {
        p.rows[ky] = rows[ky] + (left + left_beside) * step;
    }
    (op->stride_w == 1 ? make_by_1 : make_by_2)(&p);
}

#endif

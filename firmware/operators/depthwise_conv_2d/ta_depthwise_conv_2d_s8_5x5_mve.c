/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows of up to 5x5. A load takes two columns of eight rows; 3 such vectors are a filter. Where
 * strides are 1, a band is two output rows: the same inputs meet four filters, two by two, which
 * are one, shifted by a column, by a row and by both. Otherwise a vector stays for all outputs whose
 * windows it is part of.
 */
#include "ta_depthwise_mve.h"

#define COLUMNS 6

/* q4-q6 the filter's first vector, a column further on, a row further on; q7 any other; r12 where
 * they lie. */
#define FILTER_PAIRS                                                                              \
    "add r12, r10, #120\n"                                                                        \
    "vldrw.u32 q7, [r10, #184]\n"                                                                 \
    "vldrb.u8 q6, [r0, q7]\n"                                                                     \
    "vstrw.32 q6, [r10, #120]\n"                                                                  \
    "vldrw.u32 q7, [r10, #200]\n"                                                                 \
    "vldrb.u8 q6, [r0, q7]\n"                                                                     \
    "vstrw.32 q6, [r10, #136]\n"                                                                  \
    "vldrw.u32 q7, [r10, #216]\n"                                                                 \
    "vldrb.u8 q6, [r0, q7]\n"                                                                     \
    "vstrw.32 q6, [r10, #152]\n"                                                                  \
    "vldrb.8 q4, [r12]\n"                                                                         \
    "vldrb.8 q5, [r12, #-8]\n"                                                                    \
    "vldrb.8 q6, [r12, #-1]\n"                                                                    \
    "ldr r3, [r10, #104]\n"                                                                       \
    "adds r4, #4\n"                                                                               \
    "add r0, r3\n"
/* The filter. */
#define FILTER                                                                                    \
    "vldrw.u32 q0, [r10, #184]\n"                                                                 \
    "vldrb.u8 q4, [r0, q0]\n"                                                                     \
    "vldrw.u32 q0, [r10, #200]\n"                                                                 \
    "vldrb.u8 q5, [r0, q0]\n"                                                                     \
    "vldrw.u32 q0, [r10, #216]\n"                                                                 \
    "vldrb.u8 q6, [r0, q0]\n"                                                                     \
    "ldr r3, [r10, #104]\n"                                                                       \
    "adds r4, #4\n"                                                                               \
    "add r0, r3\n"
/* r12: by how much loads of four outputs go on too far. */
#define FILTER_STRIDE_1 FILTER "mov r12, #512\n"
#define FILTER_STRIDE_2 FILTER "mov r12, #512\n"
#define TILES                                                                                     \
    "ldr r0, [r10, #24]\n"                                                                        \
    "wls lr, r0, 5f\n"

/* Four sums: 24 instructions, 21 or 19. */
#define SUMS_PAIRS                                                                                \
    "vldrw.u32 q0, [q3, #-256]\n"                                                                 \
    "vmladav.s8 r0, q0, q4\n"                                                                     \
    "vmladav.s8 r2, q0, q5\n"                                                                     \
    "vmladav.s8 r4, q0, q6\n"                                                                     \
    "vldrb.8 q7, [r12, #-9]\n"                                                                    \
    "vmladav.s8 r6, q0, q7\n"                                                                     \
    "vldrw.u32 q0, [q3]\n"                                                                        \
    "vldrb.8 q7, [r12, #16]\n"                                                                    \
    "vmladava.s8 r0, q0, q7\n"                                                                    \
    "vldrb.8 q7, [r12, #8]\n"                                                                     \
    "vmladava.s8 r2, q0, q7\n"                                                                    \
    "vldrb.8 q7, [r12, #15]\n"                                                                    \
    "vmladava.s8 r4, q0, q7\n"                                                                    \
    "vldrb.8 q7, [r12, #7]\n"                                                                     \
    "vmladava.s8 r6, q0, q7\n"                                                                    \
    "vldrw.u32 q0, [q3, #256]!\n"                                                                 \
    "vldrb.8 q7, [r12, #32]\n"                                                                    \
    "vmladava.s8 r0, q0, q7\n"                                                                    \
    "vldrb.8 q7, [r12, #24]\n"                                                                    \
    "vmladava.s8 r2, q0, q7\n"                                                                    \
    "vldrb.8 q7, [r12, #31]\n"                                                                    \
    "vmladava.s8 r4, q0, q7\n"                                                                    \
    "vldrb.8 q7, [r12, #23]\n"                                                                    \
    "vmladava.s8 r6, q0, q7\n"
#define SUMS_STRIDE_1                                                                             \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladav.s8 r0, q0, q4\n"                                                                     \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladav.s8 r2, q0, q4\n"                                                                     \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladav.s8 r4, q0, q4\n"                                                                     \
    "vmladava.s8 r0, q0, q5\n"                                                                    \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladav.s8 r6, q0, q4\n"                                                                     \
    "vmladava.s8 r2, q0, q5\n"                                                                    \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladava.s8 r4, q0, q5\n"                                                                    \
    "vmladava.s8 r0, q0, q6\n"                                                                    \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladava.s8 r6, q0, q5\n"                                                                    \
    "vmladava.s8 r2, q0, q6\n"                                                                    \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladava.s8 r4, q0, q6\n"                                                                    \
    "vldrw.u32 q0, [q3, #128]!\n"                                                                 \
    "vmladava.s8 r6, q0, q6\n"                                                                    \
    "vsub.i32 q3, q3, r12\n"
#define SUMS_STRIDE_2                                                                             \
    "vldrw.u32 q0, [q3, #256]!\n"                                                                 \
    "vmladav.s8 r0, q0, q4\n"                                                                     \
    "vldrw.u32 q0, [q3, #256]!\n"                                                                 \
    "vmladav.s8 r2, q0, q4\n"                                                                     \
    "vmladava.s8 r0, q0, q5\n"                                                                    \
    "vldrw.u32 q0, [q3, #256]!\n"                                                                 \
    "vmladav.s8 r4, q0, q4\n"                                                                     \
    "vmladava.s8 r2, q0, q5\n"                                                                    \
    "vmladava.s8 r0, q0, q6\n"                                                                    \
    "vldrw.u32 q0, [q3, #256]!\n"                                                                 \
    "vmladav.s8 r6, q0, q4\n"                                                                     \
    "vmladava.s8 r4, q0, q5\n"                                                                    \
    "vmladava.s8 r2, q0, q6\n"                                                                    \
    "vldrw.u32 q0, [q3, #256]!\n"                                                                 \
    "vmladava.s8 r6, q0, q5\n"                                                                    \
    "vmladava.s8 r4, q0, q6\n"                                                                    \
    "vldrw.u32 q0, [q3, #256]!\n"                                                                 \
    "vmladava.s8 r6, q0, q6\n"                                                                    \
    "vsub.i32 q3, q3, r12\n"

/* 62 instructions for eight outputs. */
__attribute__((naked, noinline)) static void pairs(ta_strip_mve *s __attribute__((unused)))
{
    TA_RUN_FLOORS_MVE(FILTER_PAIRS, TILES, SUMS_PAIRS, TA_ONE_MORE_MVE);
}

/* 56. */
__attribute__((naked, noinline)) static void stride_1(ta_strip_mve *s __attribute__((unused)))
{
    TA_RUN_FLOORS_MVE(FILTER_STRIDE_1, TILES, SUMS_STRIDE_1, "");
}

/* 52. */
__attribute__((naked, noinline)) static void stride_2(ta_strip_mve *s __attribute__((unused)))
{
    TA_RUN_FLOORS_MVE(FILTER_STRIDE_2, TILES, SUMS_STRIDE_2, "");
}

static const ta_band_mve PAIRS = TA_HIGH_BAND_MVE(pairs, 2, 2, 2, COLUMNS);
static const ta_band_mve STRIDE_1 = TA_HIGH_BAND_MVE(stride_1, 1, 4, -1, COLUMNS);
static const ta_band_mve STRIDE_2 = TA_HIGH_BAND_MVE(stride_2, 1, 8, -2, COLUMNS);

static const ta_band_mve *row_of(const ta_conv_2d *op)
{
    return op->stride_w == 1 ? &STRIDE_1 : &STRIDE_2;
}

void ta_depthwise_conv_2d_s8_5x5_mve(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                     int32_t x_start, int32_t x_stop)
{
    ta_depthwise_row_mve(op, row_of(op), rows, out, x_start, x_stop);
}

void ta_depthwise_conv_2d_s8_5x5_mve_strips(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const bool in_pairs = op->stride_w == 1 && op->stride_h == 1 && op->dilation_h == 1;
    ta_depthwise_strips_mve(op, in_pairs ? &PAIRS : NULL, row_of(op), y_start, y_stop);
}

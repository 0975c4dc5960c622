/* SPDX-License-Identifier: Apache-2.0
 *
 * A load takes four columns of four rows. Where strides are 1, a band is two output rows: those
 * sixteen inputs are all that four outputs, two by two, need, and VMLADAV meets them with four
 * filters, which are one, shifted by a column, by a row and by both.
 */
#include "ta_depthwise_mve.h"

/* A load goes on by two columns, and addresses are those of the load before. */
#define LOAD "vldrw.u32 q0, [q3, #128]!\n"

/* q4 the filter, q5 a column further on, q6 and q7 a row. */
#define NEXT                                                                                      \
    "adds r0, #16\n"                                                                              \
    "adds r4, #4\n"
#define FILTER_PAIRS                                                                              \
    "vldrb.8 q4, [r0]\n"                                                                          \
    "vldrb.8 q5, [r0, #-4]\n"                                                                     \
    "vldrb.8 q6, [r0, #-1]\n"                                                                     \
    "vldrb.8 q7, [r0, #-5]\n" NEXT
#define FILTER_STRIDE_1                                                                           \
    "vldrb.8 q4, [r0]\n"                                                                          \
    "vldrb.8 q5, [r0, #-4]\n" NEXT
#define FILTER_STRIDE_2 "vldrb.8 q4, [r0]\n" NEXT
#define TILES "wls lr, r12, 5f\n"

/* Four sums: 5 instructions, 6 or 8. */
#define SUMS_PAIRS                                                                                \
    LOAD "vmladav.s8 r0, q0, q4\n"                                                                \
         "vmladav.s8 r2, q0, q5\n"                                                                \
         "vmladav.s8 r4, q0, q6\n"                                                                \
         "vmladav.s8 r6, q0, q7\n"
#define SUMS_STRIDE_1                                                                             \
    LOAD "vmladav.s8 r0, q0, q4\n"                                                                \
         "vmladav.s8 r2, q0, q5\n" LOAD "vmladav.s8 r4, q0, q4\n"                                 \
         "vmladav.s8 r6, q0, q5\n"
#define SUMS_STRIDE_2                                                                             \
    LOAD "vmladav.s8 r0, q0, q4\n" LOAD "vmladav.s8 r2, q0, q4\n" LOAD                            \
         "vmladav.s8 r4, q0, q4\n" LOAD "vmladav.s8 r6, q0, q4\n"

/* 24 instructions for eight outputs. */
__attribute__((naked, noinline)) static void pairs_by_floors(ta_strip_mve *s
                                                             __attribute__((unused)))
{
    TA_RUN_FLOORS_MVE(FILTER_PAIRS, TILES, SUMS_PAIRS, TA_ONE_MORE_MVE);
}

/* 32. */
__attribute__((naked, noinline)) static void pairs_exactly(ta_strip_mve *s __attribute__((unused)))
{
    TA_RUN_EXACT_MVE(FILTER_PAIRS, TILES, SUMS_PAIRS, TA_ONE_MORE_MVE);
}

/* 26. */
__attribute__((naked, noinline)) static void rows_by_floors(ta_strip_mve *s __attribute__((unused)))
{
    TA_RUN_FLOORS_MVE(FILTER_STRIDE_1, TILES, SUMS_STRIDE_1, "");
}

/* 34. */
__attribute__((naked, noinline)) static void rows_exactly(ta_strip_mve *s __attribute__((unused)))
{
    TA_RUN_EXACT_MVE(FILTER_STRIDE_1, TILES, SUMS_STRIDE_1, "");
}

/* 30. */
__attribute__((naked, noinline)) static void stride_2_by_floors(ta_strip_mve *s
                                                                __attribute__((unused)))
{
    TA_RUN_FLOORS_MVE(FILTER_STRIDE_2, TILES, SUMS_STRIDE_2, "");
}

/* 38. */
__attribute__((naked, noinline)) static void stride_2_exactly(ta_strip_mve *s
                                                              __attribute__((unused)))
{
    TA_RUN_EXACT_MVE(FILTER_STRIDE_2, TILES, SUMS_STRIDE_2, "");
}

static const ta_band_mve PAIRS = TA_BAND_MVE(pairs_by_floors, pairs_exactly, 2, 2);
static const ta_band_mve STRIDE_1 = TA_BAND_MVE(rows_by_floors, rows_exactly, 1, 4);
static const ta_band_mve STRIDE_2 = TA_BAND_MVE(stride_2_by_floors, stride_2_exactly, 1, 8);

static const ta_band_mve *row_of(const ta_conv_2d *op)
{
    return op->stride_w == 1 ? &STRIDE_1 : &STRIDE_2;
}

void ta_depthwise_conv_2d_s8_3x3_mve(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                     int32_t x_start, int32_t x_stop)
{
    ta_depthwise_row_mve(op, row_of(op), rows, out, x_start, x_stop);
}

void ta_depthwise_conv_2d_s8_3x3_mve_strips(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const bool in_pairs = op->stride_w == 1 && op->stride_h == 1 && op->dilation_h == 1;
    ta_depthwise_strips_mve(op, in_pairs ? &PAIRS : NULL, row_of(op), y_start, y_stop);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * All filters over one channel, whose columns lie in scratch as words of four rows, once for all. A
 * load takes four columns.
 */
#include "ta_depthwise_mve.h"

#define COLUMNS 16
#define ALL INT16_MAX

/* A load goes on by two columns, and addresses are those of the load before. */
#define LOAD "vldrw.u32 q0, [q3, #8]!\n"

/* q4 the filter, q5 a column further on. */
#define FILTER_STRIDE_1                                                                           \
    "vldrb.8 q4, [r0]\n"                                                                          \
    "vldrb.8 q5, [r0, #-4]\n"                                                                     \
    "adds r0, #16\n"
#define FILTER_STRIDE_2                                                                           \
    "vldrb.8 q4, [r0]\n"                                                                          \
    "adds r0, #16\n"
#define TILES "wls lr, r12, 5f\n"

/* Four sums: 6 instructions, or 8. */
#define SUMS_STRIDE_1                                                                             \
    LOAD "vmladav.s8 r0, q0, q4\n"                                                                \
         "vmladav.s8 r2, q0, q5\n" LOAD "vmladav.s8 r4, q0, q4\n"                                 \
         "vmladav.s8 r6, q0, q5\n"
#define SUMS_STRIDE_2                                                                             \
    LOAD "vmladav.s8 r0, q0, q4\n" LOAD "vmladav.s8 r2, q0, q4\n" LOAD                            \
         "vmladav.s8 r4, q0, q4\n" LOAD "vmladav.s8 r6, q0, q4\n"

/* 26 instructions for eight outputs. */
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

/* Sixteen columns at a time; those of the last that are too many lie where others come, or beyond
 * the last, where there is room. */
static void lay(const ta_columns_mve *c)
{
    const int32_t columns = c->before + c->inside + c->after;
    for (int32_t band = 0; band < c->bands; ++band) {
        int8_t *const to = c->to + band * columns * TA_ROWS_MVE;
        const int8_t *const *const rows = c->windows[band].rows;
        for (int32_t x = 0; x < c->inside; x += COLUMNS) {
            const mve_pred16_t left = vctp8q((uint32_t)(c->inside - x));
            int8x16x4_t four;
            for (int32_t k = 0; k < TA_ROWS_MVE; ++k) {
                four.val[k] = vldrbq_z_s8(rows[k] + c->offset + x, left);
            }
            vst4q_s8(to + (c->before + x) * TA_ROWS_MVE, four);
        }
        for (int32_t k = 0; k < c->before * TA_ROWS_MVE; ++k) {
            to[k] = (int8_t)c->zero;
        }
        for (int32_t k = (columns - c->after) * TA_ROWS_MVE; k < columns * TA_ROWS_MVE; ++k) {
            to[k] = (int8_t)c->zero;
        }
    }
}

static const ta_band_mve STRIDE_1 = {
    rows_by_floors, rows_exactly, 1, 1, 4, -2, 4, lay, ALL, TA_ROWS_MVE, TA_ROWS_MVE
};
static const ta_band_mve STRIDE_2 = {
    stride_2_by_floors, stride_2_exactly, 1, 1, 8, -2, 4, lay, ALL, TA_ROWS_MVE, TA_ROWS_MVE
};

static const ta_band_mve *row_of(const ta_conv_2d *op)
{
    return op->stride_w == 1 ? &STRIDE_1 : &STRIDE_2;
}

void ta_depthwise_conv_2d_s8_3x3_c1_mve(const ta_conv_2d *op, const int8_t *const *rows,
                                        int8_t *out, int32_t x_start, int32_t x_stop)
{
    ta_depthwise_row_mve(op, row_of(op), rows, out, x_start, x_stop);
}

void ta_depthwise_conv_2d_s8_3x3_c1_mve_strips(const ta_conv_2d *op, int32_t y_start,
                                               int32_t y_stop)
{
    ta_depthwise_strips_mve(op, NULL, row_of(op), y_start, y_stop);
}

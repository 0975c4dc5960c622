/* SPDX-License-Identifier: Apache-2.0
 *
 * Four outputs of a channel at a time: a column's tap is loaded once for all the outputs that it
 * takes part in. Scratch after the row pointers holds the columns of a tile where some lie beside
 * the input.
 */
#include <stdbool.h>

#include "ta_depthwise_conv_2d.h"
#include "ta_linear_c.h"
#include "ta_padded_columns.h"

#define OUTPUTS 4

/* Of outputs side by side; by value, so that registers hold them. */
typedef struct sums {
    int32_t of0;
    int32_t of1;
    int32_t of2;
    int32_t of3;
} sums;

static inline sums add_row(sums s, const int8_t *column, int32_t step, const int8_t *weights)
{
    const int32_t left = weights[0];
    const int32_t middle = weights[1];
    const int32_t right = weights[2];
    int32_t x = *column;
    s.of0 += left * x;
    x = *(column += step);
    s.of0 += middle * x;
    s.of1 += left * x;
    x = *(column += step);
    s.of0 += right * x;
    s.of1 += middle * x;
    s.of2 += left * x;
    x = *(column += step);
    s.of1 += right * x;
    s.of2 += middle * x;
    s.of3 += left * x;
    x = *(column += step);
    s.of2 += right * x;
    s.of3 += middle * x;
    s.of3 += right * column[step];
    return s;
}

/* The same with a stride of two. */
static inline sums add_row_by_2(sums s, const int8_t *column, int32_t step, const int8_t *weights)
{
    const int32_t left = weights[0];
    const int32_t middle = weights[1];
    const int32_t right = weights[2];
    int32_t x = *column;
    s.of0 += left * x;
    s.of0 += middle * *(column += step);
    x = *(column += step);
    s.of0 += right * x;
    s.of1 += left * x;
    s.of1 += middle * *(column += step);
    x = *(column += step);
    s.of1 += right * x;
    s.of2 += left * x;
    s.of2 += middle * *(column += step);
    x = *(column += step);
    s.of2 += right * x;
    s.of3 += left * x;
    s.of3 += middle * *(column += step);
    s.of3 += right * column[step];
    return s;
}

/* What ta_floor takes of a layer; by value likewise. */
typedef struct floor_of {
    int32_t offset;
    int32_t lowest;
    int32_t highest;
} floor_of;

static inline int8_t output_of(floor_of floor, int32_t sum, int32_t bias, uint32_t slope)
{
    const int32_t high = ta_high_product(256 * sum + bias, (int32_t)slope);
    return ta_clamp_s8((floor.offset + high) >> TA_LINEAR_C_FLOOR_SHIFT, floor.lowest,
                       floor.highest);
}

/* All channels of a tile, of which `count` outputs are there. */
static inline void make_tile(const ta_conv_2d *op, const int8_t *const *columns, int8_t *out,
                             int32_t count, bool by_2)
{
    const int32_t step = op->in_channels;
    const int8_t *weights = op->weights;
    const int32_t *bias = op->bias;
    const uint32_t *slope = op->requant.words;
    const floor_of floor = {
        .offset = ta_floor_offset(&op->requant, TA_LINEAR_C_FLOOR_SHIFT),
        .lowest = op->requant.lowest,
        .highest = op->requant.highest,
    };
    /* What is missing goes to output 0's place, before that. */
    const int32_t place1 = count > 1 ? step : 0;
    const int32_t place2 = count > 2 ? 2 * step : 0;
    const int32_t place3 = count > 3 ? 3 * step : 0;
    const int8_t *row0 = columns[0];
    const int8_t *row1 = columns[1];
    const int8_t *row2 = columns[2];
    for (const int8_t *const end = out + step; out != end; weights += 9) {
        sums s = { 0, 0, 0, 0 };
        if (by_2) {
            s = add_row_by_2(s, row0++, step, weights);
            s = add_row_by_2(s, row1++, step, weights + 3);
            s = add_row_by_2(s, row2++, step, weights + 6);
        } else {
            s = add_row(s, row0++, step, weights);
            s = add_row(s, row1++, step, weights + 3);
            s = add_row(s, row2++, step, weights + 6);
        }
        out[place3] = output_of(floor, s.of3, *bias, *slope);
        out[place2] = output_of(floor, s.of2, *bias, *slope);
        out[place1] = output_of(floor, s.of1, *bias, *slope);
        *out++ = output_of(floor, s.of0, *bias++, *slope++);
    }
}

void ta_depthwise_conv_2d_s8_3x3_rv32(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                      int32_t x_start, int32_t x_stop)
{
    TA_ASSERT(op->kernel_h == 3);
    int8_t *const copies = (int8_t *)op->scratch + 3 * sizeof *rows;
    const int32_t columns = (OUTPUTS - 1) * op->stride_w + 3;
    for (int32_t x = x_start; x < x_stop; x += OUTPUTS) {
        const int8_t *of[3];
        ta_padded_columns(op, rows, x * op->stride_w - op->pad_left, columns, copies, of);
        if (op->stride_w == 1) {
            make_tile(op, of, out + x * op->out_channels, x_stop - x, false);
        } else {
            make_tile(op, of, out + x * op->out_channels, x_stop - x, true);
        }
    }
}

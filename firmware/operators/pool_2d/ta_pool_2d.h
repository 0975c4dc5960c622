/* SPDX-License-Identifier: Apache-2.0
 *
 * Average and maximum over sliding windows, int8. Padding does not take part.
 */
#ifndef TA_POOL_2D_H
#define TA_POOL_2D_H

#include "ta_requant.h"
#include "ta_rows.h"

typedef struct ta_pool_2d ta_pool_2d;

/* Makes pixels [x_start, x_stop) of one output row.
 * rows[k], 0 <= k < count: the input rows in the window, from their column 0; count >= 1.
 * out: column 0 of the output row, which overlaps no input. */
typedef void ta_pool_2d_kernel(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                               int8_t *out, int32_t x_start, int32_t x_stop);

struct ta_pool_2d {
    ta_pool_2d_kernel *kernel;
    ta_source in;
    ta_sink out;
    void *scratch; /* kernel_h row pointers, then the kernel's own */
    int16_t in_width;
    int16_t channels;
    int16_t out_width;
    int16_t kernel_h;
    int16_t kernel_w;
    int16_t stride_h;
    int16_t stride_w;
    int16_t pad_top;  /* less than kernel_h, so that every window has a pixel in it */
    int16_t pad_left; /* less than kernel_w */
    int8_t lowest;
    int8_t highest;
};

/* Makes output rows [y_start, y_stop). */
void ta_pool_2d_rows(const ta_pool_2d *op, int32_t y_start, int32_t y_stop);

/* Any shape, any core; the references for all others. */
ta_pool_2d_kernel ta_average_pool_2d_s8_c;
ta_pool_2d_kernel ta_max_pool_2d_s8_c;

/* At least four channels, windows of at most 255 pixels, cores with the DSP extension. */
ta_pool_2d_kernel ta_average_pool_2d_s8_dsp;

/* At least sixteen channels, cores with Helium; averages of windows of at most 255 pixels. */
ta_pool_2d_kernel ta_average_pool_2d_s8_mve;
ta_pool_2d_kernel ta_max_pool_2d_s8_mve;

/* Columns [start, stop) of the input; never empty in a window. */
typedef struct ta_columns {
    int32_t start;
    int32_t stop;
} ta_columns;

/* The columns under the window of output column x. */
static inline ta_columns ta_pool_2d_columns(const ta_pool_2d *op, int32_t x)
{
    const int32_t left = x * op->stride_w - op->pad_left;
    const int32_t right = left + op->kernel_w;
    const ta_columns columns = {
        .start = left < 0 ? 0 : left,
        .stop = right > op->in_width ? op->in_width : right,
    };
    TA_ASSERT(columns.start < columns.stop);
    return columns;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Called a row at a time: built for size. */
#pragma GCC optimize("Os")

#include <stdbool.h>

#include "ta_conv_2d.h"

void ta_conv_2d_window(const ta_conv_2d *op, int32_t y, const int8_t **rows)
{
    ta_window(&op->in, op->zero_row, y * op->stride_h - op->pad_top, op->dilation_h, op->kernel_h,
              rows);
}

void ta_conv_2d_rows(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const int8_t **rows = op->scratch;
    const bool joined = op->in_width * op->in_channels > op->in.pitch;
    const int32_t count = joined ? y_stop - y_start : 1;
    for (int32_t y = y_start; y < y_stop; y += count) {
        ta_conv_2d_window(op, y, rows);
        op->kernel(op, rows, ta_sink_row(&op->out, y), 0, count * op->out_width);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Called a block at a time: built for size. */
#pragma GCC optimize("Os")

#include "ta_conv_2d.h"

void ta_conv_2d_blocks(const ta_conv_2d *op, int32_t blocks, int32_t y_start, int32_t y_stop)
{
    const int8_t **rows = op->scratch;
    for (int32_t k = y_start; k < y_stop; ++k) {
        const int32_t y = k / blocks;
        const int32_t x = k % blocks * op->out_width;
        ta_conv_2d_window(op, y, rows);
        op->kernel(op, rows, ta_sink_row(&op->out, k) - x * op->out_channels, x,
                   x + op->out_width);
    }
}

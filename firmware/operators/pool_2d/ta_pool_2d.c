/* SPDX-License-Identifier: Apache-2.0 */
/* Called a row at a time: built for size. */
#pragma GCC optimize("Os")

#include "ta_pool_2d.h"

void ta_pool_2d_rows(const ta_pool_2d *op, int32_t y_start, int32_t y_stop)
{
    const int8_t **rows = op->scratch;
    for (int32_t y = y_start; y < y_stop; ++y) {
        const int32_t top = y * op->stride_h - op->pad_top;
        int32_t count = 0;
        for (int32_t k = 0; k < op->kernel_h; ++k) {
            if (top + k >= 0 && top + k < op->in.height) {
                rows[count++] = ta_source_row(&op->in, top + k);
            }
        }
        TA_ASSERT(count > 0);
        op->kernel(op, rows, count, ta_sink_row(&op->out, y), 0, op->out_width);
    }
}

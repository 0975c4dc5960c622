/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_dequantize.h"

void ta_dequantize_rows(const ta_dequantize *op, int32_t y_start, int32_t y_stop)
{
    for (int32_t y = y_start; y < y_stop; ++y) {
        op->kernel(op, ta_source_row(&op->in, y), ta_sink_row(&op->out, y), 0, op->width);
    }
}

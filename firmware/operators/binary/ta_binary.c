/* SPDX-License-Identifier: Apache-2.0 */
/* Called a row at a time: built for size. */
#pragma GCC optimize("Os")

#include "ta_binary.h"

static const int8_t *operand_row(const ta_operand *operand, int32_t y)
{
    return ta_source_row(&operand->rows, y / operand->repeat % operand->rows.height);
}

void ta_binary_rows(const ta_binary *op, int32_t y_start, int32_t y_stop)
{
    for (int32_t y = y_start; y < y_stop; ++y) {
        const int8_t *a = operand_row(&op->a, y);
        const int8_t *b = operand_row(&op->b, y);
        int8_t *out = ta_sink_row(&op->out, y);
        if (op->contiguous) {
            op->kernel(op, a, b, out, op->width * op->channels);
            continue;
        }
        for (int32_t x = 0; x < op->width; ++x) {
            op->kernel(op, a + x * op->a.pixel_step, b + x * op->b.pixel_step,
                       out + x * op->channels, op->channels);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_reduce.h"

void ta_reduce_rows(const ta_reduce *op, int32_t y_start, int32_t y_stop)
{
    const int8_t **rows = op->scratch;
    for (int32_t y = y_start; y < y_stop; ++y) {
        int8_t *out = ta_sink_row(&op->out, y);
        for (int32_t part = 0; part < op->parts; ++part) {
            const int32_t first = (y * op->parts + part) * op->rows_a_sum;
            for (int32_t k = 0; k < op->rows_a_sum; ++k) {
                rows[k] = ta_source_row(&op->in, first + k);
            }
            op->kernel(op, rows, out);
            out += op->out_width * op->out_channels;
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_softmax.h"

void ta_softmax_rows(const ta_softmax *op, int32_t y_start, int32_t y_stop)
{
    for (int32_t y = y_start; y < y_stop; ++y) {
        op->kernel(op, ta_source_row(&op->in, y), ta_sink_row(&op->out, y));
    }
}

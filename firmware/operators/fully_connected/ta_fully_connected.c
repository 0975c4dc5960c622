/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_fully_connected.h"

/* Points pieces[k] at the batch's elements in the input. */
static void find_batch(const ta_fully_connected *op, int32_t batch, const int8_t **pieces)
{
    const int32_t row = batch / op->batches_a_row * op->pieces;
    const int32_t offset = batch % op->batches_a_row * op->piece_bytes;
    for (int32_t k = 0; k < op->pieces; ++k) {
        pieces[k] = ta_source_row(&op->in, row + k) + offset;
    }
}

void ta_fully_connected_rows(const ta_fully_connected *op, int32_t y_start, int32_t y_stop)
{
    const int8_t **pieces = op->scratch;
    for (int32_t y = y_start; y < y_stop; ++y) {
        int8_t *out = ta_sink_row(&op->out, y);
        for (int32_t x = 0; x < op->out_width; ++x, out += op->out_channels) {
            find_batch(op, y * op->out_width + x, pieces);
            op->kernel(op, pieces, out);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_fully_connected.h"
#include "ta_pieces_v6m.h"

void ta_fully_connected_s8_v6m(const ta_fully_connected *op, const int8_t *const *pieces,
                               int8_t *out)
{
    const ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->piece_bytes,
        .channels = op->out_channels,
    };
    ta_pieces_s8_v6m(&layer, pieces, op->pieces, out);
}

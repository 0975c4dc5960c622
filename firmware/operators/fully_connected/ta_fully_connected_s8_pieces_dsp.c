/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_fully_connected.h"
#include "ta_pieces_dsp.h"

void ta_fully_connected_s8_pieces_dsp(const ta_fully_connected *op, const int8_t *const *pieces,
                                      int8_t *out)
{
    const ta_pieces_dsp batch = {
        .pieces = pieces,
        .count = op->pieces,
        .words = op->piece_bytes / 4,
    };
    ta_pieces_s8_dsp(&op->requant, op->weights, &batch, op->out_channels, out);
    ta_clamp_outputs_s8(&op->requant, out, op->out_channels);
}

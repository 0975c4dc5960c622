/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch of a fully connected layer as a pixel in pieces, for cores with the DSP extension.
 */
#ifndef TA_PIECES_OF_BATCH_DSP_H
#define TA_PIECES_OF_BATCH_DSP_H

#include "ta_fully_connected.h"
#include "ta_pieces_dsp.h"

static inline void ta_connect_pieces_dsp(const ta_fully_connected *op, const int8_t *const *pieces,
                                         int8_t *out, ta_pieces_kernel *kernel)
{
    const ta_pieces_dsp batch = {
        .pieces = pieces,
        .count = op->pieces,
        .words = op->piece_bytes / 4,
    };
    kernel(&op->requant, op->weights, &batch, op->out_channels, out);
    ta_clamp_outputs_s8(&op->requant, out, op->out_channels);
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the pieces' pointers: the batch, where it has several pieces.
 */
#include <string.h>

#include "ta_fully_connected.h"
#include "ta_linear_mve.h"

void ta_fully_connected_s8_mve(const ta_fully_connected *op, const int8_t *const *pieces,
                               int8_t *out)
{
    const ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->pieces * op->piece_bytes,
        .channels = op->out_channels,
    };
    const int8_t *batch = pieces[0];
    if (op->pieces > 1) {
        int8_t *const line = (int8_t *)op->scratch + op->pieces * (int32_t)sizeof *pieces;
        for (int32_t k = 0; k < op->pieces; ++k) {
            memcpy(line + k * op->piece_bytes, pieces[k], (size_t)op->piece_bytes);
        }
        batch = line;
    }
    ta_linear_s8_1_mve(&layer, batch, out);
}

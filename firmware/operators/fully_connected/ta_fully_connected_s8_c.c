/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_dot.h"
#include "ta_fully_connected.h"

void ta_fully_connected_s8_c(const ta_fully_connected *op, const int8_t *const *pieces,
                             int8_t *out)
{
    const int8_t *weights = op->weights;
    for (int32_t oc = 0; oc < op->out_channels; ++oc) {
        int32_t acc = op->bias[oc];
        for (int32_t k = 0; k < op->pieces; ++k, weights += op->piece_bytes) {
            acc = ta_dot_s8(acc, weights, pieces[k], op->piece_bytes);
        }
        out[oc] = ta_requantize_s8(&op->requant, ta_channel_multiplier(&op->requant, oc), acc);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_batch_dsp.h"
#include "ta_quads_dsp.h"

void ta_fully_connected_s8_quads_dsp(const ta_fully_connected *op, const int8_t *const *pieces,
                                     int8_t *out)
{
    const int32_t fours = ta_linear_dsp_fours(op->pieces * op->piece_bytes);
    const int32_t *const batch = ta_widen_batch_dsp(op, pieces, fours);
    ta_quads_s8_dsp(&op->requant, op->weights, batch, fours, op->out_channels, out);
    ta_clamp_outputs_s8(&op->requant, out, op->out_channels);
}

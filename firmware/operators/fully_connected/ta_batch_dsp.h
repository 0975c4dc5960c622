/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch of a fully connected layer as a widened pixel, for cores with the DSP extension.
 *
 * Scratch after the pieces' pointers: the widened batch, then it as bytes where its pieces do
 * not end with a word.
 */
#ifndef TA_BATCH_DSP_H
#define TA_BATCH_DSP_H

#include <string.h>

#include "ta_fully_connected.h"
#include "ta_linear_dsp.h"

/* All channels of `count` pixels; see ta_linear_dsp.h. */
typedef void ta_group_kernel(ta_linear_dsp *layer, int32_t count, int8_t *out);

/* Widens a batch of so many fours; returns where it lies. */
static inline const int32_t *ta_widen_batch_dsp(const ta_fully_connected *op,
                                                const int8_t *const *pieces, int32_t fours)
{
    int32_t *const batch = (int32_t *)op->scratch + op->pieces;
    int8_t *const line = (int8_t *)(batch + 2 * fours);
    int32_t *widened = batch;
    for (int32_t k = 0; k < op->pieces; ++k) {
        if (op->piece_bytes % 4 == 0) {
            widened = ta_linear_dsp_widen_pixel(widened, pieces[k], op->piece_bytes / 4);
        } else {
            memcpy(line + k * op->piece_bytes, pieces[k], (size_t)op->piece_bytes);
        }
    }
    if (op->piece_bytes % 4 != 0) {
        (void)ta_linear_dsp_widen_pixel(batch, line, (op->pieces * op->piece_bytes + 3) / 4);
    }
    return batch;
}

static inline void ta_connect_batch_dsp(const ta_fully_connected *op, const int8_t *const *pieces,
                                        int8_t *out, ta_group_kernel *linear)
{
    const int32_t taps = op->pieces * op->piece_bytes;
    const int32_t *const batch = ta_widen_batch_dsp(op, pieces, ta_linear_dsp_fours(taps));
    ta_linear_dsp layer = ta_linear_dsp_of(&op->requant, op->weights, taps, op->out_channels, batch);
    linear(&layer, 1, out);
    ta_clamp_outputs_s8(&op->requant, out, op->out_channels);
}

#endif

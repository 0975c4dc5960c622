/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch of a fully connected layer as a pixel.
 */
#ifndef TA_BATCH_H
#define TA_BATCH_H

#include <string.h>

#include "ta_fully_connected.h"
#include "ta_linear.h"

/* All channels of one pixel, out[channels]. */
typedef void ta_pixel_kernel(const ta_linear *layer, const int8_t *pixel, int8_t *out);

/* Scratch after the pieces' pointers holds `words` words for the kernel, then a batch that is put
 * together from several pieces. */
static inline void ta_connect_batch(const ta_fully_connected *op, const int8_t *const *pieces,
                                    int8_t *out, ta_pixel_kernel *linear,
                                    int32_t words)
{
    void *const scratch = (int8_t *)op->scratch + op->pieces * (int32_t)sizeof *pieces;
    const ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .scratch = scratch,
        .taps = op->pieces * op->piece_bytes,
        .channels = op->out_channels,
    };
    const int8_t *batch = pieces[0];
    if (op->pieces > 1) {
        int8_t *const line = (int8_t *)scratch + 4 * words;
        for (int32_t k = 0; k < op->pieces; ++k) {
            memcpy(line + k * op->piece_bytes, pieces[k], (size_t)op->piece_bytes);
        }
        batch = line;
    }
    linear(&layer, batch, out);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_mve.h>

#include "ta_pool_2d.h"

#define CHANNELS 16

/* Takes `count` pixels, `step` bytes apart, into the maximum: 4 instructions for sixteen channels. */
static inline int8x16_t take_row(int8x16_t most, const int8_t *in, int32_t step, int32_t count)
{
    for (; count > 0; --count, in += step) {
        most = vmaxq_s8(most, vldrbq_s8(in));
    }
    return most;
}

void ta_max_pool_2d_s8_mve(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                           int8_t *out, int32_t x_start, int32_t x_stop)
{
    const int8x16_t lowest = vdupq_n_s8(op->lowest);
    const int8x16_t highest = vdupq_n_s8(op->highest);
    const int32_t channels = op->channels;
    for (int32_t x = x_start; x < x_stop; ++x) {
        const ta_columns columns = ta_pool_2d_columns(op, x);
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last sixteen are made again where channels are no multiple of sixteen. */
            const int32_t channel = c + CHANNELS <= channels ? c : channels - CHANNELS;
            const int32_t first = columns.start * channels + channel;
            int8x16_t most = lowest;
            for (int32_t k = 0; k < count; ++k) {
                most = take_row(most, rows[k] + first, channels, columns.stop - columns.start);
            }
            vstrbq_s8(out + x * channels + channel, vminq_s8(most, highest));
        }
    }
}

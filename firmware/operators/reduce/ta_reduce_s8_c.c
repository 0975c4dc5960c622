/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_reduce.h"

/* The sum whose first input in each row is input `first`. */
static int32_t sum(const ta_reduce *op, const int8_t *const *rows, int32_t first)
{
    const int32_t columns = op->width / op->out_width;
    const int32_t channels = op->channels / op->out_channels;
    int32_t total = op->offset;
    for (int32_t k = 0; k < op->rows_a_sum; ++k) {
        const int8_t *in = rows[k] + first;
        for (int32_t x = 0; x < columns; ++x, in += op->channels) {
            for (int32_t c = 0; c < channels; ++c) {
                total += in[c];
            }
        }
    }
    return total;
}

void ta_reduce_s8_c(const ta_reduce *op, const int8_t *const *rows, int8_t *out)
{
    const ta_multiplier m = op->multiplier;
    for (int32_t x = 0; x < op->out_width; ++x) {
        for (int32_t c = 0; c < op->out_channels; ++c) {
            const int32_t total = sum(op, rows, x * op->channels + c);
            *out++ = ta_clamp_s8(ta_scale(total, m.mantissa, m.right_shift) + op->zero_point,
                                 INT8_MIN, INT8_MAX);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_binary.h"

void ta_add_s8_c(const ta_binary *op, const int8_t *a, const int8_t *b, int8_t *out,
                 int32_t count)
{
    const ta_multiplier a_scale = op->a.multiplier;
    const ta_multiplier b_scale = op->b.multiplier;
    const ta_multiplier out_scale = op->multiplier;
    const int32_t a_zero = op->a.zero_point;
    const int32_t b_zero = op->b.zero_point;
    const int32_t zero_point = op->zero_point;
    const int32_t lowest = op->lowest;
    const int32_t highest = op->highest;
    const int32_t a_step = op->a.channel_step;
    const int32_t b_step = op->b.channel_step;
    for (int32_t k = 0; k < count; ++k, a += a_step, b += b_step) {
        const int32_t sum = ta_scale_down((*a - a_zero) * (INT32_C(1) << 20), a_scale) +
                            ta_scale_down((*b - b_zero) * (INT32_C(1) << 20), b_scale);
        out[k] = ta_clamp_s8(ta_scale_down(sum, out_scale) + zero_point, lowest, highest);
    }
}

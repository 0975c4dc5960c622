/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_binary.h"

void ta_prelu_s8_c(const ta_binary *op, const int8_t *a, const int8_t *b, int8_t *out,
                   int32_t count)
{
    const ta_multiplier identity = op->a.multiplier;
    const ta_multiplier slope = op->multiplier;
    const int32_t a_zero = op->a.zero_point;
    const int32_t b_zero = op->b.zero_point;
    const int32_t zero_point = op->zero_point;
    const int32_t a_step = op->a.channel_step;
    const int32_t b_step = op->b.channel_step;
    for (int32_t k = 0; k < count; ++k, a += a_step, b += b_step) {
        const int32_t x = *a - a_zero;
        const int32_t scaled =
            x >= 0 ? ta_scale(x, identity.mantissa, identity.right_shift)
                   : ta_scale(x * (*b - b_zero), slope.mantissa, slope.right_shift);
        out[k] = ta_clamp_s8(scaled + zero_point, op->lowest, op->highest);
    }
}

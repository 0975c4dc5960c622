/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_binary.h"
#include "ta_saturate.h"

void ta_add_s8_affine_c(const ta_binary *op, const int8_t *a, const int8_t *b, int8_t *out,
                        int32_t count)
{
    const int32_t a_weight = op->a.multiplier.mantissa;
    const int32_t b_weight = op->b.multiplier.mantissa;
    const int32_t bias = op->multiplier.mantissa;
    const int32_t right_shift = op->multiplier.right_shift;
    const int32_t a_step = op->a.channel_step;
    const int32_t b_step = op->b.channel_step;
    if (a_step != 0 && b_step != 0) {
        /* All is read before anything is written: out may be a or b. */
        for (; count >= 4; count -= 4, a += 4, b += 4, out += 4) {
            const int32_t sum0 = bias + a_weight * a[0] + b_weight * b[0];
            const int32_t sum1 = bias + a_weight * a[1] + b_weight * b[1];
            const int32_t sum2 = bias + a_weight * a[2] + b_weight * b[2];
            const int32_t sum3 = bias + a_weight * a[3] + b_weight * b[3];
            out[0] = ta_saturate_s8(sum0 >> right_shift);
            out[1] = ta_saturate_s8(sum1 >> right_shift);
            out[2] = ta_saturate_s8(sum2 >> right_shift);
            out[3] = ta_saturate_s8(sum3 >> right_shift);
        }
    }
    for (; count > 0; --count, a += a_step, b += b_step) {
        *out++ = ta_saturate_s8((bias + a_weight * *a + b_weight * *b) >> right_shift);
    }
}

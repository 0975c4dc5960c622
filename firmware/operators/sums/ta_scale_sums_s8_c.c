/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_sums.h"

void ta_scale_sums_s8_c(const ta_sums *op, int8_t *out)
{
    const ta_multiplier m = op->multiplier;
    for (int32_t c = 0; c < op->channels; ++c) {
        const int32_t scaled = ta_scale(op->sums[c] + op->offset, m.mantissa, m.right_shift);
        out[c] = ta_clamp_s8(scaled + op->zero_point, op->lowest, op->highest);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_sums.h"

void ta_average_sums_s8_c(const ta_sums *op, int8_t *out)
{
    for (int32_t c = 0; c < op->channels; ++c) {
        const int32_t total = op->sums[c];
        /* Rounded to nearest, halves away from zero. */
        const int32_t half = total > 0 ? op->count / 2 : -(op->count / 2);
        out[c] = ta_clamp_s8((total + half) / op->count, op->lowest, op->highest);
    }
}

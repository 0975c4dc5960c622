/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_binary.h"

void ta_maximum_s8_c(const ta_binary *op, const int8_t *a, const int8_t *b, int8_t *out,
                    int32_t count)
{
    const int32_t a_step = op->a.channel_step;
    const int32_t b_step = op->b.channel_step;
    for (int32_t k = 0; k < count; ++k, a += a_step, b += b_step) {
        out[k] = *a > *b ? *a : *b;
    }
}

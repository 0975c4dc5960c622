/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_lookup.h"

void ta_lookup_s8_c(const ta_lookup *op, const int8_t *in, int8_t *out, int32_t x_start,
                    int32_t x_stop)
{
    const int8_t *table = op->table;
    const int32_t stop = x_stop * op->channels;
    for (int32_t k = x_start * op->channels; k < stop; ++k) {
        out[k] = table[(uint8_t)in[k]];
    }
}

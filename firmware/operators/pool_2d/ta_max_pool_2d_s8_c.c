/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_pool_2d.h"

/* Channel c's maximum over the window. */
static int32_t highest(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                       ta_columns columns, int32_t c)
{
    int32_t found = INT8_MIN;
    for (int32_t k = 0; k < count; ++k) {
        const int8_t *in = rows[k] + columns.start * op->channels + c;
        for (int32_t x = columns.start; x < columns.stop; ++x, in += op->channels) {
            found = *in > found ? *in : found;
        }
    }
    return found;
}

void ta_max_pool_2d_s8_c(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                         int8_t *out, int32_t x_start, int32_t x_stop)
{
    for (int32_t x = x_start; x < x_stop; ++x) {
        const ta_columns columns = ta_pool_2d_columns(op, x);
        for (int32_t c = 0; c < op->channels; ++c) {
            out[x * op->channels + c] =
                ta_clamp_s8(highest(op, rows, count, columns, c), op->lowest, op->highest);
        }
    }
}

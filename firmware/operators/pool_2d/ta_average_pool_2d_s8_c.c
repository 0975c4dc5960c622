/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_pool_2d.h"

/* Channel c's sum over the window. */
static int32_t sum(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                   ta_columns columns, int32_t c)
{
    int32_t total = 0;
    for (int32_t k = 0; k < count; ++k) {
        const int8_t *in = rows[k] + columns.start * op->channels + c;
        for (int32_t x = columns.start; x < columns.stop; ++x, in += op->channels) {
            total += *in;
        }
    }
    return total;
}

void ta_average_pool_2d_s8_c(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                             int8_t *out, int32_t x_start, int32_t x_stop)
{
    for (int32_t x = x_start; x < x_stop; ++x) {
        const ta_columns columns = ta_pool_2d_columns(op, x);
        const int32_t size = count * (columns.stop - columns.start);
        for (int32_t c = 0; c < op->channels; ++c) {
            const int32_t total = sum(op, rows, count, columns, c);
            /* Rounded to nearest, halves away from zero. */
            const int32_t half = total > 0 ? size / 2 : -(size / 2);
            out[x * op->channels + c] =
                ta_clamp_s8((total + half) / size, op->lowest, op->highest);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ta_columns.h"
#include "ta_linear_c.h"

static void copy(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step, int32_t bytes,
                 int32_t count)
{
    for (; count > 0; --count, to += to_step, from += from_step) {
        if (bytes >= 8) {
            memcpy(to, from, (size_t)bytes);
        } else {
            for (int32_t k = 0; k < bytes; ++k) {
                to[k] = from[k];
            }
        }
    }
}

void ta_conv_2d_s8_columns_c(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                             int32_t x_start, int32_t x_stop)
{
    ta_convolve_by_columns(op, rows, out, x_start, x_stop, copy, ta_linear_s8_c);
}

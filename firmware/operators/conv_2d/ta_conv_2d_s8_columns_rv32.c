/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_columns.h"
#include "ta_linear_rv32.h"

void ta_conv_2d_s8_columns_rv32(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                int32_t x_start, int32_t x_stop)
{
    ta_convolve_by_columns(op, rows, out, x_start, x_stop, ta_copy_columns_c, ta_linear_s8_rv32);
}

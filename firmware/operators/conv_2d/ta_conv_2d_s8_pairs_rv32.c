/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_rv32.h"
#include "ta_windows.h"

void ta_conv_2d_s8_pairs_rv32(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                              int32_t x_start, int32_t x_stop)
{
    static const ta_window_kernels kernels = {
        .most = TA_LINEAR_PAIRS_RV32_PIXELS,
        .joins = 1,
        .tile_of = ta_tile_pairs_rv32,
        .widen = ta_join_pairs_rv32,
        .linear = ta_linear_s8_pairs_rv32,
    };
    ta_convolve_windows(op, rows, out, x_start, x_stop, &kernels);
}

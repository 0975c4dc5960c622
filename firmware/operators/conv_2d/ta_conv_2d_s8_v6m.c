/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_v6m.h"
#include "ta_windows.h"

void ta_conv_2d_s8_v6m(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    static const ta_window_kernels kernels = {
        .most = TA_LINEAR_V6M_PIXELS,
        .tile_of = ta_tile_v6m,
        .widen = ta_widen_v6m,
        .linear = ta_linear_s8_v6m,
    };
    ta_convolve_windows(op, rows, out, x_start, x_stop, &kernels);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_window_quads_dsp.h"

void ta_conv_2d_s8_quads_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                             int32_t x_start, int32_t x_stop)
{
    ta_convolve_quads(op, rows, out, x_start, x_stop, ta_quads_s8_dsp);
}

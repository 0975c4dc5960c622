/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_conv_2d.h"
#include "ta_linear_mve.h"

void ta_conv_2d_s8_1x1_mve(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                           int32_t x_start, int32_t x_stop)
{
    const ta_linear_mve layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->in_channels,
        .channels = op->out_channels,
    };
    const int32_t pitch = op->stride_w * op->in_channels;
    ta_linear_s8_mve(&layer, rows[0] + x_start * pitch, pitch, x_stop - x_start,
                     out + x_start * op->out_channels);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma GCC optimize("Os")

#include "ta_winograd_dsp.h"

/* All filters, as they lie in flash. */
static ta_winograd filters_of(const ta_conv_2d *op)
{
    return (ta_winograd) {
        .pairs = (const int32_t *)(const void *)op->weights,
        .stop = op->out_channels,
        .tiles = (int32_t *)op->scratch + op->kernel_h + 1,
    };
}

void ta_conv_2d_s8_winograd_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                int32_t x_start, int32_t x_stop)
{
    const int8_t *const four[4] = { rows[0], rows[1], rows[2], rows[2] };
    const ta_winograd w = filters_of(op);
    const int32_t count = (x_stop - x_start) * op->out_channels;
    ta_winograd_row(op, &w, four, out, 0, x_start, x_stop);
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels, count);
}

void ta_conv_2d_s8_winograd_dsp_pairs(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const ta_winograd w = filters_of(op);
    ta_winograd_rows(op, &w, y_start, y_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#define TA_NARROW 0
#define TA_FIVE 0
#include "ta_depthwise_planes_dsp.h"

void ta_depthwise_conv_2d_s8_planes_dsp(const ta_conv_2d *op, const int8_t *const *rows,
                                        int8_t *out, int32_t x_start, int32_t x_stop)
{
    make(op, rows, out, x_start, x_stop, 1);
}

void ta_depthwise_conv_2d_s8_planes_dsp_strips(const ta_conv_2d *op, int32_t y_start,
                                               int32_t y_stop)
{
    ta_make_strips(op, y_start, y_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#define TA_COLUMNS 6 /* or one less */
#include "ta_depthwise_narrow_dsp.h"

void ta_depthwise_conv_2d_s8_3x3_dsp_narrow_six(const ta_conv_2d *op, int32_t y_start,
                                                int32_t y_stop)
{
    ta_make_narrow(op, y_start, y_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_wide_dsp.h"

#define TA_GROUP 2
#define TA_LINEAR ta_linear_s8_wide_dsp
#include "ta_groups_dsp.h"

void ta_conv_2d_s8_wide_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                            int32_t x_start, int32_t x_stop)
{
    ta_convolve_groups(op, rows, out, x_start, x_stop);
}

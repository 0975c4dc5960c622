/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#define TA_RV32_FLOORS 0

#include "ta_depthwise_3x3_rv32.h"

void ta_depthwise_conv_2d_s8_3x3_exact_rv32(const ta_conv_2d *op, const int8_t *const *rows,
                                            int8_t *out, int32_t x_start, int32_t x_stop)
{
    ta_depthwise_3x3(op, rows, out, x_start, x_stop);
}

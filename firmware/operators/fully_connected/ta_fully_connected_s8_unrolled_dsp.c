/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_batch_dsp.h"

void ta_fully_connected_s8_unrolled_dsp(const ta_fully_connected *op, const int8_t *const *pieces,
                                        int8_t *out)
{
    ta_connect_batch_dsp(op, pieces, out, ta_linear_s8_unrolled_dsp);
}

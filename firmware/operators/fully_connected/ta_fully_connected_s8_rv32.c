/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_batch.h"
#include "ta_linear_rv32.h"

void ta_fully_connected_s8_rv32(const ta_fully_connected *op, const int8_t *const *pieces,
                                int8_t *out)
{
    ta_connect_batch(op, pieces, out, ta_linear_s8_1_rv32, 0);
}

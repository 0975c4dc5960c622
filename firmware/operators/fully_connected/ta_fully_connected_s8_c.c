/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_batch.h"
#include "ta_linear_c.h"

void ta_fully_connected_s8_c(const ta_fully_connected *op, const int8_t *const *pieces,
                             int8_t *out)
{
    ta_connect_batch(op, pieces, out, ta_linear_s8_1_c, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_batch.h"
#include "ta_linear_v7m.h"

void ta_fully_connected_s8_v7m(const ta_fully_connected *op, const int8_t *const *pieces,
                               int8_t *out)
{
    const int32_t words = (op->pieces * op->piece_bytes + 3) / 4 * 4;
    ta_connect_batch(op, pieces, out, ta_linear_s8_1_v7m, words);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_requant.h"

void ta_clamp_outputs_s8(const ta_requant *requant, int8_t *out, int32_t count)
{
    if (requant->lowest > INT8_MIN || requant->highest < INT8_MAX) {
        for (int32_t k = 0; k < count; ++k) {
            out[k] = ta_clamp_s8(out[k], requant->lowest, requant->highest);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_mve_requant.h"

void ta_clamp_s8_mve(const ta_requant *requant, int8_t *out, int32_t count)
{
    if (requant->lowest == INT8_MIN && requant->highest == INT8_MAX) {
        return;
    }
    const int8x16_t lowest = vdupq_n_s8(requant->lowest);
    const int8x16_t highest = vdupq_n_s8(requant->highest);
    for (; count > 0; count -= 16, out += 16) {
        const mve_pred16_t left = vctp8q((uint32_t)count);
        const int8x16_t values = vldrbq_z_s8(out, left);
        vstrbq_p_s8(out, vminq_s8(vmaxq_s8(values, lowest), highest), left);
    }
}

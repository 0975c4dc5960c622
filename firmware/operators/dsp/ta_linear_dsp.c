/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_dsp.h"

#include <string.h>

int32_t *ta_linear_dsp_widen(int32_t *pixel, const int8_t *taps, int32_t fours, int32_t lanes)
{
    for (; fours > 0; --fours, taps += 4, pixel += 2 * lanes) {
        int32_t word;
        memcpy(&word, taps, sizeof word);
        __asm__("sxtb16 %0, %1" : "=r"(pixel[0]) : "r"(word));
        __asm__("sxtb16 %0, %1, ror #8" : "=r"(pixel[lanes]) : "r"(word));
    }
    return pixel;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_c.h"
#include "ta_linear_rv32.h"

#define FILTERS 4

#define TAP(k)                                                                                    \
    do {                                                                                          \
        const int32_t x = tap[k];                                                                 \
        acc[0] += filter[4 * (k)] * x;                                                            \
        acc[1] += filter[4 * (k) + 1] * x;                                                        \
        acc[2] += filter[4 * (k) + 2] * x;                                                        \
        acc[3] += filter[4 * (k) + 3] * x;                                                        \
    } while (0)

void ta_linear_s8_1_rv32(const ta_linear *layer, const int8_t *pixel, int8_t *out)
{
    const int8_t *filter = layer->filters;
    for (int32_t c = 0; c < layer->channels; c += FILTERS) {
        int32_t acc[FILTERS] = { 0 };
        const int8_t *tap = pixel;
        for (const int8_t *const end = pixel + (layer->taps & ~3); tap != end; tap += 4) {
            TAP(0);
            TAP(1);
            TAP(2);
            TAP(3);
            filter += 4 * FILTERS;
        }
        for (const int8_t *const end = pixel + layer->taps; tap != end; ++tap) {
            TAP(0);
            filter += FILTERS;
        }
        const int32_t left = layer->channels - c;
        for (int32_t k = 0; k < (left < FILTERS ? left : FILTERS); ++k) {
            const ta_channel channel = ta_channel_of(layer, c + k);
            out[c + k] = ta_output_s8(layer->requant, &channel, acc[k]);
        }
    }
}

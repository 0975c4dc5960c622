/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_c.h"

#define FILTERS 4

#define TAP                                                                                       \
    do {                                                                                          \
        const int32_t x = *tap++;                                                                 \
        acc0 += *filter0++ * x;                                                                   \
        acc1 += *filter1++ * x;                                                                   \
        acc2 += *filter2++ * x;                                                                   \
        acc3 += *filter3++ * x;                                                                   \
    } while (0)

void ta_linear_s8_1_c(const ta_linear *layer, const int8_t *pixel, int8_t *out)
{
    const int32_t taps = layer->taps;
    const int8_t *filter = layer->filters;
    for (int32_t c = 0; c < layer->channels; c += FILTERS, filter += FILTERS * taps) {
        const int32_t count = layer->channels - c < FILTERS ? layer->channels - c : FILTERS;
        /* Filters that are missing are taken for the first. */
        const int8_t *filter0 = filter;
        const int8_t *filter1 = filter + (count > 1 ? taps : 0);
        const int8_t *filter2 = filter + (count > 2 ? 2 * taps : 0);
        const int8_t *filter3 = filter + (count > 3 ? 3 * taps : 0);
        int32_t acc[FILTERS];
        int32_t acc0 = 0;
        int32_t acc1 = 0;
        int32_t acc2 = 0;
        int32_t acc3 = 0;
        const int8_t *tap = pixel;
        for (int32_t fours = taps / 4; fours > 0; --fours) {
            TAP;
            TAP;
            TAP;
            TAP;
        }
        for (int32_t left = taps % 4; left > 0; --left) {
            TAP;
        }
        acc[0] = acc0;
        acc[1] = acc1;
        acc[2] = acc2;
        acc[3] = acc3;
        for (int32_t k = 0; k < count; ++k) {
            const ta_channel channel = ta_channel_of(layer, c + k);
            out[c + k] = ta_output_s8(layer->requant, &channel, acc[k]);
        }
    }
}

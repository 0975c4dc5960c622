/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_c.h"
#include "ta_two_by_two.h"

void ta_linear_s8_c(const ta_linear *layer, const int8_t *pixels, int32_t pitch, int32_t count,
                    int8_t *out)
{
    const ta_requant *requant = layer->requant;
    const int32_t taps = layer->taps;
    const int32_t channels = layer->channels;
    const int8_t *filter0 = layer->filters;
    for (int32_t c = 0; c < channels; c += 2, filter0 += 2 * taps) {
        /* The last of an odd number of channels is its own neighbour; so is the last pixel. */
        const int32_t odd = c + 1 < channels;
        const int8_t *filter1 = filter0 + (odd ? taps : 0);
        const ta_channel channel0 = ta_channel_of(layer, c);
        const ta_channel channel1 = ta_channel_of(layer, c + odd);
        for (int32_t p = 0; p < count; p += 2) {
            const int32_t next = p + 1 < count;
            const int8_t *pixel = pixels + p * pitch;
            int8_t *to = out + p * channels + c;
            const ta_sums acc = ta_two_by_two(filter0, filter1, pixel, pixel + next * pitch, taps);
            to[0] = ta_output_s8(requant, &channel0, acc.of[0]);
            to[odd] = ta_output_s8(requant, &channel1, acc.of[1]);
            to += next * channels;
            to[0] = ta_output_s8(requant, &channel0, acc.of[2]);
            to[odd] = ta_output_s8(requant, &channel1, acc.of[3]);
        }
    }
}

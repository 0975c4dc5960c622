/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_c.h"
#include "ta_two_by_two.h"

/* One channel's constants. */
typedef struct channel {
    int32_t bias;
    ta_multiplier multiplier; /* of a floor: the word is the mantissa */
} channel;

static inline channel channel_of(const ta_linear *layer, int32_t c)
{
    const ta_requant *requant = layer->requant;
    const channel found = {
        .bias = layer->bias[c],
        .multiplier = requant->floors ? (ta_multiplier){ (int32_t)requant->words[c], 0 }
                                      : ta_channel_multiplier(requant, c),
    };
    return found;
}

static inline int8_t output(const ta_requant *requant, const channel *c, int32_t acc)
{
    const ta_multiplier multiplier = c->multiplier;
    const int32_t value =
        requant->floors
            ? ta_floor(requant, TA_LINEAR_C_FLOOR_SHIFT, 256 * acc + c->bias, multiplier.mantissa)
            : requant->zero_point +
                  ta_scale(acc + c->bias, multiplier.mantissa, multiplier.right_shift);
    return ta_clamp_s8(value, requant->lowest, requant->highest);
}

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
        const channel channel0 = channel_of(layer, c);
        const channel channel1 = channel_of(layer, c + odd);
        for (int32_t p = 0; p < count; p += 2) {
            const int32_t next = p + 1 < count;
            const int8_t *pixel = pixels + p * pitch;
            int8_t *to = out + p * channels + c;
            const ta_sums acc = ta_two_by_two(filter0, filter1, pixel, pixel + next * pitch, taps);
            to[0] = output(requant, &channel0, acc.of[0]);
            to[odd] = output(requant, &channel1, acc.of[1]);
            to += next * channels;
            to[0] = output(requant, &channel0, acc.of[2]);
            to[odd] = output(requant, &channel1, acc.of[3]);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels in portable C, two by two: four products of four loads.
 */
#ifndef TA_LINEAR_C_H
#define TA_LINEAR_C_H

#include "ta_linear.h"

/* Where requant->floors, biases and words are those of ta_floor by this shift. */
#define TA_LINEAR_C_FLOOR_SHIFT 11
ta_linear_kernel ta_linear_s8_c;

/* Makes all channels of one pixel, out[channels], four filters at a time. */
void ta_linear_s8_1_c(const ta_linear *layer, const int8_t *pixel, int8_t *out);

/* One channel's constants. */
typedef struct ta_channel {
    int32_t bias;
    ta_multiplier multiplier; /* of a floor: the word is the mantissa */
} ta_channel;

static inline ta_channel ta_channel_of(const ta_linear *layer, int32_t c)
{
    const ta_requant *requant = layer->requant;
    const ta_channel found = {
        .bias = layer->bias[c],
        .multiplier = requant->floors ? (ta_multiplier){ (int32_t)requant->words[c], 0 }
                                      : ta_channel_multiplier(requant, c),
    };
    return found;
}

static inline int8_t ta_output_s8(const ta_requant *requant, const ta_channel *c,
                                  int32_t acc)
{
    const ta_multiplier multiplier = c->multiplier;
    const int32_t value =
        requant->floors
            ? ta_floor(requant, TA_LINEAR_C_FLOOR_SHIFT, 256 * acc + c->bias, multiplier.mantissa)
            : requant->zero_point +
                  ta_scale(acc + c->bias, multiplier.mantissa, multiplier.right_shift);
    return ta_clamp_s8(value, requant->lowest, requant->highest);
}

#endif

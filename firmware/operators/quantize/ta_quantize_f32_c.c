/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_quantize.h"

/* Every quotient beyond this saturates, whatever the zero point. */
#define TA_QUANTIZE_LIMIT 256.0f

/* Only IEEE division, subtraction and comparison, so that all cores agree to the bit. */
static int32_t round_half_away(float x)
{
    const int32_t whole = (int32_t)x;
    const float fraction = x - (float)whole;
    return whole + (fraction >= 0.5f ? 1 : 0) - (fraction <= -0.5f ? 1 : 0);
}

static int8_t quantize(float x, int32_t zero_point)
{
    if (!(x > -TA_QUANTIZE_LIMIT)) {
        return INT8_MIN;
    }
    if (x > TA_QUANTIZE_LIMIT) {
        return INT8_MAX;
    }
    const int32_t q = round_half_away(x) + zero_point;
    return (int8_t)(q < INT8_MIN ? INT8_MIN : (q > INT8_MAX ? INT8_MAX : q));
}

void ta_quantize_f32_c(const ta_quantize *op, const int8_t *in, int8_t *out, int32_t x_start,
                       int32_t x_stop)
{
    const float *reals = (const float *)(const void *)in;
    const int32_t stop = x_stop * op->channels;
    for (int32_t k = x_start * op->channels; k < stop; ++k) {
        out[k] = quantize(reals[k] / op->scale, op->zero_point);
    }
}

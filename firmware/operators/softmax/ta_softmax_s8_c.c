/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_requant.h"
#include "ta_softmax.h"

/* 1 / (1 + x), x and the result in Q0.31, by three steps of Newton and Raphson from
 * 48/17 - 32/17 * d for d = (1 + x) / 2; the estimate is in Q2.29. */
static int32_t reciprocal_of_one_plus(int32_t x)
{
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t estimate = 1515870810 + ta_doubling_high_multiply(half_denominator, -1010580540);
    for (int32_t k = 0; k < 3; ++k) {
        const int32_t error =
            (INT32_C(1) << 29) - ta_doubling_high_multiply(half_denominator, estimate);
        estimate += 4 * ta_doubling_high_multiply(estimate, error);
    }
    return estimate > INT32_MAX / 2 ? INT32_MAX : 2 * estimate;
}

static int32_t exp_of(const ta_softmax *op, int32_t difference)
{
    return difference < op->exp_count ? op->exps[difference] : 0;
}

static void softmax(const ta_softmax *op, const int8_t *in, int8_t *out)
{
    int32_t highest = INT8_MIN;
    for (int32_t c = 0; c < op->channels; ++c) {
        highest = in[c] > highest ? in[c] : highest;
    }
    uint32_t sum = 0; /* Q12.19 */
    for (int32_t c = 0; c < op->channels; ++c) {
        sum += (uint32_t)ta_rounding_shift_right(exp_of(op, highest - in[c]), 12);
    }
    /* sum = (1 + x) * 2^bits: the scale is 1 / (1 + x), and outputs have 8 bits. */
    int32_t bits = 12;
    for (; sum < 0x80000000u; sum <<= 1) {
        --bits;
    }
    const int32_t scale = reciprocal_of_one_plus((int32_t)(sum - 0x80000000u));
    const int32_t exponent = bits + 31 - 8;
    for (int32_t c = 0; c < op->channels; ++c) {
        const int32_t scaled = ta_doubling_high_multiply(scale, exp_of(op, highest - in[c]));
        const int32_t share = exponent > 31 ? 0 : ta_rounding_shift_right(scaled, exponent);
        out[c] = ta_clamp_s8(share - 128, INT8_MIN, INT8_MAX);
    }
}

void ta_softmax_s8_c(const ta_softmax *op, const int8_t *in, int8_t *out)
{
    for (int32_t x = 0; x < op->width; ++x) {
        softmax(op, in + x * op->channels, out + x * op->channels);
    }
}

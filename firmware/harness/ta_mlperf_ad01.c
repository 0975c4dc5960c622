/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_mlperf_ad01.h"

#ifdef TA_MLPERF_AD01

#define ELEMENTS ((int32_t)(TA_AD01_BYTES / sizeof(float)))

static float window[TA_AD01_BYTES / sizeof(float)];

uint8_t *ta_ad01_byte(uint32_t position)
{
    return (uint8_t *)window + position;
}

/* As C's round, for |x| < 2^24: the rest of the division by 1 is exact. */
static int32_t rounded(float x)
{
    const int32_t whole = (int32_t)x;
    const float rest = x - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static int8_t quantized(float value, float scale, int32_t zero_point)
{
    const float steps = value / scale;
    /* Also true where the host sent no number. */
    if (!(steps > -512.0f)) {
        return INT8_MIN;
    }
    const int32_t q = zero_point + rounded(steps < 512.0f ? steps : 512.0f);
    return (int8_t)(q < INT8_MIN ? INT8_MIN : q > INT8_MAX ? INT8_MAX : q);
}

void ta_ad01_quantize(const ta_model *model)
{
    const ta_port_tensor *input = model->inputs;
    for (int32_t k = 0; k < ELEMENTS; ++k) {
        input->data[k] = quantized(window[k], input->scale, input->zero_point);
    }
}

float ta_ad01_error(const ta_model *model)
{
    const ta_port_tensor *output = model->outputs;
    float sum = 0.0f;
    for (int32_t k = 0; k < ELEMENTS; ++k) {
        const float real = output->scale * (float)(output->data[k] - output->zero_point);
        const float difference = real - window[k];
        sum += difference * difference;
    }
    return sum / (float)ELEMENTS;
}

#else

/* C99 wants a declaration in every file. */
typedef int ta_mlperf_ad01_is_empty;

#endif

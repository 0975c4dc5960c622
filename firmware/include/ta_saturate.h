/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TA_SATURATE_H
#define TA_SATURATE_H

#include <stdint.h>

/* The int8 nearest to x. Compilers find SSAT for this only now and then. */
static inline int8_t ta_saturate_s8(int32_t x)
{
#if defined(__ARM_FEATURE_SAT)
    int32_t saturated;
    __asm__("ssat %0, #8, %1" : "=r"(saturated) : "r"(x));
    return (int8_t)saturated;
#else
    return (int8_t)(x < INT8_MIN ? INT8_MIN : (x > INT8_MAX ? INT8_MAX : x));
#endif
}

#endif

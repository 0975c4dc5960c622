/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TA_DOT_H
#define TA_DOT_H

#include <stdint.h>

/* acc + the sum of a[k] * b[k], 0 <= k < count. */
static inline int32_t ta_dot_s8(int32_t acc, const int8_t *a, const int8_t *b, int32_t count)
{
    for (; count >= 4; count -= 4, a += 4, b += 4) {
        acc += a[0] * b[0];
        acc += a[1] * b[1];
        acc += a[2] * b[2];
        acc += a[3] * b[3];
    }
    for (; count > 0; --count) {
        acc += *a++ * *b++;
    }
    return acc;
}

#endif

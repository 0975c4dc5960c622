/* SPDX-License-Identifier: Apache-2.0
 *
 * Microseconds that wrap at 2^32, out of a faster counter that wraps at 2^32 ticks. Exact as
 * long as it is read at least once in 2^32 ticks; ports read it whenever they wait for a byte.
 */
#ifndef TA_STOPWATCH_H
#define TA_STOPWATCH_H

#include <stdint.h>

typedef struct ta_stopwatch {
    uint32_t ticks; /* when the latest whole microsecond was reached */
    uint32_t microseconds;
} ta_stopwatch;

static inline uint32_t ta_stopwatch_read(ta_stopwatch *watch, uint32_t ticks,
                                         uint32_t ticks_a_microsecond)
{
    const uint32_t elapsed = ticks - watch->ticks;
    watch->microseconds += elapsed / ticks_a_microsecond;
    watch->ticks = ticks - elapsed % ticks_a_microsecond;
    return watch->microseconds;
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * memcpy by words where both ends allow it: the C library's, built for size, takes six
 * instructions for a byte.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What follows is not to become a call of itself. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

typedef uint32_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    uint8_t *sink = to;
    const uint8_t *source = from;
    if ((((uintptr_t)sink ^ (uintptr_t)source) & 3u) == 0) {
        for (; count > 0 && ((uintptr_t)sink & 3u) != 0; --count) {
            *sink++ = *source++;
        }
        for (; count >= 16; count -= 16, sink += 16, source += 16) {
            const word *words = (const word *)(const void *)source;
            word *copies = (word *)(void *)sink;
            copies[0] = words[0];
            copies[1] = words[1];
            copies[2] = words[2];
            copies[3] = words[3];
        }
        for (; count >= 4; count -= 4, sink += 4, source += 4) {
            *(word *)(void *)sink = *(const word *)(const void *)source;
        }
    }
    for (; count >= 4; count -= 4, sink += 4, source += 4) {
        sink[0] = source[0];
        sink[1] = source[1];
        sink[2] = source[2];
        sink[3] = source[3];
    }
    for (; count > 0; --count) {
        *sink++ = *source++;
    }
    return to;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Two filters over two pixels: four products of four loads.
 */
#ifndef TA_TWO_BY_TWO_H
#define TA_TWO_BY_TWO_H

#include <stdint.h>

/* Sums of filters 0 and 1 over pixel 0, then over pixel 1. */
typedef struct ta_sums {
    int32_t of[4];
} ta_sums;

#if defined(__ARM_ARCH_6M__)

/* What the assembly reads and writes; it knows the offsets. */
typedef struct ta_tile {
    const int8_t *ends[4]; /* 0: of filters 0 and 1, of pixels 0 and 1 */
    int32_t left;          /* 16: less the taps */
    ta_sums sums;          /* 20 */
} ta_tile;

/* 15 instructions for 4 MACs; the compiler finds 26, for want of low registers. r0-r3 ends, r4
 * taps left, r5-r7 weights and taps, r8-r11 sums. */
__attribute__((naked, noinline)) static void ta_run_tile(ta_tile *tile __attribute__((unused)))
{
    __asm__ volatile(".syntax unified\n"
                     "push {r4, r5, r6, r7, lr}\n"
                     "mov r4, r8\n"
                     "mov r5, r9\n"
                     "mov r6, r10\n"
                     "mov r7, r11\n"
                     "push {r0, r4, r5, r6, r7}\n"
                     "movs r4, #0\n"
                     "mov r8, r4\n"
                     "mov r9, r4\n"
                     "mov r10, r4\n"
                     "mov r11, r4\n"
                     "mov r7, r0\n"
                     "ldmia r7!, {r0, r1, r2, r3, r4}\n"
                     "1:\n"
                     "ldrsb r5, [r0, r4]\n"
                     "ldrsb r7, [r2, r4]\n"
                     "muls r7, r5\n"
                     "add r8, r7\n"
                     "ldrsb r7, [r3, r4]\n"
                     "muls r5, r7\n"
                     "add r10, r5\n"
                     "ldrsb r6, [r1, r4]\n"
                     "muls r7, r6\n"
                     "add r11, r7\n"
                     "ldrsb r7, [r2, r4]\n"
                     "muls r7, r6\n"
                     "add r9, r7\n"
                     "adds r4, #1\n"
                     "bne 1b\n"
                     "pop {r0, r4, r5, r6, r7}\n"
                     "mov r1, r8\n"
                     "str r1, [r0, #20]\n"
                     "mov r1, r9\n"
                     "str r1, [r0, #24]\n"
                     "mov r1, r10\n"
                     "str r1, [r0, #28]\n"
                     "mov r1, r11\n"
                     "str r1, [r0, #32]\n"
                     "mov r8, r4\n"
                     "mov r9, r5\n"
                     "mov r10, r6\n"
                     "mov r11, r7\n"
                     "pop {r4, r5, r6, r7, pc}\n");
}

static inline ta_sums ta_two_by_two(const int8_t *filter0, const int8_t *filter1,
                                    const int8_t *pixel0, const int8_t *pixel1, int32_t taps)
{
    ta_tile tile = {
        .ends = { filter0 + taps, filter1 + taps, pixel0 + taps, pixel1 + taps },
        .left = -taps,
    };
    ta_run_tile(&tile);
    return tile.sums;
}

#else

#define TA_TAP                                                                                    \
    do {                                                                                          \
        const int32_t weight0 = *filter0++;                                                       \
        const int32_t tap0 = *pixel0++;                                                           \
        const int32_t weight1 = *filter1++;                                                       \
        acc00 += weight0 * tap0;                                                                  \
        acc10 += weight1 * tap0;                                                                  \
        const int32_t tap1 = *pixel1++;                                                           \
        acc01 += weight0 * tap1;                                                                  \
        acc11 += weight1 * tap1;                                                                  \
    } while (0)

static inline ta_sums ta_two_by_two(const int8_t *filter0, const int8_t *filter1,
                                    const int8_t *pixel0, const int8_t *pixel1, int32_t taps)
{
    int32_t acc00 = 0;
    int32_t acc10 = 0;
    int32_t acc01 = 0;
    int32_t acc11 = 0;
    for (int32_t fours = taps / 4; fours > 0; --fours) {
        TA_TAP;
        TA_TAP;
        TA_TAP;
        TA_TAP;
    }
    for (int32_t left = taps % 4; left > 0; --left) {
        TA_TAP;
    }
    const ta_sums found = { { acc00, acc10, acc01, acc11 } };
    return found;
}

#undef TA_TAP

#endif

#endif

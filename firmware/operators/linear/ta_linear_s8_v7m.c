/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_linear_v7m.h"
#include "ta_v7m_requant.h"

#define WIDEN(fifth, words)                                                                       \
    "ldrsb r9, [r4], #1\n"                                                                        \
    "ldrsb r10, [r5], #1\n"                                                                       \
    "ldrsb r11, [r6], #1\n"                                                                       \
    "ldrsb r12, [r7], #1\n"                                                                       \
    fifth                                                                                         \
    "stmia r0!, {" words "}\n"
#define WIDEN_LOOP(tap)                                                                           \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "ldmia r1, {r4, r5, r6, r7, r8}\n"                                                            \
    "lsrs r2, #1\n"                                                                               \
    "bcs 2f\n"                                                                                    \
    "subs r2, #1\n"                                                                               \
    "1:\n" tap                                                                                    \
    "2:\n" tap                                                                                    \
    "subs r2, #1\n"                                                                               \
    "bpl 1b\n"                                                                                    \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* 7 instructions for five, 6 for four. */
__attribute__((naked, noinline)) static void widen_five(
    int32_t *to __attribute__((unused)), const int8_t *const *pixels __attribute__((unused)),
    int32_t taps __attribute__((unused)))
{
    __asm__ volatile(
        WIDEN_LOOP(WIDEN("ldrsb lr, [r8], #1\n", "r9, r10, r11, r12, lr")));
}

__attribute__((naked, noinline)) static void widen_four(
    int32_t *to __attribute__((unused)), const int8_t *const *pixels __attribute__((unused)),
    int32_t taps __attribute__((unused)))
{
    __asm__ volatile(WIDEN_LOOP(WIDEN("", "r9, r10, r11, r12")));
}

void ta_widen_v7m(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps)
{
    (tile == 5 ? widen_five : widen_four)(to, pixels, taps);
}

/* What the assembly makes its frame; it knows the offsets. */
typedef struct pass {
    int32_t offset;       /* 0: of the floor; or twice the zero point, and 1 */
    int8_t *out;          /* 4: of pixel 0 */
    int32_t step;         /* 8: from a pixel's outputs to the next's */
    const int32_t *taps;  /* 12: widened */
    const int8_t *end;    /* 16: of pixel 0's outputs */
    int32_t skipped;      /* 20: of the sixteen taps of the loop, the first time */
    int32_t missing;      /* 24: pixels */
    const int8_t *filter; /* 28 */
    const int32_t *stop;  /* 32: of the taps */
} pass;

/* r0-r4 sums, r5-r9 taps, r10 weight, r11 filter, r12 taps; 28 bytes, of four 24. */
#define TAP(taps, fifth)                                                                          \
    "ldmia r12!, {" taps "}\n"                                                                    \
    "ldrsb r10, [r11], #1\n"                                                                      \
    "mla r0, r5, r10, r0\n"                                                                       \
    "mla r1, r6, r10, r1\n"                                                                       \
    "mla r2, r7, r10, r2\n"                                                                       \
    "mla r3, r8, r10, r3\n" fifth
#define FIVE TAP("r5, r6, r7, r8, r9", "mla r4, r9, r10, r4\n")
#define FOUR TAP("r5, r6, r7, r8", "")
#define SIXTEEN(tap) tap tap tap tap tap tap tap tap tap tap tap tap tap tap tap tap

/* Enters the loop behind the taps to be skipped, of 32 - `less` bytes each, and the stores behind
 * those of pixels that are missing. 114 instructions for 80 MACs, of four pixels 98 for 64; r5
 * and r6 are the filter's two words then. */
#define SUMS(tap, less)                                                                           \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "ldmia r0, {r1, r2, r3, r4, r5, r6, r7, r11, lr}\n"                                           \
    "adr.w r8, 2f\n"                                                                              \
    "add r8, r8, r6, lsl #5\n"                                                                    \
    "sub r6, r8, r6, lsl #" less "\n"                                                             \
    "orr r6, #1\n"                                                                                \
    "adr.w r8, 3f\n"                                                                              \
    "add r7, r8, r7, lsl #2\n"                                                                    \
    "orr r7, #1\n"                                                                                \
    "push {r1, r2, r3, r4, r5, r6, r7}\n"                                                         \
    "1:\n"                                                                                        \
    "movs r0, #0\n"                                                                               \
    "movs r1, #0\n"                                                                               \
    "movs r2, #0\n"                                                                               \
    "movs r3, #0\n"                                                                               \
    "movs r4, #0\n"                                                                               \
    "ldr r12, [sp, #12]\n"                                                                        \
    "ldr pc, [sp, #20]\n"                                                                         \
    "2:\n" SIXTEEN(tap)                                                                           \
    "cmp r12, lr\n"                                                                               \
    "bne 2b\n"                                                                                    \
    "ldr r5, [r11], #4\n"                                                                         \
    "ldr r6, [r11], #4\n"
#define SUMS_OF_FIVE SUMS(FIVE, "2")
#define SUMS_OF_FOUR SUMS(FOUR, "3")

/* r8 out of pixel 0, r9 step, r10 out of pixel 1. */
#define STORES(fifth)                                                                             \
    "ldr pc, [sp, #24]\n"                                                                         \
    "3:\n" fifth                                                                                  \
    "strb.w r3, [r10, r9, lsl #1]\n"                                                              \
    "strb.w r2, [r8, r9, lsl #1]\n"                                                               \
    "strb.w r1, [r8, r9]\n"                                                                       \
    "strb r0, [r8], #1\n"                                                                         \
    "str r8, [sp, #4]\n"                                                                          \
    "ldr r5, [sp, #16]\n"                                                                         \
    "cmp r8, r5\n"                                                                                \
    "bne 1b\n"                                                                                    \
    "add sp, #28\n"                                                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
#define STORES_OF_FIVE STORES("strb.w r4, [r8, r9, lsl #2]\n")
#define STORES_OF_FOUR STORES("")

/* r5 bias, r6 slope, r7 offset. */
#define FLOOR(acc) TA_V7M_FLOOR(acc, "r5", "r6", "r7", "r12")

/* r5 twice the bias, r6 mantissa, r7 half an output and the zero point, before the shift, r8
 * right shift. */
#define ROUND_TWICE(acc) TA_V7M_ROUND_TWICE(acc, "r5", "r6", "r7", "r8", "r12", "r9")

#define FLOOR_WORDS                                                                               \
    "ldmia sp, {r7, r8, r9}\n"                                                                    \
    "add r10, r8, r9\n" FLOOR("r0") FLOOR("r1") FLOOR("r2") FLOOR("r3")
#define EXACT_WORDS                                                                               \
    "ldrb r8, [r11], #1\n"                                                                        \
    "ldr r7, [sp]\n"                                                                              \
    "lsl r7, r7, r8\n"                                                                            \
    "add r8, #1\n" ROUND_TWICE("r0") ROUND_TWICE("r1") ROUND_TWICE("r2") ROUND_TWICE("r3")
#define EXACT_END                                                                                 \
    "ldrd r8, r9, [sp, #4]\n"                                                                     \
    "add r10, r8, r9\n"

/* ADR counts from whole words. */
#define TILE __attribute__((naked, noinline, aligned(4))) static void

/* 40 instructions for five outputs beside their sums, 35 for four. */
TILE five_floors(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SUMS_OF_FIVE FLOOR_WORDS FLOOR("r4") STORES_OF_FIVE);
}

TILE four_floors(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SUMS_OF_FOUR FLOOR_WORDS STORES_OF_FOUR);
}

/* 59, and 51. */
TILE five_exact(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SUMS_OF_FIVE EXACT_WORDS ROUND_TWICE("r4") EXACT_END STORES_OF_FIVE);
}

TILE four_exact(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SUMS_OF_FOUR EXACT_WORDS EXACT_END STORES_OF_FOUR);
}

void ta_linear_s8_v7m(const ta_linear *layer, const int32_t *taps, int32_t tile,
                      int32_t count, int8_t *out)
{
    static void (*const runs[2][2])(const pass *) = { { four_exact, four_floors },
                                                      { five_exact, five_floors } };
    const ta_requant *requant = layer->requant;
    const pass p = {
        .offset = ta_v7m_offset(requant),
        .out = out,
        .step = layer->channels,
        .taps = taps,
        .end = out + layer->channels,
        .skipped = -layer->taps & 15,
        .missing = tile - count,
        .filter = layer->filters,
        .stop = taps + tile * layer->taps,
    };
    runs[tile == 5][requant->floors](&p);
    ta_clamp_outputs_s8(requant, out, count * layer->channels);
}

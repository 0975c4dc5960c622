/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_linear_v7m.h"
#include "ta_v7m_requant.h"

/* What the assembly makes its frame; it knows the offsets. */
typedef struct pass {
    int32_t offset;       /* 0: of the floor; or twice the zero point, and 1 */
    const int32_t *taps;  /* 4: widened */
    int8_t *out;          /* 8 */
    const int8_t *end;    /* 12: of out */
    int32_t is_odd;       /* 16: the number of four taps */
    const int8_t *filter; /* 20 */
    const int32_t *stop;  /* 24: of the taps */
} pass;

/* r0-r3 sums, r4-r7 taps, r8-r10 weights, r11 filters, r12 taps. */
#define FILTER(acc)                                                                               \
    "ldrsb r8, [r11], #1\n"                                                                       \
    "ldrsb r9, [r11], #1\n"                                                                       \
    "mla " acc ", r4, r8, " acc "\n"                                                              \
    "ldrsb r10, [r11], #1\n"                                                                      \
    "mla " acc ", r5, r9, " acc "\n"                                                              \
    "ldrsb r8, [r11], #1\n"                                                                       \
    "mla " acc ", r6, r10, " acc "\n"                                                             \
    "mla " acc ", r7, r8, " acc "\n"
#define FOUR_TAPS                                                                                 \
    "ldmia r12!, {r4, r5, r6, r7}\n" FILTER("r0") FILTER("r1") FILTER("r2") FILTER("r3")

/* 68 instructions for 32 MACs. */
#define SUMS                                                                                      \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "ldmia r0, {r1, r2, r3, r4, r5, r11}\n"                                                       \
    "push {r0, r1, r2, r3, r4, r5}\n"                                                             \
    "1:\n"                                                                                        \
    "movs r0, #0\n"                                                                               \
    "movs r1, #0\n"                                                                               \
    "movs r2, #0\n"                                                                               \
    "movs r3, #0\n"                                                                               \
    "ldr r4, [sp]\n"                                                                              \
    "ldr lr, [r4, #24]\n"                                                                         \
    "ldrd r12, r4, [sp, #8]\n"                                                                    \
    "ldr r4, [sp, #20]\n"                                                                         \
    "cmp r4, #0\n"                                                                                \
    "bne 3f\n"                                                                                    \
    "2:\n" FOUR_TAPS                                                                              \
    "3:\n" FOUR_TAPS                                                                              \
    "cmp r12, lr\n"                                                                               \
    "bne 2b\n"                                                                                    \
    "ldmia r11!, {r4, r5, r6, r7}\n"

/* Of the last channels those that there are. */
#define STORES                                                                                    \
    "ldrd r8, r9, [sp, #12]\n"                                                                    \
    "subs r9, r9, r8\n"                                                                           \
    "strb r0, [r8], #1\n"                                                                         \
    "cmp r9, #4\n"                                                                                \
    "blt 4f\n"                                                                                    \
    "strb r1, [r8], #1\n"                                                                         \
    "strb r2, [r8], #1\n"                                                                         \
    "strb r3, [r8], #1\n"                                                                         \
    "str r8, [sp, #12]\n"                                                                         \
    "bne 1b\n"                                                                                    \
    "b 5f\n"                                                                                      \
    "4:\n"                                                                                        \
    "cmp r9, #2\n"                                                                                \
    "it ge\n"                                                                                     \
    "strbge r1, [r8]\n"                                                                           \
    "it gt\n"                                                                                     \
    "strbgt r2, [r8, #1]\n"                                                                       \
    "5:\n"                                                                                        \
    "add sp, #24\n"                                                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* r4-r7 biases become slopes. */
#define SCALED(acc, bias) "add " acc ", " bias ", " acc ", lsl #8\n"
#define FLOOR(acc, slope)                                                                         \
    "smull r8, " acc ", " acc ", " slope "\n"                                                     \
    "add " acc ", r9\n"                                                                           \
    "ssat " acc ", #8, " acc ", asr #11\n"

/* r4-r7 twice the biases become mantissas; r10 right shifts less 1, of this channel the lowest
 * byte. */
#define DOUBLED(acc, bias) "add " acc ", " bias ", " acc ", lsl #1\n"
#define ROUND_TWICE(acc, mantissa)                                                                \
    "ldr lr, [sp, #4]\n"                                                                          \
    "uxtb r12, r10\n"                                                                             \
    "lsl lr, lr, r12\n"                                                                           \
    "add r12, #1\n"                                                                               \
    "smull r8, r9, " acc ", " mantissa "\n"                                                       \
    "adds r8, r8, r8\n"                                                                           \
    "adc r9, r9, lr\n"                                                                            \
    "add r9, r9, " acc ", asr #31\n"                                                              \
    "asr r9, r9, r12\n"                                                                           \
    "ssat " acc ", #8, r9\n"                                                                      \
    "lsr r10, #8\n"

#define ALL_CHANNELS __attribute__((naked, noinline)) static void

/* 43 instructions for four outputs beside their sums. */
ALL_CHANNELS run_floors(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SUMS SCALED("r0", "r4") SCALED("r1", "r5") SCALED("r2", "r6")
                         SCALED("r3", "r7")
                     "ldmia r11!, {r4, r5, r6, r7}\n"
                     "ldr r9, [sp, #4]\n"
                     FLOOR("r0", "r4") FLOOR("r1", "r5") FLOOR("r2", "r6") FLOOR("r3", "r7")
                     STORES);
}

/* 75. */
ALL_CHANNELS run_exact(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SUMS DOUBLED("r0", "r4") DOUBLED("r1", "r5") DOUBLED("r2", "r6")
                         DOUBLED("r3", "r7")
                     "ldmia r11!, {r4, r5, r6, r7, r10}\n"
                     ROUND_TWICE("r0", "r4") ROUND_TWICE("r1", "r5") ROUND_TWICE("r2", "r6")
                     ROUND_TWICE("r3", "r7")
                     STORES);
}

void ta_linear_s8_1_v7m(const ta_linear *layer, const int8_t *pixel, int8_t *out)
{
    const ta_requant *requant = layer->requant;
    const int32_t fours = (layer->taps + 3) / 4;
    int32_t *const taps = layer->scratch;
    for (int32_t k = 0; k < layer->taps; ++k) {
        taps[k] = pixel[k];
    }
    const pass p = {
        .offset = ta_v7m_offset(requant),
        .taps = taps,
        .out = out,
        .end = out + layer->channels,
        .is_odd = fours & 1,
        .filter = layer->filters,
        .stop = taps + 4 * fours,
    };
    (requant->floors ? run_floors : run_exact)(&p);
    ta_clamp_outputs_s8(requant, out, layer->channels);
}

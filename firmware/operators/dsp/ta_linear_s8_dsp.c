/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers of all loops: r0 pixels, r1 filters, r2-r4 the sums S of pixels 0 to 2, r5-r7 their
 * sums D0, r8-r9 filters, r10-r12 taps, lr the count. A group of two uses the sums of pixels 1
 * and 2, a single pixel those of pixel 2. Everything else waits in a struct, whose address is on
 * the stack.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_dsp_requant.h"
#include "ta_linear_dsp.h"

/* One pair of filters; the assembly knows the offsets. */
typedef struct pair {
    const int32_t *pixels;  /* 0 */
    const int32_t *filters; /* 4 */
    int32_t s;              /* 8: what S starts from */
    int32_t d;              /* 12: what D0 starts from */
    int32_t count;          /* 16: pixels left */
    int32_t eights;         /* 20 */
    int8_t *out;            /* 24 */
    int32_t rounding0;      /* 28: the offset, of a floor */
    int32_t mantissa0;      /* 32: the slope */
    int32_t shift0;         /* 36: the bias of filter 0 */
    int32_t rounding1;      /* 40: the slope of filter 1 */
    int32_t shift1;         /* 44: and 256 times the channels */
    int32_t mantissa1;      /* 48: 0 for floors */
} pair;

/* Four taps of three pixels: 17 instructions for 24 MACs. */
#define FOUR_OF_3                                                                                 \
    "ldmia r1!, {r8, r9}\n"                                                                       \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r2, r8, r10, r2\n"                                                                     \
    "smlad r3, r8, r11, r3\n"                                                                     \
    "smlad r4, r8, r12, r4\n"                                                                     \
    "sxtb16 r8, r8\n"                                                                             \
    "smlad r5, r8, r10, r5\n"                                                                     \
    "smlad r6, r8, r11, r6\n"                                                                     \
    "smlad r7, r8, r12, r7\n"                                                                     \
    "ldmia r0!, {r10, r11, r12}\n"                                                                \
    "smlad r2, r9, r10, r2\n"                                                                     \
    "smlad r3, r9, r11, r3\n"                                                                     \
    "smlad r4, r9, r12, r4\n"                                                                     \
    "sxtb16 r9, r9\n"                                                                             \
    "smlad r5, r9, r10, r5\n"                                                                     \
    "smlad r6, r9, r11, r6\n"                                                                     \
    "smlad r7, r9, r12, r7\n"

/* Four taps of pixels 1 and 2: 12 instructions for 16 MACs. */
#define FOUR_OF_2                                                                                 \
    "ldmia r1!, {r2, r5}\n"                                                                       \
    "ldmia r0!, {r9, r10, r11, r12}\n"                                                            \
    "smlad r3, r2, r9, r3\n"                                                                      \
    "smlad r4, r2, r10, r4\n"                                                                     \
    "sxtb16 r2, r2\n"                                                                             \
    "smlad r6, r2, r9, r6\n"                                                                      \
    "smlad r7, r2, r10, r7\n"                                                                     \
    "smlad r3, r5, r11, r3\n"                                                                     \
    "smlad r4, r5, r12, r4\n"                                                                     \
    "sxtb16 r5, r5\n"                                                                             \
    "smlad r6, r5, r11, r6\n"                                                                     \
    "smlad r7, r5, r12, r7\n"

/* Eight taps of pixel 2: 14 instructions for 16 MACs. */
#define EIGHT_OF_1                                                                                \
    "ldmia r1!, {r2, r3, r5, r6}\n"                                                               \
    "ldmia r0!, {r9, r10, r11, r12}\n"                                                            \
    "smlad r4, r2, r9, r4\n"                                                                      \
    "sxtb16 r2, r2\n"                                                                             \
    "smlad r7, r2, r9, r7\n"                                                                      \
    "smlad r4, r3, r10, r4\n"                                                                     \
    "sxtb16 r3, r3\n"                                                                             \
    "smlad r7, r3, r10, r7\n"                                                                     \
    "smlad r4, r5, r11, r4\n"                                                                     \
    "sxtb16 r5, r5\n"                                                                             \
    "smlad r7, r5, r11, r7\n"                                                                     \
    "smlad r4, r6, r12, r4\n"                                                                     \
    "sxtb16 r6, r6\n"                                                                             \
    "smlad r7, r6, r12, r7\n"

/* After the sums: r0 out, r8-r12 and lr the constants; goes on with floors. */
#define FINISH(exact)                                                                     \
    "ldr lr, [sp]\n"                                                                              \
    "str r0, [lr]\n"                                                                              \
    "add r0, lr, #24\n"                                                                           \
    "ldmia r0, {r0, r8, r9, r10, r11, r12, lr}\n"                                                 \
    "cmp lr, #0\n"                                                                                \
    "bne " exact "\n"

/* Both outputs of a pixel: 14 instructions, or 9 by floors. */
#define EXACT(s, d)                                                                               \
    "subs " s ", " s ", " d "\n"                                                                   \
    "asrs " s ", " s ", #7\n"                                                                      \
    "lsls " d ", " d ", #1\n"                                                                      \
    "smmlar r1, " d ", r9, r8\n"                                                                  \
    "add r1, r1, " d ", asr #31\n"                                                                \
    "asr r1, r1, r10\n"                                                                           \
    "ssat r1, #8, r1\n"                                                                           \
    "strb r1, [r0]\n"                                                                             \
    "smmlar r1, " s ", lr, r11\n"                                                                 \
    "add r1, r1, " s ", asr #31\n"                                                                \
    "asr r1, r1, r12\n"                                                                           \
    "ssat r1, #8, r1\n"                                                                           \
    "strb r1, [r0, #1]\n"                                                                         \
    "add r0, r0, r12, lsr #8\n"

#define FLOORS(s, d)                                                                              \
    "subs " s ", " s ", " d "\n"                                                                   \
    "add " d ", r10, " d ", lsl #8\n"                                                             \
    "smmla " d ", " d ", r9, r8\n"                                                                \
    "smmla " s ", " s ", r11, r8\n"                                                               \
    "ssat " d ", #8, " d ", asr #11\n"                                                            \
    "ssat " s ", #8, " s ", asr #11\n"                                                            \
    "strb " d ", [r0]\n"                                                                          \
    "strb " s ", [r0, #1]\n"                                                                      \
    "add r0, r0, r12, lsr #8\n"

/* A pair of channels of all pixels. */
__attribute__((naked, noinline)) static void apply(pair *p __attribute__((unused)))
{
    __asm__ volatile(
        "push {r0, r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        /* Three pixels; 36 instructions for 48 MACs. */
        "10:\n"
        "ldr r9, [sp]\n"
        "ldmia r9, {r0, r1, r2, r5, r8, lr}\n"
        "subs r8, #3\n"
        "blt 20f\n"
        "str r8, [r9, #16]\n"
        "mov r3, r2\n"
        "mov r4, r2\n"
        "mov r6, r5\n"
        "mov r7, r5\n"
        "11:\n" FOUR_OF_3 FOUR_OF_3 "subs lr, #1\n"
        "bne 11b\n" FINISH("31f") FLOORS("r2", "r5")
        /* From here for two pixels. */
        "13:\n" FLOORS("r3", "r6")
        /* From here for one. */
        "14:\n" FLOORS("r4", "r7")
        "15:\n"
        "ldr r9, [sp]\n"
        "str r0, [r9, #24]\n"
        "b 10b\n"
        /* Two pixels, one, or none: r8 is their number less three. */
        "20:\n"
        "movs r3, #0\n"
        "str r3, [r9, #16]\n"
        "mov r3, r2\n"
        "mov r4, r2\n"
        "mov r6, r5\n"
        "mov r7, r5\n"
        "cmn r8, #2\n"
        "blt 40f\n"
        "beq 22f\n"
        "lsl lr, lr, #1\n"
        "21:\n" FOUR_OF_2 "subs lr, #1\n"
        "bne 21b\n"
        "movs r1, #1\n"
        "b 27f\n"
        /* One pixel; 16 instructions for 16 MACs. */
        "22:\n" EIGHT_OF_1 "subs lr, #1\n"
        "bne 22b\n"
        "movs r1, #0\n"
        "27:\n" FINISH("28f")
        "cmp r1, #0\n"
        "bne 13b\n"
        "b 14b\n"
        "28:\n"
        "cmp r1, #0\n"
        "bne 32f\n"
        "b 33f\n"
        "31:\n" EXACT("r2", "r5")
        "32:\n" EXACT("r3", "r6")
        "33:\n" EXACT("r4", "r7")
        "b 15b\n"
        "40:\n"
        "pop {r0, r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

static void set_exact(pair *p, const ta_linear_dsp *layer, int32_t c)
{
    const ta_dsp_channel first = ta_dsp_channel_of(layer->requant, c);
    const ta_dsp_channel second = ta_dsp_channel_of(layer->requant, c + 1);
    p->d = layer->bias[c];
    p->s = (int32_t)(((uint32_t)layer->bias[c + 1] << 8) + (uint32_t)p->d);
    p->rounding0 = first.rounding;
    p->mantissa0 = first.mantissa;
    p->shift0 = first.right_shift;
    p->rounding1 = second.rounding;
    p->mantissa1 = second.mantissa;
    p->shift1 = layer->channels * 256 + second.right_shift;
}

static void set_floors(pair *p, const ta_linear_dsp *layer, int32_t c)
{
    const ta_requant *requant = layer->requant;
    p->d = 0;
    p->s = layer->bias[c + 1];
    p->rounding0 = ta_dsp_floor_offset(requant, TA_LINEAR_FLOOR_SHIFT);
    p->mantissa0 = (int32_t)requant->words[c];
    p->shift0 = layer->bias[c];
    p->rounding1 = (int32_t)requant->words[c + 1];
    p->mantissa1 = 0;
    p->shift1 = layer->channels * 256;
}

void ta_linear_s8_dsp(const ta_linear_dsp *layer, const int32_t *pixels, int32_t count,
                      int8_t *out)
{
    pair p;
    p.filters = layer->filters;
    p.eights = layer->eights;
    for (int32_t even = 0; even < layer->channels; even += 2) {
        /* An odd last channel is made together with the one before it, again. */
        const int32_t c = even + 1 < layer->channels ? even : even - 1;
        p.pixels = pixels;
        p.count = count;
        p.out = out + c;
        if (layer->requant->floors) {
            set_floors(&p, layer, c);
        } else {
            set_exact(&p, layer, c);
        }
        apply(&p);
        p.filters += 4 * layer->eights;
    }
    ta_dsp_clamp(layer->requant, out, count * layer->channels);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: r0 pixels; r1 pairs; of two pixels r2, r3 the sums of the first filter, r4, r5 those of
 * the second, r6-r9 filters, r10-r12 and lr taps; of one pixel r2, r4 the sums, r6-r11 filters, r3,
 * r5 and r12 taps. Later r6 is out, r7 its end, r10 the channels, lr the offset of floors. Loops over
 * taps are unrolled, and entered where the rest of them begins.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_wide_dsp.h"

/* What waits on the stack: pixels, out, its end, channels, offset, then where to go. */
#define OUT "[sp, #4]"
#define ENTRY "[sp, #20]"  /* into the loop */
#define FINISH "[sp, #24]" /* where a pair is requantized */
#define NEXT "[sp, #28]"   /* where the loop ends: there, or where it may begin anew */
#define START "[sp, #32]"  /* where a pair starts */
#define PIXELS_END "[sp, #36]"

/* How often loops are unrolled, and bytes of each turn. */
enum { TWO_TURNS = 32, TWO_BYTES = 40, ONE_TURNS = 16, ONE_BYTES = 32 };

/* The second half of four taps of two pixels. */
#define HALF_OF_2                                                                                 \
    "smlad r2, r8, r12, r2\n"                                                                     \
    "smlad r3, r8, lr, r3\n"                                                                      \
    "smlad r4, r9, r12, r4\n"                                                                     \
    "smlad r5, r9, lr, r5\n"

/* Four taps of two pixels: 10 instructions for 16 MACs. */
#define FOUR_OF_2                                                                                 \
    "ldmia.w r1!, {r6, r7, r8, r9}\n"                                                             \
    "ldmia.w r0!, {r10, r11, r12, lr}\n"                                                          \
    "smlad r2, r6, r10, r2\n"                                                                     \
    "smlad r3, r6, r11, r3\n"                                                                     \
    "smlad r4, r7, r10, r4\n"                                                                     \
    "smlad r5, r7, r11, r5\n" HALF_OF_2

/* The first four, behind the biases. */
#define FIRST_OF_2                                                                                \
    "ldmia r1!, {r2, r4, r6, r7, r8, r9}\n"                                                       \
    "ldmia r0!, {r10, r11, r12, lr}\n"                                                            \
    "smlad r3, r6, r11, r2\n"                                                                     \
    "smlad r2, r6, r10, r2\n"                                                                     \
    "smlad r5, r7, r11, r4\n"                                                                     \
    "smlad r4, r7, r10, r4\n" HALF_OF_2

/* Two taps of one pixel. */
#define TWO_OF_1(first, second, taps)                                                             \
    "smlad r2, " first ", " taps ", r2\n"                                                         \
    "smlad r4, " second ", " taps ", r4\n"

/* Six taps: 8 instructions for 12 MACs. */
#define SIX_OF_1                                                                                  \
    "ldmia.w r1!, {r6, r7, r8, r9, r10, r11}\n"                                                   \
    "ldmia.w r0!, {r3, r5, r12}\n" TWO_OF_1("r6", "r7", "r3") TWO_OF_1("r8", "r9", "r5")          \
        TWO_OF_1("r10", "r11", "r12")

#define IS(bytes, from, to) ".if " to " - " from " != " bytes "\n.error \"size\"\n.endif\n"

/* Where the loop's turns were not enough. */
#define AGAIN(loop)                                                                               \
    "ldr r6, " PIXELS_END "\n"                                                                    \
    "cmp r0, r6\n"                                                                                \
    "bne.w " loop "\n"                                                                            \
    "ldr pc, " FINISH "\n"

#define FRAME "ldmia sp, {r0, r6, r7, r10, lr}\n"
#define FLOOR(acc, slope) "smmla " acc ", " acc ", " slope ", lr\n"
#define SATURATE(acc) "ssat " acc ", #8, " acc ", asr #11\n"

/* Exact requantization; see ta_dsp_requant.h. */
#define CHANNEL "ldmia r1!, {r8, r9, r11}\n"
#define EXACT(acc)                                                                                \
    "add r12, r9, " acc ", asr #31\n"                                                             \
    "smmlar " acc ", " acc ", r8, r12\n"                                                          \
    "asr " acc ", " acc ", r11\n"                                                                 \
    "ssat " acc ", #8, " acc "\n"

#define STORE_2                                                                                   \
    "strb r3, [r6, r10]\n"                                                                        \
    "strb r2, [r6], #1\n"                                                                         \
    "strb r5, [r6, r10]\n"                                                                        \
    "strb r4, [r6], #1\n"                                                                         \
    "str r6, " OUT "\n"                                                                           \
    "cmp r6, r7\n"

#define STORE_1                                                                                   \
    "strb r2, [r6], #1\n"                                                                         \
    "strb r4, [r6], #1\n"                                                                         \
    "str r6, " OUT "\n"                                                                           \
    "cmp r6, r7\n"                                                                                \
    "beq 80f\n"                                                                                   \
    "ldr pc, " START "\n"

/* All pairs of a group of which the pixels end at `end`; kind: the row of the table below. Returns
 * the end of the pairs. */
__attribute__((naked, noinline)) static const int32_t *apply(
    const ta_linear_dsp *layer __attribute__((unused)),
    const int32_t *pairs __attribute__((unused)), int32_t kind __attribute__((unused)),
    const int32_t *end __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "adr.w r12, 90f\n"
        "add r12, r12, r2, lsl #4\n"
        "ldmia r12, {r8, r9, r10, r11}\n"
        "ldrd r4, r5, [r0, #20]\n"
        "add r8, r5\n"
        "mov r12, r3\n"
        "cmp r4, #1\n"
        "it eq\n"
        "moveq r10, r9\n"
        "push {r8, r9, r10, r11, r12}\n"
        "ldmia r0, {r4, r5, r6, r7}\n"
        "ldr r0, [r0, #16]\n"
        "push {r0, r4, r5, r6, r7}\n"
        "bx r11\n"
        /* Two pixels. */
        "1:\n" FIRST_OF_2 "ldr pc, " ENTRY "\n"
        "2:\n" FOUR_OF_2 "3:\n"
        ".rept 31\n" FOUR_OF_2 ".endr\n"
        "ldr pc, " NEXT "\n" IS("40", "2b", "3b")
        "4:\n" AGAIN("2b")
        "5:\n" FRAME "ldmia r1!, {r8, r9}\n"
        FLOOR("r2", "r8") FLOOR("r3", "r8") FLOOR("r4", "r9") FLOOR("r5", "r9")
        SATURATE("r2") SATURATE("r3") SATURATE("r4") SATURATE("r5") STORE_2
        "bne.w 1b\n"
        "b.w 80f\n"
        "6:\n" FRAME CHANNEL EXACT("r2") EXACT("r3") CHANNEL EXACT("r4") EXACT("r5") STORE_2
        "bne.w 1b\n"
        "b.w 80f\n"
        /* One pixel, of which two taps, four or six come first. */
        "11:\n"
        "ldmia r1!, {r2, r4, r6, r7}\n"
        "ldr r3, [r0], #4\n" TWO_OF_1("r6", "r7", "r3")
        "ldr pc, " ENTRY "\n"
        "12:\n"
        "ldmia r1!, {r2, r4, r6, r7, r8, r9}\n"
        "ldmia r0!, {r3, r5}\n" TWO_OF_1("r6", "r7", "r3") TWO_OF_1("r8", "r9", "r5")
        "ldr pc, " ENTRY "\n"
        "13:\n"
        "ldmia r1!, {r2, r4, r6, r7, r8, r9, r10, r11}\n"
        "ldmia r0!, {r3, r5, r12}\n" TWO_OF_1("r6", "r7", "r3") TWO_OF_1("r8", "r9", "r5")
        TWO_OF_1("r10", "r11", "r12")
        "ldr pc, " ENTRY "\n"
        "14:\n" SIX_OF_1 "15:\n"
        ".rept 15\n" SIX_OF_1 ".endr\n"
        "ldr pc, " NEXT "\n" IS("32", "14b", "15b")
        "16:\n" AGAIN("14b")
        "17:\n" FRAME "ldmia r1!, {r8, r9}\n"
        FLOOR("r2", "r8") FLOOR("r4", "r9") SATURATE("r2") SATURATE("r4") STORE_1
        "18:\n" FRAME CHANNEL EXACT("r2") CHANNEL EXACT("r4") STORE_1
        "80:\n"
        "mov r0, r1\n"
        "add sp, #40\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
        ".balign 4\n"
        /* The loop, where pairs are requantized, where the loop may begin anew, where pairs start. */
        "90:\n"
        ".word 14b + 1, 17b + 1, 16b + 1, 11b + 1\n"
        ".word 14b + 1, 17b + 1, 16b + 1, 12b + 1\n"
        ".word 14b + 1, 17b + 1, 16b + 1, 13b + 1\n"
        ".word 2b + 1, 5b + 1, 4b + 1, 1b + 1\n"
        ".word 14b + 1, 18b + 1, 16b + 1, 11b + 1\n"
        ".word 14b + 1, 18b + 1, 16b + 1, 12b + 1\n"
        ".word 14b + 1, 18b + 1, 16b + 1, 13b + 1\n"
        ".word 2b + 1, 6b + 1, 4b + 1, 1b + 1\n");
}

/* Where the loop is entered and how often it runs for a group of `count` pixels, and its kind. */
static void enter(ta_linear_dsp *layer, int32_t count)
{
    int32_t rest = layer->fours - 1; /* the first are not in the loop */
    int32_t turns = TWO_TURNS;
    int32_t bytes = TWO_BYTES;
    int32_t kind = 3;
    if (count == 1) {
        rest = (2 * layer->fours - 1) / 3;
        kind = 2 * layer->fours - 1 - 3 * rest;
        turns = ONE_TURNS;
        bytes = ONE_BYTES;
    }
    layer->count = count;
    layer->turns = rest > turns ? (rest + turns - 1) / turns : 1;
    layer->skip = (layer->turns * turns - rest) * bytes;
    layer->kind = (layer->kind & 4) + kind;
}

void ta_linear_s8_wide_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out)
{
    if (count != layer->count) {
        enter(layer, count);
    }
    const int32_t odd = layer->channels & 1;
    const int32_t *const end = layer->pixels + 2 * layer->fours * count;
    layer->out = out;
    layer->end = out + layer->channels - odd;
    const int32_t *last = apply(layer, layer->pairs, layer->kind, end);
    if (odd) {
        layer->out = layer->end - 1;
        layer->end += 1;
        (void)apply(layer, last, layer->kind, end);
    }
}

__attribute__((naked)) int32_t *ta_wide_dsp_widen_two(
    int32_t *group __attribute__((unused)), const int8_t *first __attribute__((unused)),
    const int8_t *second __attribute__((unused)), int32_t fours __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r10, lr}\n"
                     "mov r10, r3\n" TA_WIDEN_TWO("1", "2", "3")
                     "3:\n"
                     "pop {r4, r5, r6, r7, r8, r10, pc}\n");
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: r0 pixels; r1 pairs; of two pixels r2, r3 the sums of the first filter, r4, r5 those of
 * the second, r6-r9 filters, r10-r12 and lr taps; of one pixel r2, r4 the sums, r6-r11 filters, r3,
 * r5 and r12 taps. Later r6 is out, r7 its end, r10 the channels, lr the offset of floors. Loops over
 * taps are unrolled, and entered where the rest of them begins; of pixels of few taps, and of those
 * whose loop runs once, what requantizes lies right behind.
 */
#include "ta_wide_dsp.h"

/* What waits on the stack: pixels, out, its end, channels, offset, then where to go, and what
 * is left to do. */
#define PIXELS "[sp]"
#define OUT "[sp, #4]"
#define CHANNELS "[sp, #12]"
#define ENTRY "[sp, #20]"  /* into the loop */
#define FINISH "[sp, #24]" /* where a pair is requantized */
#define NEXT "[sp, #28]"   /* where the loop ends: there, or where it may begin anew */
#define START "[sp, #32]"  /* where a pair starts */
#define PIXELS_END "[sp, #36]"
#define ODD "[sp, #40]" /* whether the last two channels of an odd number are left, and groups */
#define LAYER "[sp, #48]"

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

/* A pair of two pixels by floors, then the next. */
#define FLOORS_OF_2(again)                                                                        \
    FRAME "ldmia r1!, {r8, r9}\n"                                                                 \
    FLOOR("r2", "r8") FLOOR("r3", "r8") FLOOR("r4", "r9") FLOOR("r5", "r9")                       \
    SATURATE("r2") SATURATE("r3") SATURATE("r4") SATURATE("r5") STORE_2                           \
    "bne.w " again "\n"                                                                           \
    "b.w 80f\n"

__attribute__((naked)) void ta_wide_dsp_apply(const ta_linear_dsp *layer __attribute__((unused)),
                                              const int32_t *end __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "mov r3, r1\n"
        "ldr r2, [r0, #36]\n"
        "ldr r5, [r0, #44]\n"
        "ldr r4, [r0, #8]\n"
        "and r4, r4, #1\n"
        "mov r6, r0\n"
        "push {r4, r5, r6}\n"
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
        "b.w 83f\n"
        ".balign 4\n"
        /* The loop, where pairs are requantized, where the loop may begin anew, where pairs start. */
        "90:\n"
        ".word 14f + 1, 17f + 1, 16f + 1, 11f + 1\n"
        ".word 14f + 1, 17f + 1, 16f + 1, 12f + 1\n"
        ".word 14f + 1, 17f + 1, 16f + 1, 13f + 1\n"
        ".word 7f + 1, 5f + 1, 4f + 1, 1f + 1\n"
        ".word 14f + 1, 18f + 1, 16f + 1, 11f + 1\n"
        ".word 14f + 1, 18f + 1, 16f + 1, 12f + 1\n"
        ".word 14f + 1, 18f + 1, 16f + 1, 13f + 1\n"
        ".word 2f + 1, 6f + 1, 4f + 1, 1f + 1\n"
        ".word 2f + 1, 5f + 1, 4f + 1, 1f + 1\n"
        ".word 0, 0, 0, 21f + 1\n"
        ".word 0, 0, 0, 22f + 1\n"
        ".word 0, 0, 0, 23f + 1\n"
        /* Two pixels. */
        "21:\n" FIRST_OF_2 FOUR_OF_2 FLOORS_OF_2("21b")
        "22:\n" FIRST_OF_2 ".rept 3\n" FOUR_OF_2 ".endr\n" FLOORS_OF_2("22b")
        "23:\n" FIRST_OF_2 ".rept 5\n" FOUR_OF_2 ".endr\n" FLOORS_OF_2("23b")
        "1:\n" FIRST_OF_2 "ldr pc, " ENTRY "\n"
        "7:\n"
        ".rept 32\n" FOUR_OF_2 ".endr\n"
        "5:\n" FLOORS_OF_2("1b")
        "2:\n" FOUR_OF_2 "3:\n"
        ".rept 31\n" FOUR_OF_2 ".endr\n"
        "ldr pc, " NEXT "\n" IS("40", "2b", "3b")
        "4:\n" AGAIN("2b")
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
        /* The last two of an odd number of channels; then the next group. */
        "80:\n"
        "ldrd r6, r7, " OUT "\n"
        "ldrd r4, r5, " ODD "\n"
        "cbnz r4, 81f\n"
        "subs r5, #1\n"
        "beq 84f\n"
        "ldr r12, " CHANNELS "\n"
        "and r4, r12, #1\n"
        "strd r4, r5, " ODD "\n"
        "add r6, r7, r12\n"
        "add r7, r6, r12\n"
        "subs r7, r4\n"
        "strd r6, r7, " OUT "\n"
        "83:\n"
        "ldr r4, " LAYER "\n"
        "ldr r0, [r4, #16]\n"
        "ldrd r2, r12, [r4, #48]\n"
        "cbz r2, 82f\n"
        "blx r2\n"
        "82:\n"
        "ldr r4, " LAYER "\n"
        "ldr r1, [r4, #32]\n"
        "ldr r0, " PIXELS "\n"
        "ldr pc, " START "\n"
        "81:\n"
        "subs r6, #1\n"
        "adds r7, #1\n"
        "strd r6, r7, " OUT "\n"
        "movs r4, #0\n"
        "str r4, " ODD "\n"
        "ldr r0, " PIXELS "\n"
        "ldr pc, " START "\n"
        "84:\n"
        "add sp, #52\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

void ta_linear_s8_wide_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out)
{
    if (count != layer->count) {
        layer->count = count;
        if (count == 1) {
            ta_wide_dsp_enter_one(layer);
        } else {
            ta_wide_dsp_enter_two(layer);
        }
    }
    layer->out = out;
    layer->end = out + (layer->channels & -2);
    ta_wide_dsp_apply(layer, layer->pixels + 2 * layer->fours * count);
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

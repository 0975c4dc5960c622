/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: r0 pixel, then out; r1 quads; r2-r5 the sums of the four filters; r6-r9 their taps,
 * r10-r12 and lr the pixel's; later constants. The loop over taps is unrolled, and entered where
 * the rest of them begins.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_quads_wide_dsp.h"

#include "ta_linear_dsp.h"
#include "ta_quads_wide_requant_dsp.h"

/* What waits on the stack. */
typedef struct quads_frame {
    int8_t *out; /* of the next quad */
    int8_t *end;
    int32_t offset;
    const int32_t *pixel;
    int32_t entry; /* behind the biases; at first, bytes of the loop to leave out */
    int32_t loop;  /* its entry behind a first four; at first, whether there is one */
    int32_t next;  /* where the loop ends; at first, the row of the table below */
    int32_t finish; /* where a quad is requantized */
    const int32_t *pixel_end;
} quads_frame;

#define PIXEL "[sp, #12]"
#define ENTRY "[sp, #16]"
#define LOOP "[sp, #20]"
#define NEXT "[sp, #24]"
#define FINISH "[sp, #28]"
#define PIXEL_END "[sp, #32]"

/* Turns of the loop, of eight taps each, and their bytes. */
enum { TURNS = 8, TURN_BYTES = 84 };

/* Rows of the table: whether requantization is exact, and whether the loop may begin anew. */
enum { EXACT = 1, LOOPED = 2 };

/* Eight taps: 21 instructions for 32 MACs. */
#define EIGHT                                                                                     \
    "ldmia.w r0!, {r10, r11, r12, lr}\n" TA_QUAD_WIDE_TWO("r10") TA_QUAD_WIDE_TWO("r11")          \
        TA_QUAD_WIDE_TWO("r12") TA_QUAD_WIDE_TWO("lr")

#define IS(bytes, from, to) ".if " to " - " from " != " bytes "\n.error \"size\"\n.endif\n"

/* All quads. */
__attribute__((naked, noinline)) static void apply(const quads_frame *frame
                                                   __attribute__((unused)),
                                                   const int8_t *quads __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0, {r2, r3, r4, r5, r6, r7, r8, r9, r10}\n"
                     "adr.w r0, 90f\n"
                     "add r0, r0, r8, lsl #3\n"
                     "ldrd r8, r9, [r0]\n"
                     "adr.w r0, 4f\n"
                     "add r6, r0\n"
                     "adr.w r0, 2f\n"
                     "cmp r7, #0\n"
                     "mov r7, r6\n"
                     "it ne\n"
                     "addne r6, r0, #1\n"
                     "push {r2, r3, r4, r5, r6, r7, r8, r9, r10}\n"
                     "1:\n"
                     "ldmia r1!, {r2, r3, r4, r5}\n"
                     "ldr r0, " PIXEL "\n"
                     "ldr pc, " ENTRY "\n"
                     ".balign 4\n"
                     /* Where the loop ends, and where quads are requantized. */
                     "90:\n"
                     ".word 6f + 1, 6f + 1, 7f + 1, 7f + 1, 5f + 1, 6f + 1, 5f + 1, 7f + 1\n"
                     "2:\n"
                     "ldmia r0!, {r10, r11}\n" TA_QUAD_WIDE_TWO("r10") TA_QUAD_WIDE_TWO("r11")
                     "ldr pc, " LOOP "\n"
                     ".balign 4\n"
                     "4:\n" EIGHT "3:\n"
                     ".rept 7\n" EIGHT ".endr\n"
                     "ldr pc, " NEXT "\n" IS("84", "4b", "3b")
                     "5:\n"
                     "ldr r6, " PIXEL_END "\n"
                     "cmp r0, r6\n"
                     "bne.w 4b\n"
                     "ldr pc, " FINISH "\n"
                     "6:\n" TA_QUAD_WIDE_FLOORS "bne.w 1b\n"
                     "8:\n"
                     "add sp, #36\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
                     "7:\n" TA_QUAD_WIDE_EXACT "bne.w 1b\n"
                     "b 8b\n");
}

void ta_quads_wide_s8_dsp(const ta_requant *requant, const int8_t *weights, const int32_t *pixel,
                          int32_t fours, int32_t channels, int8_t *out)
{
    const int32_t eights = fours >> 1;
    const quads_frame frame = {
        .out = out,
        .end = out + channels,
        .offset = ta_linear_dsp_offset(requant),
        .pixel = pixel,
        .entry = (-eights & (TURNS - 1)) * TURN_BYTES + 1,
        .loop = fours & 1,
        .next = (requant->floors ? 0 : EXACT) + (eights > TURNS ? LOOPED : 0),
        .pixel_end = pixel + 2 * fours,
    };
    apply(&frame, weights);
}

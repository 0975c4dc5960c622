/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: r0 pixel, then out; r1 quads; r2, r3 the sums S of both pairs, r4, r5 their sums D0;
 * r6-r9 filters, r10-r12 and lr taps; later constants.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_quads_dsp.h"

#include "ta_linear_dsp.h"
#include "ta_quads_requant_dsp.h"

/* What waits on the stack. */
typedef struct quads_frame {
    int8_t *out; /* of the next quad */
    int8_t *end;
    int32_t offset;
    const int32_t *pixel;
    int32_t entry; /* behind what the sums start from; at first, bytes of the loop to leave out */
    int32_t loop;  /* its entry behind a first four; at first, whether there is one */
    const int32_t *pixel_end;
} quads_frame;

#define OUT "[sp]"
#define PIXEL "[sp, #12]"
#define ENTRY "[sp, #16]"
#define LOOP "[sp, #20]"
#define PIXEL_END "[sp, #24]"

/* Turns of the loop, of eight taps each, and their bytes. */
enum { TURNS = 4, TURN_BYTES = 108 };

#define FOUR(taps, others)                                                                        \
    "ldmia.w r1!, {r6, r7, r8, r9}\n" TA_QUAD_TWO("r6", "r7", taps) TA_QUAD_TWO("r8", "r9", others)

/* Eight taps: 27 instructions for 32 MACs. */
#define EIGHT "ldmia.w r0!, {r10, r11, r12, lr}\n" FOUR("r10", "r11") FOUR("r12", "lr")

#define IS(bytes, from, to) ".if " to " - " from " != " bytes "\n.error \"size\"\n.endif\n"

/* All quads. */
__attribute__((naked, noinline)) static void apply(const quads_frame *frame
                                                   __attribute__((unused)),
                                                   const int8_t *quads __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0, {r2, r3, r4, r5, r6, r7, r8}\n"
                     "adr.w r0, 4f\n"
                     "add r6, r0\n"
                     "adr.w r0, 2f\n"
                     "cmp r7, #0\n"
                     "mov r7, r6\n"
                     "it ne\n"
                     "addne r6, r0, #1\n"
                     "push {r2, r3, r4, r5, r6, r7, r8}\n"
                     "1:\n"
                     "ldmia r1!, {r2, r3}\n"
                     "movs r4, #0\n"
                     "movs r5, #0\n"
                     "ldr r0, " PIXEL "\n"
                     "ldr pc, " ENTRY "\n"
                     "2:\n"
                     "ldmia r0!, {r10, r11}\n" FOUR("r10", "r11") "ldr pc, " LOOP "\n"
                     ".balign 4\n"
                     "4:\n" EIGHT "5:\n" EIGHT EIGHT EIGHT IS("108", "4b", "5b")
                     "ldr r6, " PIXEL_END "\n"
                     "cmp r0, r6\n"
                     "bne.w 4b\n"
                     "ldmia sp, {r0, r12, lr}\n"
                     "tst lr, #1\n"
                     "bne 7f\n" TA_QUAD_FLOORS "6:\n"
                     "str r0, " OUT "\n"
                     "cmp r0, r12\n"
                     "bne.w 1b\n"
                     "add sp, #28\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
                     "7:\n" TA_QUAD_EXACT("r2", "r4") TA_QUAD_EXACT("r3", "r5") "b 6b\n");
}

void ta_quads_s8_dsp(const ta_requant *requant, const int8_t *weights, const int32_t *pixel,
                     int32_t fours, int32_t channels, int8_t *out)
{
    const quads_frame frame = {
        .out = out,
        .end = out + channels,
        .offset = ta_linear_dsp_offset(requant),
        .pixel = pixel,
        .entry = (-(fours >> 1) & (TURNS - 1)) * TURN_BYTES + 1,
        .loop = fours & 1,
        .pixel_end = pixel + 2 * fours,
    };
    apply(&frame, weights);
}

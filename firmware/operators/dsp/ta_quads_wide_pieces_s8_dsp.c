/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: r0 piece, then out; r1 quads; r2-r5 the sums of the four filters; r6-r9 their taps,
 * r10, r11 the pixel's, r12 the count, lr the next piece's pointer; later constants.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_linear_dsp.h"
#include "ta_quads_wide_dsp.h"
#include "ta_quads_wide_requant_dsp.h"

/* What waits on the stack. */
typedef struct pieces_frame {
    int8_t *out; /* of the next quad */
    int8_t *end;
    int32_t offset;
    const int8_t *const *pieces;
    const int8_t *const *pieces_end;
    int32_t turns;  /* of a piece */
    int32_t entry;  /* where its first begins; at first, bytes of the loop to leave out */
    int32_t finish; /* where a quad is requantized; at first, whether by floors */
} pieces_frame;

#define PIECES "[sp, #12]"
#define PIECES_END "[sp, #16]"
#define TURNS "[sp, #20]"
#define ENTRY "[sp, #24]"
#define FINISH "[sp, #28]"

/* Fours of taps a turn, and their bytes. */
enum { TURN_FOURS = 8, FOUR_BYTES = 52 };

/* Four taps, wherever they lie: 13 instructions for 16 MACs. */
#define FOUR                                                                                      \
    "ldr r10, [r0], #4\n"                                                                         \
    "sxtb16 r11, r10, ror #8\n"                                                                   \
    "sxtb16 r10, r10\n" TA_QUAD_WIDE_TWO("r10") TA_QUAD_WIDE_TWO("r11")

#define IS(bytes, from, to) ".if " to " - " from " != " bytes "\n.error \"size\"\n.endif\n"

/* All quads. */
__attribute__((naked, noinline)) static void apply(const pieces_frame *frame
                                                   __attribute__((unused)),
                                                   const int8_t *quads __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0, {r2, r3, r4, r5, r6, r7, r8, r9}\n"
                     "adr.w r0, 3f\n"
                     "add r8, r0\n"
                     "cmp r9, #0\n"
                     "adr.w r9, 5f + 1\n"
                     "it eq\n"
                     "adreq.w r9, 6f + 1\n"
                     "push {r2, r3, r4, r5, r6, r7, r8, r9}\n"
                     "1:\n"
                     "ldmia r1!, {r2, r3, r4, r5}\n"
                     "ldr lr, " PIECES "\n"
                     "2:\n"
                     "ldr r0, [lr], #4\n"
                     "ldr r12, " TURNS "\n"
                     "ldr pc, " ENTRY "\n"
                     ".balign 4\n"
                     "3:\n" FOUR "4:\n"
                     ".rept 7\n" FOUR ".endr\n" IS("52", "3b", "4b")
                     "subs r12, #1\n"
                     "bne.w 3b\n"
                     "ldr r6, " PIECES_END "\n"
                     "cmp lr, r6\n"
                     "bne.w 2b\n"
                     "ldr pc, " FINISH "\n"
                     ".balign 4\n"
                     "5:\n" TA_QUAD_WIDE_FLOORS "bne.w 1b\n"
                     "7:\n"
                     "add sp, #32\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
                     ".balign 4\n"
                     "6:\n" TA_QUAD_WIDE_EXACT "bne.w 1b\n"
                     "b 7b\n");
}

void ta_quads_wide_pieces_s8_dsp(const ta_requant *requant, const int8_t *weights,
                                 const ta_pieces_dsp *pixel, int32_t channels, int8_t *out)
{
    const pieces_frame frame = {
        .out = out,
        .end = out + channels,
        .offset = ta_linear_dsp_offset(requant),
        .pieces = pixel->pieces,
        .pieces_end = pixel->pieces + pixel->count,
        .turns = (pixel->words + TURN_FOURS - 1) / TURN_FOURS,
        .entry = (-pixel->words & (TURN_FOURS - 1)) * FOUR_BYTES + 1,
        .finish = requant->floors,
    };
    apply(&frame, weights);
}

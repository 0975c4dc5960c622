/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_outputs_v6m.h"
#include "ta_pieces_v6m.h"

#define FILTERS 4
#define TAPS 4

/* What the assembly reads, then writes; it knows the offsets. */
typedef struct pass {
    const int8_t *const *pieces; /* 0 */
    const int8_t *const *stop;   /* 4: of them */
    int32_t lead;                /* 8: taps that are skipped of a piece's first turn */
    int32_t lead_bytes;          /* 12: the same, of code */
    int32_t taps;                /* 16: of a piece, and those that are skipped */
    const int8_t *filters;       /* 20: [taps][FILTERS] */
    int32_t sums[FILTERS];       /* 24 */
} pass;

/* r0 filters, r1 and r4-r6 a piece's first tap and those behind it, r2 tap, r3 weight, r7 place in
 * the piece, r8-r11 sums, lr end of the piece; 26 bytes. */
#define PRODUCT(at, sum)                                                                          \
    "ldrb r3, [r0, #" at "]\n"                                                                    \
    "muls r3, r2\n"                                                                               \
    "add " sum ", r3\n"
#define TAP(piece, at0, at1, at2, at3)                                                            \
    "ldrsb r2, [" piece ", r7]\n" PRODUCT(at0, "r8") PRODUCT(at1, "r9") PRODUCT(at2, "r10")       \
        PRODUCT(at3, "r11")

/* Adds products of all pieces: 56 instructions for 16 MACs, 25 for a piece. */
__attribute__((naked, noinline)) static void run(pass *p __attribute__((unused)))
{
    __asm__ volatile(".syntax unified\n"
                     "push {r4, r5, r6, r7, lr}\n"
                     "mov r4, r8\n"
                     "mov r5, r9\n"
                     "mov r6, r10\n"
                     "mov r7, r11\n"
                     "push {r0, r4, r5, r6, r7}\n"
                     "movs r2, r0\n"
                     "adds r0, #24\n"
                     "ldmia r0!, {r4, r5, r6, r7}\n"
                     "mov r8, r4\n"
                     "mov r9, r5\n"
                     "mov r10, r6\n"
                     "mov r11, r7\n"
                     "ldr r0, [r2, #20]\n"
                     "ldr r3, [r2]\n"
                     "1:\n"
                     "ldmia r3!, {r1}\n"
                     "str r3, [r2]\n"
                     "ldr r7, [r2, #8]\n"
                     "subs r1, r1, r7\n"
                     "adds r4, r1, #1\n"
                     "adds r5, r1, #2\n"
                     "adds r6, r1, #3\n"
                     "lsls r3, r7, #2\n"
                     "subs r0, r0, r3\n"
                     "ldr r3, [r2, #16]\n"
                     "mov lr, r3\n"
                     "ldr r3, [r2, #12]\n"
                     "movs r7, #0\n"
                     "add pc, r3\n"
                     "nop\n"
                     "2:\n"
                     TAP("r1", "0", "1", "2", "3")
                     TAP("r4", "4", "5", "6", "7")
                     TAP("r5", "8", "9", "10", "11")
                     TAP("r6", "12", "13", "14", "15")
                     "adds r7, #4\n"
                     "adds r0, #16\n"
                     "cmp r7, lr\n"
                     "bne 2b\n"
                     "ldr r2, [sp]\n"
                     "ldmia r2!, {r3, r4}\n"
                     "subs r2, #8\n"
                     "cmp r3, r4\n"
                     "bne 1b\n"
                     "str r0, [r2, #20]\n"
                     "adds r2, #24\n"
                     "mov r4, r8\n"
                     "mov r5, r9\n"
                     "mov r6, r10\n"
                     "mov r7, r11\n"
                     "stmia r2!, {r4, r5, r6, r7}\n"
                     "pop {r0, r4, r5, r6, r7}\n"
                     "mov r8, r4\n"
                     "mov r9, r5\n"
                     "mov r10, r6\n"
                     "mov r11, r7\n"
                     "pop {r4, r5, r6, r7, pc}\n");
}

/* The sum of taps: r0 and r2-r4 the first of them and those behind it, r1 end, r5 sum, r6 place, r7
 * tap. 11 instructions for four. */
__attribute__((naked, noinline)) static int32_t sum_of(const int8_t *taps __attribute__((unused)),
                                                       int32_t count __attribute__((unused)))
{
    __asm__ volatile(".syntax unified\n"
                     "push {r4, r5, r6, r7, lr}\n"
                     "negs r2, r1\n"
                     "movs r3, #3\n"
                     "ands r3, r2\n"
                     "subs r0, r0, r3\n"
                     "adds r1, r1, r3\n"
                     "lsls r7, r3, #2\n"
                     "adds r2, r0, #1\n"
                     "adds r3, r0, #2\n"
                     "adds r4, r0, #3\n"
                     "movs r5, #0\n"
                     "movs r6, #0\n"
                     "add pc, r7\n"
                     "nop\n"
                     "1:\n"
                     "ldrsb r7, [r0, r6]\n"
                     "adds r5, r7\n"
                     "ldrsb r7, [r2, r6]\n"
                     "adds r5, r7\n"
                     "ldrsb r7, [r3, r6]\n"
                     "adds r5, r7\n"
                     "ldrsb r7, [r4, r6]\n"
                     "adds r5, r7\n"
                     "adds r6, #4\n"
                     "cmp r6, r1\n"
                     "bne 1b\n"
                     "movs r0, r5\n"
                     "pop {r4, r5, r6, r7, pc}\n");
}

/* Outputs of floors from sums: r0-r5 as TA_V6M_HIGH_PRODUCT has them, r6 constants, r7 sums, r12
 * offset, lr out. 35 instructions for each, 38 for one beyond int8. */
__attribute__((naked, noinline)) static void store_floors(
    const int32_t *sums __attribute__((unused)), const int32_t *stop __attribute__((unused)),
    const int32_t *constants __attribute__((unused)), int8_t *out __attribute__((unused)),
    int32_t offset __attribute__((unused)))
{
    __asm__ volatile(".syntax unified\n"
                     "push {r1, r4, r5, r6, r7, lr}\n"
                     "movs r7, r0\n"
                     "movs r6, r2\n"
                     "mov lr, r3\n"
                     "ldr r0, [sp, #24]\n"
                     "mov r12, r0\n"
                     "2:\n"
                     "ldmia r7!, {r0}\n"
                     "ldmia r6!, {r1, r4}\n"
                     "lsls r0, #8\n"
                     "adds r0, r1\n"
                     "lsrs r5, r4, #16\n"
                     "uxth r4, r4\n"
                     TA_V6M_HIGH_PRODUCT
                     "add r0, r12\n"
                     TA_V6M_SHIFT_AND_SATURATE
                     "mov r1, lr\n"
                     "strb r0, [r1]\n"
                     "adds r1, #1\n"
                     "mov lr, r1\n"
                     "ldr r1, [sp]\n"
                     "cmp r7, r1\n"
                     "bne 2b\n"
                     "pop {r1, r4, r5, r6, r7, pc}\n");
}

static void store_exact(const ta_linear *layer, const int32_t *sums, int32_t first,
                        int32_t count, int8_t *out)
{
    for (int32_t c = first; c < first + count; ++c) {
        const ta_multiplier multiplier = ta_channel_multiplier(layer->requant, c);
        *out++ = ta_requantize_s8(layer->requant, multiplier, *sums++ + layer->bias[c]);
    }
}

void ta_pieces_s8_v6m(const ta_linear *layer, const int8_t *const *pieces, int32_t count,
                      int8_t *out)
{
    const ta_requant *requant = layer->requant;
    const int32_t offset = ta_floor_offset(requant, TA_LINEAR_C_FLOOR_SHIFT);
    const int32_t lead = -layer->taps & (TAPS - 1);
    pass p = {
        .stop = pieces + count,
        .lead = lead,
        .lead_bytes = 26 * lead,
        .taps = layer->taps + lead,
        .filters = layer->filters,
    };
    /* 128 too much in each weight makes that much too much. */
    int32_t start = 0;
    for (int32_t k = 0; k < count; ++k) {
        start -= 128 * sum_of(pieces[k], layer->taps);
    }
    for (int32_t c = 0; c < layer->channels; c += FILTERS) {
        const int32_t rest = layer->channels - c;
        const int32_t outputs = rest < FILTERS ? rest : FILTERS;
        p.pieces = pieces;
        p.sums[0] = p.sums[1] = p.sums[2] = p.sums[3] = start;
        run(&p);
        if (requant->floors) {
            store_floors(p.sums, p.sums + outputs, layer->bias + 2 * c, out + c, offset);
        } else {
            store_exact(layer, p.sums, c, outputs, out + c);
        }
    }
    ta_clamp_v6m(requant, out, layer->channels);
}

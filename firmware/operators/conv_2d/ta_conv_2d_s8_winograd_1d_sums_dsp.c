/* SPDX-License-Identifier: Apache-2.0
 *
 * Position by position: all filters meet one before the next is transformed, and sums wait.
 *
 * Scratch after the row pointers: one position, [3][in_channels] int16, fours of channels in the order
 * 0, 2, 1, 3, in whole eights; then for each four filters sums of [2 pixels][4], the second pixel's
 * first.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include <stdbool.h>
#include <string.h>

#include "ta_winograd_1d_dsp.h"

enum { TURN_EIGHTS = 12, SUMS_BYTES = 32, SECOND_BYTES = 16 };

/* Four channels of two pixels: 9 instructions, and 7. */
#define SUBTRACT_FOUR                                                                             \
    "ldr r4, [r1], #4\n"                                                                          \
    "ldr r5, [r2], #4\n"                                                                          \
    "sxtb16 r6, r4\n"                                                                             \
    "sxtb16 r7, r5\n"                                                                             \
    "sxtb16 r4, r4, ror #8\n"                                                                     \
    "sxtb16 r5, r5, ror #8\n"                                                                     \
    "ssub16 r6, r6, r7\n"                                                                         \
    "ssub16 r7, r4, r5\n"                                                                         \
    "strd r6, r7, [r0], #8\n"

#define ADD_FOUR                                                                                  \
    "ldr r4, [r1], #4\n"                                                                          \
    "ldr r5, [r2], #4\n"                                                                          \
    "sxtb16 r6, r4\n"                                                                             \
    "sxtb16 r7, r4, ror #8\n"                                                                     \
    "sxtab16 r6, r6, r5\n"                                                                        \
    "sxtab16 r7, r7, r5, ror #8\n"                                                                \
    "strd r6, r7, [r0], #8\n"

#define ALL_CHANNELS(four)                                                                        \
    "push {r4, r5, r6, r7}\n"                                                                     \
    "1:\n" four "subs r3, #4\n"                                                                   \
    "bne 1b\n"                                                                                    \
    "pop {r4, r5, r6, r7}\n"                                                                      \
    "bx lr\n"

/* The difference of two pixels, and their sum, widened; returns where the next goes. */
__attribute__((naked, noinline)) static int32_t *subtract(
    int32_t *to __attribute__((unused)), const int8_t *from __attribute__((unused)),
    const int8_t *other __attribute__((unused)), int32_t channels __attribute__((unused)))
{
    __asm__ volatile(ALL_CHANNELS(SUBTRACT_FOUR));
}

__attribute__((naked, noinline)) static int32_t *add(
    int32_t *to __attribute__((unused)), const int8_t *one __attribute__((unused)),
    const int8_t *other __attribute__((unused)), int32_t channels __attribute__((unused)))
{
    __asm__ volatile(ALL_CHANNELS(ADD_FOUR));
}

/* A position that is to meet all filters; the assembly knows the offsets. */
typedef struct pass {
    uint32_t entry;           /* 0: in the code, of the first products */
    uint32_t then;            /* 4: what becomes of the sums */
    const int32_t *first;     /* 8: values, and their end */
    const int32_t *last;      /* 12 */
    int32_t *sums;            /* 16: that products are added to, of the next four filters; and their
                               * end */
    const int32_t *end;       /* 20 */
    int32_t step;             /* 24: bytes to the same position of the next filters */
    int32_t offset;           /* 28: of floors; else 2 * zero point + 1 */
    int8_t *out;              /* 32: of the next filter */
    int32_t pitch;            /* 36: bytes to the second pixel; 0 where it is not wanted */
} pass;

#define ENTRY "[sp]"
#define THEN "[sp, #4]"
#define FIRST "[sp, #8]"
#define LAST "[sp, #12]"
#define SUMS "[sp, #16]"
#define END "[sp, #20]"
#define STEP "[sp, #24]"
#define OFFSET "[sp, #28]"
#define OUT "[sp, #32]"
#define PITCH "[sp, #36]"

/* Addresses in the code of apply(). */
typedef struct entries {
    uint32_t turn;             /* products of TURN_EIGHTS */
    uint32_t then[POSITIONS];  /* after each position; the last makes outputs by floors */
    uint32_t exact;            /* the same exactly */
} entries;

/* Goes on to the next four filters, if any. */
#define NEXT                                                                                      \
    "ldr r6, " END "\n"                                                                           \
    "ldr r7, " STEP "\n"                                                                          \
    "str r0, " SUMS "\n"                                                                          \
    "add r1, r7\n"                                                                                \
    "cmp r0, r6\n"                                                                                \
    "bne.w 1b\n"                                                                                  \
    "b 9f\n"

/* The second pixel's sums are there; r0: out. Those of the next filters are waiting. */
#define SECOND                                                                                    \
    "subs r0, #16\n"                                                                              \
    "ldmia.w r0, {r6, r7, r8, r9}\n"                                                              \
    "adds r0, #48\n"                                                                              \
    "str r0, " SUMS "\n"                                                                          \
    "ldr r0, " OUT "\n"

#define NEXT_OUTPUTS                                                                              \
    "str r0, " OUT "\n"                                                                           \
    "ldr r0, " SUMS "\n" NEXT

/* All filters over a position. Without one, returns the entries. */
__attribute__((naked, noinline)) static const entries *apply(
    const pass *p __attribute__((unused)), const int8_t *filters __attribute__((unused)))
{
    __asm__ volatile("cbnz r0, 0f\n"
                     "adr.w r0, 90f\n"
                     "bx lr\n"
                     "0:\n"
                     "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia.w r0, {r2, r3, r4, r5, r6, r7, r8, r9, r10, r11}\n"
                     "push {r2, r3, r4, r5, r6, r7, r8, r9, r10, r11}\n"
                     "1:\n"
                     "ldr r6, " SUMS "\n"
                     "ldr r0, " FIRST "\n"
                     "ldmia r6, {r2, r3, r4, r5}\n"
                     "ldr pc, " ENTRY "\n"
                     "2:\n"
                     ".rept 12\n" EIGHT ".endr\n"
                     "ldr r6, " LAST "\n"
                     "cmp r0, r6\n"
                     "bne.w 2b\n"
                     "ldr r0, " SUMS "\n"
                     "ldr pc, " THEN "\n"
                     /* Q(0). */
                     "3:\n"
                     "stmia r0, {r2, r3, r4, r5}\n"
                     "adds r0, #32\n" NEXT
                     /* Q(1); the first pixel has Q(0) - Q(1). */
                     "4:\n"
                     "ldmia.w r0, {r6, r7, r8, r9}\n"
                     "stmia r0!, {r2, r3, r4, r5}\n"
                     "subs r6, r6, r2\n"
                     "subs r7, r7, r3\n"
                     "sub r8, r4\n"
                     "sub r9, r5\n"
                     "stmia.w r0!, {r6, r7, r8, r9}\n" NEXT
                     /* Q(2); the first pixel has Q(2) - Q(1) more. */
                     "5:\n"
                     "ldmia.w r0, {r6, r7, r8, r9}\n"
                     "stmia r0!, {r2, r3, r4, r5}\n"
                     "ldmia.w r0, {r10, r11, r12, lr}\n"
                     "subs r6, r2, r6\n"
                     "subs r7, r3, r7\n"
                     "sub r8, r4, r8\n"
                     "sub r9, r5, r9\n"
                     "add r10, r6\n"
                     "add r11, r7\n"
                     "add r12, r8\n"
                     "add lr, r9\n"
                     "stmia.w r0!, {r10, r11, r12, lr}\n" NEXT
                     "6:\n" SECOND "ldr r12, " PITCH "\n"
                     "ldr lr, " OFFSET "\n" FLOORS("r12", "r2", "r6") FLOORS("r12", "r3", "r7")
                     FLOORS("r12", "r4", "r8") FLOORS("r12", "r5", "r9") NEXT_OUTPUTS
                     "7:\n" SECOND EXACTLY(OFFSET, PITCH, "r2", "r6")
                     EXACTLY(OFFSET, PITCH, "r3", "r7") EXACTLY(OFFSET, PITCH, "r4", "r8")
                     EXACTLY(OFFSET, PITCH, "r5", "r9") NEXT_OUTPUTS
                     "9:\n"
                     "add sp, #40\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
                     ".balign 4\n"
                     "90:\n"
                     ".word 2b + 1, 3b + 1, 4b + 1, 5b + 1, 6b + 1, 7b + 1\n");
}

/* The columns of each position: the second is subtracted from the first, or added to it. */
static const struct {
    uint8_t first;
    uint8_t second;
} columns_of[POSITIONS] = { { 3, 1 }, { 1, 2 }, { 1, 2 }, { 0, 2 } };
enum { ADDED = 2 };

/* Transforms a position of the tile from input column `left` on. */
static void transform(const ta_conv_2d *op, const int8_t *const *rows, int32_t left,
                      uint32_t outside, int32_t k, int32_t *to)
{
    const int32_t channels = op->in_channels;
    const int32_t first = columns_of[k].first;
    const int32_t second = columns_of[k].second;
    for (int32_t ky = 0; ky < 3; ++ky) {
        const int8_t *const pixel = rows[ky] + left * channels;
        const int8_t *const beside = beside_of(op, pixel);
        const int8_t *const one = outside >> first & 1u ? beside : pixel + first * channels;
        const int8_t *const other = outside >> second & 1u ? beside : pixel + second * channels;
        to = k == ADDED ? add(to, one, other, channels) : subtract(to, one, other, channels);
    }
}

void ta_conv_2d_s8_winograd_1d_sums_dsp(const ta_conv_2d *op, const int8_t *const *rows,
                                        int8_t *out, int32_t x_start, int32_t x_stop)
{
    const int32_t eights = eights_of(op);
    const int32_t fours = op->out_channels / 4;
    const int32_t position_bytes = 4 * EIGHT_BYTES * eights;
    const int32_t behind_bytes = op->requant.floors ? 4 * 8 : 4 * 12;
    int32_t *const position = (int32_t *)op->scratch + op->kernel_h;
    int32_t *const sums = position + EIGHT_BYTES / 4 * eights;
    int8_t *pixel = out + x_start * op->out_channels;
    int8_t *const start = pixel;
    const entries *at = apply(NULL, NULL);
    pass p = {
        .entry = at->turn + (uint32_t)(CODE_OF_EIGHT * ((TURN_EIGHTS - eights % TURN_EIGHTS) %
                                                        TURN_EIGHTS)),
        .first = position,
        .last = sums,
        .offset = offset_of(&op->requant),
    };
    for (int32_t x = x_start; x < x_stop; x += OUT_COLUMNS) {
        const int32_t left = x - op->pad_left;
        const uint32_t outside = outside_of(op, left, x_stop);
        p.out = pixel;
        p.pitch = x + 1 < x_stop ? op->out_channels : 0;
        memset(sums, 0, (size_t)(SUMS_BYTES * fours));
        for (int32_t k = 0; k < POSITIONS; ++k) {
            /* Outputs start from the first pixel's sums, and read what is behind filters. */
            const bool is_last = k == POSITIONS - 1;
            transform(op, rows, left, outside, k, position);
            p.then = is_last && !op->requant.floors ? at->exact : at->then[k];
            p.sums = sums + (is_last ? SECOND_BYTES / 4 : 0);
            p.end = p.sums + SUMS_BYTES / 4 * fours;
            p.step = 3 * position_bytes + (is_last ? 0 : behind_bytes);
            (void)apply(&p, op->weights + k * position_bytes);
        }
        pixel += OUT_COLUMNS * op->out_channels;
    }
    ta_clamp_outputs_s8(&op->requant, start, (x_stop - x_start) * op->out_channels);
}

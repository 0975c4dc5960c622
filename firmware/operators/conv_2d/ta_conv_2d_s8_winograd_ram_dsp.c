/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters are transformed in groups, each once for all rows of a call.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_winograd_dsp.h"

#define FOUR_WORDS 4 /* of two transformed filters, in one position */
#define FLOOR_WORDS 4
#define EXACT_WORDS 6

/* In the frame of transform_pair(): the next filter, and how many halves are left. */
#define FROM "[sp]"
#define HALVES "[sp, #4]"

/* Row r of (2G) g (2G)^T, with signs, from u0, u1, u2, its columns: p1 = u0 + u1 + u2,
 * p2 = u1 - u0 - u2, p0 = 2 u0, p3 = p0 + p2 - p1 = -2 u2. r1: position 0 of the row, then of the
 * next, r2: bytes from position to position. */
#define STORE_ROW                                                                                 \
    "str r0, [r1]\n"                                                                              \
    "str r3, [r1, r2]\n"                                                                          \
    "add r1, r1, r2, lsl #1\n"                                                                    \
    "str lr, [r1]\n"                                                                              \
    "str r12, [r1, r2]\n"

/* A middle row from r10, r11, r12. */
#define MIDDLE_ROW                                                                                \
    "sadd16 r0, r10, r12\n"                                                                       \
    "sadd16 r3, r0, r11\n" /* p1 */                                                               \
    "ssub16 lr, r11, r0\n" /* p2 */                                                               \
    "sadd16 r0, r10, r10\n" /* p0 */                                                              \
    "ssub16 r12, lr, r3\n"                                                                        \
    "sadd16 r12, r12, r0\n" /* p3 */                                                              \
    STORE_ROW

/* Transforms `halves` halves of filters, two to each four channels of a filter: channels 0 and 2,
 * and 1 and 3. from: [halves / 2][9][4]; to: position 0, `stride` bytes from position to position.
 * Returns what comes behind the filters. About 82 instructions each. */
__attribute__((naked, noinline)) static const int8_t *transform_pair(
    const int8_t *from __attribute__((unused)), int32_t *to __attribute__((unused)),
    int32_t stride __attribute__((unused)), int32_t halves __attribute__((unused)))
{
    __asm__ volatile(
        "push {r0, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}\n"
        "1:\n"
        "ldmia r0, {r4, r5, r6, r7, r8, r9, r10, r11, r12}\n"
        "lsls r3, r3, #31\n"
        "bne 2f\n"
        "sxtb16 r4, r4\n"
        "sxtb16 r5, r5\n"
        "sxtb16 r6, r6\n"
        "sxtb16 r7, r7\n"
        "sxtb16 r8, r8\n"
        "sxtb16 r9, r9\n"
        "sxtb16 r10, r10\n"
        "sxtb16 r11, r11\n"
        "sxtb16 r12, r12\n"
        "b 3f\n"
        "2:\n"
        "adds r0, #36\n"
        "str r0, " FROM "\n"
        "sxtb16 r4, r4, ror #8\n"
        "sxtb16 r5, r5, ror #8\n"
        "sxtb16 r6, r6, ror #8\n"
        "sxtb16 r7, r7, ror #8\n"
        "sxtb16 r8, r8, ror #8\n"
        "sxtb16 r9, r9, ror #8\n"
        "sxtb16 r10, r10, ror #8\n"
        "sxtb16 r11, r11, ror #8\n"
        "sxtb16 r12, r12, ror #8\n"
        "3:\n"
        /* Row 0, twice the first of the filter. */
        "sadd16 r0, r4, r6\n"
        "sadd16 r0, r0, r0\n"
        "sadd16 lr, r5, r5\n"
        "sadd16 r3, r0, lr\n"
        "str r3, [r1, r2]\n"
        "ssub16 lr, lr, r0\n"
        "ssub16 r3, lr, r3\n"
        "sadd16 r0, r4, r4\n"
        "sadd16 r0, r0, r0\n"
        "sadd16 r3, r3, r0\n"
        "str r0, [r1]\n"
        "add r1, r1, r2, lsl #1\n"
        "str lr, [r1]\n"
        "str r3, [r1, r2]\n"
        /* The sums of the first and the last row of the filter. */
        "sadd16 r4, r4, r10\n"
        "sadd16 r5, r5, r11\n"
        "sadd16 r6, r6, r12\n"
        /* Row 3, minus twice the last: p2 = 2 (g0 - g1 + g2), p1 = p2 - 4 (g0 + g2), p3 = 4 g2,
         * p0 = p3 - 4 (g0 + g2). */
        "add r1, r1, r2, lsl #3\n"
        "sadd16 r0, r10, r12\n"
        "sadd16 r0, r0, r0\n"
        "sadd16 lr, r11, r11\n"
        "ssub16 lr, r0, lr\n"
        "add r1, r1, r2, lsl #1\n"
        "sadd16 r0, r0, r0\n"
        "ssub16 r3, lr, r0\n"
        "sadd16 r12, r12, r12\n"
        "sadd16 r12, r12, r12\n"
        "ssub16 r0, r12, r0\n" STORE_ROW
        /* Row 1: all of the filter. */
        "sub r1, r1, r2, lsl #3\n"
        "sadd16 r10, r4, r7\n"
        "sadd16 r11, r5, r8\n"
        "sadd16 r12, r6, r9\n"
        "sub r1, r1, r2, lsl #1\n" MIDDLE_ROW
        /* Row 2: the second less the others. */
        "add r1, r1, r2, lsl #1\n"
        "ssub16 r10, r7, r4\n"
        "ssub16 r11, r8, r5\n"
        "ssub16 r12, r9, r6\n" MIDDLE_ROW
        "sub r1, r1, r2, lsl #3\n"
        "ldrd r0, r3, " FROM "\n"
        "sub r1, r1, r2, lsl #1\n"
        "adds r1, #4\n"
        "subs r3, #1\n"
        "str r3, " HALVES "\n"
        "bne 1b\n"
        "add sp, #8\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}\n");
}

/* Transforms the next `stretch` filters from `next` on, with their requantization behind each pair;
 * scratch for tiles comes behind them. */
static ta_winograd lay_group(const ta_conv_2d *op, int32_t first, const int8_t **next)
{
    const int32_t fours = ta_winograd_fours(op);
    const int32_t constant_words = op->requant.floors ? FLOOR_WORDS : EXACT_WORDS;
    const int32_t left = op->out_channels - first;
    const int32_t count = left < op->stretch ? left : op->stretch;
    int32_t *const pairs = (int32_t *)op->scratch + op->kernel_h + 1;
    int32_t *to = pairs;
    for (int32_t k = 0; k < count; k += 2) {
        const int32_t *constants = (const int32_t *)(const void *)transform_pair(
            *next, to, (int32_t)sizeof(int32_t) * FOUR_WORDS * fours, FOUR_WORDS * fours);
        to += TA_WINOGRAD_POSITIONS * FOUR_WORDS * fours;
        for (int32_t word = 0; word < constant_words; ++word) {
            *to++ = *constants++;
        }
        *next = (const int8_t *)constants;
    }
    return (ta_winograd) { .pairs = pairs, .first = first, .stop = first + count, .tiles = to };
}

void ta_conv_2d_s8_winograd_ram_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                    int32_t x_start, int32_t x_stop)
{
    const int8_t *const four[4] = { rows[0], rows[1], rows[2], rows[2] };
    const int32_t count = (x_stop - x_start) * op->out_channels;
    const int8_t *next = op->weights;
    for (int32_t c = 0; c < op->out_channels; c += op->stretch) {
        const ta_winograd w = lay_group(op, c, &next);
        ta_winograd_row(op, &w, four, out, 0, x_start, x_stop);
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels, count);
}

void ta_conv_2d_s8_winograd_ram_dsp_pairs(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const int8_t *next = op->weights;
    for (int32_t c = 0; c < op->out_channels; c += op->stretch) {
        const ta_winograd w = lay_group(op, c, &next);
        ta_winograd_rows(op, &w, y_start, y_stop);
    }
}

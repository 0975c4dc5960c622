/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_sums.h"

#define CHANNELS 4

/* Four channels of a pixel, in r8, to their sums. */
#define ADD_PIXEL                                                                                 \
    "sxtab r4, r4, r8\n"                                                                          \
    "sxtab r5, r5, r8, ror #8\n"                                                                  \
    "sxtab r6, r6, r8, ror #16\n"                                                                 \
    "sxtab r7, r7, r8, ror #24\n"

/* Adds `further` + 1 pixels, `channels` apart, to sums of `fours` times four of their channels: 10
 * instructions for those of the first pixel, 8 of each further one and 3 for all of these. */
__attribute__((naked, noinline)) static void add_fours(
    int32_t *sums __attribute__((unused)), const int8_t *row __attribute__((unused)),
    int32_t channels __attribute__((unused)), int32_t further __attribute__((unused)),
    int32_t fours __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, lr}\n"
                     "ldr r9, [sp, #28]\n"
                     "1:\n"
                     "ldmia r0, {r4, r5, r6, r7}\n"
                     "ldr r8, [r1], #4\n" ADD_PIXEL
                     "cbz r3, 3f\n"
                     "mov lr, r3\n"
                     "add r12, r1, r2\n"
                     "sub r12, #4\n"
                     "2:\n"
                     "ldr r8, [r12]\n"
                     "add r12, r2\n" ADD_PIXEL
                     "subs lr, #1\n"
                     "bne 2b\n"
                     "3:\n"
                     "stmia r0!, {r4, r5, r6, r7}\n"
                     "subs r9, #1\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, r8, r9, pc}\n");
}

static void add_row(const ta_sums *op, const int8_t *row)
{
    const int32_t fours = op->channels / CHANNELS;
    if (fours > 0) {
        add_fours(op->sums, row, op->channels, op->width - 1, fours);
    }
    for (int32_t c = CHANNELS * fours; c < op->channels; ++c) {
        for (int32_t x = 0; x < op->width; ++x) {
            op->sums[c] += row[x * op->channels + c];
        }
    }
}

void ta_sums_rows_dsp(const ta_sums *op, int32_t y_start, int32_t y_stop)
{
    if (y_start == 0) {
        for (int32_t c = 0; c < op->channels; ++c) {
            op->sums[c] = 0;
        }
    }
    for (int32_t y = y_start; y < y_stop; ++y) {
        add_row(op, ta_source_row(&op->in, y));
    }
    if (y_stop == op->in.height) {
        op->kernel(op, ta_sink_row(&op->out, 0));
    }
}

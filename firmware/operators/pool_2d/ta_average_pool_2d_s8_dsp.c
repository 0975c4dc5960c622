/* SPDX-License-Identifier: Apache-2.0
 *
 * Four channels at a time, summed in halves of words.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_pool_2d.h"

#define CHANNELS 4

/* Adds `count` pixels of a row to the sums of channels 0 and 2, and 1 and 3: 6 instructions for 4
 * elements. */
__attribute__((naked, noinline)) static void add_row(uint32_t *sums __attribute__((unused)),
                                                     const int8_t *in __attribute__((unused)),
                                                     int32_t step __attribute__((unused)),
                                                     int32_t count __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5}\n"
                     "ldrd r4, r5, [r0]\n"
                     "1:\n"
                     "ldr r12, [r1]\n"
                     "add r1, r2\n"
                     "sxtab16 r4, r4, r12\n"
                     "sxtab16 r5, r5, r12, ror #8\n"
                     "subs r3, #1\n"
                     "bne 1b\n"
                     "strd r4, r5, [r0]\n"
                     "pop {r4, r5}\n"
                     "bx lr\n");
}

void ta_average_pool_2d_s8_dsp(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                               int8_t *out, int32_t x_start, int32_t x_stop)
{
    for (int32_t x = x_start; x < x_stop; ++x) {
        const ta_columns columns = ta_pool_2d_columns(op, x);
        const int32_t width = columns.stop - columns.start;
        const int32_t size = count * width;
        for (int32_t c = 0; c < op->channels; c += CHANNELS) {
            /* The last four are made again where channels are no multiple of four. */
            const int32_t channel = c + CHANNELS <= op->channels ? c : op->channels - CHANNELS;
            const int32_t first = columns.start * op->channels + channel;
            uint32_t sums[2] = { 0, 0 };
            for (int32_t k = 0; k < count; ++k) {
                add_row(sums, rows[k] + first, op->channels, width);
            }
            for (int32_t k = 0; k < CHANNELS; ++k) {
                const int32_t total = (int16_t)(sums[k % 2] >> (k / 2 * 16));
                /* Rounded to nearest, halves away from zero. */
                const int32_t half = total > 0 ? size / 2 : -(size / 2);
                out[x * op->channels + channel + k] =
                    ta_clamp_s8((total + half) / size, op->lowest, op->highest);
            }
        }
    }
}

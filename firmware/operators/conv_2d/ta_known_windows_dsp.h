/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of the commonest windows, made one after another in assembly: of three rows of nine taps or of
 * three, which an image of three channels or of one has under 3x3 filters; and with TA_KNOWN_WORDS of
 * one row of whole words. Who includes this widens a group of each: widen_nines, widen_threes,
 * widen_words. They go on to the next.
 */
#ifndef TA_KNOWN_WINDOWS_DSP_H
#define TA_KNOWN_WINDOWS_DSP_H

#include <stdbool.h>

#include "ta_conv_2d.h"
#include "ta_linear_dsp.h"

#ifdef TA_KNOWN_WORDS
static ta_linear_dsp_widener widen_words;
#endif
static ta_linear_dsp_widener widen_nines;
static ta_linear_dsp_widener widen_threes;

/* Nine taps of a window at r1 to r3, which go on to the next by r10: (0, 2), (1, 3), (4, 6), (5, 7)
 * and 8. */
#define THREE_BY_THREE                                                                            \
    "ldrsb r4, [r1]\n"                                                                            \
    "ldrsb r6, [r1, #2]\n"                                                                        \
    "ldrsb r5, [r1, #1]\n"                                                                        \
    "ldrsb r7, [r2]\n"                                                                            \
    "ldrsb r8, [r2, #2]\n"                                                                        \
    "ldrsb r9, [r3, #1]\n"                                                                        \
    "pkhbt r4, r4, r6, lsl #16\n"                                                                 \
    "pkhbt r5, r5, r7, lsl #16\n"                                                                 \
    "ldrsb r6, [r2, #1]\n"                                                                        \
    "ldrsb r11, [r3]\n"                                                                           \
    "pkhbt r7, r8, r9, lsl #16\n"                                                                 \
    "ldrsb r8, [r3, #2]\n"                                                                        \
    "pkhbt r6, r6, r11, lsl #16\n"                                                                \
    "add r1, r10\n"                                                                               \
    "add r2, r10\n"                                                                               \
    "add r3, r10\n"

/* Whether it is known how windows are widened whose taps lie side by side in each row, `offset` bytes
 * from its start. */
static bool widens_known(const ta_conv_2d *op, const int8_t *const *rows, int32_t offset,
                         ta_next_windows *next)
{
    const int32_t row_taps = op->kernel_w * op->in_channels;
#ifdef TA_KNOWN_WORDS
    if (op->kernel_h == 1 && row_taps % 4 == 0) {
        next->widen = widen_words;
    } else
#endif
        if (op->kernel_h == 3 && row_taps == 9) {
        next->widen = widen_nines;
    } else if (op->kernel_h == 3 && row_taps == 3) {
        next->widen = widen_threes;
    } else {
        return false;
    }
    next->step = op->stride_w * op->in_channels;
    next->fours = row_taps / 4;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        next->rows[ky] = rows[ky] + offset;
    }
    return true;
}

#endif

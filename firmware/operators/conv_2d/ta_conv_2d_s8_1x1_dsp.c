/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the row pointer: the widened pixels of a group.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_conv_2d.h"
#include "ta_linear_dsp.h"

#define GROUP TA_LINEAR_DSP_GROUP

/* Pixels that come next; the assembly knows the offsets. */
typedef struct pixels {
    const int8_t *first;
    int32_t step;  /* 4: from one to the next */
    int32_t fours; /* 8: of channels */
} pixels;

/* Widens a group: 10 instructions for four channels of all three. */
__attribute__((naked)) static void widen_three(void)
{
    __asm__ volatile("ldmia r12, {r1, r4, r10}\n"
                     "add r2, r1, r4\n"
                     "add r3, r2, r4\n"
                     "add r4, r3\n"
                     "str r4, [r12]\n"
                     "subs r10, #4\n"
                     "blo 2f\n"
                     "1:\n" TA_WIDEN_FOUR_OF_3 TA_WIDEN_FOUR_OF_3 TA_WIDEN_FOUR_OF_3
                         TA_WIDEN_FOUR_OF_3 "subs r10, #4\n"
                     "bhs 1b\n"
                     "2:\n"
                     "adds r10, #4\n"
                     "beq 4f\n"
                     "3:\n" TA_WIDEN_FOUR_OF_3 "subs r10, #1\n"
                     "bne 3b\n"
                     "4:\n"
                     "bx lr\n");
}

void ta_conv_2d_s8_1x1_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                           int32_t x_start, int32_t x_stop)
{
    const int32_t channels = op->in_channels;
    int32_t *const group = (int32_t *)op->scratch + 1;
    ta_linear_dsp layer =
        ta_linear_dsp_of(&op->requant, op->weights, channels, op->out_channels, group);
    pixels next = {.step = op->stride_w * channels, .fours = channels >> 2};
    const int32_t count = x_stop - x_start;
    const int32_t rest = count % GROUP;
    next.first = *rows + x_start * next.step;
    out += x_start * op->out_channels;
    if (count >= GROUP) {
        layer.groups = count / GROUP;
        layer.widen = widen_three;
        layer.state = &next;
        ta_linear_s8_unrolled_dsp(&layer, GROUP, out);
    }
    if (rest != 0) {
        (void)ta_linear_dsp_widen(group, next.first, next.step, next.fours, rest);
        layer.groups = 1;
        layer.widen = NULL;
        ta_linear_s8_unrolled_dsp(&layer, rest, out + (count - rest) * op->out_channels);
    }
    ta_clamp_outputs_s8(&op->requant, out, count * op->out_channels);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Four channels at a time, a stretch of output pixels at a time. First the input columns that
 * the stretch needs are laid out in scratch, one strip a channel: for each column a word of rows
 * 0 and 1, and a word with row 2 in its lower half. Then each channel passes over its strip.
 *
 * Scratch after the row pointers: [4][columns][2] words.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_depthwise_conv_2d.h"
#include "ta_dsp_requant.h"

#define CHANNELS 4

/* Channels 0 and 2 of a column, or 1 and 3: r7-r9 hold its rows as bytes, "rotate" selects. */
#define TWO_CHANNELS(rotate, first, second)                                                       \
    "sxtb16 r10, r7" rotate "\n"                                                                  \
    "sxtb16 r11, r8" rotate "\n"                                                                  \
    "pkhbt r12, r10, r11, lsl #16\n"                                                              \
    "pkhtb r11, r11, r10, asr #16\n"                                                              \
    "sxtb16 r10, r9" rotate "\n"                                                                  \
    "strd r12, r10, [" first "], #8\n"                                                            \
    "asr r10, r10, #16\n"                                                                         \
    "strd r11, r10, [" second "], #8\n"

/* Lays out `count` columns of four channels in strips `pitch` bytes apart, 23 instructions each;
 * rows[k] + offset: the first of them, the others `step` bytes apart. Returns the first strip's
 * end. */
__attribute__((naked, noinline)) static int32_t *lay_columns(
    int32_t *strip __attribute__((unused)), int32_t pitch __attribute__((unused)),
    const int8_t *const *rows __attribute__((unused)), int32_t offset __attribute__((unused)),
    int32_t step __attribute__((unused)), int32_t count __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldrd r7, r8, [sp, #36]\n"
                     "add r8, r0, r8, lsl #3\n"
                     "push {r7, r8}\n"
                     "ldmia r2, {r4, r5, r6}\n"
                     "add r2, r0, r1, lsl #1\n"
                     "add lr, r2, r1\n"
                     "add r1, r0, r1\n"
                     "b 2f\n"
                     "1:\n"
                     "ldr r7, [r4, r3]\n"
                     "ldr r8, [r5, r3]\n"
                     "ldr r9, [r6, r3]\n" TWO_CHANNELS("", "r0", "r2")
                         TWO_CHANNELS(", ror #8", "r1", "lr") "ldrd r7, r8, [sp]\n"
                     "add r3, r3, r7\n"
                     "2:\n"
                     "cmp r0, r8\n"
                     "bne 1b\n"
                     "add sp, #8\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Lays out the columns from `left`, padded. */
static void lay_strips(const ta_conv_2d *op, const int8_t *const *rows, int32_t channel,
                       int32_t left, int32_t columns)
{
    const int32_t pitch = 8 * columns;
    const int32_t stop = left + columns;
    const int32_t first = left > 0 ? left : 0;
    const int32_t last = stop < op->in_width ? stop : op->in_width;
    const int8_t *const zeros[3] = { op->zero_row, op->zero_row, op->zero_row };
    int32_t *strip = (int32_t *)op->scratch + op->kernel_h;
    strip = lay_columns(strip, pitch, zeros, 0, 0, first - left);
    strip = lay_columns(strip, pitch, rows, first * op->in_channels + channel, op->in_channels,
                        last - first);
    (void)lay_columns(strip, pitch, zeros, 0, 0, stop - last);
}

/* One channel of a stretch; the assembly knows the offsets. */
typedef struct pass {
    int32_t offset;         /* 0: of the floor */
    int32_t slope;          /* 4 */
    int32_t bias;           /* 8 */
    const int32_t *columns; /* 12 */
    int8_t *out;            /* 16 */
    int32_t channels;       /* 20 */
    const int8_t *weights;  /* 24: nine, (0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2),
                             * (2, 1), (2, 2) by row and column */
    int32_t step;           /* 28: bytes from the second word of an output to the next output */
    int32_t count;          /* 32: outputs, at least 1 */
} pass;

/* 17 instructions an output. r7-r9 the weights of rows 0 and 1, r10-r11 of row 2; the floor's
 * constants are on the stack. */
__attribute__((naked, noinline)) static void run(const pass *p __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0!, {r3, r4, r5}\n"
                     "push {r3, r4, r5}\n"
                     "ldmia r0, {r0, r1, r2, r3, r12, lr}\n"
                     "ldr r7, [r3]\n"
                     "ldr r9, [r3, #4]\n"
                     "ldrsb r11, [r3, #8]\n"
                     "sxtb16 r8, r7, ror #8\n"
                     "sxtb16 r7, r7\n"
                     "sxtb16 r10, r9, ror #8\n"
                     "sxtb16 r9, r9\n"
                     "1:\n"
                     "ldmia r0!, {r3, r4, r5}\n"
                     "smuad r6, r3, r7\n"
                     "smlabb r6, r4, r10, r6\n"
                     "smlad r6, r5, r8, r6\n"
                     "ldmia r0, {r3, r4, r5}\n"
                     "smlabt r6, r3, r10, r6\n"
                     "smlad r6, r4, r9, r6\n"
                     "smlabb r6, r5, r11, r6\n"
                     "ldmia sp, {r3, r4, r5}\n"
                     "add r0, r0, r12\n"
                     "add r6, r5, r6, lsl #8\n"
                     "smmla r6, r6, r4, r3\n"
                     "ssat r6, #8, r6, asr #8\n"
                     "subs lr, #1\n"
                     "strb r6, [r1]\n"
                     "add r1, r1, r2\n"
                     "bne 1b\n"
                     "add sp, #12\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Four channels of output columns [x, x + count). */
static void four_channels(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out, int32_t x,
                          int32_t count, int32_t channel)
{
    const int32_t columns = (count - 1) * op->stride_w + 3;
    lay_strips(op, rows, channel, x * op->stride_w - op->pad_left, columns);
    pass p = {
        .offset = ta_dsp_floor_offset(&op->requant, TA_DEPTHWISE_FLOOR_SHIFT),
        .columns = (const int32_t *)op->scratch + op->kernel_h,
        .out = out + x * op->out_channels + channel,
        .channels = op->out_channels,
        .weights = op->weights + 9 * channel,
        .step = 8 * op->stride_w - 12,
        .count = count,
    };
    for (int32_t c = channel; c < channel + CHANNELS; ++c) {
        p.slope = (int32_t)op->requant.words[c];
        p.bias = op->bias[c];
        run(&p);
        p.columns += 2 * columns;
        p.out += 1;
        p.weights += 9;
    }
}

void ta_depthwise_conv_2d_s8_3x3_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                     int32_t x_start, int32_t x_stop)
{
    const int32_t channels = op->out_channels;
    for (int32_t x = x_start; x < x_stop; x += op->stretch) {
        const int32_t count = x_stop - x < op->stretch ? x_stop - x : op->stretch;
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last four are made again where channels are no multiple of four. */
            const int32_t channel = c + CHANNELS <= channels ? c : channels - CHANNELS;
            four_channels(op, rows, out, x, count, channel);
        }
    }
    ta_dsp_clamp(&op->requant, out + x_start * channels, (x_stop - x_start) * channels);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Four channels at a time, a stretch of output pixels at a time. First the input columns that
 * the stretch needs are laid out in scratch, one strip a channel: for each column a word of rows
 * 0 and 1, and a word with row 2 in its lower half. Then each channel passes over its strip.
 *
 * Scratch after the row pointers: [4][columns][2] words, of an even number of outputs.
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
 * rows[k] + offset: the first of them, the others `step` bytes apart. */
__attribute__((naked, noinline)) static void lay_columns(
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

/* Lays out the columns from `left`, padded, strips `pitch` bytes apart. */
static void lay_strips(const ta_conv_2d *op, const int8_t *const *rows, int32_t channel,
                       int32_t left, int32_t columns, int32_t pitch)
{
    const int32_t stop = left + columns;
    const int32_t first = left > 0 ? left : 0;
    const int32_t last = stop < op->in_width ? stop : op->in_width;
    const int8_t *const zeros[3] = { op->zero_row, op->zero_row, op->zero_row };
    int32_t *const strip = (int32_t *)op->scratch + op->kernel_h;
    if (channel == 0) {
        /* Padding is that of all channels. */
        lay_columns(strip, pitch, zeros, 0, 0, first - left);
        lay_columns(strip + 2 * (last - left), pitch, zeros, 0, 0, stop - last);
    }
    lay_columns(strip + 2 * (first - left), pitch, rows, first * op->in_channels + channel,
                op->in_channels, last - first);
}

/* Four channels of a stretch; the assembly knows the offsets, and makes this its frame. */
typedef struct pass {
    int32_t slope;          /* 0: of the channel */
    int32_t bias;           /* 4 */
    int32_t offset;         /* 8: of the floor */
    int32_t channels;       /* 12 */
    const int32_t *columns; /* 16 */
    int8_t *out;            /* 20 */
    int32_t pitch;          /* 24 */
    int32_t count;          /* 28: outputs */
} pass;

/* Sums of an output's first two columns, in r4, r5, r6 and r12, and of its third. */
#define TWO_COLUMNS(acc, first, second, third, fourth)                                            \
    "smuad " acc ", " first ", r7\n"                                                              \
    "smlabb " acc ", " second ", r10, " acc "\n"                                                  \
    "smlad " acc ", " third ", r8, " acc "\n"                                                     \
    "smlabt " acc ", " fourth ", r10, " acc "\n"
#define THIRD_COLUMN(acc, first, second)                                                          \
    "smlad " acc ", " first ", r9, " acc "\n"                                                     \
    "smlabb " acc ", " second ", r11, " acc "\n"

/* Two outputs, or one where lr is 1; then goes on at `again` where there are more. */
#define FLOORS(again)                                                                             \
    "ldmia sp, {r4, r5, r6, r12}\n"                                                               \
    "add r2, r5, r2, lsl #8\n"                                                                    \
    "add r3, r5, r3, lsl #8\n"                                                                    \
    "smmla r2, r2, r4, r6\n"                                                                      \
    "smmla r3, r3, r4, r6\n"                                                                      \
    "ssat r2, #8, r2, asr #8\n"                                                                   \
    "ssat r3, #8, r3, asr #8\n"                                                                   \
    "subs lr, #2\n"                                                                               \
    "strb r2, [r1]\n"                                                                             \
    "it ge\n"                                                                                     \
    "strbge r3, [r1, r12]\n"                                                                      \
    "add r1, r1, r12, lsl #1\n"                                                                   \
    "bgt " again "\n"

/* 27 instructions for two outputs, 28 with a stride of two. r7-r9 the weights of rows 0 and 1,
 * r10-r11 of row 2. Of an odd number of outputs the last takes part in two sums of which one
 * reads a column too many, which is scratch. */
__attribute__((naked, noinline)) static void run(const pass *p __attribute__((unused)),
                                                 const int8_t *weights __attribute__((unused)),
                                                 const int32_t *words __attribute__((unused)),
                                                 int32_t stride __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "mov r10, r1\n"
                     "mov r11, r2\n"
                     "mov r12, r3\n"
                     "movs r1, #4\n"
                     "push {r1, r10, r11, r12}\n"
                     "ldmia r0, {r2, r3, r4, r5, r6, r7, r8, r9}\n"
                     "push {r2, r3, r4, r5, r6, r7, r8, r9}\n"
                     "1:\n"
                     "add r0, sp, #16\n"
                     "ldmia r0, {r0, r1, r2, lr}\n"
                     "add r2, r0\n"
                     "adds r3, r1, #1\n"
                     "strd r2, r3, [sp, #16]\n"
                     "ldrd r2, r6, [sp, #36]\n"
                     "ldr r3, [sp, #44]\n"
                     "ldr r4, [r2]\n"
                     "ldr r5, [r2, #4]\n"
                     "ldrsb r11, [r2, #8]\n"
                     "ldmia r6!, {r7, r8}\n"
                     "adds r2, #9\n"
                     "strd r2, r6, [sp, #36]\n"
                     "strd r8, r7, [sp]\n"
                     "sxtb16 r7, r4\n"
                     "sxtb16 r8, r4, ror #8\n"
                     "sxtb16 r9, r5\n"
                     "sxtb16 r10, r5, ror #8\n"
                     "cmp r3, #2\n"
                     "beq 3f\n"
                     "2:\n"
                     "ldmia r0!, {r4, r5, r6, r12}\n"
                     TWO_COLUMNS("r2", "r4", "r5", "r6", "r12")
                     "smuad r3, r6, r7\n"
                     "smlabb r3, r12, r10, r3\n"
                     "ldmia r0, {r4, r5, r6, r12}\n"
                     THIRD_COLUMN("r2", "r4", "r5")
                     "smlad r3, r4, r8, r3\n"
                     "smlabt r3, r5, r10, r3\n"
                     THIRD_COLUMN("r3", "r6", "r12")
                     FLOORS("2b")
                     "b 4f\n"
                     "3:\n"
                     "ldmia r0!, {r4, r5, r6, r12}\n"
                     TWO_COLUMNS("r2", "r4", "r5", "r6", "r12")
                     "ldmia r0!, {r4, r5, r6, r12}\n"
                     THIRD_COLUMN("r2", "r4", "r5")
                     TWO_COLUMNS("r3", "r4", "r5", "r6", "r12")
                     "ldrd r4, r5, [r0]\n"
                     THIRD_COLUMN("r3", "r4", "r5")
                     FLOORS("3b")
                     "4:\n"
                     "ldr r3, [sp, #32]\n"
                     "subs r3, #1\n"
                     "str r3, [sp, #32]\n"
                     "bne 1b\n"
                     "add sp, #48\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

void ta_depthwise_conv_2d_s8_3x3_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                     int32_t x_start, int32_t x_stop)
{
    const int32_t channels = op->out_channels;
    pass p;
    p.offset = ta_floor_offset(&op->requant, TA_DEPTHWISE_FLOOR_SHIFT);
    p.channels = channels;
    p.columns = (const int32_t *)op->scratch + op->kernel_h;
    p.pitch = 8 * ((((op->stretch + 1) & ~1) - 1) * op->stride_w + 3);
    for (int32_t x = x_start; x < x_stop; x += op->stretch) {
        const int32_t left = x * op->stride_w - op->pad_left;
        p.count = x_stop - x < op->stretch ? x_stop - x : op->stretch;
        const int32_t columns = (p.count - 1) * op->stride_w + 3;
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last four are made again where channels are no multiple of four. */
            const int32_t channel = c + CHANNELS <= channels ? c : channels - CHANNELS;
            lay_strips(op, rows, channel, left, columns, p.pitch);
            p.out = out + x * channels + channel;
            run(&p, op->weights + 9 * channel, op->bias + 2 * channel, op->stride_w);
        }
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * channels, (x_stop - x_start) * channels);
}

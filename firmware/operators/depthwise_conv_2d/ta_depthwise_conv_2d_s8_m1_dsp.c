/* SPDX-License-Identifier: Apache-2.0
 *
 * Four channels of one output pixel at a time, over those taps of the window that lie in the
 * input: the zero point is taken off the input as it is widened, so padding adds nothing.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_depthwise_conv_2d.h"

#define CHANNELS 4

/* One output pixel; the assembly knows the offsets. */
typedef struct pass {
    const int8_t *const *rows; /* 0: the first input row under the window */
    const int8_t *const *next; /* 4: of the loop */
    int32_t offset;            /* 8: of the first channel under the first tap of a row */
    int32_t taps;              /* 12: of a row, at least 1, and 1 */
    int32_t skip;              /* 16: bytes of weights from a row's last tap to the next row's */
    const int8_t *const *end;  /* 20: of the rows */
    int32_t before;            /* 24: bytes of weights before the first tap */
    int32_t behind;            /* 28: and behind `skip` of the last */
    int8_t *out;               /* 32 */
    int8_t *out_end;           /* 36 */
    int32_t step;              /* 40: bytes from a tap to the next in the input */
    int32_t zero;              /* 44: less the input's zero point, in both halves */
    int32_t rounding;          /* 48: 2 * zero point + 1 */
} pass;

/* 11 instructions for 4 MACs. */
#define TAP                                                                                       \
    "ldr r10, [r6]\n"                                                                             \
    "add r6, r7\n"                                                                                \
    "ldr r12, [r1], #4\n"                                                                         \
    "sxtab16 r11, r9, r10\n"                                                                      \
    "sxtab16 r10, r9, r10, ror #8\n"                                                              \
    "sxtb16 lr, r12\n"                                                                            \
    "sxtb16 r12, r12, ror #8\n"                                                                   \
    "smlabb r2, r11, lr, r2\n"                                                                    \
    "smlatt r4, r11, lr, r4\n"                                                                    \
    "smlabb r3, r10, r12, r3\n"                                                                   \
    "smlatt r5, r10, r12, r5\n"

/* See ta_dsp_requant.h; lr: the zero point, twice, and 1; r12: right shifts less 1, a byte each. */
#define REQUANTIZE(acc, bit)                                                                      \
    "ldr r8, [r1], #4\n"                                                                          \
    "ubfx r10, r12, #" bit ", #8\n"                                                               \
    "lsl " acc ", " acc ", #1\n"                                                                  \
    "lsl r11, lr, r10\n"                                                                          \
    "add r11, r11, " acc ", asr #31\n"                                                            \
    "smmlar " acc ", " acc ", r8, r11\n"                                                          \
    "asr " acc ", " acc ", r10\n"                                                                 \
    "ssat " acc ", #8, " acc ", asr #1\n"                                                         \
    "strb " acc ", [r6], #1\n"

/* Fours of channels until out is out_end; returns where the next ones' weights are. */
__attribute__((naked, noinline)) static const int32_t *run(
    pass *p __attribute__((unused)), const int32_t *weights __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldrd r7, r9, [r0, #40]\n"
                     "1:\n"
                     "ldmia r1!, {r2, r3, r4, r5}\n"
                     "ldr r10, [r0, #24]\n"
                     "add r1, r10\n"
                     "ldr lr, [r0]\n"
                     "2:\n"
                     "ldr r6, [lr], #4\n"
                     "str lr, [r0, #4]\n"
                     "ldrd r10, r8, [r0, #8]\n"
                     "add r6, r10\n"
                     "lsrs r8, r8, #1\n"
                     "bcc 4f\n"
                     "3:\n" TAP "4:\n" TAP "subs r8, #1\n"
                     "bne 3b\n"
                     "ldrd r10, r12, [r0, #16]\n"
                     "ldr lr, [r0, #4]\n"
                     "add r1, r10\n"
                     "cmp lr, r12\n"
                     "bne 2b\n"
                     "ldrd r10, r6, [r0, #28]\n"
                     "add r1, r10\n"
                     "ldr lr, [r0, #48]\n"
                     "ldr r12, [r1], #4\n"
                     REQUANTIZE("r2", "0")
                     REQUANTIZE("r3", "8")
                     REQUANTIZE("r4", "16")
                     REQUANTIZE("r5", "24")
                     "ldr r10, [r0, #8]\n"
                     "adds r10, #4\n"
                     "str r10, [r0, #8]\n"
                     "str r6, [r0, #32]\n"
                     "ldr r10, [r0, #36]\n"
                     "cmp r6, r10\n"
                     "bne 1b\n"
                     "mov r0, r1\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

void ta_depthwise_conv_2d_s8_m1_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                    int32_t x_start, int32_t x_stop)
{
    const int32_t channels = op->out_channels;
    const int32_t rest = channels & (CHANNELS - 1);
    const int32_t *const weights = (const int32_t *)(const void *)op->weights;
    pass p; /* no initialiser: that would be a call of memset */
    p.rows = rows;
    p.end = rows + op->kernel_h;
    p.step = channels;
    p.zero = weights[0];
    p.rounding = 2 * op->requant.zero_point + 1;
    while (*p.rows == op->zero_row) {
        ++p.rows;
    }
    while (p.end[-1] == op->zero_row) {
        --p.end;
    }
    const int32_t before = (int32_t)(p.rows - rows) * op->kernel_w;
    const int32_t behind = (int32_t)(rows + op->kernel_h - p.end) * op->kernel_w;
    for (int32_t x = x_start; x < x_stop; ++x) {
        const int32_t left = x * op->stride_w - op->pad_left;
        const int32_t first = left < 0 ? -left : 0;
        const int32_t stop = op->in_width - left < op->kernel_w ? op->in_width - left : op->kernel_w;
        p.taps = stop - first + 1;
        p.offset = (left + first) * channels;
        p.before = 4 * (before + first);
        p.skip = 4 * (op->kernel_w - (stop - first));
        p.behind = 4 * (behind - first);
        p.out = out + x * channels;
        p.out_end = p.out + (channels - rest);
        const int32_t *last = run(&p, weights + 1);
        if (rest != 0) {
            /* The last four channels, in part again. */
            p.offset += rest - CHANNELS;
            p.out += rest - CHANNELS;
            p.out_end = p.out + CHANNELS;
            (void)run(&p, last);
        }
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * channels, (x_stop - x_start) * channels);
}

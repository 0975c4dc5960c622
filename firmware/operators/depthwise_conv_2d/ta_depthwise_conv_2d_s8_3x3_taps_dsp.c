/* SPDX-License-Identifier: Apache-2.0
 *
 * Four channels of one output pixel at a time, two taps by one MAC, over pointers to the nine pixels
 * under the window: the zero point is taken off the input as it is widened, so padding adds nothing.
 */
#include "ta_depthwise_conv_2d.h"

enum { CHANNELS = 4, SIDE = 3 };

/* One output pixel; the assembly knows the offsets. */
typedef struct window {
    const int8_t *taps[SIDE * SIDE]; /* 0 */
    int8_t *out;                     /* 36 */
    int32_t offset;                  /* 40: of floors */
    int32_t zero;                    /* 44: less the input's zero point, in both halves */
    int32_t channels;                /* 48 */
} window;

/* The sums of four channels over two taps: 18 instructions for 8 MACs. */
#define TWO_TAPS(at, sum0, sum1, sum2, sum3)                                                      \
    "ldrd r6, r8, [r0, #" at "]\n"                                                                \
    "ldr r6, [r6, r7]\n"                                                                          \
    "ldr r8, [r8, r7]\n"                                                                          \
    "ldmia.w r1!, {r10, r11}\n"                                                                   \
    "pkhbt r12, r6, r8, lsl #16\n"                                                                \
    "pkhtb r8, r8, r6, asr #16\n"                                                                 \
    "sxtab16 r6, r9, r12\n"                                                                       \
    "sxtab16 r12, r9, r12, ror #8\n"                                                              \
    "sxtb16 lr, r10\n"                                                                            \
    "sxtb16 r10, r10, ror #8\n" sum0("r2", "r6", "lr") sum1("r3", "r12", "r10")                   \
    "sxtab16 r6, r9, r8\n"                                                                        \
    "sxtab16 r8, r9, r8, ror #8\n"                                                                \
    "sxtb16 lr, r11\n"                                                                            \
    "sxtb16 r11, r11, ror #8\n" sum2("r4", "r6", "lr") sum3("r5", "r8", "r11")
#define SUM(acc, pixels, filter) "smuad " acc ", " pixels ", " filter "\n"
#define ADD(acc, pixels, filter) "smlad " acc ", " pixels ", " filter ", " acc "\n"

/* The last tap: 11 instructions. */
#define LAST_TAP                                                                                  \
    "ldr r6, [r0, #32]\n"                                                                         \
    "ldr r6, [r6, r7]\n"                                                                          \
    "ldr r10, [r1], #4\n"                                                                         \
    "sxtab16 r12, r9, r6\n"                                                                       \
    "sxtab16 r6, r9, r6, ror #8\n"                                                                \
    "sxtb16 lr, r10\n"                                                                            \
    "sxtb16 r10, r10, ror #8\n"                                                                   \
    "smlabb r2, r12, lr, r2\n"                                                                    \
    "smlatt r4, r12, lr, r4\n"                                                                    \
    "smlabb r3, r6, r10, r3\n"                                                                    \
    "smlatt r5, r6, r10, r5\n"

/* An output by a floor. */
#define FLOOR(acc, bias, slope, at)                                                               \
    "add " acc ", " bias ", " acc ", lsl #8\n"                                                    \
    "smmla " acc ", " acc ", " slope ", lr\n"                                                     \
    "ssat " acc ", #8, " acc ", asr #8\n"                                                        \
    "strb " acc ", [r12, #" at "]\n"

/* All channels: 107 instructions for 36 MACs. */
__attribute__((naked, noinline)) static void run(const window *w __attribute__((unused)),
                                                 const int32_t *filters __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldr r9, [r0, #44]\n"
                     "movs r7, #0\n"
                     "1:\n" TWO_TAPS("0", SUM, SUM, SUM, SUM) TWO_TAPS("8", ADD, ADD, ADD, ADD)
                     TWO_TAPS("16", ADD, ADD, ADD, ADD) TWO_TAPS("24", ADD, ADD, ADD, ADD) LAST_TAP
                     "ldmia.w r1!, {r6, r8, r10, r11}\n"
                     "ldrd r12, lr, [r0, #36]\n"
                     "add r12, r7\n" FLOOR("r2", "r6", "r8", "0") FLOOR("r3", "r10", "r11", "1")
                     "ldmia.w r1!, {r6, r8, r10, r11}\n" FLOOR("r4", "r6", "r8", "2")
                     FLOOR("r5", "r10", "r11", "3")
                     "ldr r6, [r0, #48]\n"
                     "adds r7, #4\n"
                     "cmp r7, r6\n"
                     "bne.w 1b\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Points at the pixels of a column of a window; beside the input they are zero points. */
static inline void point_at(const ta_conv_2d *op, const int8_t *const *rows, int32_t column,
                            const int8_t **taps)
{
    if (column >= 0 && column < op->in_width) {
        const int32_t offset = column * op->in_channels;
        taps[0] = rows[0] + offset;
        taps[SIDE] = rows[1] + offset;
        taps[2 * SIDE] = rows[2] + offset;
    } else {
        taps[0] = taps[SIDE] = taps[2 * SIDE] = op->zero_row;
    }
}

void ta_depthwise_conv_2d_s8_3x3_taps_dsp(const ta_conv_2d *op, const int8_t *const *rows,
                                          int8_t *out, int32_t x_start, int32_t x_stop)
{
    const int32_t *const weights = (const int32_t *)(const void *)op->weights;
    window w; /* no initialiser: that would be a call of memset */
    w.out = out + x_start * op->out_channels;
    w.offset = ta_floor_offset(&op->requant, TA_DEPTHWISE_FLOOR_SHIFT);
    w.zero = weights[0];
    w.channels = op->out_channels;
    for (int32_t x = x_start; x < x_stop; ++x, w.out += op->out_channels) {
        const int32_t left = x * op->stride_w - op->pad_left;
        point_at(op, rows, left, w.taps);
        point_at(op, rows, left + op->dilation_w, w.taps + 1);
        point_at(op, rows, left + 2 * op->dilation_w, w.taps + 2);
        run(&w, weights + 1);
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * op->out_channels,
                        (x_stop - x_start) * op->out_channels);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise windows in planes, for cores with the DSP extension. Who includes this says whether images
 * are narrow, TA_NARROW: three to five columns, all of which are made at once, by windows of seven and
 * a stride of 1, three columns padded on the left; and whether windows have at most five columns and a
 * stride of 1, TA_FIVE.
 *
 * Four channels at a time, some output rows at a time. First the input under them is laid out in
 * scratch, a plane for each channel: int16, the zero point taken off, so that a word is a pair of
 * columns and padding is 0. Then each channel passes over its plane, four outputs side by side at a
 * time, or two; of windows at the upper and lower edge only the rows inside take part.
 *
 * Scratch after a pointer for each input row under a strip: planes [4][rows][pitch] and a word; weights of four channels,
 * times 256, [4][kernel_h][ROW_WORDS]; a `window` for each output row.
 */
#ifndef TA_DEPTHWISE_PLANES_DSP_H
#define TA_DEPTHWISE_PLANES_DSP_H

#include "ta_depthwise_conv_2d.h"

#define CHANNELS 4

/* Words of weights of a row: E0 = (w0, w1), E1 = (w2, w3), E2 = (w4, w5), E3 = (any, w6); before
 * them, with a stride of 1, for outputs at odd columns, O1 = (w2, w1), O2 = (w4, w3), O3 = (w6, w5).
 */
#define WIDTH TA_DEPTHWISE_PLANES_WIDTH
#define ROW_WORDS(stride) ((stride) == 1 ? 7 : 4)

/* Rows of four channels' columns; the assembly knows the offsets. */
typedef struct columns {
    int32_t pairs;  /* of two columns of which the second lies in the input */
    int32_t plane;  /* bytes from a channel's plane to the next */
    int32_t step;   /* bytes from a pair to the next in the input */
    int32_t zero;   /* less the input's zero point, in both halves */
    int32_t pixel;  /* four zero points */
    int32_t inside; /* channels, which is from a column to the next */
    int32_t edges;  /* 1: the first pair's first column is beside the input, 2: there is a pair
                     * whose second is */
} columns;

/* Lays out a row, 15 instructions for a pair. in: the first pair's first column. */
__attribute__((naked, noinline)) static void lay_row(const columns *c __attribute__((unused)),
                                                     int32_t *to __attribute__((unused)),
                                                     const int8_t *in __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0, {r3, r4, r5, r6, r7, r10, lr}\n"
                     "add r12, r4, r4, lsl #1\n"
                     "push {r7}\n"
                     "add r12, r1\n"
                     "cbz r3, 4f\n"
                     "lsls r0, lr, #31\n"
                     "bmi 2f\n"
                     "1:\n"
                     "ldr r7, [r2]\n"
                     "2:\n"
                     "ldr r0, [r2, r10]\n"
                     "3:\n"
                     "add r2, r5\n"
                     "pkhbt r8, r7, r0, lsl #16\n"
                     "pkhtb r0, r0, r7, asr #16\n"
                     "sxtab16 r11, r6, r8\n"
                     "sxtab16 r8, r6, r8, ror #8\n"
                     "sxtab16 r9, r6, r0\n"
                     "sxtab16 r0, r6, r0, ror #8\n"
                     "str r8, [r1, r4]\n"
                     "str r9, [r1, r4, lsl #1]\n"
                     "str r0, [r12], #4\n"
                     "str r11, [r1], #4\n"
                     "subs r3, #1\n"
                     "bgt 1b\n"
                     "4:\n"
                     "lsrs lr, lr, #2\n"
                     "itttt cs\n"
                     "movcs lr, #0\n"
                     "ldrcs r7, [r2]\n"
                     "ldrcs r0, [sp]\n"
                     "bcs 3b\n"
                     "pop {r7}\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Widens `rows` rows of weights, 18 instructions each. */
__attribute__((naked, noinline)) static void widen(int32_t *to __attribute__((unused)),
                                                   const int8_t *weights __attribute__((unused)),
                                                   int32_t rows __attribute__((unused)),
                                                   int32_t stride __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, lr}\n"
                     "mov r10, #0xff00ff00\n"
                     "mov r12, r3\n"
                     "1:\n"
                     "ldr r4, [r1]\n"
                     "ldr r5, [r1, #3]\n"
                     "adds r1, #7\n"
                     "and r7, r4, r10\n"
                     "lsls r4, r4, #8\n"
                     "and r6, r4, r10\n"
                     "and r8, r5, r10\n"
                     "lsls r5, r5, #8\n"
                     "and r9, r5, r10\n"
                     "cmp r12, #1\n"
                     "bne 2f\n"
                     "pkhbt r3, r7, r6\n"
                     "pkhbt r4, r8, r7\n"
                     "pkhtb r5, r8, r9, asr #16\n"
                     "stmia r0!, {r3, r4, r5}\n"
                     "2:\n"
                     "stmia r0!, {r6, r7, r8, r9}\n"
                     "subs r2, #1\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, pc}\n");
}

/* The rows inside of the window of an output row, of the first of four channels. */
typedef struct window {
    const int32_t *data;
    const int32_t *weights;
    const int32_t *end; /* of the weights */
} window;

/* Four channels of some output rows; the assembly makes this its frame. */
typedef struct pass {
    int32_t tile[5];        /* 0: its own */
    int32_t pitch;          /* 20: bytes from a row of a plane to the next, or less (see BACK) */
    int32_t channel[2];     /* 24: its own */
    int32_t offset;         /* 32: of the floor */
    int32_t channels;       /* 36 */
    int32_t loops[3];       /* 40: its own */
    const window *end;      /* 52: of the windows */
    int32_t row;            /* 56: its own */
    int32_t out_pitch;      /* 60 */
    int32_t count;          /* 64: outputs of a row */
    int32_t plane_at;       /* 68: 0 */
    int32_t weights_at;     /* 72: 0 */
    int32_t plane_bytes;    /* 76 */
    int32_t weights_bytes;  /* 80: of a channel */
    const int32_t *words;   /* 84: biases and slopes */
    int32_t left;           /* 88: channels, 4 */
    const window *windows;  /* 92 */
    int8_t *out;            /* 96 */
    int32_t step;           /* 100: bytes from a tile of four to the next in a plane */
    int32_t kind;           /* 104: the stride less 1; of narrow images whether there are more than
                             * three columns */
} pass;

/* With a stride of 2 a row's first load goes on by as much. */
#define BACK 16

#define MAC(acc, a, b) "smlad " acc ", " a ", " b ", " acc "\n"
#define ODD(acc, a, b) "smladx " acc ", " a ", " b ", " acc "\n"
#define FIRST(acc, a, b) "smlatb " acc ", " a ", " b ", " acc "\n"
#define LAST(acc, a, b) "smlabt " acc ", " a ", " b ", " acc "\n"

/* The next row of the window, if any. */
#define NEXT(loop, finish)                                                                        \
    "ldrd r9, r10, [sp, #20]\n"                                                                  \
    "cmp r1, r10\n"                                                                               \
    "add r0, r9\n"                                                                                \
    "bne " loop "\n"                                                                              \
    "b " finish "\n"

#define FLOOR(acc) "smmla " acc ", " acc ", r11, r12\n"
#define SATURATE(acc) "ssat " acc ", #8, " acc ", asr #9\n"

#define STORE_NEXT(sum)                                                                           \
    "add r1, lr\n"                                                                                \
    "strb " sum ", [r1]\n"

/* A row of the window takes 24 instructions for four outputs, 15 for two; with a stride of 2 it
 * takes 23 and 15; of narrow images 13 for three outputs, 21 for five; of windows of five 19 for four. */
__attribute__((naked, noinline)) static void run(const pass *p __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "sub sp, #108\n"
        "mov r12, sp\n"
        "movs r9, #3\n"
        "1:\n"
        "ldmia r0!, {r1, r2, r3, r4, r5, r6, r7, r8, r11}\n"
        "subs r9, #1\n"
        "stmia r12!, {r1, r2, r3, r4, r5, r6, r7, r8, r11}\n"
        "bne 1b\n"
        "adr r4, 90f\n"
        "add r4, r4, r11, lsl #3\n"
        "ldrd r5, r6, [r4]\n"
        "strd r5, r6, [sp, #40]\n"
        /* A channel. */
        "2:\n"
        "ldr r0, [sp, #84]\n"
        "ldr r1, [sp, #96]\n"
        "ldmia r0!, {r4, r5}\n"
        "ldr r3, [sp, #92]\n"
        "str r0, [sp, #84]\n"
        "str r1, [sp, #56]\n"
        "adds r1, #1\n"
        "str r1, [sp, #96]\n"
        "str r4, [sp, #16]\n"
        "str r5, [sp, #28]\n"
        /* An output row: r3 its window. */
        "3:\n"
        "ldmia r3!, {r0, r7, r10}\n"
        "ldrd r4, r5, [sp, #68]\n"
        "str r3, [sp, #48]\n"
        "add r0, r4\n"
        "add r7, r5\n"
        "add r10, r5\n"
        "ldrd r1, r4, [sp, #56]\n"
        "ldr r6, [sp, #64]\n"
        "add r4, r1\n"
        "ldrd r8, r9, [sp, #16]\n"
        "str r4, [sp, #56]\n"
        "stmia sp, {r0, r1, r6, r7, r8, r9, r10}\n"
        /* A tile: r0 its data, r6 outputs left, r7 weights, r8 bias. */
        "4:\n"
        "cmp r6, #2\n"
        "mov r1, r7\n"
        "mov r2, r8\n"
        "mov r3, r8\n"
        "ble 5f\n"
        "mov r4, r8\n"
        "mov r5, r8\n"
        "ldr pc, [sp, #40]\n"
        "5:\n"
        "ldr pc, [sp, #44]\n"
#if TA_NARROW
        /* The planes' second pair has the image's first column. */
        "73:\n"
        "adds r0, #4\n"
        "33:\n"
        "ldmia r0, {r7, r8}\n"
        "ldmia r1!, {r10, r11, r12}\n"
        ODD("r3", "r7", "r10") ODD("r3", "r8", "r11")
        "ldmia r1!, {r10, r11, r12, lr}\n"
        MAC("r2", "r7", "r11") MAC("r2", "r8", "r12") MAC("r4", "r7", "r10")
        MAC("r4", "r8", "r11") NEXT("33b", "6f")
        "75:\n"
        "adds r0, #4\n"
        "mov r6, r8\n"
        "35:\n"
        "ldmia r0, {r7, r8, r9}\n"
        "ldmia r1!, {r10, r11, r12}\n"
        ODD("r3", "r7", "r10") ODD("r3", "r8", "r11") ODD("r3", "r9", "r12")
        ODD("r5", "r8", "r10") ODD("r5", "r9", "r11")
        "ldmia r1!, {r10, r11, r12, lr}\n"
        MAC("r2", "r7", "r11") MAC("r2", "r8", "r12") LAST("r2", "r9", "lr")
        MAC("r4", "r7", "r10") MAC("r4", "r8", "r11") MAC("r4", "r9", "r12")
        FIRST("r5", "r7", "r10") MAC("r6", "r8", "r10") MAC("r6", "r9", "r11")
        NEXT("35b", "6f")
        "6:\n"
        "ldr r1, [sp, #4]\n"
        "add r7, sp, #28\n"
        "ldmia r7, {r11, r12, lr}\n"
        "ldr r0, [sp, #64]\n"
        FLOOR("r2") FLOOR("r3") FLOOR("r4") SATURATE("r2") SATURATE("r3") SATURATE("r4")
        "strb r2, [r1]\n" STORE_NEXT("r3") STORE_NEXT("r4")
        "subs r0, #4\n"
        "blt 9f\n" FLOOR("r5") SATURATE("r5") STORE_NEXT("r5")
        "ble 9f\n" FLOOR("r6") SATURATE("r6") STORE_NEXT("r6")
        "b 9f\n"
#else
        "34:\n"
#if TA_FIVE
        "ldmia r0, {r6, r7, r8, r9}\n"
        "ldmia r1!, {r10, r11, r12}\n"
        ODD("r3", "r7", "r10") ODD("r3", "r8", "r11")
        ODD("r5", "r8", "r10") ODD("r5", "r9", "r11")
        "ldmia r1!, {r10, r11, r12, lr}\n"
        FIRST("r3", "r6", "r10") FIRST("r5", "r7", "r10")
        MAC("r2", "r6", "r10") MAC("r2", "r7", "r11") MAC("r2", "r8", "r12")
        MAC("r4", "r7", "r10") MAC("r4", "r8", "r11") MAC("r4", "r9", "r12")
        NEXT("34b", "7f")
#else
        "ldmia r0, {r6, r7, r8, r9, r10}\n"
        "ldmia r1!, {r11, r12, lr}\n"
        ODD("r3", "r7", "r11") ODD("r3", "r8", "r12") ODD("r3", "r9", "lr")
        ODD("r5", "r8", "r11") ODD("r5", "r9", "r12") ODD("r5", "r10", "lr")
        "ldmia r1!, {r11, r12, lr}\n"
        FIRST("r3", "r6", "r11") FIRST("r5", "r7", "r11")
        MAC("r2", "r6", "r11") MAC("r2", "r7", "r12") MAC("r2", "r8", "lr")
        MAC("r4", "r7", "r11") MAC("r4", "r8", "r12") MAC("r4", "r9", "lr")
        "ldr r11, [r1], #4\n"
        LAST("r2", "r9", "r11") LAST("r4", "r10", "r11") NEXT("34b", "7f")
#endif
        "32:\n"
        "ldmia r0, {r4, r5, r6, r7}\n"
        "ldmia r1!, {r8, r9, r10, r11, r12, lr}\n"
        ODD("r3", "r5", "r8") ODD("r3", "r6", "r9") ODD("r3", "r7", "r10")
        FIRST("r3", "r4", "r11") MAC("r2", "r4", "r11") MAC("r2", "r5", "r12")
        MAC("r2", "r6", "lr")
        "ldr r8, [r1], #4\n"
        LAST("r2", "r7", "r8") NEXT("32b", "8f")
        /* With a stride of 2. */
        "74:\n"
        "ldmia r0!, {r6, r7, r8, r9}\n"
        "ldmia r1!, {r10, r11, r12, lr}\n"
        MAC("r2", "r6", "r10") MAC("r2", "r7", "r11") MAC("r2", "r8", "r12")
        LAST("r2", "r9", "lr") MAC("r3", "r7", "r10") MAC("r3", "r8", "r11")
        MAC("r3", "r9", "r12") MAC("r4", "r8", "r10") MAC("r4", "r9", "r11")
        MAC("r5", "r9", "r10")
        "ldmia r0, {r6, r7, r8}\n"
        LAST("r3", "r6", "lr") MAC("r4", "r6", "r12") LAST("r4", "r7", "lr")
        MAC("r5", "r6", "r11") MAC("r5", "r7", "r12") LAST("r5", "r8", "lr")
        NEXT("74b", "7f")
        "72:\n"
        "ldmia r0!, {r4, r5, r6, r7}\n"
        "ldr r8, [r0]\n"
        "ldmia r1!, {r9, r11, r12, lr}\n"
        MAC("r2", "r4", "r9") MAC("r2", "r5", "r11") MAC("r2", "r6", "r12")
        LAST("r2", "r7", "lr") MAC("r3", "r5", "r9") MAC("r3", "r6", "r11")
        MAC("r3", "r7", "r12") LAST("r3", "r8", "lr") NEXT("72b", "8f")
        /* Four outputs, the last of which may be one too many. */
        "7:\n"
        "ldmia sp, {r0, r1, r6, r7, r8, r9, r10, r11, r12, lr}\n"
        FLOOR("r2") FLOOR("r3") FLOOR("r4") FLOOR("r5")
        SATURATE("r2") SATURATE("r3") SATURATE("r4") SATURATE("r5")
        "strb r2, [r1]\n"
        "strb r3, [r1, lr]\n"
        "add r1, r1, lr, lsl #1\n"
        "ldr r2, [sp, #100]\n"
        "subs r6, #4\n"
        "strb r4, [r1]\n"
        "it ge\n"
        "strbge r5, [r1, lr]\n"
        "add r1, r1, lr, lsl #1\n"
        "add r0, r2\n"
        "stmia sp, {r0, r1, r6}\n"
        "bgt 4b\n"
        "b 9f\n"
        /* The last two or one. */
        "8:\n"
        "ldmia sp, {r0, r1, r6, r7, r8, r9, r10, r11, r12, lr}\n"
        FLOOR("r2") FLOOR("r3") SATURATE("r2") SATURATE("r3")
        "cmp r6, #2\n"
        "strb r2, [r1]\n"
        "it eq\n"
        "strbeq r3, [r1, lr]\n"
#endif
        "9:\n"
        "ldrd r3, r4, [sp, #48]\n"
        "cmp r3, r4\n"
        "bne 3b\n"
        "ldrd r0, r1, [sp, #68]\n"
        "ldrd r2, r3, [sp, #76]\n"
        "ldr r4, [sp, #88]\n"
        "add r0, r2\n"
        "add r1, r3\n"
        "strd r0, r1, [sp, #68]\n"
        "subs r4, #1\n"
        "str r4, [sp, #88]\n"
        "bne 2b\n"
        "add sp, #108\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
        ".balign 4\n"
        "90:\n"
#if TA_NARROW
        /* The loops of three outputs, and of four and five. */
        ".word 73b + 1, 0, 75b + 1, 0\n");
#else
        /* The loops of four and of two outputs, by the stride. */
        ".word 34b + 1, 32b + 1, 74b + 1, 72b + 1\n");
#endif
}

/* Makes pixels [x_start, x_stop) of `height` output rows; rows: the input under them, from the first
 * tap of the first, any that is padding being op->zero_row. */
static void make(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out, int32_t x_start,
                 int32_t x_stop, int32_t height)
{
    const int32_t channels = op->out_channels;
    const int32_t kernel_h = op->kernel_h;
    const int32_t stride_h = op->stride_h;
    const int32_t stride = op->stride_w;
    const int32_t row_words = ROW_WORDS(stride);
    const int32_t count = x_stop - x_start;
    const int32_t pitch = (((count + 1) & ~1) * stride - stride + WIDTH + 1) / 2;
    const int8_t *const *last = rows + (height - 1) * stride_h + kernel_h - 1;
    int32_t top = 0;
    while (*rows == op->zero_row) {
        ++rows;
        --top;
    }
    while (*last == op->zero_row) {
        --last;
    }
    /* Columns of planes from the first tap on: those in the input. */
    const int32_t left = x_start * stride - op->pad_left;
    const int32_t start = left < 0 ? -left : 0;
    const int32_t stop = op->in_width - left < 2 * pitch ? op->in_width - left : 2 * pitch;
    const int32_t height_inside = (int32_t)(last - rows) + 1;
    const int32_t plane_words = height_inside * pitch;
    int32_t *const planes = (int32_t *)op->scratch + (op->stretch - 1) * stride_h + kernel_h;
    int32_t *const weights = planes + CHANNELS * plane_words + 1;
    columns c;
    c.pairs = (stop >> 1) - (start >> 1);
    c.plane = 4 * plane_words;
    c.step = 2 * channels;
    c.zero = (-op->weights[0] & 0xffff) * 0x10001;
    c.pixel = (op->weights[0] & 0xff) * 0x1010101;
    c.inside = channels;
    c.edges = (start & 1) | (stop & 1) << 1;
    pass p;
    p.pitch = 4 * pitch - (stride == 1 ? 0 : BACK);
    p.offset = ta_floor_offset(&op->requant, TA_DEPTHWISE_PLANES_FLOOR_SHIFT);
    p.channels = channels;
    p.out_pitch = op->out.pitch;
    p.count = count;
    p.plane_at = 0;
    p.weights_at = 0;
    p.plane_bytes = c.plane;
    p.weights_bytes = 4 * kernel_h * row_words;
    p.left = CHANNELS;
    p.step = 8 * stride;
    p.kind = TA_NARROW ? count > 3 : stride - 1;
    window *w = (window *)(void *)(weights + CHANNELS * kernel_h * row_words);
    p.windows = w;
    for (int32_t y = 0; y < height; ++y, ++w, top += stride_h) {
        const int32_t from = top < 0 ? -top : 0;
        const int32_t to = height_inside - top < kernel_h ? height_inside - top : kernel_h;
        w->data = planes + (top + from) * pitch;
        w->weights = weights + from * row_words;
        w->end = weights + to * row_words;
    }
    p.end = w;
    int32_t *at = planes;
    do {
        *at++ = 0;
    } while (at != weights);
    out += x_start * channels;
    for (int32_t k = 0; k < channels; k += CHANNELS) {
        /* The last four are made again where channels are no multiple of four. */
        const int32_t channel = k + CHANNELS <= channels ? k : channels - CHANNELS;
        int32_t *to = planes + (start >> 1);
        for (const int8_t *const *row = rows; row <= last; ++row, to += pitch) {
            lay_row(&c, to, *row + (left + (start & ~1)) * channels + channel);
        }
        widen(weights, op->weights + 1 + channel * kernel_h * WIDTH, CHANNELS * kernel_h, stride);
        p.words = op->bias + 2 * channel;
        p.out = out + channel;
        run(&p);
    }
    do {
        ta_clamp_outputs_s8(&op->requant, out, count * channels);
        out += p.out_pitch;
    } while (--height != 0);
}

/* The driver ta_depthwise_conv_2d_s8_planes_..._strips. */
static inline void ta_make_strips(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const int8_t **const rows = op->scratch;
    while (y_start < y_stop) {
        int8_t *const out = op->out.data + y_start * op->out.pitch;
        int32_t height = 0;
        while (y_start < y_stop && height < op->stretch) {
            ta_conv_2d_window(op, y_start++, rows + height++ * op->stride_h);
        }
        make(op, rows, out, 0, op->out_width, height);
    }
}

#endif

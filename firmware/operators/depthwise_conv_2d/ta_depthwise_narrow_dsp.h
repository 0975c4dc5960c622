/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of ta_depthwise_conv_2d_s8_3x3_dsp of narrow images, of columns that are padded to as many
 * outputs: three and four, or five and six, as who includes this says by TA_COLUMNS. The input under some
 * output rows is laid out in scratch, of each of four channels a plane of pairs of columns, int16, the
 * zero point taken off. Then each channel makes its rows, all outputs of a row at once, and leaves out
 * taps beside, above and below the input.
 *
 * Scratch: planes [4][up to 16 rows][2 or 3 pairs].
 */
#ifndef TA_DEPTHWISE_NARROW_DSP_H
#define TA_DEPTHWISE_NARROW_DSP_H

#include "ta_depthwise_conv_2d.h"

#define CHANNELS 4
#define MOST_ROWS 14 /* of outputs */

/* What rows are laid out by; the assembly knows the offsets. */
typedef struct columns {
    int32_t channels;           /* 0: from a column to the next */
    int32_t plane;              /* 4: bytes from a channel's plane to the next */
    int32_t zero;               /* 8: less the input's zero point, in both halves */
    const int8_t *const *rows;  /* 12 */
    const int8_t *const *end;   /* 16 */
    int32_t pairs;              /* 20: of columns */
    int32_t odd;                /* 24: whether there is a column behind them, beside which is any value */
} columns;

/* Lays out rows of four channels, 16 instructions for a pair. */
__attribute__((naked, noinline)) static void lay_rows(const columns *c __attribute__((unused)),
                                                      int32_t *to __attribute__((unused)),
                                                      int32_t channel __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0!, {r3, r4, r5, r6, r7, r8, r9}\n"
                     "mov r11, r2\n"
                     "push {r7, r8, r9}\n"
                     "mov r0, r6\n"
                     "add r12, r4, r4, lsl #1\n"
                     "add r12, r1\n"
                     "1:\n"
                     "ldr r2, [r0], #4\n"
                     "ldr r6, [sp, #4]\n"
                     "ldr r7, [sp, #8]\n"
                     "add r2, r11\n"
                     "2:\n"
                     "ldr r8, [r2]\n"
                     "ldr r9, [r2, r3]\n"
                     "add r2, r2, r3, lsl #1\n"
                     "3:\n"
                     "pkhbt r10, r8, r9, lsl #16\n"
                     "pkhtb r9, r9, r8, asr #16\n"
                     "sxtab16 r8, r5, r10\n"
                     "sxtab16 r10, r5, r10, ror #8\n"
                     "sxtab16 lr, r5, r9\n"
                     "sxtab16 r9, r5, r9, ror #8\n"
                     "str r9, [r12], #4\n"
                     "str r10, [r1, r4]\n"
                     "str lr, [r1, r4, lsl #1]\n"
                     "str r8, [r1], #4\n"
                     "subs r6, #1\n"
                     "bgt 2b\n"
                     "subs r7, #1\n"
                     "itt pl\n"
                     "ldrpl r8, [r2]\n"
                     "bpl 3b\n"
                     "ldr r6, [sp]\n"
                     "cmp r0, r6\n"
                     "bne 1b\n"
                     "add sp, #12\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Four channels of some rows; the assembly knows the offsets, and makes this its frame. */
typedef struct pass {
    int32_t slope;          /* 0: of the channel */
    int32_t offset;         /* 4: of the floor */
    int32_t channels;       /* 8 */
    const int32_t *end;     /* 12: of the rows of the plane that are the first of three */
    int32_t bias;           /* 16: of the channel */
    const int32_t *plane;   /* 20 */
    int8_t *out;            /* 24 */
    const int8_t *weights;  /* 28 */
    const int32_t *words;   /* 32: biases and slopes */
    int32_t zero;           /* 36: point of the input, in both halves */
    int32_t span;           /* 40: bytes from a plane to its end */
    int32_t plane_bytes;    /* 44 */
    int32_t left;           /* 48: channels */
    int32_t edges;          /* 52: 1: the first row is the image's, 2: the last is */
    int32_t width;          /* 56: 0 or 1, which is TA_COLUMNS; then where rows of it are made */
} pass;

/* Of row k of the filter columns 0 and 1, and 1 and 2, times 256. */
#define FILTER(k) "ldrd r11, r12, [sp, #60 + 8 * " k "]\n"

/* What row k of the filter adds to outputs of three to six columns, which are r2 to r7; at: the row
 * under it. */
#define ROW_3(k, at, start)                                                                       \
    "ldmia r0!, {r8, r9}\n" FILTER(k)                                                             \
    "smlad r2, r8, r12, " start("r2") "\n"                                                        \
    "smlad r3, r8, r11, " start("r3") "\n"                                                        \
    "smlatb r4, r8, r11, " start("r4") "\n"                                                       \
    "smlabt r3, r9, r12, r3\n"                                                                    \
    "smlabb r4, r9, r12, r4\n"
#define UP_TO_4(start)                                                                            \
    "smlad r2, r8, r12, " start("r2") "\n"                                                        \
    "smlad r3, r8, r11, " start("r3") "\n"                                                        \
    "smlatb r4, r8, r11, " start("r4") "\n"                                                       \
    "smlad r5, r9, r11, " start("r5") "\n"                                                        \
    "smlabt r3, r9, r12, r3\n"                                                                    \
    "smlad r4, r9, r12, r4\n"
#define ROW_4(k, at, start) "ldmia r0!, {r8, r9}\n" FILTER(k) UP_TO_4(start)
#define UP_TO_5(start)                                                                            \
    UP_TO_4(start)                                                                                \
    "smlatb r6, r9, r11, " start("r6") "\n"                                                       \
    "smlabt r5, r10, r12, r5\n"
/* Loads side by side take a cycle each. */
#define LOAD(k, at)                                                                               \
    "ldr r8, [r0, #12 * " at "]\n"                                                                \
    "ldr r9, [r0, #12 * " at " + 4]\n"                                                            \
    "ldr r10, [r0, #12 * " at " + 8]\n"                                                           \
    "ldr r11, [sp, #60 + 8 * " k "]\n"                                                            \
    "ldr r12, [sp, #64 + 8 * " k "]\n"
#define ROW_5(k, at, start)                                                                       \
    LOAD(k, at) UP_TO_5(start)                                                                    \
    "smlabb r6, r10, r12, r6\n"
#define ROW_6(k, at, start)                                                                       \
    LOAD(k, at) UP_TO_5(start)                                                                    \
    "smlad r7, r10, r11, " start("r7") "\n"                                                       \
    "smlad r6, r10, r12, r6\n"
#define BIAS(sum) "r1"
#define SUM(sum) sum

#define OUTPUT(sum)                                                                               \
    "smmla " sum ", " sum ", r8, r9\n"                                                            \
    "ssat " sum ", #8, " sum ", asr #8\n"
#define STORE_3                                                                                   \
    "strb r2, [lr]\n"                                                                             \
    "strb r3, [lr, r10]\n"                                                                        \
    "strb r4, [lr, r10, lsl #1]\n"                                                                \
    "add lr, lr, r10, lsl #1\n"                                                                   \
    "add lr, r10\n"

/* Requantizes and stores a row. */
#define DONE_3 "ldmia sp, {r8, r9, r10, r11}\n" OUTPUT("r2") OUTPUT("r3") OUTPUT("r4") STORE_3
#define DONE_4                                                                                    \
    DONE_3 OUTPUT("r5")                                                                           \
    "strb r5, [lr]\n"                                                                             \
    "add lr, r10\n"
#define DONE_5                                                                                    \
    DONE_3 OUTPUT("r5") OUTPUT("r6")                                                              \
    "strb r5, [lr]\n"                                                                             \
    "strb r6, [lr, r10]\n"                                                                        \
    "add lr, lr, r10, lsl #1\n"
#define DONE_6                                                                                    \
    DONE_5 OUTPUT("r7")                                                                           \
    "strb r7, [lr]\n"                                                                             \
    "add lr, r10\n"

/* From where loads left r0 behind two rows, and behind three, to where the next row starts. */
#define BACK "subs r0, #16\n"
#define STAY ""
#define NEXT "adds r0, #12\n"

/* All rows of a channel: those at the edges have two rows of input. */
#define ROWS(row, done, edge, inside, middle, check)                                              \
    "ldr r2, [sp, #52]\n"                                                                         \
    "lsls r2, r2, #31\n"                                                                          \
    "bpl " check "f\n" row("1", "0", BIAS) row("2", "1", SUM) edge done                           \
    "ldr r1, [sp, #16]\n"                                                                         \
    "b " check "f\n" middle ":\n" row("0", "0", BIAS) row("1", "1", SUM) row("2", "2", SUM)       \
    inside done check ":\n"                                                                       \
    "cmp r0, r11\n"                                                                               \
    "blo " middle "b\n"                                                                           \
    "ldr r2, [sp, #52]\n"                                                                         \
    "lsls r2, r2, #30\n"                                                                          \
    "bpl.w 9f\n" row("0", "0", BIAS) row("1", "1", SUM) done                                      \
    "b.w 9f\n"

/* A row inside of six columns takes 71 instructions, of three 36. */
__attribute__((naked, noinline)) static void run(const pass *p __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "sub sp, #108\n"
        "mov r12, sp\n"
        "ldmia r0!, {r1, r2, r3, r4, r5, r6, r7, r8}\n"
        "stmia r12!, {r1, r2, r3, r4, r5, r6, r7, r8}\n"
        "ldmia r0, {r1, r2, r3, r4, r5, r6, r7}\n"
        "adr r0, 90f\n"
        "ldr r7, [r0, r7, lsl #2]\n"
        "stmia r12, {r1, r2, r3, r4, r5, r6, r7}\n"
        "1:\n"
        "ldrd r0, r1, [sp, #28]\n"
        "ldr r4, [r0]\n"
        "ldr r12, [r0, #4]\n"
        "ldrb r11, [r0, #8]\n"
        "adds r0, #9\n"
        "ldmia r1!, {r2, r3}\n"
        "strd r0, r1, [sp, #28]\n"
        "str r3, [sp]\n"
        "and r8, r4, #0xff00ff00\n"
        "lsls r4, r4, #8\n"
        "and r7, r4, #0xff00ff00\n"
        "lsl r9, r12, #8\n"
        "and r9, r9, #0xff00ff00\n"
        "lsl r11, r11, #24\n"
        "pkhbt r4, r7, r8, lsl #16\n"
        "pkhbt r5, r8, r9, lsl #16\n"
        "pkhtb r6, r8, r7, asr #16\n"
        "pkhtb r7, r9, r8, asr #16\n"
        "and r8, r12, #0xff00ff00\n"
        "pkhtb r9, r11, r8, asr #16\n"
        "add r0, sp, #60\n"
        "stmia r0, {r4, r5, r6, r7, r8, r9}\n"
        /* The bias has the input's zero point folded in, of all taps. */
        "ldr r1, [sp, #36]\n"
        "smlad r2, r4, r1, r2\n"
        "smlad r2, r6, r1, r2\n"
        "smlad r2, r8, r1, r2\n"
        "smlatb r2, r5, r1, r2\n"
        "smlatb r2, r7, r1, r2\n"
        "smlatb r1, r9, r1, r2\n"
        "ldrd r0, lr, [sp, #20]\n"
        "ldrd r3, r4, [sp, #40]\n"
        "add r11, r0, r3\n"
        "add r4, r0\n"
        "add r5, lr, #1\n"
        "strd r4, r5, [sp, #20]\n"
        "strd r11, r1, [sp, #12]\n"
        "ldr pc, [sp, #56]\n"
        ".balign 4\n"
        "90:\n"
        ".word 3f + 1, 4f + 1\n"
#if TA_COLUMNS == 4
        "3:\n" ROWS(ROW_3, DONE_3, BACK, BACK, "13", "23")
        "4:\n" ROWS(ROW_4, DONE_4, BACK, BACK, "14", "24")
#else
        "3:\n" ROWS(ROW_5, DONE_5, STAY, NEXT, "13", "23")
        "4:\n" ROWS(ROW_6, DONE_6, STAY, NEXT, "14", "24")
#endif
        "9:\n"
        "ldr r3, [sp, #48]\n"
        "subs r3, #1\n"
        "str r3, [sp, #48]\n"
        "bne.w 1b\n"
        "add sp, #108\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Makes `count` output rows at `out`, all channels. rows: the input from the row above them to the one
 * below; NULL: outside. */
static void make(const ta_conv_2d *op, const int8_t *const *rows, int32_t count, int8_t *out)
{
    const int32_t channels = op->out_channels;
    const int32_t zero = *op->zero_row;
    const int32_t pairs = (op->out_width + 1) / 2;
    const int32_t top = rows[0] == NULL;
    const int32_t bottom = rows[count + 1] == NULL;
    const int32_t height = count + 2 - top - bottom;
    const columns c = {
        .channels = channels,
        .plane = 4 * pairs * height,
        .zero = (-zero & 0xffff) * 0x10001,
        .rows = rows + top,
        .end = rows + top + height,
        .pairs = op->out_width / 2,
        .odd = op->out_width & 1,
    };
    pass p;
    p.offset = ta_floor_offset(&op->requant, TA_DEPTHWISE_FLOOR_SHIFT);
    p.channels = channels;
    p.zero = (zero & 0xffff) * 0x10001;
    p.span = 4 * pairs * (height - 2);
    p.plane_bytes = c.plane;
    p.left = CHANNELS;
    p.edges = top | bottom << 1;
    p.width = op->out_width - TA_COLUMNS + 1;
    for (int32_t k = 0; k < channels; k += CHANNELS) {
        /* The last four are made again where channels are no multiple of four. */
        const int32_t channel = k + CHANNELS <= channels ? k : channels - CHANNELS;
        lay_rows(&c, op->scratch, channel);
        p.plane = op->scratch;
        p.out = out + channel;
        p.weights = op->weights + 9 * channel;
        p.words = op->bias + 2 * channel;
        run(&p);
    }
}

/* The driver ta_depthwise_conv_2d_s8_3x3_dsp_narrow_... */
static inline void ta_make_narrow(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const int32_t row_bytes = op->out_width * op->out_channels;
    const int8_t *rows[MOST_ROWS + 2] = { NULL };
    int8_t *const start = op->out.data + y_start * row_bytes;
    int8_t *out = start;
    for (int32_t y = y_start; y < y_stop; y += MOST_ROWS) {
        const int32_t count = y_stop - y < MOST_ROWS ? y_stop - y : MOST_ROWS;
        ta_window(&op->in, NULL, y - 1, 1, count + 2, rows);
        make(op, rows, count, out);
        out += count * row_bytes;
    }
    ta_clamp_outputs_s8(&op->requant, start, (y_stop - y_start) * row_bytes);
}

#endif

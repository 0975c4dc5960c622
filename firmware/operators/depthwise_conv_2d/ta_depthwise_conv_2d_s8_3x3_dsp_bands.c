/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of ta_depthwise_conv_2d_s8_3x3_dsp in bands: up to sixteen input rows of a stretch of
 * columns and of four channels are laid out in scratch, of each column and channel a word of rows 0
 * and 1, a word of rows 2 and 3 and so on. Then each channel keeps its weights while it passes over
 * its words, column by column, from top to bottom.
 *
 * Scratch: [columns][4][8] words.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_depthwise_conv_2d.h"

#define CHANNELS 4
#define WORDS 8 /* of two rows each */
#define COLUMN_WORDS (CHANNELS * WORDS)
#define MOST_ROWS (2 * (WORDS - 1)) /* of outputs */

/* Lays out four channels of two rows, of `count` columns `step` bytes apart, 16 instructions each. */
__attribute__((naked, noinline)) static void lay_two_rows(
    int32_t *words __attribute__((unused)), const int8_t *upper __attribute__((unused)),
    const int8_t *lower __attribute__((unused)), int32_t step __attribute__((unused)),
    int32_t count __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, lr}\n"
                     "ldr r12, [sp, #20]\n"
                     "1:\n"
                     "ldr r4, [r1]\n"
                     "add r1, r3\n"
                     "ldr r5, [r2]\n"
                     "add r2, r3\n"
                     "pkhbt r6, r4, r5, lsl #16\n"
                     "pkhtb r5, r5, r4, asr #16\n"
                     "sxtb16 r4, r6\n"
                     "sxtb16 r6, r6, ror #8\n"
                     "sxtb16 r7, r5\n"
                     "sxtb16 r5, r5, ror #8\n"
                     "str r6, [r0, #32]\n"
                     "str r7, [r0, #64]\n"
                     "str r5, [r0, #96]\n"
                     "str r4, [r0], #128\n"
                     "subs r12, #1\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7, pc}\n");
}

/* A channel of a band; the assembly knows the offsets, and makes the first eleven its frame. */
typedef struct pass {
    int32_t slope;          /* 0: of the channel */
    int32_t offset;         /* 4: of the floor */
    int32_t channels;       /* 8 */
    int32_t row_bytes;      /* 12: from an output to the one below */
    int32_t bias;           /* 16: of the channel */
    const int32_t *end;     /* 20: of the words at which outputs of a column start; set there */
    const int32_t *columns; /* 24: the channel's words of the first */
    int8_t *out;            /* 28 */
    int32_t pairs;          /* 32: of columns of outputs */
    int32_t odd;            /* 36: whether there is another column */
    int32_t bytes;          /* 40: of the words at which outputs of a column start */
    const int8_t *weights;  /* 44: of the channel */
} pass;

/* What a column adds to an output, and to the one below. r6-r8: weights of rows 0 and 1 by column,
 * times 256; r9-r11: of rows 1 and 2. */
#define ONE(acc, start, upper, lower)                                                             \
    "smlad " acc ", r4, " upper ", " start "\n"                                                   \
    "smlabt " acc ", r5, " lower ", " acc "\n"
#define BELOW(acc, start, upper, lower)                                                           \
    "smlatb " acc ", r4, " upper ", " start "\n"                                                  \
    "smlad " acc ", r5, " lower ", " acc "\n"

#define FLOOR(acc) "smmla " acc ", " acc ", r4, r5\n"
#define SATURATE(acc) "ssat " acc ", #8, " acc ", asr #8\n"

/* The top of one or two columns of outputs: r0 the words, r1 out. */
#define TOP                                                                                       \
    "ldrd r0, r1, [sp, #24]\n"                                                                    \
    "ldr r4, [sp, #40]\n"                                                                         \
    "add r4, r0\n"                                                                                \
    "str r4, [sp, #20]\n"

/* Further down, while there is more. */
#define DOWN(again)                                                                               \
    "ldr r4, [sp, #20]\n"                                                                         \
    "cmp r0, r4\n"                                                                                \
    "blo " again "\n"

/* The next two columns of outputs; then the last, if one is left. */
#define ALONG(top, end)                                                                    \
    "ldrd r0, r1, [sp, #24]\n"                                                                    \
    "ldr r4, [sp, #8]\n"                                                                          \
    "add r0, r0, #256\n"                                                                   \
    "add r1, r1, r4, lsl #1\n"                                                                    \
    "strd r0, r1, [sp, #24]\n"                                                                    \
    "ldr r4, [sp, #32]\n"                                                                         \
    "subs r4, #1\n"                                                                               \
    "str r4, [sp, #32]\n"                                                                         \
    "bne " top "\n"                                                                               \
    "ldr r4, [sp, #36]\n"                                                                         \
    "cmp r4, #0\n"                                                                                \
    "beq " end "\n"

/* Four outputs in 48 instructions, of an odd column two in 28. */
__attribute__((naked, noinline)) static void run(const pass *p __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "mov r12, r0\n"
        "ldmia r12!, {r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}\n"
        "push {r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}\n"
        "ldr r2, [r12]\n"
        "mov r12, r8\n"
        "ldr r4, [r2]\n"
        "ldr r5, [r2, #4]\n"
        "ldrb r11, [r2, #8]\n"
        "and r7, r4, #0xff00ff00\n"
        "and r10, r5, #0xff00ff00\n"
        "lsl r4, r4, #8\n"
        "lsl r5, r5, #8\n"
        "and r6, r4, #0xff00ff00\n"
        "and r8, r5, #0xff00ff00\n"
        "lsl r9, r10, #16\n"
        "lsl r11, r11, #24\n"
        "pkhtb r9, r9, r6, asr #16\n"
        "pkhtb r10, r10, r7, asr #16\n"
        "pkhtb r11, r11, r8, asr #16\n"
        "cmp r12, #0\n"
        "beq 3f\n"
        /* r2, r3 the outputs of the first column, r12, lr those of the second. */
        "1:\n" TOP
        "2:\n"
        "ldr lr, [sp, #16]\n"
        "ldrd r4, r5, [r0], #4\n" ONE("r2", "lr", "r6", "r9") BELOW("r3", "lr", "r6", "r9")
        "ldrd r4, r5, [r0, #124]\n" ONE("r2", "r2", "r7", "r10") BELOW("r3", "r3", "r7", "r10")
            ONE("r12", "lr", "r6", "r9") BELOW("lr", "lr", "r6", "r9")
        "ldrd r4, r5, [r0, #252]\n" ONE("r2", "r2", "r8", "r11") BELOW("r3", "r3", "r8", "r11")
            ONE("r12", "r12", "r7", "r10") BELOW("lr", "lr", "r7", "r10")
        "ldrd r4, r5, [r0, #380]\n" ONE("r12", "r12", "r8", "r11") BELOW("lr", "lr", "r8", "r11")
        "ldrd r4, r5, [sp]\n" FLOOR("r2") FLOOR("r3") FLOOR("r12") FLOOR("lr")
            SATURATE("r2") SATURATE("r3") SATURATE("r12") SATURATE("lr")
        "ldrd r4, r5, [sp, #8]\n"
        "strb r12, [r1, r4]\n"
        "strb r2, [r1]\n"
        "add r1, r5\n"
        "strb lr, [r1, r4]\n"
        "strb r3, [r1]\n"
        "add r1, r5\n" DOWN("2b") ALONG("1b", "5f")
        "3:\n" TOP
        "4:\n"
        "ldr r12, [sp, #16]\n"
        "ldrd r4, r5, [r0], #4\n" ONE("r2", "r12", "r6", "r9") BELOW("r3", "r12", "r6", "r9")
        "ldrd r4, r5, [r0, #124]\n" ONE("r2", "r2", "r7", "r10") BELOW("r3", "r3", "r7", "r10")
        "ldrd r4, r5, [r0, #252]\n" ONE("r2", "r2", "r8", "r11") BELOW("r3", "r3", "r8", "r11")
        "ldrd r4, r5, [sp]\n" FLOOR("r2") FLOOR("r3") SATURATE("r2") SATURATE("r3")
        "ldr r5, [sp, #12]\n"
        "strb r2, [r1]\n"
        "strb r3, [r1, r5]\n"
        "add r1, r1, r5, lsl #1\n" DOWN("4b")
        "5:\n"
        "add sp, #44\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Output rows whose windows lie in scratch at a time, and where from. */
typedef struct band {
    const int8_t *rows[2 * WORDS]; /* input rows; NULL: above or below the input */
    int32_t count;                 /* output rows */
    int32_t words;                 /* of a column: two input rows each */
    int32_t first;                 /* input column of the stretch that lies inside */
    int32_t columns;               /* of them */
    int32_t *inside;               /* where they lie */
} band;

/* Fills the rows that are above or below the input, of four channels. */
static void pad_row(const band *b, int32_t row, int16_t zero)
{
    int16_t *at = (int16_t *)(b->inside + (row >> 1)) + (row & 1);
    for (int32_t k = b->columns * CHANNELS; k > 0; --k, at += 2 * WORDS) {
        *at = zero;
    }
}

/* Lays out four channels from `channel` on. */
static void lay_four(const band *b, int32_t channel, int32_t channels, int16_t zero)
{
    const int32_t offset = b->first * channels + channel;
    for (int32_t k = 0; k < b->words; ++k) {
        const int8_t *const *rows = b->rows + 2 * k;
        if (rows[0] != NULL || rows[1] != NULL) {
            lay_two_rows(b->inside + k, rows[rows[0] == NULL] + offset,
                         rows[rows[1] != NULL] + offset, channels, b->columns);
        }
    }
    for (int32_t row = 0; row < 2 * b->words; ++row) {
        if (b->rows[row] == NULL) {
            pad_row(b, row, zero);
        }
    }
}

/* Lays out the padding beside a stretch of `count` outputs from output column x on. */
static void lay_beside(band *b, const ta_conv_2d *op, int32_t x, int32_t count, int32_t zeros)
{
    const int32_t left = x - op->pad_left;
    const int32_t stop = left + count + 2;
    b->first = left > 0 ? left : 0;
    b->columns = (stop < op->in_width ? stop : op->in_width) - b->first;
    b->inside = (int32_t *)op->scratch + COLUMN_WORDS * (b->first - left);
    int32_t *at = op->scratch;
    for (int32_t column = left; column < stop; ++column) {
        if (column >= 0 && column < op->in_width) {
            at += COLUMN_WORDS;
            continue;
        }
        for (int32_t k = 0; k < COLUMN_WORDS; ++k) {
            *at++ = zeros;
        }
    }
}

/* Makes the band's output rows at `out`. */
static void make(band *b, const ta_conv_2d *op, int8_t *out)
{
    const int32_t channels = op->out_channels;
    const int32_t zero = op->zero_row == NULL ? 0 : *op->zero_row;
    const int32_t zeros = (int32_t)(((uint32_t)zero & 0xffffU) * 0x10001U);
    pass p;
    p.offset = ta_floor_offset(&op->requant, TA_DEPTHWISE_FLOOR_SHIFT);
    p.channels = channels;
    p.row_bytes = op->out_width * channels;
    p.bytes = b->count / 2 * (int32_t)sizeof(int32_t);
    for (int32_t x = 0; x < op->out_width; x += op->stretch) {
        const int32_t left = op->out_width - x;
        const int32_t count = left < op->stretch ? left : op->stretch;
        lay_beside(b, op, x, count, zeros);
        p.pairs = count / 2;
        p.odd = count & 1;
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last four are made again where channels are no multiple of four. */
            const int32_t channel = c + CHANNELS <= channels ? c : channels - CHANNELS;
            lay_four(b, channel, channels, (int16_t)zero);
            for (int32_t k = 0; k < CHANNELS; ++k) {
                p.columns = (const int32_t *)op->scratch + WORDS * k;
                p.out = out + x * channels + channel + k;
                p.weights = op->weights + 9 * (channel + k);
                p.bias = op->bias[2 * (channel + k)];
                p.slope = op->bias[2 * (channel + k) + 1];
                run(&p);
            }
        }
    }
}

/* How many of the output rows from y on make a band, an even number: the row before is made again
 * where one would be left. */
static int32_t band_rows(int32_t y_start, int32_t *y, int32_t y_stop)
{
    const int32_t left = y_stop - *y;
    if (left >= MOST_ROWS) {
        return MOST_ROWS;
    }
    if ((left & 1) == 0) {
        return left;
    }
    if (*y == y_start) {
        return left - 1;
    }
    *y -= 1;
    return left + 1;
}

void ta_depthwise_conv_2d_s8_3x3_dsp_bands(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const int32_t row_bytes = op->out_width * op->out_channels;
    if (y_stop - y_start == 1) {
        ta_conv_2d_rows(op, y_start, y_stop);
        return;
    }
    band b = { .count = 0 };
    for (int32_t y = y_start; y < y_stop; y += b.count) {
        b.count = band_rows(y_start, &y, y_stop);
        b.words = b.count / 2 + 1;
        ta_window(&op->in, NULL, y - op->pad_top, 1, 2 * b.words, b.rows);
        make(&b, op, op->out.data + y * row_bytes);
    }
    ta_clamp_outputs_s8(&op->requant, op->out.data + y_start * row_bytes,
                        (y_stop - y_start) * row_bytes);
}

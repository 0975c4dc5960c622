/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of ta_depthwise_conv_2d_s8_3x3_dsp in bands: up to sixteen input rows of a stretch of
 * columns and of four channels are laid out in scratch, of each column and channel a word of rows 0
 * and 1, a word of rows 2 and 3 and so on. Then each channel keeps its weights while it passes over
 * its words, two columns of outputs at a time, from top to bottom.
 *
 * Scratch: [columns][4][8] words.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_depthwise_conv_2d.h"

#define CHANNELS 4
#define WORDS 8 /* of two rows each */
#define COLUMN_WORDS (CHANNELS * WORDS)
#define PAIR_BYTES 256 /* two columns; the assembly knows it */

/* A column of four channels of two rows; those of the second are r2 bytes behind. */
#define COLUMN                                                                                    \
    "ldr r4, [r1]\n"                                                                              \
    "ldr r5, [r1, r2]\n"                                                                          \
    "add r1, r3\n"                                                                                \
    "pkhbt r6, r4, r5, lsl #16\n"                                                                 \
    "pkhtb r5, r5, r4, asr #16\n"                                                                 \
    "sxtb16 r4, r6\n"                                                                             \
    "sxtb16 r6, r6, ror #8\n"                                                                     \
    "sxtb16 r7, r5\n"                                                                             \
    "sxtb16 r5, r5, ror #8\n"                                                                     \
    "str r6, [r0, #32]\n"                                                                         \
    "str r7, [r0, #64]\n"                                                                         \
    "str r5, [r0, #96]\n"                                                                         \
    "str r4, [r0], #128\n"

/* Lays out four channels of two rows, of `count` columns `step` bytes apart, 14 instructions each. */
__attribute__((naked, noinline)) static void lay_two_rows(
    int32_t *words __attribute__((unused)), const int8_t *upper __attribute__((unused)),
    int32_t lower __attribute__((unused)), int32_t step __attribute__((unused)),
    int32_t count __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, lr}\n"
                     "ldr r12, [sp, #20]\n"
                     "lsls r4, r12, #31\n"
                     "bmi 2f\n"
                     "1:\n" COLUMN "2:\n" COLUMN
                     "subs r12, #2\n"
                     "bgt 1b\n"
                     "pop {r4, r5, r6, r7, pc}\n");
}

/* Four channels of a stretch of a band; the assembly knows the offsets, and makes this its frame. */
typedef struct pass {
    int32_t slope;         /* 0: of the channel */
    int32_t offset;        /* 4: of the floor */
    int32_t channels;      /* 8 */
    int32_t row_bytes;     /* 12: from an output to the one below */
    int32_t bias;          /* 16: of the channel */
    int32_t own[4];        /* 20: end of a column, the column, out, pairs left */
    int32_t along;         /* 36: bytes to the next pair of columns of outputs: 256 times the stride */
    int32_t odd_left;      /* 40: its own */
    int32_t bytes;         /* 44: of the words at which outputs of a column start */
    const int32_t *words;  /* 48: the channel's of the first column */
    int8_t *out;           /* 52 */
    const int8_t *weights; /* 56 */
    const int32_t *floors; /* 60: biases and slopes */
    int32_t pairs;         /* 64: of columns of outputs */
    int32_t odd;           /* 68: whether there is another column, beside which the last is made again */
    int32_t left;          /* 72: channels */
} pass;

/* What a column adds to an output, and to the one below. r6-r8: weights of rows 0 and 1 by column,
 * times 256; r9-r11: of rows 1 and 2. */
#define ONE(acc, start, upper, lower)                                                             \
    "smlad " acc ", r4, " upper ", " start "\n"                                                   \
    "smlabt " acc ", r5, " lower ", " acc "\n"
#define BELOW(acc, start, upper, lower)                                                           \
    "smlatb " acc ", r4, " upper ", " start "\n"                                                  \
    "smlad " acc ", r5, " lower ", " acc "\n"

/* The same of two outputs with a stride of 2, over three words; last: how weights of row 2 are taken
 * from where they are. */
#define LOAD(column)                                                                              \
    "ldr r4, [r0, #" column "]\n"                                                                 \
    "ldr r5, [r0, #" column " + 4]\n"                                                             \
    "ldr r10, [r0, #" column " + 8]\n"
#define TWO(acc, below, start, start_below, upper, last, lower)                                   \
    "smlad " acc ", r4, " upper ", " start "\n"                                                   \
    last " " acc ", r5, " lower ", " acc "\n"                                                     \
    "smlad " below ", r5, " upper ", " start_below "\n"                                           \
    last " " below ", r10, " lower ", " below "\n"

#define FLOOR(acc) "smmla " acc ", " acc ", r4, r5\n"
#define SATURATE(acc) "ssat " acc ", #8, " acc ", asr #8\n"

/* The top of two columns of outputs: r0 the words, r1 out. */
#define TOP                                                                                       \
    "ldr r4, [sp, #44]\n"                                                                         \
    "add r4, r0\n"                                                                                \
    "str r4, [sp, #20]\n"

/* Four outputs: r2 and below it r3, r12 and below it lr. Then further down, or to the next two columns. */
#define DONE(top, again)                                                                          \
    "ldrd r4, r5, [sp]\n" FLOOR("r2") FLOOR("r3") FLOOR("r12") FLOOR("lr")                        \
    SATURATE("r2") SATURATE("r3") SATURATE("r12") SATURATE("lr")                                  \
    "ldr r4, [sp, #8]\n"                                                                          \
    "ldr r5, [sp, #12]\n"                                                                         \
    "strb r12, [r1, r4]\n"                                                                        \
    "strb r2, [r1]\n"                                                                             \
    "add r1, r5\n"                                                                                \
    "strb r3, [r1]\n"                                                                             \
    "strb lr, [r1, r4]\n"                                                                         \
    "ldr r4, [sp, #20]\n"                                                                         \
    "add r1, r5\n"                                                                                \
    "cmp r0, r4\n"                                                                                \
    "blo " again "\n"                                                                             \
    "ldr r0, [sp, #24]\n"                                                                         \
    "ldr r1, [sp, #28]\n"                                                                         \
    "ldr r2, [sp, #32]\n"                                                                         \
    "ldr r3, [sp, #36]\n"                                                                         \
    "ldr r4, [sp, #8]\n"                                                                          \
    "add r0, r3\n"                                                                                \
    "add r1, r1, r4, lsl #1\n"                                                                    \
    "subs r2, #1\n"                                                                               \
    "str r0, [sp, #24]\n"                                                                         \
    "str r1, [sp, #28]\n"                                                                         \
    "str r2, [sp, #32]\n"                                                                         \
    "bne " top "\n"

/* Four outputs in 49 instructions, with a stride of 2 in 61. */
__attribute__((naked, noinline)) static void run(const pass *p __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "sub sp, #76\n"
        "mov r12, sp\n"
        "ldmia r0!, {r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}\n"
        "stmia r12!, {r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}\n"
        "ldmia r0!, {r1, r2, r3, r4, r5, r6, r7, r8, r9}\n"
        "stmia r12!, {r1, r2, r3, r4, r5, r6, r7, r8, r9}\n"
        "1:\n"
        "ldr r0, [sp, #48]\n"
        "ldr r1, [sp, #52]\n"
        "ldr r2, [sp, #56]\n"
        "ldr r3, [sp, #60]\n"
        "ldr r6, [sp, #64]\n"
        "ldr r7, [sp, #68]\n"
        "str r0, [sp, #24]\n"
        "str r1, [sp, #28]\n"
        "str r6, [sp, #32]\n"
        "str r7, [sp, #40]\n"
        "ldr r4, [r2]\n"
        "ldr r5, [r2, #4]\n"
        "ldrb r11, [r2, #8]\n"
        "ldmia r3!, {r12, lr}\n"
        "add r6, r0, #32\n"
        "adds r7, r1, #1\n"
        "adds r2, #9\n"
        "str r6, [sp, #48]\n"
        "str r7, [sp, #52]\n"
        "str r2, [sp, #56]\n"
        "str r3, [sp, #60]\n"
        "str r12, [sp, #16]\n"
        "str lr, [sp]\n"
        "ldr r2, [sp, #36]\n"
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
        "cmp r2, #256\n"
        "bne 4f\n"
        "2:\n" TOP
        "3:\n"
        "ldr lr, [sp, #16]\n"
        "ldrd r4, r5, [r0], #4\n" ONE("r2", "lr", "r6", "r9") BELOW("r3", "lr", "r6", "r9")
        "ldrd r4, r5, [r0, #124]\n" ONE("r2", "r2", "r7", "r10") BELOW("r3", "r3", "r7", "r10")
            ONE("r12", "lr", "r6", "r9") BELOW("lr", "lr", "r6", "r9")
        "ldrd r4, r5, [r0, #252]\n" ONE("r2", "r2", "r8", "r11") BELOW("r3", "r3", "r8", "r11")
            ONE("r12", "r12", "r7", "r10") BELOW("lr", "lr", "r7", "r10")
        "ldrd r4, r5, [r0, #380]\n" ONE("r12", "r12", "r8", "r11") BELOW("lr", "lr", "r8", "r11")
        DONE("2b", "3b")
        "b 7f\n"
        /* Weights of row 2 in the upper half of r9, its lower half, and the upper half of r11. */
        "4:\n"
        "pkhtb r9, r9, r10, asr #16\n"
        "5:\n" TOP
        "6:\n"
        "ldr lr, [sp, #16]\n" LOAD("0") TWO("r2", "r3", "lr", "lr", "r6", "smlabt", "r9")
        LOAD("128") TWO("r2", "r3", "r2", "r3", "r7", "smlabb", "r9")
        LOAD("256") TWO("r2", "r3", "r2", "r3", "r8", "smlabt", "r11")
            TWO("r12", "lr", "lr", "lr", "r6", "smlabt", "r9")
        LOAD("384") TWO("r12", "lr", "r12", "lr", "r7", "smlabb", "r9")
        LOAD("512") TWO("r12", "lr", "r12", "lr", "r8", "smlabt", "r11")
        "adds r0, #8\n"
        DONE("5b", "6b")
        "7:\n"
        "ldr r5, [sp, #40]\n"
        "cbz r5, 8f\n"
        "str r2, [sp, #40]\n"
        "movs r2, #1\n"
        "sub r0, r0, r3, lsr #1\n"
        "sub r1, r1, r4\n"
        "str r0, [sp, #24]\n"
        "str r1, [sp, #28]\n"
        "str r2, [sp, #32]\n"
        "cmp r3, #256\n"
        "beq 2b\n"
        "b 5b\n"
        "8:\n"
        "ldr r2, [sp, #72]\n"
        "subs r2, #1\n"
        "str r2, [sp, #72]\n"
        "bne 1b\n"
        "add sp, #76\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Output rows whose windows lie in scratch at a time, and where from. */
typedef struct band {
    const int8_t *rows[2 * WORDS]; /* input rows; NULL: above or below the input */
    int32_t count;                 /* output rows */
    int32_t height;                /* input rows that they need */
    int32_t words;                 /* of a column: two input rows each */
    int32_t first;                 /* input column of the stretch that lies inside */
    int32_t columns;               /* of them */
    int32_t *inside;               /* where they lie */
} band;

/* Fills the rows that are above or below the input, of four channels. */
static void pad_row(const band *b, int32_t row, int16_t zero)
{
    int16_t *at = (int16_t *)(b->inside + (row >> 1)) + (row & 1);
    for (int32_t k = b->columns; k > 0; --k, at += 2 * COLUMN_WORDS) {
        at[0] = at[2 * WORDS] = at[4 * WORDS] = at[6 * WORDS] = zero;
    }
}

/* Lays out four channels from `channel` on. */
static void lay_four(const band *b, int32_t channel, int32_t channels, int16_t zero)
{
    const int32_t offset = b->first * channels + channel;
    for (int32_t k = 0; k < b->words; ++k) {
        const int8_t *const upper = b->rows[2 * k];
        const int8_t *const lower = b->rows[2 * k + 1];
        const int8_t *const any = upper != NULL ? upper : lower;
        if (any != NULL) {
            const int32_t behind = lower != NULL ? (int32_t)(lower - any) : 0;
            lay_two_rows(b->inside + k, any + offset, behind, channels, b->columns);
        }
        if (upper == NULL) {
            pad_row(b, 2 * k, zero);
        }
        if (lower == NULL && 2 * k + 1 < b->height) {
            pad_row(b, 2 * k + 1, zero);
        }
    }
}

/* Lays out the padding beside a stretch of columns from input column `left` up to `stop`. */
static void lay_beside(band *b, const ta_conv_2d *op, int32_t left, int32_t stop, int32_t zeros)
{
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
    const int32_t stride = op->stride_w;
    const int32_t zero = op->zero_row == NULL ? 0 : *op->zero_row;
    const int32_t zeros = (int32_t)(((uint32_t)zero & 0xffffU) * 0x10001U);
    pass p;
    p.offset = ta_floor_offset(&op->requant, TA_DEPTHWISE_FLOOR_SHIFT);
    p.channels = channels;
    p.row_bytes = op->out_width * channels;
    p.along = PAIR_BYTES * stride;
    p.bytes = b->count / 2 * stride * (int32_t)sizeof(int32_t);
    p.left = CHANNELS;
    p.words = op->scratch;
    for (int32_t x = 0; x < op->out_width; x += op->stretch) {
        const int32_t rest = op->out_width - x;
        int32_t count = rest < op->stretch ? rest : op->stretch;
        if (count == 1) {
            ++count;
            --x;
        }
        const int32_t left = x * stride - op->pad_left;
        lay_beside(b, op, left, left + (count - 1) * stride + 3, zeros);
        p.pairs = count / 2;
        p.odd = count & 1;
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last four are made again where channels are no multiple of four. */
            const int32_t channel = c + CHANNELS <= channels ? c : channels - CHANNELS;
            lay_four(b, channel, channels, (int16_t)zero);
            p.out = out + x * channels + channel;
            p.weights = op->weights + 9 * channel;
            p.floors = op->bias + 2 * channel;
            run(&p);
        }
    }
}

/* How many of the output rows from y on make a band, an even number: the row before is made again
 * where one would be left. */
static int32_t band_rows(int32_t y_start, int32_t *y, int32_t y_stop, int32_t most)
{
    const int32_t left = y_stop - *y;
    if (left >= most) {
        return most;
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
    const int32_t stride = op->stride_h;
    const int32_t most = stride == 1 ? 2 * (WORDS - 1) : WORDS - 2;
    if (y_stop - y_start == 1) {
        ta_conv_2d_rows(op, y_start, y_stop);
        return;
    }
    band b = { .count = 0 };
    for (int32_t y = y_start; y < y_stop; y += b.count) {
        b.count = band_rows(y_start, &y, y_stop, most);
        b.height = (b.count - 1) * stride + 3;
        b.words = b.count * stride / 2 + 1;
        ta_window(&op->in, NULL, y * stride - op->pad_top, 1, 2 * b.words, b.rows);
        make(&b, op, op->out.data + y * row_bytes);
    }
    ta_clamp_outputs_s8(&op->requant, op->out.data + y_start * row_bytes,
                        (y_stop - y_start) * row_bytes);
}

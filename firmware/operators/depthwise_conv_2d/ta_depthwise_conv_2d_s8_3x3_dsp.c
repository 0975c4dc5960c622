/* SPDX-License-Identifier: Apache-2.0
 *
 * Four channels at a time, a stretch of output pixels at a time, of one output row or of two. First
 * the input columns that the stretch needs are laid out in scratch: of each column and channel a
 * word of rows 0 and 1, and a word of rows 2 and 3, of which one output row needs the lower half.
 * Then each channel passes over its words.
 *
 * Scratch after four row pointers: [columns][4][2] words, of an even number of outputs.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_depthwise_conv_2d.h"

#define CHANNELS 4
#define ROWS 4
#define COLUMN_WORDS (CHANNELS * 2)

/* A column's rows 0 and 1: channels 0 to 3 in r4, r6, r8, r10. */
#define UPPER_ROWS                                                                                \
    "ldr r4, [r2, r1]\n"                                                                          \
    "ldr r5, [r3, r1]\n"                                                                          \
    "pkhbt r6, r4, r5, lsl #16\n"                                                                 \
    "pkhtb r10, r5, r4, asr #16\n"                                                                \
    "sxtb16 r4, r6\n"                                                                             \
    "sxtb16 r6, r6, ror #8\n"                                                                     \
    "sxtb16 r8, r10\n"                                                                            \
    "sxtb16 r10, r10, ror #8\n"

#define NEXT_COLUMN                                                                               \
    "stmia r0!, {r4, r5, r6, r7, r8, r9, r10, r11}\n"                                             \
    "ldrd r4, r5, [sp]\n"                                                                         \
    "add r1, r4\n"

/* Lays out `count` columns of four channels, 21 instructions each, or 18 where there is no row 3;
 * rows[k] + offset: the first of them, the others `step` bytes apart. */
__attribute__((naked, noinline)) static void lay_columns(
    int32_t *columns __attribute__((unused)), const int8_t *const *rows __attribute__((unused)),
    int32_t offset __attribute__((unused)), int32_t step __attribute__((unused)),
    int32_t count __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldr r5, [sp, #36]\n"
                     "add r5, r0, r5, lsl #5\n"
                     "push {r3, r5}\n"
                     "mov r7, r2\n"
                     "ldmia r1, {r2, r3, r12, lr}\n"
                     "mov r1, r7\n"
                     "cmp lr, #0\n"
                     "beq 4f\n"
                     "b 2f\n"
                     "1:\n" UPPER_ROWS
                     "ldr r5, [r12, r1]\n"
                     "ldr r9, [lr, r1]\n"
                     "pkhbt r7, r5, r9, lsl #16\n"
                     "pkhtb r11, r9, r5, asr #16\n"
                     "sxtb16 r5, r7\n"
                     "sxtb16 r7, r7, ror #8\n"
                     "sxtb16 r9, r11\n"
                     "sxtb16 r11, r11, ror #8\n" NEXT_COLUMN
                     "2:\n"
                     "cmp r0, r5\n"
                     "bne 1b\n"
                     "b 5f\n"
                     "3:\n" UPPER_ROWS
                     "ldr r5, [r12, r1]\n"
                     "sxtb16 r7, r5, ror #8\n"
                     "sxtb16 r5, r5\n"
                     "asr r11, r7, #16\n"
                     "asr r9, r5, #16\n" NEXT_COLUMN
                     "4:\n"
                     "cmp r0, r5\n"
                     "bne 3b\n"
                     "5:\n"
                     "add sp, #8\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Four channels of a stretch; the assembly knows the offsets, and makes this its frame. */
typedef struct pass {
    int32_t slope;          /* 0: of the channel */
    int32_t offset;         /* 4: of the floor */
    int32_t channels;       /* 8 */
    int32_t next_row;       /* 12: bytes from an output to the one below */
    int32_t bias;           /* 16: of the channel */
    const int32_t *columns; /* 20 */
    int8_t *out;            /* 24 */
    const int32_t *end;     /* 28: of the columns at which pairs of outputs start; of two rows */
    int32_t count;          /* 32: outputs; of two rows those that are in no pair, 0 or 1 */
    int32_t left;           /* 36: channels */
    const int8_t *weights;  /* 40 */
    const int32_t *words;   /* 44: biases and slopes */
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

/* Two outputs side by side, or one where lr is 1; then goes on at `again` where there are more. */
#define TWO_OUTPUTS(again)                                                                        \
    "ldrd r4, r5, [sp]\n" FLOOR("r2") FLOOR("r3") SATURATE("r2") SATURATE("r3")                   \
    "ldr r4, [sp, #8]\n"                                                                          \
    "subs lr, #2\n"                                                                               \
    "strb r2, [r1]\n"                                                                             \
    "it ge\n"                                                                                     \
    "strbge r3, [r1, r4]\n"                                                                       \
    "add r1, r1, r4, lsl #1\n"                                                                    \
    "bgt " again "\n"                                                                             \
    "b 7f\n"

/* Of one row 28 instructions for two outputs, 29 with a stride of two; of two rows 48 for four. Of
 * an odd number of outputs of one row the last takes part in two sums of which one reads a column
 * too many, which is scratch. LAST_OF_TWO_ROWS: there is but one output in each. */
enum { ONE_ROW, ONE_ROW_STRIDE_2, TWO_ROWS, LAST_OF_TWO_ROWS };

__attribute__((naked, noinline)) static void run(const pass *p __attribute__((unused)),
                                                 int32_t kind __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "adr r2, 90f\n"
        "ldr r2, [r2, r1, lsl #2]\n"
        "push {r2, r3}\n"
        "add r1, r0, #24\n"
        "ldmia r1, {r4, r5, r6, r7, r8, r9}\n"
        "push {r4, r5, r6, r7, r8, r9}\n"
        "ldmia r0, {r4, r5, r6, r7, r8, r9}\n"
        "push {r4, r5, r6, r7, r8, r9}\n"
        "1:\n"
        "ldrd r0, r1, [sp, #20]\n"
        "ldrd r2, r3, [sp, #40]\n"
        "add r4, r0, #8\n"
        "adds r5, r1, #1\n"
        "strd r4, r5, [sp, #20]\n"
        "ldr r4, [r2]\n"
        "ldr r5, [r2, #4]\n"
        "ldrb r11, [r2, #8]\n"
        "ldmia r3!, {r12, lr}\n"
        "adds r2, #9\n"
        "strd r2, r3, [sp, #40]\n"
        "str lr, [sp]\n"
        "str r12, [sp, #16]\n"
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
        "ldr lr, [sp, #32]\n"
        "ldr pc, [sp, #48]\n"
        /* One row: r12 the bias, lr the count. */
        "2:\n"
        "ldrd r4, r5, [r0], #64\n" ONE("r2", "r12", "r6", "r9")
        "ldrd r4, r5, [r0, #-32]\n" ONE("r2", "r2", "r7", "r10") ONE("r3", "r12", "r6", "r9")
        "ldrd r4, r5, [r0]\n" ONE("r2", "r2", "r8", "r11") ONE("r3", "r3", "r7", "r10")
        "ldrd r4, r5, [r0, #32]\n" ONE("r3", "r3", "r8", "r11") TWO_OUTPUTS("2b")
        "3:\n"
        "ldrd r4, r5, [r0], #128\n" ONE("r2", "r12", "r6", "r9")
        "ldrd r4, r5, [r0, #-96]\n" ONE("r2", "r2", "r7", "r10")
        "ldrd r4, r5, [r0, #-64]\n" ONE("r2", "r2", "r8", "r11") ONE("r3", "r12", "r6", "r9")
        "ldrd r4, r5, [r0, #-32]\n" ONE("r3", "r3", "r7", "r10")
        "ldrd r4, r5, [r0]\n" ONE("r3", "r3", "r8", "r11") TWO_OUTPUTS("3b")
        /* Two rows: r2, r3 the outputs of the first column, r12, lr those of the second. */
        "4:\n"
        "ldr lr, [sp, #16]\n"
        "ldrd r4, r5, [r0], #64\n" ONE("r2", "lr", "r6", "r9") BELOW("r3", "lr", "r6", "r9")
        "ldrd r4, r5, [r0, #-32]\n" ONE("r2", "r2", "r7", "r10") BELOW("r3", "r3", "r7", "r10")
            ONE("r12", "lr", "r6", "r9") BELOW("lr", "lr", "r6", "r9")
        "ldrd r4, r5, [r0]\n" ONE("r2", "r2", "r8", "r11") BELOW("r3", "r3", "r8", "r11")
            ONE("r12", "r12", "r7", "r10") BELOW("lr", "lr", "r7", "r10")
        "ldrd r4, r5, [r0, #32]\n" ONE("r12", "r12", "r8", "r11") BELOW("lr", "lr", "r8", "r11")
        "ldrd r4, r5, [sp]\n" FLOOR("r2") FLOOR("r3") FLOOR("r12") FLOOR("lr")
            SATURATE("r2") SATURATE("r3") SATURATE("r12") SATURATE("lr")
        "ldr r4, [sp, #28]\n"
        "cmp r0, r4\n"
        "ldrd r4, r5, [sp, #8]\n"
        "strb r3, [r1, r5]\n"
        "strb r2, [r1]\n"
        "add r1, r4\n"
        "strb lr, [r1, r5]\n"
        "strb r12, [r1]\n"
        "add r1, r4\n"
        "blo 4b\n"
        "ldr r4, [sp, #32]\n"
        "cbz r4, 7f\n"
        "5:\n"
        "ldr r12, [sp, #16]\n"
        "ldrd r4, r5, [r0]\n" ONE("r2", "r12", "r6", "r9") BELOW("r3", "r12", "r6", "r9")
        "ldrd r4, r5, [r0, #32]\n" ONE("r2", "r2", "r7", "r10") BELOW("r3", "r3", "r7", "r10")
        "ldrd r4, r5, [r0, #64]\n" ONE("r2", "r2", "r8", "r11") BELOW("r3", "r3", "r8", "r11")
        "ldrd r4, r5, [sp]\n" FLOOR("r2") FLOOR("r3") SATURATE("r2") SATURATE("r3")
        "ldr r5, [sp, #12]\n"
        "strb r3, [r1, r5]\n"
        "strb r2, [r1]\n"
        "7:\n"
        "ldr r3, [sp, #36]\n"
        "subs r3, #1\n"
        "str r3, [sp, #36]\n"
        "bne 1b\n"
        "add sp, #56\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
        ".balign 4\n"
        "90:\n"
        ".word 2b + 1, 3b + 1, 4b + 1, 5b + 1\n");
}

/* Where the columns of a stretch come from. */
typedef struct stretch {
    const int8_t *rows[ROWS]; /* those inside; in place of others any; NULL: no row 3 */
    int32_t padded;           /* bit k: row k is above or below the input */
    int32_t zero;             /* point of the input, in both halves; where there is padding */
    int32_t *inside;          /* the columns inside */
    int32_t offset;           /* of the first of them in each row */
    int32_t count;            /* of them */
} stretch;

/* Lays out the padding of `columns` from input column `left` on; those inside are for lay_four. */
static void lay_padding(stretch *s, const ta_conv_2d *op, const int8_t *const *rows, int32_t left,
                        int32_t columns)
{
    const int32_t stop = left + columns;
    const int32_t first = left > 0 ? left : 0;
    const int32_t last = stop < op->in_width ? stop : op->in_width;
    int32_t *at = (int32_t *)op->scratch + ROWS;
    s->zero = op->zero_row == NULL ? 0 : (*op->zero_row & 0xffff) * 0x10001;
    s->padded = 0;
    s->inside = at + COLUMN_WORDS * (first - left);
    s->offset = first * op->in_channels;
    s->count = last - first;
    int32_t *const end = at + COLUMN_WORDS * columns;
    while (at != end) {
        if (at == s->inside) {
            at += COLUMN_WORDS * s->count;
        } else {
            *at++ = s->zero;
        }
    }
    for (int32_t k = 0; k < ROWS; ++k) {
        /* Rows above and below the input are not to be read. The second is always inside. */
        const int32_t outside = rows[k] != NULL && rows[k] == op->zero_row;
        s->rows[k] = rows[outside ? 1 : k];
        s->padded |= outside << k;
    }
}

/* Lays out four channels from `channel` on. */
static void lay_four(const stretch *s, int32_t channel, int32_t channels)
{
    lay_columns(s->inside, s->rows, s->offset + channel, channels, s->count);
    int16_t *row = (int16_t *)s->inside;
    for (int32_t padded = s->padded; padded != 0; padded >>= 1, ++row) {
        if (padded & 1) {
            const int16_t zero = (int16_t)s->zero;
            const int16_t *const end = row + 2 * COLUMN_WORDS * s->count;
            for (int16_t *at = row; at != end; at += 2 * COLUMN_WORDS) {
                at[0] = at[ROWS] = at[2 * ROWS] = at[3 * ROWS] = zero;
            }
        }
    }
}

/* Makes pixels of an output row from three input rows; where next_row is not 0, those as many bytes
 * behind them too, from four. */
static void make(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out, int32_t x_start,
                 int32_t x_stop, int32_t next_row)
{
    const int32_t channels = op->out_channels;
    pass p;
    p.offset = ta_floor_offset(&op->requant, TA_DEPTHWISE_FLOOR_SHIFT);
    p.channels = channels;
    p.next_row = next_row;
    p.columns = (const int32_t *)op->scratch + ROWS;
    p.left = CHANNELS;
    for (int32_t x = x_start; x < x_stop; x += op->stretch) {
        const int32_t count = x_stop - x < op->stretch ? x_stop - x : op->stretch;
        int32_t kind = op->stride_w == 1 ? ONE_ROW : ONE_ROW_STRIDE_2;
        p.count = count;
        if (next_row != 0) {
            kind = count > 1 ? TWO_ROWS : LAST_OF_TWO_ROWS;
            p.count = count & 1;
        }
        p.end = p.columns + COLUMN_WORDS * (count & ~1);
        stretch s;
        lay_padding(&s, op, rows, x * op->stride_w - op->pad_left, (count - 1) * op->stride_w + 3);
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last four are made again where channels are no multiple of four. */
            const int32_t channel = c + CHANNELS <= channels ? c : channels - CHANNELS;
            lay_four(&s, channel, channels);
            p.out = out + x * channels + channel;
            p.weights = op->weights + 9 * channel;
            p.words = op->bias + 2 * channel;
            run(&p, kind);
        }
    }
    ta_clamp_outputs_s8(&op->requant, out + x_start * channels, (x_stop - x_start) * channels);
}

void ta_depthwise_conv_2d_s8_3x3_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                     int32_t x_start, int32_t x_stop)
{
    const int8_t *const taken[ROWS] = { rows[0], rows[1], rows[2], NULL };
    make(op, taken, out, x_start, x_stop, 0);
}

void ta_depthwise_conv_2d_s8_3x3_dsp_pairs(const ta_conv_2d *op, int32_t y_start, int32_t y_stop)
{
    const int8_t **rows = op->scratch;
    const int32_t row_bytes = op->out_width * op->out_channels;
    for (int32_t y = y_start; y < y_stop; y += 2) {
        int8_t *const out = op->out.data + y * row_bytes;
        int32_t next_row = 0;
        ta_conv_2d_window(op, y, rows);
        rows[ROWS - 1] = NULL;
        if (y + 1 < y_stop) {
            ta_conv_2d_window(op, y + 1, rows + 1);
            next_row = row_bytes;
        }
        make(op, rows, out, 0, op->out_width, next_row);
        if (next_row != 0) {
            ta_clamp_outputs_s8(&op->requant, out + next_row, row_bytes);
        }
    }
}

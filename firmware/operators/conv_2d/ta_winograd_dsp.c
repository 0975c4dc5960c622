/* SPDX-License-Identifier: Apache-2.0
 *
 * Two tiles side by side, 4 x 6 pixels, meet two filters at a time. Sums are never cleared from one
 * position to the next, and Q(k) is what they are after position k: then both rows of A^T come from
 * few of them. With Q(-1) = 0 and for row i of a tile
 *   column 0: t(i, 0) = 2 Q(4i + 1) - Q(4i + 2) - Q(4i - 1)
 *   column 1: t(i, 1) = Q(4i + 3) - Q(4i)
 *   output (0, s) = t(0, s) + t(1, s) - t(2, s); output (1, s) = t(1, s) + t(2, s) + t(3, s)
 *
 * Scratch for tiles: for each position, fours of channels, each [2 tiles][2] words, word h holding
 * channels h and h + 2. Ahead of up to sixteen of these fours lies where in the code their products
 * start, and behind them all, where outputs are made.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_winograd_dsp.h"

#define MOST_FOURS 16    /* that lie behind one address */
#define FOUR_WORDS 4     /* of two tiles */
#define CODE_OF_A_FOUR 40 /* bytes */
#define COLUMNS 6        /* of the input, under two tiles */
#define OUT_COLUMNS 4

/* Input rows that are to be transformed; the assembly knows the offsets. */
typedef struct patch {
    const int8_t *rows[4]; /* 0: in the first column inside the input, at the first channel */
    int32_t step;          /* 16: from column to column */
    int32_t first;         /* 20: of the columns inside the input, times 8 */
    int32_t stop;          /* 24: behind the last, times 8 */
    int32_t *to;           /* 28: in position 0 */
    int32_t stride;        /* 32: bytes from position to position */
    int32_t fours;         /* 36: of channels; at least one */
    int32_t beside;        /* 40: twice the zero point, in both halves */
} patch;

/* In the frame of transform(): [4 rows][6 columns][2 words], then patch but its last, and the
 * channel. */
#define FIRST "[sp, #212]"
#define TO "[sp, #220]"
#define STRIDE "[sp, #224]"
#define FOURS "[sp, #228]"
#define CHANNEL "[sp, #232]"

/* Row i of B^T over rows of words, and over columns: two words of two tiles for each of four
 * positions. 28 instructions. */
#define ROW(row)                                                                                  \
    "add r1, sp, #48 * " row "\n"                                                                 \
    "ldmia r1, {r2, r3, r4, r5, r6, r7, r8, r9, r10, r11}\n"                                      \
    "ldr r1, " STRIDE "\n"                                                                        \
    "ssub16 r12, r6, r10\n"                                                                       \
    "ssub16 lr, r7, r11\n"                                                                        \
    "ssub16 r2, r2, r6\n"                                                                         \
    "ssub16 r3, r3, r7\n"                                                                         \
    "stmia r0, {r2, r3, r12, lr}\n"                                                               \
    "add r0, r1\n"                                                                                \
    "sadd16 r2, r4, r6\n"                                                                         \
    "sadd16 r3, r5, r7\n"                                                                         \
    "sadd16 r12, r8, r10\n"                                                                       \
    "sadd16 lr, r9, r11\n"                                                                        \
    "stmia r0, {r2, r3, r12, lr}\n"                                                               \
    "add r0, r1\n"                                                                                \
    "ssub16 r6, r6, r4\n"                                                                         \
    "ssub16 r7, r7, r5\n"                                                                         \
    "ssub16 r10, r10, r8\n"                                                                       \
    "ssub16 r11, r11, r9\n"                                                                       \
    "stmia r0, {r6, r7, r10, r11}\n"                                                              \
    "add r0, r1\n"                                                                                \
    "ldrd r10, r11, [sp, #48 * " row " + 40]\n"                                                   \
    "ssub16 r4, r4, r8\n"                                                                         \
    "ssub16 r5, r5, r9\n"                                                                         \
    "ssub16 r10, r8, r10\n"                                                                       \
    "ssub16 r11, r9, r11\n"                                                                       \
    "stmia r0, {r4, r5, r10, r11}\n"                                                              \
    "add r0, r1\n"

/* Transforms fours of channels of two tiles: about 300 instructions for eight tiles' channels. */
__attribute__((naked, noinline)) static void transform(const patch *p __attribute__((unused)))
{
    __asm__ volatile(
        "push {r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "movs r12, #0\n"
        "ldmia r0, {r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11}\n"
        "push {r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12}\n"
        "str r12, [sp, #40]\n"
        /* Columns beside the input have zero points in all rows: only B^T's second row is not
         * zero there. */
        "movs r0, #0\n"
        "movs r1, #0\n"
        "movs r2, #0\n"
        "movs r3, #0\n"
        "movs r4, #0\n"
        "movs r5, #0\n"
        "mov r6, r11\n"
        "mov r7, r11\n"
        "mov r8, r11\n"
        "mov r9, r11\n"
        "mov r10, r11\n"
        "push {r0, r1, r2, r3, r4, r5}\n"
        "push {r0, r1, r2, r3, r4, r5}\n"
        "push {r0, r1, r2, r3, r4, r5}\n"
        "push {r0, r1, r2, r3, r4, r5}\n"
        "push {r6, r7, r8, r9, r10, r11}\n"
        "push {r6, r7, r8, r9, r10, r11}\n"
        "push {r0, r1, r2, r3, r4, r5}\n"
        "push {r0, r1, r2, r3, r4, r5}\n"
        "1:\n"
        "add r0, sp, #192\n"
        "ldrd r4, lr, " FIRST "\n"
        "ldr r5, " CHANNEL "\n"
        "ldmia r0, {r0, r1, r2, r3, r12}\n"
        "add r4, sp, r4\n"
        "add lr, sp, lr\n"
        /* A column: B^T over four rows of four channels. 28 instructions. */
        "2:\n"
        "ldr r6, [r0, r5]\n"
        "ldr r7, [r1, r5]\n"
        "ldr r8, [r2, r5]\n"
        "ldr r9, [r3, r5]\n"
        "add r5, r12\n"
        "sxtb16 r10, r6\n"
        "sxtb16 r11, r8\n"
        "sxtb16 r6, r6, ror #8\n"
        "sxtb16 r8, r8, ror #8\n"
        "ssub16 r10, r10, r11\n"
        "ssub16 r6, r6, r8\n"
        "strd r10, r6, [r4]\n"
        "sxtb16 r10, r7\n"
        "sxtb16 r6, r9\n"
        "sxtb16 r7, r7, ror #8\n"
        "sxtb16 r9, r9, ror #8\n"
        "ssub16 r6, r10, r6\n"
        "ssub16 r9, r7, r9\n"
        "strd r6, r9, [r4, #144]\n"
        "sadd16 r6, r10, r11\n"
        "sadd16 r9, r7, r8\n"
        "strd r6, r9, [r4, #48]\n"
        "ssub16 r10, r11, r10\n"
        "ssub16 r8, r8, r7\n"
        "strd r10, r8, [r4, #96]\n"
        "adds r4, #8\n"
        "cmp r4, lr\n"
        "bne 2b\n"
        "ldr r0, " TO "\n" ROW("0") ROW("1") ROW("2") ROW("3")
        "ldr r0, " TO "\n"
        "ldrd r1, r2, " FOURS "\n"
        "adds r0, #16\n"
        "adds r2, #4\n"
        "str r0, " TO "\n"
        "subs r1, #1\n"
        "strd r1, r2, " FOURS "\n"
        "bne 1b\n"
        "add sp, #240\n"
        "pop {r3, r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

/* Two tiles that are to meet all filters; the assembly knows the offsets. */
typedef struct tiles {
    int8_t *out;          /* 0: of the next pair of filters */
    int32_t pitch;        /* 4: bytes to the second row; 0 where it is not wanted */
    int32_t channels;     /* 8: of the output */
    int32_t offset;       /* 12: of floors; else 2 * zero point + 1 */
    int8_t *end;          /* 16: of the first pixel's outputs */
    const int32_t *first; /* 20: where products start, and what they meet */
} tiles;

/* In the frame of apply(), behind sums after each of 16 positions: tiles. */
#define OUT "[sp, #256]"
#define OUT_PITCH "[sp, #256]"
#define CHANNELS "[sp, #264]"
#define OFFSET "[sp, #268]"
#define END "[sp, #272]"

/* Four channels of two tiles, r6-r9, and of two filters, r10-lr, to the sums r2-r5: 10
 * instructions for 16 products. */
#define FOUR_CHANNELS                                                                             \
    "ldmia r0!, {r6, r7, r8, r9}\n"                                                               \
    "ldmia r1!, {r10, r11, r12, lr}\n"                                                            \
    "smlad r2, r6, r10, r2\n"                                                                     \
    "smlad r3, r8, r10, r3\n"                                                                     \
    "smlad r4, r6, r12, r4\n"                                                                     \
    "smlad r5, r8, r12, r5\n"                                                                     \
    "smlad r2, r7, r11, r2\n"                                                                     \
    "smlad r3, r9, r11, r3\n"                                                                     \
    "smlad r4, r7, lr, r4\n"                                                                      \
    "smlad r5, r9, lr, r5\n"

/* Q(k) of two tiles; r0: sp for the first filter, 8 more for the second. */
#define Q(k) "[r0, #(15 - " k ") * 16]\n"

/* The outputs of one filter, times four: rows 0 and 1 of tiles 0 and 1 in r4, r10 and r5, r11, in
 * column 1 r2, r6 and r3, r7. 54 instructions for 8 outputs. */
#define SUMS                                                                              \
    "ldrd r10, r11, " Q("7")                                                              \
    "ldrd r2, r3, " Q("4")                                                                \
    "ldrd r12, lr, " Q("11")                                                              \
    "ldrd r4, r5, " Q("8")                                                                \
    "ldrd r6, r7, " Q("15")                                                               \
    "ldrd r8, r9, " Q("12")                                                               \
    "sub r2, r10, r2\n" /* t(1, 1) */                                                             \
    "sub r3, r11, r3\n"                                                                           \
    "sub r4, r12, r4\n" /* t(2, 1) */                                                             \
    "sub r5, lr, r5\n"                                                                            \
    "sub r6, r6, r8\n" /* t(3, 1) */                                                              \
    "sub r7, r7, r9\n"                                                                            \
    "add r6, r6, r2\n"                                                                            \
    "add r7, r7, r3\n"                                                                            \
    "add r6, r6, r4\n" /* output (1, 1) */                                                        \
    "add r7, r7, r5\n"                                                                            \
    "ldrd r8, r9, " Q("3")                                                                \
    "sub r2, r2, r4\n"                                                                            \
    "sub r3, r3, r5\n"                                                                            \
    "ldrd r4, r5, " Q("0")                                                                \
    "add r2, r2, r8\n"                                                                            \
    "add r3, r3, r9\n"                                                                            \
    "sub r2, r2, r4\n" /* output (0, 1) */                                                        \
    "sub r3, r3, r5\n"                                                                            \
    "ldrd r4, r5, " Q("5")                                                                \
    "rsb r4, r8, r4, lsl #1\n"                                                                    \
    "rsb r5, r9, r5, lsl #1\n"                                                                    \
    "ldrd r8, r9, " Q("6")                                                                \
    "sub r4, r4, r8\n" /* t(1, 0) */                                                              \
    "sub r5, r5, r9\n"                                                                            \
    "ldrd r8, r9, " Q("9")                                                                \
    "rsb r8, r10, r8, lsl #1\n"                                                                   \
    "rsb r9, r11, r9, lsl #1\n"                                                                   \
    "ldrd r10, r11, " Q("10")                                                             \
    "sub r8, r8, r10\n" /* t(2, 0) */                                                             \
    "sub r9, r9, r11\n"                                                                           \
    "ldrd r10, r11, " Q("13")                                                             \
    "rsb r10, r12, r10, lsl #1\n"                                                                 \
    "rsb r11, lr, r11, lsl #1\n"                                                                  \
    "ldrd r12, lr, " Q("14")                                                              \
    "add r10, r10, r4\n"                                                                          \
    "add r11, r11, r5\n"                                                                          \
    "sub r10, r10, r12\n"                                                                         \
    "sub r11, r11, lr\n"                                                                          \
    "add r10, r10, r8\n" /* output (1, 0) */                                                      \
    "add r11, r11, r9\n"                                                                          \
    "sub r4, r4, r8\n"                                                                            \
    "sub r5, r5, r9\n"                                                                            \
    "ldrd r8, r9, " Q("1")                                                                \
    "ldrd r12, lr, " Q("2")                                                               \
    "add r4, r4, r8, lsl #1\n"                                                                    \
    "add r5, r5, r9, lsl #1\n"                                                                    \
    "sub r4, r4, r12\n" /* output (0, 0) */                                                       \
    "sub r5, r5, lr\n"

/* Stores a row of four outputs; r12: channels. */
#define STORE_ROW(row, a, b, c, d)                                                                \
    "strb " a ", [" row "]\n"                                                                     \
    "strb " c ", [" row ", r12, lsl #1]\n"                                                        \
    "add " row ", r12\n"                                                                          \
    "strb " b ", [" row "]\n"                                                                     \
    "strb " d ", [" row ", r12, lsl #1]\n"

/* Stores the second row and then the first, which may lie there too. r8: the next output. */
#define STORE                                                                                     \
    "ldrd r0, r8, " OUT_PITCH "\n"                                                                \
    "ldr r12, " CHANNELS "\n"                                                                     \
    "add r8, r0\n" STORE_ROW("r8", "r10", "r6", "r11", "r7") "add r8, r0, #1\n"                  \
                                                             "str r8, " OUT                       \
                                                             "\n" STORE_ROW("r0", "r4", "r2",     \
                                                                            "r5", "r3")

#define FLOOR(y)                                                                                  \
    "add " y ", r9, " y ", lsl #6\n"                                                              \
    "smmla " y ", " y ", r8, lr\n"                                                                \
    "ssat " y ", #8, " y ", asr #11\n"

/* One filter's outputs by floors: 96 instructions for 8. */
#define FLOORS                                                                                    \
    SUMS "ldmia r1!, {r8, r9}\n"                                                                  \
         "ldr lr, " OFFSET "\n" FLOOR("r2") FLOOR("r3") FLOOR("r4") FLOOR("r5") FLOOR("r6")       \
             FLOOR("r7") FLOOR("r10") FLOOR("r11") STORE

#define BIAS(y) "add " y ", r8, " y ", asr #1\n"

/* As ta_dsp_requant.h has it. r8: mantissa, r9: right shift less 1. */
#define EXACT(y)                                                                                  \
    "add r0, lr, " y ", asr #31\n"                                                                \
    "smmlar " y ", " y ", r8, r0\n"                                                               \
    "asr " y ", " y ", r9\n"                                                                      \
    "ssat " y ", #8, " y ", asr #1\n"

/* The same exactly: 114. */
#define EXACTLY                                                                                   \
    SUMS "ldr r8, [r1], #4\n" BIAS("r2") BIAS("r3") BIAS("r4") BIAS("r5") BIAS("r6") BIAS("r7")   \
        BIAS("r10") BIAS("r11") "ldmia r1!, {r8, r9}\n"                                           \
                                "ldr lr, " OFFSET "\n"                                            \
                                "lsl lr, lr, r9\n" EXACT("r2") EXACT("r3") EXACT("r4") EXACT("r5") \
                                    EXACT("r6") EXACT("r7") EXACT("r10") EXACT("r11") STORE

/* Goes on to the second filter of the pair at `second`, or to the next pair, if any: filters up to
 * the end are odd or even. */
#define NEXT(second)                                                                              \
    "ldr r9, " END "\n"                                                                           \
    "add r0, sp, #8\n"                                                                            \
    "subs r9, r8\n"                                                                               \
    "beq 9f\n"                                                                                    \
    "lsls r9, r9, #31\n"                                                                          \
    "bne " second "\n"                                                                            \
    "add sp, #256\n"                                                                              \
    "b 1b\n"

/* Addresses in the code of apply(). */
typedef struct entries {
    uint32_t last;   /* behind the products of sixteen fours */
    uint32_t more;   /* their start, where sums are to go on within a position */
    uint32_t floors; /* where outputs are made */
    uint32_t exact;
} entries;

/* All pairs of filters from `pairs` on, over two tiles. Returns the end of the pairs. Without
 * tiles, the entries instead. */
__attribute__((naked, noinline)) static const int32_t *apply(
    const tiles *t __attribute__((unused)), const int32_t *pairs __attribute__((unused)))
{
    __asm__ volatile(
        "cbnz r0, 0f\n"
        "adr r0, 90f\n"
        "bx lr\n"
        "0:\n"
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
        "ldmia r0, {r4, r5, r6, r7, r8, r9}\n"
        "push {r4, r5, r6, r7, r8, r9}\n"
        "1:\n"
        "ldr r0, [sp, #20]\n"
        "movs r2, #0\n"
        "movs r3, #0\n"
        "movs r4, #0\n"
        "movs r5, #0\n"
        "ldr pc, [r0], #4\n"
        "2:\n"
        "add sp, #16\n"
        ".rept 16\n" FOUR_CHANNELS ".endr\n"
        "3:\n"
        "push {r2, r3, r4, r5}\n"
        "ldr pc, [r0], #4\n"
        "4:\n"
        "mov r0, sp\n"
        "5:\n" FLOORS NEXT("5b")
        "6:\n"
        "mov r0, sp\n"
        "7:\n" EXACTLY NEXT("7b")
        "9:\n"
        "mov r0, r1\n"
        "add sp, #280\n"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
        ".balign 4\n"
        "90:\n"
        ".word 3b + 1, 2b + 1, 4b + 1, 6b + 1\n");
}

/* Two output rows, or one, of a layer. */
typedef struct rows_of {
    const ta_conv_2d *op;
    const int8_t *const *in; /* four rows */
    int32_t fours;           /* of input channels */
    int32_t lead;            /* of them behind the first address of a position */
    int32_t *tiles;
    int32_t stride;          /* words from position to position */
} rows_of;

/* Writes the addresses ahead of fours. */
static void lay_addresses(const rows_of *r)
{
    const entries *at = (const entries *)(const void *)apply(NULL, NULL);
    int32_t *to = r->tiles;
    for (int32_t k = 0; k < TA_WINOGRAD_POSITIONS; ++k) {
        *to = (int32_t)at->last - CODE_OF_A_FOUR * r->lead;
        to += 1 + FOUR_WORDS * r->lead;
        for (int32_t f = r->lead; f < r->fours; f += MOST_FOURS) {
            *to = (int32_t)at->more;
            to += 1 + FOUR_WORDS * MOST_FOURS;
        }
    }
    *to = (int32_t)(r->op->requant.floors ? at->floors : at->exact);
}

/* Transforms the two tiles whose first input column is `column`. Where channels are no multiple of
 * four the last four overlap those before, and filters have zeros there. */
static void lay_tiles(const rows_of *r, int32_t column)
{
    const ta_conv_2d *op = r->op;
    const int32_t channels = op->in_channels;
    const int32_t complete = channels / TA_WINOGRAD_FOUR;
    const int32_t first = column < 0 ? -column : 0;
    const int32_t inside = op->in_width - column;
    const int32_t zero = op->zero_row == NULL ? 0 : 2 * *op->zero_row;
    patch p = {
        .step = channels,
        .first = 8 * first,
        .stop = 8 * (inside < COLUMNS ? inside : COLUMNS),
        .stride = TA_WINOGRAD_FOUR * r->stride,
        .beside = (int32_t)((uint32_t)(zero & 0xffff) * 0x10001u),
    };
    int32_t *to = r->tiles;
    int32_t stop = r->lead;
    for (int32_t f = 0; f < r->fours; stop += MOST_FOURS) {
        ++to; /* the address */
        while (f < stop) {
            const int32_t whole = (stop < complete ? stop : complete) - f;
            const int32_t channel = whole > 0 ? TA_WINOGRAD_FOUR * f : channels - TA_WINOGRAD_FOUR;
            for (int32_t k = 0; k < 4; ++k) {
                p.rows[k] = r->in[k] + (column + first) * channels + channel;
            }
            p.to = to;
            p.fours = whole > 0 ? whole : 1;
            transform(&p);
            to += FOUR_WORDS * p.fours;
            f += p.fours;
        }
    }
}

/* Makes a pair of tiles' outputs of all filters. */
static void apply_all(const ta_winograd *w, tiles *t, int8_t *pixel)
{
    const int32_t count = w->stop - w->first;
    const int32_t *pairs = w->pairs;
    t->out = pixel + w->first;
    t->end = t->out + (count & ~1);
    if (count > 1) {
        pairs = apply(t, pairs);
    }
    if (count & 1) {
        t->out = t->end - 1;
        t->end += 1;
        (void)apply(t, pairs);
    }
}

void ta_winograd_row(const ta_conv_2d *op, const ta_winograd *w, const int8_t *const *in,
                     int8_t *out, int32_t pitch, int32_t x_start, int32_t x_stop)
{
    const ta_requant *requant = &op->requant;
    rows_of r = {
        .op = op,
        .in = in,
        .fours = ta_winograd_fours(op),
        .tiles = w->tiles,
    };
    const int32_t runs = (r.fours + MOST_FOURS - 1) / MOST_FOURS;
    r.lead = r.fours - (runs - 1) * MOST_FOURS;
    r.stride = FOUR_WORDS * r.fours + runs;
    tiles t = {
        .first = r.tiles,
        .channels = op->out_channels,
        .pitch = pitch,
        .offset = requant->floors ? ta_floor_offset(requant, TA_WINOGRAD_FLOOR_SHIFT)
                                  : 2 * requant->zero_point + 1,
    };
    lay_addresses(&r);
    for (int32_t x = x_start; x < x_stop; x += OUT_COLUMNS) {
        /* The last columns may be made twice. */
        const int32_t left = x + OUT_COLUMNS > x_stop ? x_stop - OUT_COLUMNS : x;
        lay_tiles(&r, left - op->pad_left);
        apply_all(w, &t, out + left * op->out_channels);
    }
}

void ta_winograd_rows(const ta_conv_2d *op, const ta_winograd *w, int32_t y_start, int32_t y_stop)
{
    const int8_t **rows = op->scratch;
    for (int32_t y = y_start; y < y_stop; y += 2) {
        const int32_t height = y_stop - y < 2 ? 1 : 2;
        const int32_t pitch = height == 1 ? 0 : op->out_width * op->out_channels;
        ta_window(&op->in, op->zero_row, y - op->pad_top, 1, 2 + height, rows);
        if (height == 1) {
            rows[3] = rows[2];
        }
        ta_winograd_row(op, w, rows, ta_sink_row(&op->out, y), pitch, 0, op->out_width);
    }
    if (w->stop == op->out_channels) {
        const int32_t count = (y_stop - y_start) * op->out_width * op->out_channels;
        ta_clamp_outputs_s8(&op->requant, ta_sink_row(&op->out, y_start), count);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution on cores with Helium, sixteen channels of a strip of output rows at a time:
 * what kernels of different windows share.
 *
 * Scratch after the row pointers: a `ta_window_mve` for each four input rows under each band of
 * output rows, [fours][bands]; then the input columns under the bands, [bands][columns][fours]
 * [16 channels][4 rows], so that a word holds four rows of one channel, and a gathering load takes
 * four words of it. VMLADAV sums their products with as many words of a filter.
 */
#ifndef TA_DEPTHWISE_MVE_H
#define TA_DEPTHWISE_MVE_H

#include "ta_depthwise_conv_2d.h"
#include "ta_mve_requant.h"

#define TA_CHANNELS_MVE 16
#define TA_ROWS_MVE 4
#define TA_WORDS_BYTES_MVE (TA_CHANNELS_MVE * TA_ROWS_MVE) /* of a column's four rows */

/* Some channels of a strip; the assembly knows the offsets and counts filters, words, out, columns
 * and channels on. */
typedef struct ta_strip_mve {
    const int8_t *filters;   /* 0 */
    const int32_t *words;    /* 4: of requantization, three a channel */
    int8_t *out;             /* 8 */
    const int8_t *columns;   /* 12 */
    int32_t channels;        /* 16 */
    int32_t bands;           /* 20 */
    int32_t tiles;           /* 24: of eight outputs, a band */
    int32_t tile_out;        /* 28: from a tile to the next */
    int32_t band_in;         /* 32: from behind the columns of a band's outputs to the next */
    int32_t band_out;        /* 36: from behind its tiles to the next */
    uint32_t few_mask;       /* 40: bytes of lanes of the outputs beyond the tiles, where they are
                              * no more than four */
    uint32_t many_mask;      /* 44: of more */
    uint16_t places[8];      /* 48: of the outputs of a tile */
    uint32_t at[4];          /* 64: of the words of a load */
    uint32_t few_places[4];  /* 80 */
    int32_t zero_point;      /* 96 */
    int32_t back;            /* 100: 0, or from behind the last band to one more band */
    int32_t filter_bytes;    /* 104: of a channel */
    int32_t zeros[3];        /* 108: before the filter, where fours are two */
    int8_t filter[64];       /* 120: of a channel, spread */
    uint8_t taps[64];        /* 184: where its bytes come from */
} ta_strip_mve;

typedef void ta_run_mve(ta_strip_mve *s);

/* Four input rows under a band. */
typedef struct ta_window_mve {
    const int8_t *rows[TA_ROWS_MVE];
} ta_window_mve;

/* Columns of all bands of a strip, of sixteen channels or as many as there are; the assembly knows
 * the offsets. */
typedef struct ta_columns_mve {
    int8_t *to;            /* 0 */
    int32_t step;          /* 4: from a pixel to the next */
    int32_t offset;        /* 8: of the first pixel that is read */
    int32_t bands;         /* 12 */
    const ta_window_mve *windows; /* 16 */
    int32_t inside;        /* 20: columns that are read */
    int32_t before;        /* 24: columns beside the input */
    int32_t after;         /* 28 */
    int32_t zero;          /* 32: the input's zero point */
    int32_t channels;      /* 36: that are left */
} ta_columns_mve;

/* Lays them in scratch; the two for sixteen channels of one four of rows, and of one four of two. */
typedef void ta_lay_mve(const ta_columns_mve *c);
ta_lay_mve ta_lay_rows_mve;
ta_lay_mve ta_lay_every_other_mve;

/* How a band is made. */
typedef struct ta_band_mve {
    ta_run_mve *by_floors;
    ta_run_mve *exactly;
    int32_t rows;         /* output rows, 1 or 2 */
    int32_t fours;        /* of input rows, rounded up */
    int32_t four_columns; /* from four outputs to the next */
    int32_t origin;       /* of addresses, in columns from the first */
    int32_t columns;      /* of a filter */
    ta_lay_mve *lay;
    int32_t channels;     /* of outputs that its columns are for */
    int32_t lane_bytes;   /* from a lane of a load to the next */
    int32_t column_bytes; /* from a column to the next */
} ta_band_mve;
#define TA_BAND_MVE(by_floors, exactly, rows, four_columns)                                       \
    { by_floors, exactly, rows, 1, four_columns, -2, 4, ta_lay_rows_mve, 16, 64, 64 }
#define TA_HIGH_BAND_MVE(run, rows, four_columns, origin, columns)                                \
    { run, NULL, rows, 2, four_columns, origin, columns, ta_lay_every_other_mve, 16, 64, 128 }

/* As ta_conv_2d_kernel. */
void ta_depthwise_row_mve(const ta_conv_2d *op, const ta_band_mve *band, const int8_t *const *rows,
                          int8_t *out, int32_t x_start, int32_t x_stop);

/* As ta_conv_2d_rows, in strips of op->stretch rows; pairs: NULL, or a band of two rows, to take
 * where there are as many. */
void ta_depthwise_strips_mve(const ta_conv_2d *op, const ta_band_mve *pairs,
                             const ta_band_mve *band, int32_t y_start, int32_t y_stop);

/* What assembly of all windows is made of. r0, r2, r4, r6 sums; r1, r3, r5 a channel's words, r7
 * zero point; r8 out, r9 from a tile to the next; r10 the struct; r11 bands left. q1 factors of
 * floors, q3 addresses. */
#define TA_COLLECT_MVE(q)                                                                         \
    "vmov " q "[2], " q "[0], r0, r4\n"                                                           \
    "vmov " q "[3], " q "[1], r2, r6\n"

/* To the upper halves of lanes, by floors, or to the lower halves. */
#define TA_FLOOR_MVE(q)                                                                           \
    "vmlas.s32 " q ", q1, r1\n"                                                                   \
    "vqdmulh.s32 " q ", " q ", r3\n"
#define TA_EXACT_MVE(q)                                                                           \
    "vadd.i32 " q ", " q ", r1\n"                                                                 \
    "vqrdmulh.s32 " q ", " q ", r3\n"                                                             \
    "vshr.s32 q1, " q ", #31\n"                                                                   \
    "vadd.i32 " q ", " q ", q1\n"                                                                 \
    "vrshl.s32 " q ", r5\n"

/* Eight outputs of two vectors of lanes by turns; four of one. */
#define TA_JOIN_FLOOR_MVE "vsri.32 q0, q2, #16\n"
#define TA_JOIN_EXACT_MVE                                                                         \
    "vqmovnb.s32 q2, q2\n"                                                                        \
    "vqmovnt.s32 q2, q0\n"                                                                        \
    "vqadd.s16 q0, q2, r7\n"
#define TA_PART_FLOOR_MVE "vshr.s32 q2, q2, #16\n"
#define TA_PART_EXACT_MVE                                                                         \
    "vqmovnb.s32 q2, q2\n"                                                                        \
    "vqadd.s16 q2, q2, r7\n"

#define TA_EIGHT_MVE(sums, requantize, join)                                                      \
    sums TA_COLLECT_MVE("q2") sums TA_COLLECT_MVE("q0") requantize("q2") requantize("q0") join    \
        "vqmovnb.s16 q0, q0\n"                                                                    \
        "vldrh.u16 q2, [r10, #48]\n"
#define TA_FOUR_MVE(sums, requantize, part)                                                       \
    sums TA_COLLECT_MVE("q2") requantize("q2") part "vqmovnb.s16 q2, q2\n"                        \
                                                    "vldrw.u32 q0, [r10, #80]\n"

/* All channels of a strip. filter: what prepares the filter at r0 and goes on to the next one, and
 * with r4 to the next one's columns; tiles: what begins the loop over them, of which r12 holds the
 * number unless filter changes it; sums: four sums, of the columns from q3 on, which goes on to those
 * of the next four; more: what makes the last band where that makes rows again. */
#define TA_ONE_MORE_MVE                                                                           \
    "bmi 8f\n"                                                                                    \
    "ldr r0, [r10, #100]\n"                                                                       \
    "cbz r0, 8f\n"                                                                                \
    "add r8, r0\n"                                                                                \
    "b 3b\n"
#define TA_RUN_MVE(filter, tiles, sums, more, words, requantize, join, part)                      \
    __asm__ volatile(                                                                             \
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                           \
        "vpush {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                          \
        "mov r10, r0\n"                                                                           \
        "ldrd r12, r9, [r10, #24]\n"                                                              \
        "ldr r7, [r10, #96]\n"                                                                    \
        "2:\n"                                                                                    \
        "ldrd r0, r2, [r10]\n"                                                                    \
        "ldrd r8, r4, [r10, #8]\n"                                                                \
        "ldr r11, [r10, #20]\n"                                                                   \
        "vldrw.u32 q3, [r10, #64]\n"                                                              \
        "vadd.i32 q3, q3, r4\n" filter                                                            \
        "ldmia r2!, {r1, r3, r5}\n"                                                               \
        "strd r0, r2, [r10]\n"                                                                    \
        "add r0, r8, #1\n"                                                                        \
        "strd r0, r4, [r10, #8]\n" words                                                          \
        "3:\n" tiles                                                                              \
        "4:\n" TA_EIGHT_MVE(sums, requantize, join)                                               \
        "vstrb.16 q0, [r8, q2]\n"                                                                 \
        "add r8, r9\n"                                                                            \
        "le lr, 4b\n"                                                                             \
        "5:\n"                                                                                    \
        "ldrd r0, r2, [r10, #40]\n"                                                               \
        "cmp r0, #0\n"                                                                            \
        "beq 6f\n"                                                                                \
        "vmsr p0, r0\n" TA_FOUR_MVE(sums, requantize, part)                                       \
        "vpst\n"                                                                                  \
        "vstrbt.32 q2, [r8, q0]\n"                                                                \
        "b 7f\n"                                                                                  \
        "6:\n"                                                                                    \
        "cmp r2, #0\n"                                                                            \
        "beq 7f\n"                                                                                \
        "vmsr p0, r2\n" TA_EIGHT_MVE(sums, requantize, join)                                      \
        "vpst\n"                                                                                  \
        "vstrbt.16 q0, [r8, q2]\n"                                                                \
        "7:\n"                                                                                    \
        "ldrd r0, r2, [r10, #32]\n"                                                               \
        "vadd.i32 q3, q3, r0\n"                                                                   \
        "add r8, r2\n"                                                                            \
        "subs r11, #1\n"                                                                          \
        "bgt 3b\n" more                                                                           \
        "8:\n"                                                                                    \
        "ldr r0, [r10, #16]\n"                                                                    \
        "subs r0, #1\n"                                                                           \
        "str r0, [r10, #16]\n"                                                                    \
        "bne 2b\n"                                                                                \
        "vpop {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                           \
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n")
#define TA_RUN_FLOORS_MVE(filter, tiles, sums, more)                                              \
    TA_RUN_MVE(filter, tiles, sums, more, "vdup.32 q1, r5\n", TA_FLOOR_MVE, TA_JOIN_FLOOR_MVE,          \
               TA_PART_FLOOR_MVE)
#define TA_RUN_EXACT_MVE(filter, tiles, sums, more)                                               \
    TA_RUN_MVE(filter, tiles, sums, more, "", TA_EXACT_MVE, TA_JOIN_EXACT_MVE, TA_PART_EXACT_MVE)

#endif

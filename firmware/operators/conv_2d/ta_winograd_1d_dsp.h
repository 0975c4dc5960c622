/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's F(2, 3) along rows, in integers: two outputs side by side from four products of a row's
 * channel instead of six. Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
 * A tile is three rows of four columns d; with filters g its positions, in this order, are
 *   0: (d3 - d1) 2 g2                1: (d1 - d2) (g0 - g1 + g2)
 *   2: (d1 + d2) (g0 + g1 + g2)      3: (d0 - d2) 2 g0
 * over all rows and channels. Sums are not cleared from one position to the next. With Q(k) what they
 * are after position k, twice the convolution is Q(3) + Q(0) - 2 Q(1), and Q(2) one column on. That
 * is an int32, so whatever wraps on the way is right in the end.
 *
 * Four filters at a time meet a tile, in assembly. Registers: r0 the tile's values, then the first
 * pixel's outputs; r1 filters, then constants; r2-r5 sums, then the first pixel; r6-r9 filters, then
 * the second pixel; r10-r12 and lr values.
 */
#ifndef TA_WINOGRAD_1D_DSP_H
#define TA_WINOGRAD_1D_DSP_H

#include "ta_conv_2d.h"

enum { POSITIONS = 4, COLUMNS = 4, OUT_COLUMNS = 2 };
enum { CODE_OF_EIGHT = 84, EIGHT_BYTES = 16 };

/* Values of a position, in whole eights. */
static inline int32_t eights_of(const ta_conv_2d *op)
{
    return (3 * op->in_channels + 7) / 8;
}

/* Columns of the tile from input column `left` on that are not to be read, by bit: those beside the
 * input, and of an odd number of pixels, the fourth of the last one. */
static inline uint32_t outside_of(const ta_conv_2d *op, int32_t left, int32_t x_stop)
{
    const int32_t reach = x_stop - op->pad_left + 2;
    const int32_t inside = (reach < op->in_width ? reach : op->in_width) - left;
    const uint32_t before = left < 0 ? (1u << -left) - 1u : 0u;
    return before | (inside < COLUMNS ? 0xfu & (0xfu << inside) : 0u);
}

/* Where there is no padding, what is beside the input meets outputs that are dropped: it may be
 * any pixel. */
static inline const int8_t *beside_of(const ta_conv_2d *op, const int8_t *pixel)
{
    return op->zero_row != NULL ? op->zero_row : pixel;
}

static inline int32_t offset_of(const ta_requant *requant)
{
    return requant->floors ? ta_floor_offset(requant, TA_WINOGRAD_FLOOR_SHIFT)
                           : 2 * requant->zero_point + 1;
}

#define FILTER(sum)                                                                               \
    "ldmia.w r1!, {r6, r7, r8, r9}\n"                                                             \
    "smlad " sum ", r6, r10, " sum "\n"                                                           \
    "smlad " sum ", r7, r11, " sum "\n"                                                           \
    "smlad " sum ", r8, r12, " sum "\n"                                                           \
    "smlad " sum ", r9, lr, " sum "\n"

/* Eight values of the tile and of four filters, to the sums r2-r5: 21 instructions for 32 products. */
#define EIGHT                                                                                     \
    "ldmia.w r0!, {r10, r11, r12, lr}\n" FILTER("r2") FILTER("r3") FILTER("r4") FILTER("r5")

/* The second pixel comes first: it may lie in the first's place. */
#define STORE(pitch, a, b)                                                                        \
    "strb " b ", [r0, " pitch "]\n"                                                               \
    "strb " a ", [r0], #1\n"

/* One filter's outputs by floors: 9 instructions for two. lr: the offset. */
#define FLOORS(pitch, a, b)                                                                              \
    "ldmia.w r1!, {r10, r11}\n"                                                                   \
    "add " a ", r11, " a ", lsl #7\n"                                                             \
    "add " b ", r11, " b ", lsl #7\n"                                                             \
    "smmla " a ", " a ", r10, lr\n"                                                               \
    "smmla " b ", " b ", r10, lr\n"                                                               \
    "ssat " a ", #8, " a ", asr #11\n"                                                            \
    "ssat " b ", #8, " b ", asr #11\n" STORE(pitch, a, b)

/* As ta_dsp_requant.h has it. r11: mantissa, r12: right shift less 1. */
#define EXACT(y)                                                                                  \
    "add r10, lr, " y ", asr #31\n"                                                               \
    "smmlar " y ", " y ", r11, r10\n"                                                             \
    "asr " y ", " y ", r12\n"                                                                     \
    "ssat " y ", #8, " y ", asr #1\n"

/* The same exactly: 16. */
#define EXACTLY(offset, pitch, a, b)                                                              \
    "ldmia.w r1!, {r10, r11, r12}\n"                                                              \
    "ldr lr, " offset "\n"                                                                        \
    "add " a ", r10\n"                                                                            \
    "add " b ", r10\n"                                                                            \
    "lsl lr, lr, r12\n" EXACT(a) EXACT(b) "ldr r10, " pitch "\n" STORE("r10", a, b)

#endif

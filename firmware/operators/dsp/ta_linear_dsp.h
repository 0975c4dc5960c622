/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over widened pixels, for cores with the DSP extension. A pixel is what one output
 * pixel's filters meet: a window of a convolution, a batch of a fully connected layer.
 *
 * Filters. Two int8 filters w0 and w1 share halfwords 256 * w1[k] + w0[k]. A dual MAC of these
 * halfwords as they lie sums S = 256 * D1 + D0; unpacking their low bytes (one SXTB16) gives w0
 * and with it D0; 256 * D1 = S - D0. That is half the unpacking of two filters.
 *
 * Taps go in fours, at least two of them, in the order 0, 2, 1, 3 in which SXTB16 takes a word
 * apart. Filters are padded with zeros; what pixels have there does not matter. Up to three pixels
 * make a group: [2 * fours][n] words for a group of n, word [2 * i + h][p] holding taps 4i + h and
 * 4i + h + 2 of pixel p.
 *
 * Around the taps of a pair lie its constants, in the order in which they are read:
 *   [1] what S starts from, [2 * fours] taps, then
 *   floors (see ta_requant.h, by TA_LINEAR_FLOOR_SHIFT): slope 0, bias 0, slope 1, S starting
 *     from bias 1; 256 * acc + bias is an int32, slopes are in [1, 2^31);
 *   else: mantissa 0, 2 * bias 0, right shift 0 - 1 + 256 * (right shift 1 - 1), mantissa 1, S
 *     starting from 256 * bias 1; right shifts are from 1 to 22.
 * Accumulators are short of 2^23.
 */
#ifndef TA_LINEAR_DSP_H
#define TA_LINEAR_DSP_H

#include "ta_requant.h"

#define TA_LINEAR_DSP_GROUP 3
#define TA_LINEAR_FLOOR_SHIFT 11

/* Widens a group, and goes on in `state` to the next. Assembly: what it gets is in r0, the group, and
 * in r12, the state; all registers but sp may be lost. */
typedef void ta_linear_dsp_widener(void);

/* Of windows of up to three rows: where the next group lies; the assembly knows the offsets. */
typedef struct ta_next_windows {
    const int8_t *rows[3]; /* of the first window; of one row the other two are not read */
    int32_t step;          /* 12: from a window to the next */
    int32_t fours;         /* 16: of one row */
    ta_linear_dsp_widener *widen;
} ta_next_windows;

/* The assembly knows the offsets. */
typedef struct ta_linear_dsp {
    int8_t *out;           /* of the next pair */
    int8_t *end;           /* of the first pixel's outputs */
    int32_t channels;      /* at least 2 */
    int32_t offset;        /* see below */
    const int32_t *pixels; /* the group */
    int32_t turns;         /* of the loop over taps */
    int32_t skip;          /* bytes of code that its first leaves out */
    int32_t fours;         /* of taps of a filter */
    const int32_t *pairs;  /* (channels + 1) / 2 of them; where channels is odd, the last is that
                            * of the last two */
    int32_t kind;          /* 4 where requantization is exact, and that of the group's size */
    int32_t count;         /* pixels of the group; 0 at first */
    int32_t groups;        /* whole ones, side by side, that the next call makes: 1 at first */
    ta_linear_dsp_widener *widen; /* of each of them; NULL: it lies widened */
    void *state;
} ta_linear_dsp;

/* Fours of taps. */
static inline int32_t ta_linear_dsp_fours(int32_t taps)
{
    return taps > 4 ? (taps + 3) / 4 : 2;
}

/* What is added before the last shift: of floors; else 2 * zero point + 1, which is odd. */
static inline int32_t ta_linear_dsp_offset(const ta_requant *requant)
{
    return requant->floors ? ta_floor_offset(requant, TA_LINEAR_FLOOR_SHIFT)
                           : 2 * requant->zero_point + 1;
}

/* A layer over groups at `pixels`. */
ta_linear_dsp ta_linear_dsp_of(const ta_requant *requant, const int8_t *weights, int32_t taps,
                               int32_t channels, const int32_t *pixels);

/* Makes all channels of the `count` pixels of the group, or of each, out[count][channels], saturated:
 * the caller clamps them. */
void ta_linear_s8_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out);

/* The same where flash is no matter: 5 KB more for groups of three. */
void ta_linear_s8_unrolled_dsp(ta_linear_dsp *layer, int32_t count, int8_t *out);

/* Widens 4 * fours taps of `lanes` pixels, `step` bytes apart, into a group; returns where their
 * next taps go. */
int32_t *ta_linear_dsp_widen(int32_t *group, const int8_t *taps, int32_t step, int32_t fours,
                             int32_t lanes);

/* The same of three pixels, wherever they are. */
int32_t *ta_linear_dsp_widen_three(int32_t *group, const int8_t *first, const int8_t *second,
                                   const int8_t *third, int32_t fours);

/* The same of one pixel that is a group. */
int32_t *ta_linear_dsp_widen_pixel(int32_t *pixel, const int8_t *taps, int32_t fours);

/* Of three pixels at r1 to r3, to r0; r4-r9 are lost. 10 instructions. */
#define TA_WIDEN_FOUR_OF_3                                                                        \
    "ldr r7, [r1], #4\n"                                                                          \
    "ldr r8, [r2], #4\n"                                                                          \
    "ldr r9, [r3], #4\n"                                                                          \
    "sxtb16 r4, r7\n"                                                                             \
    "sxtb16 r5, r8\n"                                                                             \
    "sxtb16 r6, r9\n"                                                                             \
    "sxtb16 r7, r7, ror #8\n"                                                                     \
    "sxtb16 r8, r8, ror #8\n"                                                                     \
    "sxtb16 r9, r9, ror #8\n"                                                                     \
    "stmia r0!, {r4, r5, r6, r7, r8, r9}\n"

/* The same of one pixel in a group of `lanes`; returns where its own next taps go. */
int32_t *ta_linear_dsp_widen_one(int32_t *pixel, const int8_t *taps, int32_t fours, int32_t lanes);

#endif

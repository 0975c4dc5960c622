/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels of ta_conv_2d for depthwise convolution: groups of one channel (filter_channels is
 * 1), weights [kernel_h][kernel_w][out_channels]. Output channel oc reads input channel
 * oc / multiplier, the multiplier being out_channels / in_channels. Each needs scratch for
 * kernel_h * kernel_w pointers behind the row pointers.
 */
#ifndef TA_DEPTHWISE_CONV_2D_H
#define TA_DEPTHWISE_CONV_2D_H

#include "ta_conv_2d.h"

/* Any shape, any core; the reference for all others. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_c;

/* Multiplier 1, at least four channels, four at a time; bias and requant as in ta_linear_c.h. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_m1_c;

/* 3x3 windows, columns side by side (dilation_w is 1), stride_w 1 or 2, multiplier 1, at least
 * four channels, cores with the DSP extension. Weights are [out_channels][9] in the order (0, 0),
 * (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2) by row and column; bias is
 * [out_channels][2], biases and slopes of floors (see ta_requant.h) by
 * TA_DEPTHWISE_FLOOR_SHIFT. Needs a word and [columns][4][2] words of scratch instead, for the
 * input columns of `stretch` output pixels, rounded up to an even number. */
#define TA_DEPTHWISE_FLOOR_SHIFT 8
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_dsp;

/* The same, as ta_conv_2d_rows, but output rows in pairs: strides and dilations are 1, the output
 * lies whole in memory, without gaps, and nowhere where input is. */
void ta_depthwise_conv_2d_s8_3x3_dsp_pairs(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);

/* The same, in bands of up to fourteen output rows, or where both strides are 2 of up to six, which have
 * at least two columns. Needs [columns][4][8] words of scratch for the input columns of `stretch` output
 * pixels, row pointers included. */
void ta_depthwise_conv_2d_s8_3x3_dsp_bands(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);

/* The same, of images of three and four columns, or of five and six, and at least two rows, which are
 * padded to as many outputs. Needs 192 words of scratch, row pointers included. */
void ta_depthwise_conv_2d_s8_3x3_dsp_narrow_four(const ta_conv_2d *op, int32_t y_start,
                                                 int32_t y_stop);
void ta_depthwise_conv_2d_s8_3x3_dsp_narrow_six(const ta_conv_2d *op, int32_t y_start,
                                                int32_t y_stop);

/* Multiplier 1, at least four channels, cores with Helium, windows of at most 64 words of four
 * rows. Weights are [out_channels][words][4], word kx * ceil(kernel_h / 4) + ky / 4, byte ky % 4, with zeros where
 * there is no tap, and words in fours. Scratch holds the input columns of `stretch` output
 * pixels instead, 64 * ceil(kernel_h / 4) bytes each, and those of at least four pixels. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_mve;

/* Windows of at most 3x3, 5x5 and 7x7, columns side by side (dilation_w is 1), stride_w 1 or 2,
 * multiplier 1, cores with Helium. Weights are for 3x3 sixteen zeros, then [out_channels][4 columns]
 * [4 rows], zeros where there is no tap; for the others [out_channels] of [kernel_w][kernel_h] and a
 * zero. bias is [out_channels][3]; requant.words are not read. With floors, which the latter two
 * need:
 *   out = saturate((sum * factor + bias) * slope >> 47)
 * of bias (the zero points in it), slope, factor; else of bias, mantissa, right shift, at least 1,
 * negated. Need scratch instead as in ta_depthwise_mve.h, behind the last column for as many as the
 * last four outputs' windows and their filter's zeros reach. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_mve;
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_5x5_mve;
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_7x7_mve;

/* As the one of 3x3, but of one input channel, and any multiplier. A column in scratch is 4 bytes, and
 * behind the last there is room for fifteen more. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_c1_mve;

/* The same, as ta_conv_2d_rows, but output rows in strips of `stretch`, which is even where strides
 * and dilation_h are 1: the output lies whole in memory, without gaps, and nowhere where input is. */
void ta_depthwise_conv_2d_s8_3x3_mve_strips(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);
void ta_depthwise_conv_2d_s8_5x5_mve_strips(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);
void ta_depthwise_conv_2d_s8_7x7_mve_strips(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);
void ta_depthwise_conv_2d_s8_3x3_c1_mve_strips(const ta_conv_2d *op, int32_t y_start,
                                               int32_t y_stop);

/* 3x3 windows, columns side by side (dilation_w is 1), stride_w 1 or 2, multiplier 1, cores with
 * Thumb-2. Weights are as ta_linear_v7m.h has filters, with floors in the one and without in the
 * other; bias and requant.words are not read. Need scratch instead where there is padding beside the input: three rows of the columns of four outputs, or
 * five with a stride of 1. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_v7m;
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_exact_v7m;

/* The same on cores without Thumb-2, whether there are floors or not: weights are
 * [out_channels][9], bias and requant as in ta_linear_v6m.h. Needs scratch for 27 pointers, or 21
 * with a stride of 1. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_v6m;

/* 3x3 windows, columns side by side (dilation_w is 1), stride_w 1 or 2, multiplier 1, at most one
 * column of padding on each side, RV32IM. Weights are words: for each channel nine weights, a right
 * shift less 1 (of floors 0), two bytes of zeros, then the bias and slope of a floor as in
 * ta_linear_c.h, or without floors, twice the bias and the mantissa. bias and requant.words are not
 * read. Need no scratch of their own. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_rv32;
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_exact_rv32;

/* Any window without dilation, multiplier 1, at least four channels, cores with the DSP extension.
 * Weights are words: less the input's zero point, in both halves; then for fours of channels (the
 * last four may overlap the ones before) [4] biases, the input's zero point not folded in,
 * [kernel_h * kernel_w] of four int8 weights, four bytes of right shifts less 1, [4] mantissas (see
 * ta_dsp_requant.h). Needs no scratch of its own. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_m1_dsp;

/* The same of 3x3 windows, columns however far apart, channels in fours, and floors. Weights are words:
 * less the input's zero point, in both halves; then for fours of channels, of each two taps [2] words
 * of both taps' weights of two channels, one of the ninth tap, [4][2] biases, the input's zero point
 * not folded in, and slopes of floors (see ta_requant.h) by TA_DEPTHWISE_FLOOR_SHIFT. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_taps_dsp;

/* The same, faster, by weights of 256 times their value, int16: for each two channels, their [2] biases
 * as floors of ta_requant.h have them; a pair of int16 of each channel for rows 0 and 1 of column 0, the
 * same for columns 1 and 2, then for row 2 of columns 0 and 1, and of columns 1 and 2; [2] slopes of
 * floors by TA_DEPTHWISE_FLOOR_SHIFT, and the offset of these. */
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_3x3_wide_dsp;

/* Windows at most seven columns side by side (dilation_w is 1), stride_w 1 or 2, multiplier 1, at
 * least four channels, cores with the DSP extension; every window meets the input. Weights are the
 * input's zero point, then [out_channels][kernel_h][7], zeros behind
 * kernel_w, columns in the order 0, 2, 1, 3, 4, 6, 5. bias is [out_channels][2], biases, the input's
 * zero point not folded in, and slopes of floors (see ta_requant.h) by
 * TA_DEPTHWISE_PLANES_FLOOR_SHIFT. Needs scratch instead, of words: a pointer to each input row
 * under a strip; of four channels the pairs of columns, as many as an even number of outputs and
 * windows of seven take, and one more; 28 * kernel_h, or with a stride of 2 16 * kernel_h; 3 for each
 * output row. */
#define TA_DEPTHWISE_PLANES_WIDTH 7
#define TA_DEPTHWISE_PLANES_FLOOR_SHIFT 9
ta_conv_2d_kernel ta_depthwise_conv_2d_s8_planes_dsp;

/* The same, as ta_conv_2d_rows, but output rows in strips: of `stretch`: dilation_h is 1, the output
 * lies whole in memory, without gaps, and nowhere where input is. */
void ta_depthwise_conv_2d_s8_planes_dsp_strips(const ta_conv_2d *op, int32_t y_start,
                                               int32_t y_stop);

/* The same, of images of three to five columns, padded by three on the left to as many outputs, with a
 * stride_w of 1. */
void ta_depthwise_conv_2d_s8_planes_narrow_dsp_strips(const ta_conv_2d *op, int32_t y_start,
                                                      int32_t y_stop);

/* The same, of windows at most five columns wide, with a stride_w of 1. */
void ta_depthwise_conv_2d_s8_planes_five_dsp_strips(const ta_conv_2d *op, int32_t y_start,
                                                    int32_t y_stop);

/* Points taps[ky * kernel_w + kx] at the input pixel under that tap at output column x; a
 * column beside the input is one of zero points. */
static inline void ta_depthwise_taps(const ta_conv_2d *op, const int8_t *const *rows, int32_t x,
                                     const int8_t **taps)
{
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        int32_t column = x * op->stride_w - op->pad_left;
        for (int32_t kx = 0; kx < op->kernel_w; ++kx, column += op->dilation_w) {
            *taps++ = (column >= 0 && column < op->in_width)
                          ? rows[ky] + column * op->in_channels
                          : op->zero_row;
        }
    }
}

#endif

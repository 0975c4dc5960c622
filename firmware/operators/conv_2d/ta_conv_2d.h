/* SPDX-License-Identifier: Apache-2.0
 *
 * Two-dimensional convolution, int8, per-channel scales, in groups where filters have fewer
 * channels than the input.
 */
#ifndef TA_CONV_2D_H
#define TA_CONV_2D_H

#include "ta_requant.h"
#include "ta_rows.h"

typedef struct ta_conv_2d ta_conv_2d;

/* Makes pixels [x_start, x_stop) of one output row.
 * rows[ky]: the input row under tap ky, from its column 0; a row of zero points above and
 * below the input. out: column 0 of the output row. Neither overlaps the other. */
typedef void ta_conv_2d_kernel(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                               int32_t x_start, int32_t x_stop);

struct ta_conv_2d {
    ta_conv_2d_kernel *kernel;
    ta_source in;
    ta_sink out;
    void *scratch;          /* kernel_h row pointers, then the kernel's own */
    const int8_t *zero_row; /* zero points of the input: a row of them where there is padding
                             * above or below, a pixel where only beside, one where the kernel
                             * takes no more, else NULL */
    const int8_t *weights;  /* [out_channels][kernel_h][kernel_w][filter_channels] */
    const int32_t *bias;    /* [out_channels], the input's zero point folded in */
    ta_requant requant;
    int16_t in_width; /* of all rows together, where they count as one: windows are 1x1, strides 1,
                       * and rows lie one behind the other in input and output */
    int16_t in_channels;
    int16_t filter_channels; /* divides in_channels: that many groups, filters in their order */
    int16_t out_width;
    int16_t out_channels;
    int16_t stretch; /* output pixels that kernels with scratch for several take at a time; or output
                      * channels */
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t stride_h;
    uint8_t stride_w;
    uint8_t dilation_h;
    uint8_t dilation_w;
    uint8_t pad_top;
    uint8_t pad_left;
};

/* Fills rows with the kernel_h input rows under output row y. */
void ta_conv_2d_window(const ta_conv_2d *op, int32_t y, const int8_t **rows);

/* Makes output rows [y_start, y_stop). */
void ta_conv_2d_rows(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);

/* The same where each row is cut into blocks of columns: out has a row for each block, out_width
 * is a block's, and blocks y_start to y_stop are made. */
void ta_conv_2d_blocks(const ta_conv_2d *op, int32_t blocks, int32_t y_start, int32_t y_stop);

/* The same where the input lies in a ring of blocks, so that it may end amid a row: in.pitch and
 * in.ring are of blocks, which lie one behind the other. joint: scratch for one row of the columns
 * under a block's windows; no block has more than one row that the ring breaks. */
void ta_conv_2d_ring(const ta_conv_2d *op, int32_t blocks, int8_t *joint, int32_t y_start,
                     int32_t y_stop);

/* Any shape, any core; the reference for all others. */
ta_conv_2d_kernel ta_conv_2d_s8_c;

/* 1x1 windows (which have no padding), any stride, one group; bias and requant as in
 * ta_linear_c.h. */
ta_conv_2d_kernel ta_conv_2d_s8_1x1_c;

/* One group, `stretch` pixels at a time; weights are [out_channels][kernel_w][kernel_h]
 * [in_channels], bias and requant as in ta_linear_c.h. */
ta_conv_2d_kernel ta_conv_2d_s8_columns_c;

/* RV32IM: 1x1 windows, and any windows `stretch` pixels at a time, whose taps are in the order
 * [kernel_w][kernel_h][in_channels]; one group. Filters, bias and requant are as in
 * ta_linear_rv32.h. */
ta_conv_2d_kernel ta_conv_2d_s8_1x1_rv32;
ta_conv_2d_kernel ta_conv_2d_s8_columns_rv32;

/* RV32IM, any windows, one group: filters and requantization as in ta_linear_rv32.h for pixels two
 * to a word; bias and requant.words are not read. Needs scratch for three words of each tap, of an
 * even number, kernel_h pointers, and where there is padding beside the input, kernel_h rows of the
 * columns under six pixels. */
ta_conv_2d_kernel ta_conv_2d_s8_pairs_rv32;

/* One group, cores with Thumb-2; filters, bias and requant as in ta_linear_v7m.h. Needs scratch for
 * five windows, widened to words, kernel_h pointers, and where there is padding beside the input,
 * kernel_h rows of the columns under as many pixels. */
ta_conv_2d_kernel ta_conv_2d_s8_v7m;

/* One group, cores without Thumb-2, by tiles of `stretch` pixels, five or four; filters, bias and
 * requant as in ta_linear_v6m.h. Needs scratch for its state, of so many bytes, and a tile's taps,
 * widened to words; by four, where there are more than 32 and out_channels, for 32 of each pixel and
 * four words to each output channel. */
#define TA_CONV_2D_V6M_STATE 184
ta_conv_2d_kernel ta_conv_2d_s8_v6m;

/* One group, cores without Thumb-2, one pixel at a time; filters, bias and requant as in
 * ta_pieces_v6m.h. Needs scratch for kernel_h * kernel_w pointers only. */
ta_conv_2d_kernel ta_conv_2d_s8_pieces_v6m;

/* One group, cores with the DSP extension, `stretch` pixels at a time; filters, bias, requant
 * and their bounds as in ta_linear_dsp.h. */
ta_conv_2d_kernel ta_conv_2d_s8_dsp;

/* The same, with more code for groups of three. */
ta_conv_2d_kernel ta_conv_2d_s8_unrolled_dsp;

/* The same of 1x1 windows, input channels in fours. */
ta_conv_2d_kernel ta_conv_2d_s8_1x1_dsp;

/* The same where windows have four bytes of each row side by side, and input rows as many at least. */
ta_conv_2d_kernel ta_conv_2d_s8_joined_dsp;

/* That as ta_conv_2d_rows, but groups go on from row to row: the output lies whole in memory, without
 * gaps, and nowhere where input is. */
void ta_conv_2d_s8_joined_dsp_rows(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);

/* The same, two pixels at a time; filters, bias, requant and their bounds as in ta_wide_dsp.h. */
ta_conv_2d_kernel ta_conv_2d_s8_wide_dsp;

/* As ta_conv_2d_s8_dsp, input channels in fours, one pixel at a time, with scratch for kernel_h * kernel_w
 * pointers only. */
ta_conv_2d_kernel ta_conv_2d_s8_pieces_dsp;

/* As ta_conv_2d_s8_dsp, input and output channels in fours, one pixel at a time, filters as in
 * ta_quads_dsp.h. */
ta_conv_2d_kernel ta_conv_2d_s8_quads_dsp;

/* The same, filters, bias, requant and their bounds as in ta_quads_wide_dsp.h. */
ta_conv_2d_kernel ta_conv_2d_s8_quads_wide_dsp;

/* The same of at least eight taps, with scratch for kernel_h * kernel_w pointers only. */
ta_conv_2d_kernel ta_conv_2d_s8_quads_wide_pieces_dsp;

/* As ta_conv_2d_s8_quads_dsp, of at least eight taps, with scratch for kernel_h * kernel_w pointers
 * only. */
ta_conv_2d_kernel ta_conv_2d_s8_quads_pieces_dsp;

/* The same of any number of input channels, with scratch for the window's bytes in whole words; taps
 * lie in their own order. */
ta_conv_2d_kernel ta_conv_2d_s8_quads_line_dsp;

/* As ta_conv_2d_s8_dsp where windows are three columns wide, strides and dilations of columns are
 * 1, channels are a multiple of four, and taps go row by row, of each four channels by column. */
ta_conv_2d_kernel ta_conv_2d_s8_w3_dsp;

/* 3x3 windows, strides and dilations of 1, one group, at least four input channels, two output
 * channels and four pixels, sums short of 2^29, cores with the DSP extension. Weights are for each
 * pair of filters (the last two where channels are odd) [16 positions][fours of channels]
 * [2 filters][4] int16, transformed as ta_winograd_dsp.h says, channels of a four in the order
 * 0, 2, 1, 3; then for each of the two filters, with floors (see ta_requant.h, by
 * TA_WINOGRAD_FLOOR_SHIFT): slope, 256 * bias; else 2 * bias, mantissa, right shift less 1. Needs
 * scratch for a pointer, for 4 words to each position and four channels, for an address to each
 * position's sixteen fours or less, and for one more. Of a row on its own, half the work is for
 * nothing. */
#define TA_WINOGRAD_FLOOR_SHIFT 11
ta_conv_2d_kernel ta_conv_2d_s8_winograd_dsp;

/* The same, as ta_conv_2d_rows, but output rows in pairs: the output lies whole in memory, without
 * gaps, and nowhere where input is. */
void ta_conv_2d_s8_winograd_dsp_pairs(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);

/* As ta_conv_2d_s8_winograd_dsp, input channels in fours, but `stretch` output channels, an even
 * number, at a time: their filters are transformed in scratch. Weights are for each pair of filters
 * [fours of channels][2 filters][9 taps][4 channels] int8, then the same for each filter. Needs
 * scratch for as many transformed pairs, with what is behind each, more. All rows of a call have
 * filters transformed once. */
ta_conv_2d_kernel ta_conv_2d_s8_winograd_ram_dsp;

/* The same, as ta_conv_2d_s8_winograd_dsp_pairs. */
void ta_conv_2d_s8_winograd_ram_dsp_pairs(const ta_conv_2d *op, int32_t y_start, int32_t y_stop);

/* 3x3 windows, strides and dilations of 1, at most two columns of padding before and behind, one
 * group, up to 64 input channels in fours, output channels in fours, cores with the DSP extension.
 * Weights are for each four filters [4 positions][eights][4 filters][8] int16, transformed as
 * ta_winograd_1d_dsp.h says, of taps [3 rows][in_channels], channels of a four in the order 0, 2, 1,
 * 3, zeros in what is left of the last eight; then for each of the four what ta_conv_2d_s8_winograd_dsp
 * has for each of two. With floors 256 times an accumulator is an int32, else those are short of
 * 2^30. Needs scratch for all eights of the positions, and five words. */
ta_conv_2d_kernel ta_conv_2d_s8_winograd_1d_dsp;

/* The same of any number of input channels, with scratch for the eights of one position, and two words
 * to each output channel. */
ta_conv_2d_kernel ta_conv_2d_s8_winograd_1d_sums_dsp;

/* One group, cores with Helium, `stretch` pixels at a time; weights are [out_channels]
 * [kernel_w][kernel_h][in_channels]. */
ta_conv_2d_kernel ta_conv_2d_s8_mve;

/* 1x1 windows, one group, cores with Helium. */
ta_conv_2d_kernel ta_conv_2d_s8_1x1_mve;

#endif

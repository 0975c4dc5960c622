/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's F(2x2, 3x3) in integers: 2 x 2 outputs of a tile from 16 products a channel instead
 * of 36. Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, with
 *   B^T = 1  0 -1  0    2G = 2  0  0    A^T = 1  1  1  0
 *         0  1  1  0         1  1  1          0  1 -1 -1
 *         0 -1  1  0         1 -1  1
 *         0  1  0 -1         0  0  2
 * An int8 tile takes 11 bits as B^T d B, filters take 12 as (2G) g (2G)^T, so dual MACs sum
 * products of channels; outputs are four times the sums of the convolution. These are short of
 * 2^29, so whatever wraps on the way is right in the end.
 *
 * Positions of a tile go row by row, 0 to 15; filters are negative where just one of row and column
 * is 2 or 3.
 */
#ifndef TA_WINOGRAD_DSP_H
#define TA_WINOGRAD_DSP_H

#include "ta_conv_2d.h"

#define TA_WINOGRAD_POSITIONS 16
#define TA_WINOGRAD_FOUR 4 /* channels, of which a word holds every other */

/* Transformed filters, and where tiles are to meet them. */
typedef struct ta_winograd {
    const int32_t *pairs; /* from that of output channel `first` on, as TA_WINOGRAD_FLOOR_SHIFT has
                           * them in ta_conv_2d.h; the last of an odd number lies in a pair with the
                           * channel before, if that is not below 0 */
    int32_t first;        /* output channels [first, stop) */
    int32_t stop;
    int32_t *tiles;       /* scratch for two transformed tiles: 4 words to each position and four
                           * channels, an address to each position's sixteen fours or less, and one
                           * more */
} ta_winograd;

/* Of input channels, the last of which may overlap those before. */
static inline int32_t ta_winograd_fours(const ta_conv_2d *op)
{
    return (op->in_channels + TA_WINOGRAD_FOUR - 1) / TA_WINOGRAD_FOUR;
}

/* Makes pixels [x_start, x_stop), at least four, of two rows from four; of one where pitch, from
 * one row to the other, is 0. Outputs are not clamped yet. */
void ta_winograd_row(const ta_conv_2d *op, const ta_winograd *w, const int8_t *const *in,
                     int8_t *out, int32_t pitch, int32_t x_start, int32_t x_stop);

/* Makes all pixels of rows [y_start, y_stop), in pairs, and clamps them if these are the last
 * channels. The output lies whole, without
 * gaps, and nowhere where input is; scratch starts with four row pointers. */
void ta_winograd_rows(const ta_conv_2d *op, const ta_winograd *w, int32_t y_start, int32_t y_stop);

#endif

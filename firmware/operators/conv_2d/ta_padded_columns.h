/* SPDX-License-Identifier: Apache-2.0
 *
 * Input columns under a few output pixels, with what lies beside the input.
 */
#ifndef TA_PADDED_COLUMNS_H
#define TA_PADDED_COLUMNS_H

#include <string.h>

#include "ta_conv_2d.h"

/* Copies the zero points of `columns` columns; returns where the next goes. */
static inline int8_t *ta_copy_zeros(const ta_conv_2d *op, int32_t columns, int8_t *to)
{
    for (int32_t k = 0; k < columns; ++k, to += op->in_channels) {
        memcpy(to, op->zero_row, (size_t)op->in_channels);
    }
    return to;
}

/* Points columns[ky] at column `left` of rows[ky], of which `count` are to be read. Where some lie
 * beside the input, those are copies, [kernel_h][count][in_channels]; one at least lies inside. */
static inline void ta_padded_columns(const ta_conv_2d *op, const int8_t *const *rows,
                                     int32_t left, int32_t count, int8_t *copies,
                                     const int8_t **columns)
{
    const int32_t channels = op->in_channels;
    const int32_t first = left > 0 ? left : 0;
    const int32_t stop = left + count < op->in_width ? left + count : op->in_width;
    const int32_t bytes = (stop - first) * channels;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        if (stop - first == count) {
            columns[ky] = rows[ky] + left * channels;
            continue;
        }
        columns[ky] = copies;
        copies = ta_copy_zeros(op, first - left, copies);
        memcpy(copies, rows[ky] + first * channels, (size_t)bytes);
        copies = ta_copy_zeros(op, left + count - stop, copies + bytes);
    }
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Input columns under a few output pixels, with what lies beside the input.
 */
#ifndef TA_PADDED_COLUMNS_H
#define TA_PADDED_COLUMNS_H

#include <string.h>

#include "ta_conv_2d.h"

/* Points columns[ky] at column `left` of rows[ky], of which `count` are to be read. Where some lie
 * beside the input, those are copies, [kernel_h][count][in_channels]; one at least lies inside.
 * Where there is no padding only outputs that are missing read beyond the input, and may read any. */
static inline void ta_padded_columns(const ta_conv_2d *op, const int8_t *const *rows,
                                     int32_t left, int32_t count, int8_t *copies,
                                     const int8_t **columns)
{
    const int32_t channels = op->in_channels;
    const int32_t first = left > 0 ? left : 0;
    const int32_t stop = left + count < op->in_width ? left + count : op->in_width;
    const int32_t before = (first - left) * channels;
    const int32_t inside = (stop - first) * channels;
    const int32_t after = (left + count - stop) * channels;
    const int zero = op->zero_row != NULL ? op->zero_row[0] : 0;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky) {
        if (stop - first == count) {
            columns[ky] = rows[ky] + left * channels;
            continue;
        }
        columns[ky] = copies;
        memset(copies, zero, (size_t)before);
        memcpy(copies + before, rows[ky] + first * channels, (size_t)inside);
        memset(copies + before + inside, zero, (size_t)after);
        copies += before + inside + after;
    }
}

#endif

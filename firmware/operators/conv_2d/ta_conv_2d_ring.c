/* SPDX-License-Identifier: Apache-2.0 */
/* Called a block at a time: built for size. */
#pragma GCC optimize("Os")

#include <string.h>

#include "ta_conv_2d.h"

/* Bytes [at, at + count) of the input, in one piece: where they lie, or joined. */
static const int8_t *joined_bytes(const ta_source *in, int32_t at, int32_t count, int8_t *joint)
{
    const int32_t size = in->pitch * in->ring;
    const int8_t *from = in->data + at % size;
    const int32_t left = size - at % size;
    if (count <= left) {
        return from;
    }
    memcpy(joint, from, (size_t)left);
    memcpy(joint + left, in->data, (size_t)(count - left));
    return joint;
}

/* Makes pixels [x, x + out_width) of row y; out: column 0 of the row. */
static void make_block(const ta_conv_2d *op, int8_t *joint, int32_t y, int32_t x, int8_t *out)
{
    const int8_t **rows = op->scratch;
    const int32_t pixel = op->in_channels;
    const int32_t left = x * op->stride_w - op->pad_left;
    const int32_t right = left + (op->out_width - 1) * op->stride_w +
                          (op->kernel_w - 1) * op->dilation_w + 1;
    const int32_t first = left > 0 ? left : 0;
    const int32_t stop = right < op->in_width ? right : op->in_width;
    int32_t row = y * op->stride_h - op->pad_top;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky, row += op->dilation_h) {
        rows[ky] = op->zero_row;
        if (row >= 0 && row < op->in.height) {
            const int32_t at = (row * op->in_width + first) * pixel;
            rows[ky] = joined_bytes(&op->in, at, (stop - first) * pixel, joint) - first * pixel;
        }
    }
    op->kernel(op, rows, out, x, x + op->out_width);
}

void ta_conv_2d_ring(const ta_conv_2d *op, int32_t blocks, int8_t *joint, int32_t y_start,
                     int32_t y_stop)
{
    for (int32_t k = y_start; k < y_stop; ++k) {
        const int32_t x = k % blocks * op->out_width;
        make_block(op, joint, k / blocks, x, ta_sink_row(&op->out, k) - x * op->out_channels);
    }
}

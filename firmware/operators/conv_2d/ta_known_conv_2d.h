/* SPDX-License-Identifier: Apache-2.0
 *
 * The drivers of ta_conv_2d again, for one row or block a call, as row programs make them: inlined
 * where the compiler knows all of op, so that shapes and addresses become constants and the kernel
 * is called as itself. That takes more code, for every layer anew. is_wide: whether the kernel is
 * ta_conv_2d_s8_wide_dsp, which compilers do not find out by its address.
 */
#ifndef TA_KNOWN_CONV_2D_H
#define TA_KNOWN_CONV_2D_H

#include <stdbool.h>
#include <string.h>

#include "ta_conv_2d.h"

#ifdef __ARM_FEATURE_DSP
#include "ta_known_wide_dsp.h"
#endif

#define TA_INLINED __attribute__((always_inline)) static inline

/* Bytes before row y, of a ring or a whole tensor; that is no division. */
TA_INLINED int32_t ta_known_offset(uint32_t y, int32_t ring, int32_t height, int32_t pitch)
{
    return (int32_t)(ring < height ? y % (uint32_t)ring : y) * pitch;
}

/* Calls the kernel for pixels [x, x + out_width), which are row y of the output. */
TA_INLINED void ta_known_call(const ta_conv_2d *op, bool is_wide, uint32_t y, int32_t x)
{
    const ta_sink *out = &op->out;
    int8_t *const row = out->data + ta_known_offset(y, out->ring, out->height, out->pitch);
    (void)is_wide;
#ifdef __ARM_FEATURE_DSP
    if (is_wide && ta_known_wide(op) && ta_known_wide_inside(op, x)) {
        ta_known_wide_groups(op, op->scratch, row, x);
        return;
    }
#endif
    op->kernel(op, op->scratch, row - x * op->out_channels, x, x + op->out_width);
}

/* As ta_conv_2d_window. */
TA_INLINED void ta_known_window(const ta_conv_2d *op, uint32_t y)
{
    const ta_source *in = &op->in;
    const int8_t **const rows = op->scratch;
    int32_t row = (int32_t)y * op->stride_h - op->pad_top;
#pragma GCC unroll 3
    for (int32_t ky = 0; ky < op->kernel_h; ++ky, row += op->dilation_h) {
        rows[ky] = op->zero_row;
        if ((uint32_t)row < (uint32_t)in->height) {
            rows[ky] = in->data + ta_known_offset((uint32_t)row, in->ring, in->height, in->pitch);
        }
    }
}

/* Makes output row y, which is no part of rows that count as one. */
TA_INLINED void ta_conv_2d_known_rows(const ta_conv_2d *op, bool is_wide, int32_t y)
{
    ta_known_window(op, (uint32_t)y);
    ta_known_call(op, is_wide, (uint32_t)y, 0);
}

/* Makes block y of the output; see ta_conv_2d_blocks. */
TA_INLINED void ta_conv_2d_known_blocks(const ta_conv_2d *op, bool is_wide, uint32_t blocks,
                                        int32_t y)
{
    ta_known_window(op, (uint32_t)y / blocks);
    ta_known_call(op, is_wide, (uint32_t)y, (int32_t)((uint32_t)y % blocks) * op->out_width);
}

/* Joins `count` bytes of a ring, of which `left` are before its end and the others at its start. */
__attribute__((noinline, unused)) static const int8_t *ta_known_joint(int8_t *joint,
                                                                      const int8_t *from,
                                                                      int32_t left,
                                                                      const int8_t *start,
                                                                      int32_t count)
{
    memcpy(joint, from, (size_t)left);
    memcpy(joint + left, start, (size_t)(count - left));
    return joint;
}

/* Makes block y of the output; see ta_conv_2d_ring. */
TA_INLINED void ta_conv_2d_known_ring(const ta_conv_2d *op, bool is_wide, uint32_t blocks,
                                      int8_t *joint, int32_t y)
{
    const ta_source *in = &op->in;
    const int8_t **const rows = op->scratch;
    const int32_t size = in->pitch * in->ring;
    const int32_t pitch = op->in_width * op->in_channels;
    /* Whole turns of the ring, by which rows above the input have a place too. */
    const int32_t above = (op->pad_top * pitch + size - 1) / size * size;
    const int32_t x = (int32_t)((uint32_t)y % blocks) * op->out_width;
    const int32_t left = x * op->stride_w - op->pad_left;
    const int32_t right =
        left + (op->out_width - 1) * op->stride_w + (op->kernel_w - 1) * op->dilation_w + 1;
    const int32_t first = (left > 0 ? left : 0) * op->in_channels;
    const int32_t count = (right < op->in_width ? right * op->in_channels : pitch) - first;
    int32_t row = (int32_t)((uint32_t)y / blocks) * op->stride_h - op->pad_top;
    int32_t at = (int32_t)((uint32_t)(row * pitch + first + above) % (uint32_t)size);
#pragma GCC unroll 3
    for (int32_t ky = 0; ky < op->kernel_h; ++ky, row += op->dilation_h) {
        rows[ky] = op->zero_row;
        if ((uint32_t)row < (uint32_t)in->height) {
            const int8_t *from = in->data + at;
            if (size - at < count) {
                from = ta_known_joint(joint, from, size - at, in->data, count);
            }
            rows[ky] = from - first;
        }
        at += op->dilation_h * pitch % size;
        at -= at < size ? 0 : size;
    }
    ta_known_call(op, is_wide, (uint32_t)y, x);
}

#endif

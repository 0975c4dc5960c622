/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole groups of ta_conv_2d_s8_wide_dsp, inlined where the compiler knows all of op; see
 * ta_known_conv_2d.h.
 */
#ifndef TA_KNOWN_WIDE_DSP_H
#define TA_KNOWN_WIDE_DSP_H

#include "ta_conv_2d.h"
#include "ta_wide_dsp.h"

/* What widens windows of one row of whole words, of three rows of nine taps, and of three of three;
 * each goes on by a ta_next_windows. */
extern ta_linear_dsp_widener *const ta_wide_dsp_wideners[];

/* Which of them does for groups of op; -1: none. */
static inline int32_t ta_wide_dsp_widener(const ta_conv_2d *op)
{
    const int32_t row_taps = op->kernel_w * op->in_channels;
    if (op->kernel_h == 1) {
        return row_taps % 4 == 0 ? 0 : -1;
    }
    return op->kernel_h != 3 ? -1 : row_taps == 9 ? 1 : row_taps == 3 ? 2 : -1;
}

/* Whether all calls, of that kernel, are for whole groups that are inlined, unless one has taps beside
 * the input. */
static inline bool ta_known_wide(const ta_conv_2d *op)
{
    return op->out_width % 2 == 0 && op->stretch == 2 && op->dilation_w == 1 &&
           ta_wide_dsp_widener(op) >= 0 && op->requant.lowest == INT8_MIN &&
           op->requant.highest == INT8_MAX;
}

/* Whether none lies beside, for those from output column x on. */
static inline bool ta_known_wide_inside(const ta_conv_2d *op, int32_t x)
{
    const int32_t left = x * op->stride_w - op->pad_left;
    return left >= 0 && left <= op->in_width - op->kernel_w - (op->out_width - 1) * op->stride_w;
}

/* Makes them; out: of the first pixel. */
__attribute__((always_inline)) static inline void ta_known_wide_groups(const ta_conv_2d *op,
                                                                       const int8_t *const *rows,
                                                                       int8_t *out, int32_t x)
{
    const int32_t offset = (x * op->stride_w - op->pad_left) * op->in_channels;
    ta_next_windows next;
    next.rows[0] = rows[0] + offset;
    if (op->kernel_h > 1) {
        next.rows[1] = rows[1] + offset;
        next.rows[2] = rows[2] + offset;
    }
    next.step = op->stride_w * op->in_channels;
    next.fours = op->kernel_w * op->in_channels / 4;
    ta_linear_dsp layer;
    layer.out = out;
    layer.end = out + (op->out_channels & -2);
    layer.channels = op->out_channels;
    layer.offset = ta_linear_dsp_offset(&op->requant);
    layer.pixels = (const int32_t *)op->scratch + op->kernel_h;
    layer.fours = ta_linear_dsp_fours(op->kernel_h * op->kernel_w * op->in_channels);
    layer.pairs = (const int32_t *)(const void *)op->weights;
    layer.kind = op->requant.floors ? 0 : 4;
    layer.groups = op->out_width / 2;
    layer.widen = ta_wide_dsp_wideners[ta_wide_dsp_widener(op)];
    layer.state = &next;
    ta_wide_dsp_enter_two(&layer);
    ta_wide_dsp_apply(&layer, layer.pixels + 4 * layer.fours);
}

#endif

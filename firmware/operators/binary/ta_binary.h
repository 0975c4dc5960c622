/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators of two int8 operands, element by element, with NumPy's broadcasting.
 */
#ifndef TA_BINARY_H
#define TA_BINARY_H

#include "ta_requant.h"
#include "ta_rows.h"

typedef struct ta_binary ta_binary;

/* Makes count elements of one output row from as many pairs; consecutive elements of a lie
 * a.channel_step apart, and those of b b.channel_step. out may be a or b. */
typedef void ta_binary_kernel(const ta_binary *op, const int8_t *a, const int8_t *b, int8_t *out,
                              int32_t count);

/* Output row y reads row y / repeat % rows.height. Where pixel_step or channel_step is 0, all
 * pixels or channels read the same element. */
typedef struct ta_operand {
    ta_source rows;
    int32_t repeat;
    int16_t pixel_step; /* elements from a pixel to the next */
    int8_t channel_step; /* 0 or 1 */
    int8_t zero_point;
    ta_multiplier multiplier; /* as the kernel says */
} ta_operand;

struct ta_binary {
    ta_binary_kernel *kernel;
    ta_operand a;
    ta_operand b;
    ta_sink out;
    ta_multiplier multiplier; /* as the kernel says */
    int32_t width;
    int32_t channels;
    int8_t zero_point;
    int8_t lowest; /* outputs are clamped to [lowest, highest] */
    int8_t highest;
    uint8_t contiguous; /* whether a row is one run for the kernel, not one for each pixel */
};

/* Makes output rows [y_start, y_stop). */
void ta_binary_rows(const ta_binary *op, int32_t y_start, int32_t y_stop);

/* x times a multiplier that does not shift left. */
static inline int32_t ta_scale_down(int32_t x, ta_multiplier multiplier)
{
    TA_ASSERT(multiplier.right_shift >= 0);
    return ta_rounding_shift_right(ta_doubling_high_multiply(x, multiplier.mantissa),
                                   multiplier.right_shift);
}

/* clamp(zp + multiplier * (a.multiplier * (a - a.zp) * 2^20 + b.multiplier * (b - b.zp) * 2^20)),
 * no multiplier 1 or more. */
ta_binary_kernel ta_add_s8_c;

/* As ta_add_s8_c, less b. */
ta_binary_kernel ta_sub_s8_c;

/* Either of them where this is the same for all pairs, in mantissas of any int32:
 * saturate((a.multiplier.mantissa * a + b.multiplier.mantissa * b + multiplier.mantissa)
 *          >> multiplier.right_shift). */
ta_binary_kernel ta_add_s8_affine_c;

/* As ta_add_s8_affine_c, on cores with Helium. */
ta_binary_kernel ta_add_s8_affine_mve;

/* As ta_add_s8_affine_c with a right shift of TA_ADD_AFFINE_SHIFT, on cores with the DSP
 * extension. */
#define TA_ADD_AFFINE_SHIFT 20
ta_binary_kernel ta_add_s8_affine_dsp;

/* clamp(zp + multiplier * (a - a.zp) * (b - b.zp)), the multiplier below 2^14. */
ta_binary_kernel ta_mul_s8_c;

/* The greater, or the lesser, of a and b as they are. */
ta_binary_kernel ta_maximum_s8_c;
ta_binary_kernel ta_minimum_s8_c;

/* clamp(zp + a.multiplier * (a - a.zp)) where a >= a.zp, else
 * clamp(zp + multiplier * (a - a.zp) * (b - b.zp)); both multipliers below 2^14. */
ta_binary_kernel ta_prelu_s8_c;

#endif

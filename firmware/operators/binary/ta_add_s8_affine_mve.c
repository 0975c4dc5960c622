/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_binary.h"
#include "ta_saturate.h"

/* 9 instructions for four elements. out may be a or b. */
static void add_runs(const int8_t *a, const int8_t *b, int8_t *out, int32_t a_weight,
                     int32_t b_weight, int32_t bias, int32_t left_shift, int32_t count)
{
    __asm__ volatile("dlstp.32 lr, %[count]\n"
                     "1:\n"
                     "vldrb.s32 q0, [%[a]], #4\n"
                     "vldrb.s32 q1, [%[b]], #4\n"
                     "vmul.i32 q0, q0, %[a_weight]\n"
                     "vmla.s32 q0, q1, %[b_weight]\n"
                     "vadd.i32 q0, q0, %[bias]\n"
                     "vshl.s32 q0, %[left_shift]\n"
                     "vqmovnb.s32 q0, q0\n"
                     "vqmovnb.s16 q0, q0\n"
                     "vstrb.32 q0, [%[out]], #4\n"
                     "letp lr, 1b\n"
                     : [a] "+r"(a), [b] "+r"(b), [out] "+r"(out)
                     : [count] "r"(count), [a_weight] "r"(a_weight), [b_weight] "r"(b_weight),
                       [bias] "r"(bias), [left_shift] "r"(left_shift)
                     : "lr", "q0", "q1", "cc", "memory");
}

void ta_add_s8_affine_mve(const ta_binary *op, const int8_t *a, const int8_t *b, int8_t *out,
                          int32_t count)
{
    const int32_t a_weight = op->a.multiplier.mantissa;
    const int32_t b_weight = op->b.multiplier.mantissa;
    const int32_t bias = op->multiplier.mantissa;
    const int32_t right_shift = op->multiplier.right_shift;
    const int32_t a_step = op->a.channel_step;
    const int32_t b_step = op->b.channel_step;
    if (a_step != 0 && b_step != 0) {
        add_runs(a, b, out, a_weight, b_weight, bias, -right_shift, count);
        return;
    }
    for (; count > 0; --count, a += a_step, b += b_step) {
        *out++ = ta_saturate_s8((bias + a_weight * *a + b_weight * *b) >> right_shift);
    }
}

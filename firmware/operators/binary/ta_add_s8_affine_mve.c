/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_binary.h"
#include "ta_saturate.h"

#define ELEMENTS 16

/* Four elements' sums, of which the upper halves come to be halves of lanes. */
#define FOUR(sums)                                                                                \
    "vldrb.s32 " sums ", [%[a]], #4\n"                                                            \
    "vldrb.s32 q4, [%[b]], #4\n"                                                                  \
    "vmlas.s32 " sums ", q5, %[bias]\n"                                                           \
    "vmla.s32 " sums ", q4, %[b_weight]\n"

/* Sixteen elements at a time, 25 instructions; half_shift: less the right shift, 16 taken off, which
 * halves of words then hold. out may be a or b. */
static void add_sixteens(const int8_t *a, const int8_t *b, int8_t *out, int32_t a_weight,
                         int32_t b_weight, int32_t bias, int32_t half_shift, int32_t count)
{
    /* Of bytes of the halves of lanes, those of the second sixteen bits behind those of the first. */
    static const uint8_t places[ELEMENTS] = { 0, 8,  4, 12, 1, 9,  5, 13,
                                              2, 10, 6, 14, 3, 11, 7, 15 };
    __asm__ volatile("vdup.32 q5, %[a_weight]\n"
                     "vldrb.8 q6, [%[places]]\n"
                     "dls lr, %[count]\n"
                     "1:\n" FOUR("q0") FOUR("q1") FOUR("q2") FOUR("q3")
                     "vsri.32 q1, q0, #16\n"
                     "vsri.32 q3, q2, #16\n"
                     "vshl.s16 q1, %[half_shift]\n"
                     "vshl.s16 q3, %[half_shift]\n"
                     "vqmovnb.s16 q1, q1\n"
                     "vqmovnt.s16 q1, q3\n"
                     "vstrb.8 q1, [%[out], q6]\n"
                     "add %[out], #16\n"
                     "le lr, 1b\n"
                     : [a] "+l"(a), [b] "+l"(b), [out] "+r"(out)
                     : [count] "r"(count), [a_weight] "r"(a_weight), [b_weight] "r"(b_weight),
                       [bias] "r"(bias), [half_shift] "r"(half_shift), [places] "r"(places)
                     : "lr", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "cc", "memory");
}

/* Any number: 9 instructions for four elements. out may be a or b. */
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
                     : [a] "+l"(a), [b] "+l"(b), [out] "+l"(out)
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
        const int32_t sixteens = right_shift < 16 ? 0 : count / ELEMENTS;
        const int32_t done = sixteens * ELEMENTS;
        if (sixteens > 0) {
            add_sixteens(a, b, out, a_weight, b_weight, bias, 16 - right_shift, sixteens);
        }
        if (done < count) {
            add_runs(a + done, b + done, out + done, a_weight, b_weight, bias, -right_shift,
                     count - done);
        }
        return;
    }
    for (; count > 0; --count, a += a_step, b += b_step) {
        *out++ = ta_saturate_s8((bias + a_weight * *a + b_weight * *b) >> right_shift);
    }
}

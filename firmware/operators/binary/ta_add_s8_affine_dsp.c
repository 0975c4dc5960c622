/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_binary.h"
#include "ta_saturate.h"

/* One element: 6 instructions. out may be a or b. */
#define ELEMENT                                                                                   \
    "ldrsb r6, [r0], #1\n"                                                                        \
    "ldrsb r7, [r1], #1\n"                                                                        \
    "mla r6, r6, r3, r5\n"                                                                        \
    "mla r6, r7, r4, r6\n"                                                                        \
    "ssat r6, #8, r6, asr #20\n"                                                                  \
    "strb r6, [r2], #1\n"

/* From a multiple of 4 elements, at least 4. */
__attribute__((naked, noinline)) static void add_fours(
    const int8_t *a __attribute__((unused)), const int8_t *b __attribute__((unused)),
    int8_t *out __attribute__((unused)), int32_t a_weight __attribute__((unused)),
    int32_t b_weight __attribute__((unused)), int32_t bias __attribute__((unused)),
    const int8_t *end __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7}\n"
                     "ldrd r4, r5, [sp, #16]\n"
                     "ldr r12, [sp, #24]\n"
                     "1:\n" ELEMENT ELEMENT ELEMENT ELEMENT "cmp r0, r12\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7}\n"
                     "bx lr\n");
}

void ta_add_s8_affine_dsp(const ta_binary *op, const int8_t *a, const int8_t *b, int8_t *out,
                          int32_t count)
{
    const int32_t a_weight = op->a.multiplier.mantissa;
    const int32_t b_weight = op->b.multiplier.mantissa;
    const int32_t bias = op->multiplier.mantissa;
    const int32_t a_step = op->a.channel_step;
    const int32_t b_step = op->b.channel_step;
    const int32_t fours = a_step != 0 && b_step != 0 ? count / 4 * 4 : 0;
    if (fours > 0) {
        add_fours(a, b, out, a_weight, b_weight, bias, a + fours);
    }
    a += a_step * fours;
    b += b_step * fours;
    for (int32_t k = fours; k < count; ++k, a += a_step, b += b_step) {
        out[k] = ta_saturate_s8((bias + a_weight * *a + b_weight * *b) >> TA_ADD_AFFINE_SHIFT);
    }
}

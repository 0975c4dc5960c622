/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_mve.h"
#include "ta_mve_requant.h"

/* Filters k = 0 to 3, of which there are `left`, over one pixel: 10 instructions for 64 MACs.
 * Filters that are missing are taken for the first. */
static inline int32x4_t sums(const int8_t *filter, int32_t left, const int8_t *pixel, int32_t taps)
{
    const int8_t *filter1 = filter + (left > 1 ? taps : 0);
    const int8_t *filter2 = filter + (left > 2 ? 2 * taps : 0);
    const int8_t *filter3 = filter + (left > 3 ? 3 * taps : 0);
    int32_t acc0 = 0;
    int32_t acc1 = 0;
    int32_t acc2 = 0;
    int32_t acc3 = 0;
    int32x4_t lanes;
    __asm__("dlstp.8 lr, %[taps]\n"
            "1:\n"
            "vldrb.8 q0, [%[pixel]], #16\n"
            "vldrb.8 q1, [%[filter0]], #16\n"
            "vmladava.s8 %[acc0], q0, q1\n"
            "vldrb.8 q2, [%[filter1]], #16\n"
            "vmladava.s8 %[acc1], q0, q2\n"
            "vldrb.8 q3, [%[filter2]], #16\n"
            "vmladava.s8 %[acc2], q0, q3\n"
            "vldrb.8 q1, [%[filter3]], #16\n"
            "vmladava.s8 %[acc3], q0, q1\n"
            "letp lr, 1b\n"
            : [acc0] "+Te"(acc0), [acc1] "+Te"(acc1), [acc2] "+Te"(acc2), [acc3] "+Te"(acc3),
              [filter0] "+r"(filter), [filter1] "+r"(filter1), [filter2] "+r"(filter2),
              [filter3] "+r"(filter3), [pixel] "+r"(pixel)
            : [taps] "r"(taps)
            : "lr", "q0", "q1", "q2", "q3", "cc", "memory");
    __asm__("vmov %q0[2], %q0[0], %1, %2\n"
            "vmov %q0[3], %q0[1], %3, %4\n"
            : "=&w"(lanes)
            : "r"(acc0), "r"(acc2), "r"(acc1), "r"(acc3));
    return lanes;
}

void ta_linear_s8_1_mve(const ta_linear *layer, const int8_t *pixel, int8_t *out)
{
    const int32_t taps = layer->taps;
    const uint32x4_t first = vidupq_n_u32(0, 1);
    const int8_t *filter = layer->filters;
    for (int32_t c = 0; c < layer->channels; c += 4, filter += 4 * taps) {
        const int32_t left = layer->channels - c;
        const mve_pred16_t those = vctp32q((uint32_t)left);
        /* Lanes beyond the last channel repeat the first, and are not stored. */
        const uint32x4_t lanes = vaddq_n_u32(vpselq_u32(first, vdupq_n_u32(0), those), (uint32_t)c);
        const ta_mve_channels constants = ta_mve_channels_of(layer->requant, lanes);
        int32x4_t acc = sums(filter, left, pixel, taps);
        acc = vaddq_s32(acc, vldrwq_z_s32(layer->bias + c, those));
        acc = ta_mve_requantize_s8(&constants, acc, layer->requant->zero_point);
        vstrbq_p_s32(out + c, acc, those);
    }
    ta_clamp_s8_mve(layer->requant, out, layer->channels);
}

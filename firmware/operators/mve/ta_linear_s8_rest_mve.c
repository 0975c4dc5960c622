/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_mve.h"
#include "ta_mve_requant.h"

/* Sums of `taps` products of one with others, of which there are `left`, `pitch` apart: 10
 * instructions for 64 MACs. Those that are missing are taken for the first. */
static int32x4_t sums(const int8_t *one, const int8_t *other0, int32_t pitch, int32_t left,
                      int32_t taps)
{
    const int8_t *other1 = other0 + (left > 1 ? pitch : 0);
    const int8_t *other2 = other0 + (left > 2 ? 2 * pitch : 0);
    const int8_t *other3 = other0 + (left > 3 ? 3 * pitch : 0);
    int32_t acc0 = 0;
    int32_t acc1 = 0;
    int32_t acc2 = 0;
    int32_t acc3 = 0;
    int32x4_t lanes;
    __asm__("dlstp.8 lr, %[taps]\n"
            "1:\n"
            "vldrb.8 q0, [%[one]], #16\n"
            "vldrb.8 q1, [%[other0]], #16\n"
            "vmladava.s8 %[acc0], q0, q1\n"
            "vldrb.8 q2, [%[other1]], #16\n"
            "vmladava.s8 %[acc1], q0, q2\n"
            "vldrb.8 q3, [%[other2]], #16\n"
            "vmladava.s8 %[acc2], q0, q3\n"
            "vldrb.8 q1, [%[other3]], #16\n"
            "vmladava.s8 %[acc3], q0, q1\n"
            "letp lr, 1b\n"
            : [acc0] "+Te"(acc0), [acc1] "+Te"(acc1), [acc2] "+Te"(acc2), [acc3] "+Te"(acc3),
              [other0] "+r"(other0), [other1] "+r"(other1), [other2] "+r"(other2),
              [other3] "+r"(other3), [one] "+r"(one)
            : [taps] "r"(taps)
            : "lr", "q0", "q1", "q2", "q3", "cc", "memory");
    __asm__("vmov %q0[2], %q0[0], %1, %2\n"
            "vmov %q0[3], %q0[1], %3, %4\n"
            : "=&w"(lanes)
            : "r"(acc0), "r"(acc2), "r"(acc1), "r"(acc3));
    return lanes;
}

void ta_linear_s8_rest_mve(const ta_linear *layer, const int8_t *pixels, int32_t pitch,
                           int32_t count, int8_t *out)
{
    const ta_requant *const requant = layer->requant;
    const int32_t taps = layer->taps;
    const int32_t zero_point = requant->zero_point;
    const uint32x4_t lane = vidupq_n_u32(0, 1);
    int32_t c = layer->channels & ~3;
    const int8_t *filter = layer->filters + (c >> 2) * ta_mve_four_bytes(taps);
    /* Filters meet one pixel together; of several pixels, each filter meets four. */
    const bool one_pixel = count == 1;
    const int32_t together = one_pixel ? layer->channels - c : 1;
    const int32_t places = one_pixel ? 1 : layer->channels;
    const int32_t others = one_pixel ? together : count;
    const int32_t apart = one_pixel ? taps : pitch;
    for (; c < layer->channels; c += together, filter += taps) {
        const uint32x4_t those = vminq_u32(lane, vdupq_n_u32((uint32_t)(together - 1)));
        const uint32x4_t channels = vaddq_n_u32(those, (uint32_t)c);
        const ta_mve_channels constants = ta_mve_channels_of(requant, channels);
        const int32x4_t bias = vldrwq_gather_shifted_offset_s32(layer->bias, channels);
        const int8_t *const one = one_pixel ? pixels : filter;
        const int8_t *const other = one_pixel ? filter : pixels;
        for (int32_t k = 0; k < others; k += 4) {
            const int32_t left = others - k;
            int32x4_t acc = sums(one, other + k * apart, apart, left, taps);
            acc = ta_mve_requantize_s8(&constants, vaddq_s32(acc, bias), zero_point);
            vstrbq_scatter_offset_p_s32(out + k * places + c, vmulq_n_u32(lane, (uint32_t)places),
                                        acc, vctp32q((uint32_t)left));
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen channels at a time, summed in int16; quotients by a multiplication with the reciprocal.
 */
#include <arm_mve.h>

#include "ta_pool_2d.h"

#define CHANNELS 16
#define LANES 8

/* Sums of sixteen channels of a window, or their averages. */
typedef struct sixteen {
    int16x8_t low;
    int16x8_t high;
} sixteen;

/* Adds `count` pixels, `step` bytes apart: 6 instructions each. */
static inline sixteen add_row(sixteen sums, const int8_t *in, int32_t step, int32_t count)
{
    __asm__ volatile("dls lr, %[count]\n"
                     "1:\n"
                     "vldrb.s16 q0, [%[in]]\n"
                     "vadd.i16 %q[low], %q[low], q0\n"
                     "vldrb.s16 q1, [%[in], #8]\n"
                     "vadd.i16 %q[high], %q[high], q1\n"
                     "add %[in], %[step]\n"
                     "le lr, 1b\n"
                     : [low] "+w"(sums.low), [high] "+w"(sums.high), [in] "+l"(in)
                     : [count] "r"(count), [step] "r"(step)
                     : "lr", "q0", "q1", "memory");
    return sums;
}

/* Rounded to nearest, halves away from zero. For sums and halves short of 2^15 and sizes below 2^8,
 * 2x * (2^31 / size, rounded up) >> 32 is x / size, rounded down. */
static inline int16x8_t average(int16x8_t sums, int32_t size)
{
    const uint32x4_t reciprocal = vdupq_n_u32((UINT32_C(1) << 31) / (uint32_t)size + 1u);
    const uint16x8_t absolute = vreinterpretq_u16_s16(vabsq_s16(sums));
    const uint16x8_t x = vaddq_n_u16(absolute, (uint16_t)(size / 2));
    const uint32x4_t even = vmulhq_u32(vshllbq_n_u16(x, 1), reciprocal);
    const uint32x4_t odd = vmulhq_u32(vshlltq_n_u16(x, 1), reciprocal);
    const int16x8_t quotients =
        vreinterpretq_s16_u16(vmovntq_u32(vreinterpretq_u16_u32(even), odd));
    return vnegq_m_s16(quotients, quotients, vcmpltq_n_s16(sums, 0));
}

void ta_average_pool_2d_s8_mve(const ta_pool_2d *op, const int8_t *const *rows, int32_t count,
                               int8_t *out, int32_t x_start, int32_t x_stop)
{
    const int16x8_t lowest = vdupq_n_s16(op->lowest);
    const int16x8_t highest = vdupq_n_s16(op->highest);
    const int32_t channels = op->channels;
    for (int32_t x = x_start; x < x_stop; ++x) {
        const ta_columns columns = ta_pool_2d_columns(op, x);
        const int32_t width = columns.stop - columns.start;
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last sixteen are made again where channels are no multiple of sixteen. */
            const int32_t channel = c + CHANNELS <= channels ? c : channels - CHANNELS;
            const int32_t first = columns.start * channels + channel;
            int8_t *const to = out + x * channels + channel;
            sixteen sums = { vdupq_n_s16(0), vdupq_n_s16(0) };
            for (int32_t k = 0; k < count; ++k) {
                sums = add_row(sums, rows[k] + first, channels, width);
            }
            const int16x8_t low = average(sums.low, count * width);
            const int16x8_t high = average(sums.high, count * width);
            vstrbq_s16(to, vminq_s16(vmaxq_s16(low, lowest), highest));
            vstrbq_s16(to + LANES, vminq_s16(vmaxq_s16(high, lowest), highest));
        }
    }
}

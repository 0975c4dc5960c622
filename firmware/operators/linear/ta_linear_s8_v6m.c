/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_c.h"
#include "ta_linear_v6m.h"

#define PIXELS TA_LINEAR_V6M_PIXELS
#define UNROLLED 8

void ta_widen_v6m(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps)
{
    const int8_t *const pixel0 = pixels[0];
    const int8_t *const pixel1 = pixels[1];
    const int8_t *const pixel2 = pixels[2];
    const int8_t *const pixel3 = pixels[3];
    (void)tile;
    for (int32_t k = 0; k < taps; ++k) {
        *to++ = pixel0[k];
        *to++ = pixel1[k];
        *to++ = pixel2[k];
        *to++ = pixel3[k];
    }
}

/* r0 filter, r1 taps, r3 weight, r4-r7 taps, r8-r11 sums; 20 bytes. */
#define TAP(at)                                                                                   \
    "ldrb r3, [r0, #" at "]\n"                                                                    \
    "ldmia r1!, {r4, r5, r6, r7}\n"                                                               \
    "muls r4, r3\n"                                                                               \
    "add r8, r4\n"                                                                                \
    "muls r5, r3\n"                                                                               \
    "add r9, r5\n"                                                                                \
    "muls r6, r3\n"                                                                               \
    "add r10, r6\n"                                                                               \
    "muls r7, r3\n"                                                                               \
    "add r11, r7\n"

/* What the assembly reads, then writes; it knows the offsets. */
typedef struct pass {
    const int8_t *filter; /* 0: less the taps to be skipped */
    const int32_t *taps;  /* 4 */
    const int32_t *stop;  /* 8 */
    uint32_t skipped;     /* 12: bytes of the loop, the first time */
    int32_t sums[PIXELS]; /* 16 */
} pass;

/* Adds a filter's products to the sums: 83 instructions for 32 MACs. */
__attribute__((naked, noinline)) static void run(pass *p __attribute__((unused)))
{
    __asm__ volatile(".syntax unified\n"
                     "push {r0, r4, r5, r6, r7, lr}\n"
                     "mov r4, r8\n"
                     "mov r5, r9\n"
                     "mov r6, r10\n"
                     "mov r7, r11\n"
                     "push {r4, r5, r6, r7}\n"
                     "ldr r4, [r0, #16]\n"
                     "mov r8, r4\n"
                     "ldr r4, [r0, #20]\n"
                     "mov r9, r4\n"
                     "ldr r4, [r0, #24]\n"
                     "mov r10, r4\n"
                     "ldr r4, [r0, #28]\n"
                     "mov r11, r4\n"
                     "ldr r1, [r0, #4]\n"
                     "ldr r2, [r0, #8]\n"
                     "ldr r3, [r0, #12]\n"
                     "ldr r0, [r0]\n"
                     "add pc, r3\n"
                     "nop\n"
                     "1:\n" TAP("0") TAP("1") TAP("2") TAP("3") TAP("4") TAP("5") TAP("6") TAP("7")
                     "adds r0, #8\n"
                     "cmp r1, r2\n"
                     "bne 1b\n"
                     "pop {r4, r5, r6, r7}\n"
                     "pop {r0}\n"
                     "mov r1, r8\n"
                     "mov r2, r9\n"
                     "str r1, [r0, #16]\n"
                     "str r2, [r0, #20]\n"
                     "mov r1, r10\n"
                     "mov r2, r11\n"
                     "str r1, [r0, #24]\n"
                     "str r2, [r0, #28]\n"
                     "mov r8, r4\n"
                     "mov r9, r5\n"
                     "mov r10, r6\n"
                     "mov r11, r7\n"
                     "pop {r4, r5, r6, r7, pc}\n");
}

static inline void store(const ta_linear *layer, const ta_channel *channel, const int32_t *sums,
                         int32_t count, int8_t *out)
{
    const ta_requant *requant = layer->requant;
    const int32_t step = layer->channels;
    const int32_t lowest = requant->lowest;
    const int32_t highest = requant->highest;
    if (!requant->floors) {
        for (int32_t k = 0; k < count; ++k, out += step) {
            *out = ta_output_s8(requant, channel, sums[k]);
        }
        return;
    }
    const int32_t offset = ta_floor_offset(requant, TA_LINEAR_C_FLOOR_SHIFT);
    const int32_t slope = channel->multiplier.mantissa;
    for (int32_t k = 0; k < count; ++k, out += step) {
        const int32_t high = ta_high_product(256 * sums[k] + channel->bias, slope);
        *out = ta_clamp_s8((offset + high) >> TA_LINEAR_C_FLOOR_SHIFT, lowest, highest);
    }
}

void ta_linear_s8_v6m(const ta_linear *layer, const int32_t *taps, int32_t tile, int32_t count,
                      int8_t *out)
{
    const int32_t *const stop = taps + PIXELS * layer->taps;
    const int32_t skipped = -layer->taps & (UNROLLED - 1);
    const int8_t *filter = layer->filters - skipped;
    /* What 128 too much in each weight makes too much of each pixel. */
    int32_t excess[PIXELS] = { 0 };
    (void)tile;
    for (const int32_t *tap = taps; tap != stop; tap += PIXELS) {
        for (int32_t k = 0; k < PIXELS; ++k) {
            excess[k] += 128 * tap[k];
        }
    }
    for (int32_t c = 0; c < layer->channels; ++c, filter += layer->taps) {
        const ta_channel channel = ta_channel_of(layer, c);
        pass p = {
            .filter = filter,
            .taps = taps,
            .stop = stop,
            .skipped = 20u * (uint32_t)skipped,
            .sums = { -excess[0], -excess[1], -excess[2], -excess[3] },
        };
        run(&p);
        store(layer, &channel, p.sums, count, out + c);
    }
}

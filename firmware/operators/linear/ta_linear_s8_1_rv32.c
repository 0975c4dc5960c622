/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_c.h"
#include "ta_linear_rv32.h"

#define FILTERS 4

/* a0 filters, a1 taps, a4-a7 sums, t0 tap, t1 weight and product; 13 instructions for 4 MACs. */
#define MAC(weight, acc)                                                                          \
    "lb t1, " weight "(a0)\n"                                                                     \
    "mul t1, t1, t0\n"                                                                            \
    "add " acc ", " acc ", t1\n"
#define TAP(tap, weight0, weight1, weight2, weight3)                                              \
    "lb t0, " tap "(a1)\n"                                                                        \
    MAC(weight0, "a4") MAC(weight1, "a5") MAC(weight2, "a6") MAC(weight3, "a7")

/* Makes acc of four filters over a pixel; returns the next filters. */
__attribute__((naked, noinline)) static const int8_t *add_taps(
    const int8_t *filters __attribute__((unused)), const int8_t *pixel __attribute__((unused)),
    int32_t taps __attribute__((unused)), int32_t *acc __attribute__((unused)))
{
    __asm__ volatile("andi t2, a2, -8\n"
                     "add t2, t2, a1\n"
                     "add a2, a2, a1\n"
                     "li a4, 0\n"
                     "li a5, 0\n"
                     "li a6, 0\n"
                     "li a7, 0\n"
                     "beq a1, t2, 2f\n"
                     "1:\n"
                     TAP("0", "0", "1", "2", "3") TAP("1", "4", "5", "6", "7")
                     TAP("2", "8", "9", "10", "11") TAP("3", "12", "13", "14", "15")
                     TAP("4", "16", "17", "18", "19") TAP("5", "20", "21", "22", "23")
                     TAP("6", "24", "25", "26", "27") TAP("7", "28", "29", "30", "31")
                     "addi a0, a0, 32\n"
                     "addi a1, a1, 8\n"
                     "bne a1, t2, 1b\n"
                     "2:\n"
                     "beq a1, a2, 4f\n"
                     "3:\n"
                     TAP("0", "0", "1", "2", "3")
                     "addi a0, a0, 4\n"
                     "addi a1, a1, 1\n"
                     "bne a1, a2, 3b\n"
                     "4:\n"
                     "sw a4, 0(a3)\n"
                     "sw a5, 4(a3)\n"
                     "sw a6, 8(a3)\n"
                     "sw a7, 12(a3)\n"
                     "ret\n");
}

/* `count` outputs from channel c on. */
static inline void make_outputs(const ta_linear *layer, int32_t c, int32_t count,
                                const int32_t *acc, int8_t *out)
{
    const ta_requant *requant = layer->requant;
    const int32_t lowest = requant->lowest;
    const int32_t highest = requant->highest;
    const int32_t *bias = layer->bias + c;
    if (requant->floors) {
        const uint32_t *slopes = requant->words + c;
        const int32_t offset = ta_floor_offset(requant, TA_LINEAR_C_FLOOR_SHIFT);
        for (int32_t k = 0; k < count; ++k) {
            const int32_t high = ta_high_product(256 * acc[k] + bias[k], (int32_t)slopes[k]);
            out[k] = ta_clamp_s8((offset + high) >> TA_LINEAR_C_FLOOR_SHIFT, lowest, highest);
        }
    } else {
        ta_multiplier multiplier = ta_channel_multiplier(requant, c);
        for (int32_t k = 0; k < count; ++k) {
            if (k > 0 && requant->per_channel) {
                multiplier = ta_channel_multiplier(requant, c + k);
            }
            out[k] = ta_requantize_s8(requant, multiplier, acc[k] + bias[k]);
        }
    }
}

void ta_linear_s8_1_rv32(const ta_linear *layer, const int8_t *pixel, int8_t *out)
{
    const int8_t *filters = layer->filters;
    for (int32_t c = 0; c < layer->channels; c += FILTERS) {
        const int32_t left = layer->channels - c;
        int32_t acc[FILTERS] = { 0 };
        filters = add_taps(filters, pixel, layer->taps, acc);
        make_outputs(layer, c, left < FILTERS ? left : FILTERS, acc, out + c);
    }
}

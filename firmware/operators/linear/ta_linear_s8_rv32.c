/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_c.h"
#include "ta_linear_rv32.h"

#define FILTERS 4
#define PIXELS 4

/* t2 tap, t3 product. */
#define MAC(acc, weight)                                                                          \
    "mul t3, t2, " weight "\n"                                                                    \
    "add " acc ", " acc ", t3\n"
#define PIXEL(tap, acc0, acc1, acc2, acc3)                                                        \
    "lb t2, " tap "\n" MAC(acc0, "a6") MAC(acc1, "a7") MAC(acc2, "t0") MAC(acc3, "t1")

/* Weights 4 * k on of four filters meet tap k of four pixels: 40 instructions for 16 MACs. */
#define TAP(k, weight0, weight1, weight2, weight3)                                                \
    "lb a6, " weight0 "(a0)\n"                                                                    \
    "lb a7, " weight1 "(a0)\n"                                                                    \
    "lb t0, " weight2 "(a0)\n"                                                                    \
    "lb t1, " weight3 "(a0)\n"                                                                    \
    PIXEL(k "(a1)", "s0", "s1", "s2", "s3")                                                       \
    PIXEL(k "(a2)", "s4", "s5", "s6", "s7")                                                       \
    PIXEL(k "(a3)", "s8", "s9", "s10", "s11")                                                     \
    PIXEL(k "(a4)", "ra", "t4", "t5", "t6")
#define ON(weights, taps)                                                                         \
    "addi a0, a0, " weights "\n"                                                                  \
    "addi a1, a1, " taps "\n"                                                                     \
    "addi a2, a2, " taps "\n"                                                                     \
    "addi a3, a3, " taps "\n"                                                                     \
    "addi a4, a4, " taps "\n"

#define ALL_SAVED(how)                                                                            \
    how " ra, 0(sp)\n" how " s0, 4(sp)\n" how " s1, 8(sp)\n" how " s2, 12(sp)\n"                  \
    how " s3, 16(sp)\n" how " s4, 20(sp)\n" how " s5, 24(sp)\n" how " s6, 28(sp)\n"               \
    how " s7, 32(sp)\n" how " s8, 36(sp)\n" how " s9, 40(sp)\n" how " s10, 44(sp)\n"              \
    how " s11, 48(sp)\n"

/* Sums of four filters from a0 on over four pixels, a1-a4 with the first's end a5. */
#define SUMS                                                                                      \
    "li s0, 0\n" "li s1, 0\n" "li s2, 0\n" "li s3, 0\n"                                           \
    "li s4, 0\n" "li s5, 0\n" "li s6, 0\n" "li s7, 0\n"                                           \
    "li s8, 0\n" "li s9, 0\n" "li s10, 0\n" "li s11, 0\n"                                         \
    "li ra, 0\n" "li t4, 0\n" "li t5, 0\n" "li t6, 0\n"                                           \
    "addi a5, a5, -4\n"                                                                           \
    "bltu a5, a1, 2f\n"                                                                           \
    "1:\n"                                                                                        \
    TAP("0", "0", "1", "2", "3") TAP("1", "4", "5", "6", "7")                                     \
    TAP("2", "8", "9", "10", "11") TAP("3", "12", "13", "14", "15")                               \
    ON("16", "4")                                                                                 \
    "bgeu a5, a1, 1b\n"                                                                           \
    "2:\n"                                                                                        \
    "addi a5, a5, 4\n"                                                                            \
    "beq a1, a5, 4f\n"                                                                            \
    "3:\n"                                                                                        \
    TAP("0", "0", "1", "2", "3")                                                                  \
    ON("4", "1")                                                                                  \
    "bne a1, a5, 3b\n"                                                                            \
    "4:\n"

/* Channels in fours of four pixels; the assembly knows the offsets. */
typedef struct pass {
    const int8_t *pixels[4]; /* 0, 4, 8, 12 */
    const int8_t *end;       /* 16: of pixel 0 */
    const int8_t *filters;   /* 20 */
    const int32_t *bias;     /* 24 */
    const uint32_t *words;   /* 28 */
    int8_t *out[4];          /* 32, 36, 40, 44 */
    const int32_t *stop;     /* 48: of bias */
    int32_t offset;          /* 52: of the floor */
    int32_t lowest;          /* 56 */
    int32_t highest;         /* 60 */
} pass;

/* One output of the channel whose bias is t1 and slope t2; a4 offset, a5 and a6 the ends. */
#define FLOOR(acc, out, channel)                                                                  \
    "slli t3, " acc ", 8\n"                                                                       \
    "add t3, t3, t1\n"                                                                            \
    "mulh t3, t3, t2\n"                                                                           \
    "add t3, t3, a4\n"                                                                            \
    "srai t3, t3, 11\n"                                                                           \
    "bge t3, a5, 5f\n"                                                                            \
    "mv t3, a5\n"                                                                                 \
    "5:\n"                                                                                        \
    "ble t3, a6, 5f\n"                                                                            \
    "mv t3, a6\n"                                                                                 \
    "5:\n"                                                                                        \
    "sb t3, " channel "(" out ")\n"

/* a7 biases, t0 slopes, a1-a3 and s1 places of outputs. */
#define CHANNEL(channel, offset, acc0, acc1, acc2, acc3)                                          \
    "lw t1, " offset "(a7)\n"                                                                     \
    "lw t2, " offset "(t0)\n"                                                                     \
    FLOOR(acc0, "a1", channel) FLOOR(acc1, "a2", channel) FLOOR(acc2, "a3", channel)              \
    FLOOR(acc3, "s1", channel)

/* Beside the sums 9 to 11 instructions for an output, and 53 for the sixteen. */
__attribute__((naked, noinline)) static void run_floors(const pass *p __attribute__((unused)))
{
    __asm__ volatile("addi sp, sp, -64\n" ALL_SAVED("sw")
                     "sw a0, 52(sp)\n"
                     "mv a7, a0\n"
                     "lw a0, 20(a7)\n"
                     "0:\n"
                     "lw a1, 0(a7)\n"
                     "lw a2, 4(a7)\n"
                     "lw a3, 8(a7)\n"
                     "lw a4, 12(a7)\n"
                     "lw a5, 16(a7)\n"
                     SUMS
                     "sw s1, 56(sp)\n"
                     "lw s1, 52(sp)\n"
                     "lw a7, 24(s1)\n"
                     "lw t0, 28(s1)\n"
                     "lw a1, 32(s1)\n"
                     "lw a2, 36(s1)\n"
                     "lw a3, 40(s1)\n"
                     "lw a4, 52(s1)\n"
                     "lw a5, 56(s1)\n"
                     "lw a6, 60(s1)\n"
                     "lw s1, 44(s1)\n"
                     CHANNEL("0", "0", "s0", "s4", "s8", "ra")
                     "lw s0, 56(sp)\n"
                     CHANNEL("1", "4", "s0", "s5", "s9", "t4")
                     CHANNEL("2", "8", "s2", "s6", "s10", "t5")
                     CHANNEL("3", "12", "s3", "s7", "s11", "t6")
                     "mv t3, s1\n"
                     "lw a7, 52(sp)\n"
                     "addi a1, a1, 4\n"
                     "addi a2, a2, 4\n"
                     "addi a3, a3, 4\n"
                     "addi t3, t3, 4\n"
                     "sw a1, 32(a7)\n"
                     "sw a2, 36(a7)\n"
                     "sw a3, 40(a7)\n"
                     "sw t3, 44(a7)\n"
                     "lw t1, 24(a7)\n"
                     "lw t2, 28(a7)\n"
                     "addi t1, t1, 16\n"
                     "addi t2, t2, 16\n"
                     "sw t1, 24(a7)\n"
                     "sw t2, 28(a7)\n"
                     "lw t2, 48(a7)\n"
                     "bne t1, t2, 0b\n"
                     ALL_SAVED("lw")
                     "addi sp, sp, 64\n"
                     "ret\n");
}

/* Sums of four filters, [pixel][filter]. */
__attribute__((naked, noinline)) static void run_sums(const pass *p __attribute__((unused)),
                                                      const int8_t *filters
                                                      __attribute__((unused)),
                                                      int32_t *sums __attribute__((unused)))
{
    __asm__ volatile("addi sp, sp, -64\n" ALL_SAVED("sw")
                     "sw a2, 52(sp)\n"
                     "mv a7, a0\n"
                     "mv a0, a1\n"
                     "lw a1, 0(a7)\n"
                     "lw a2, 4(a7)\n"
                     "lw a3, 8(a7)\n"
                     "lw a4, 12(a7)\n"
                     "lw a5, 16(a7)\n"
                     SUMS
                     "lw a2, 52(sp)\n"
                     "sw s0, 0(a2)\n" "sw s1, 4(a2)\n" "sw s2, 8(a2)\n" "sw s3, 12(a2)\n"
                     "sw s4, 16(a2)\n" "sw s5, 20(a2)\n" "sw s6, 24(a2)\n" "sw s7, 28(a2)\n"
                     "sw s8, 32(a2)\n" "sw s9, 36(a2)\n" "sw s10, 40(a2)\n" "sw s11, 44(a2)\n"
                     "sw ra, 48(a2)\n" "sw t4, 52(a2)\n" "sw t5, 56(a2)\n" "sw t6, 60(a2)\n"
                     ALL_SAVED("lw")
                     "addi sp, sp, 64\n"
                     "ret\n");
}

/* Channels from c on of four pixels, whatever their requantization. */
static void make_rest(const ta_linear *layer, const pass *p, int32_t c)
{
    for (; c < layer->channels; c += FILTERS) {
        int32_t sums[FILTERS * PIXELS];
        const int32_t left = layer->channels - c;
        run_sums(p, layer->filters + c * layer->taps, sums);
        for (int32_t k = 0; k < (left < FILTERS ? left : FILTERS); ++k) {
            const ta_channel channel = ta_channel_of(layer, c + k);
            for (int32_t pixel = 0; pixel < PIXELS; ++pixel) {
                /* Assembly writes the sums. NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
                p->out[pixel][c + k] = ta_output_s8(layer->requant, &channel,
                                                    sums[FILTERS * pixel + k]);
            }
        }
    }
}

void ta_linear_s8_rv32(const ta_linear *layer, const int8_t *pixels, int32_t pitch, int32_t count,
                       int8_t *out)
{
    const int32_t channels = layer->channels;
    const ta_requant *requant = layer->requant;
    const int32_t fours = requant->floors ? channels & ~3 : 0;
    int32_t x = 0;
    for (; x + PIXELS <= count; x += PIXELS) {
        pass p;
        for (int32_t k = 0; k < PIXELS; ++k) {
            p.pixels[k] = pixels + (x + k) * pitch;
            p.out[k] = out + (x + k) * channels;
        }
        p.end = p.pixels[0] + layer->taps;
        if (fours > 0) {
            pass floors = p;
            floors.filters = layer->filters;
            floors.bias = layer->bias;
            floors.words = requant->words;
            floors.stop = layer->bias + fours;
            floors.offset = ta_floor_offset(requant, TA_LINEAR_C_FLOOR_SHIFT);
            floors.lowest = requant->lowest;
            floors.highest = requant->highest;
            run_floors(&floors);
        }
        make_rest(layer, &p, fours);
    }
    for (; x < count; ++x) {
        ta_linear_s8_1_rv32(layer, pixels + x * pitch, out + x * channels);
    }
}

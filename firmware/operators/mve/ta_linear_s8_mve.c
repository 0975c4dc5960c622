/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of four channels and two pixels, one of each half. Registers of the loops: r0, r2, r4, r6 the sums of pixel
 * 0 and r8, r10, r12, lr those of pixel 1 (VMLADAVA takes even ones); r1 filters; r3, r5 pixels; r7
 * taps before whole vectors, then the filters at which a loop over those ends; r9 out; r11 the
 * biases in the struct.
 */
#include "ta_linear_mve.h"
#include "ta_mve_requant.h"

/* Four channels over pixels; the assembly knows the offsets from `bias`. */
typedef struct tiles {
    const int8_t *pixel0;   /* -60 */
    const int8_t *pixel1;   /* -56 */
    int8_t *out;            /* -52 */
    uint32_t rest;          /* -48: taps that fill no vector */
    uintptr_t first;        /* -44: where in the code a tile begins */
    uintptr_t vectors;      /* -40: where its whole vectors begin */
    uintptr_t last;         /* -36: where the last of them begin */
    const int8_t *stop;     /* -32: filters that those meet */
    int32_t zero_point;     /* -28 */
    const int8_t *filters;  /* -24 */
    int32_t next;           /* -20: from a pixel's end to the next */
    int32_t out_step;       /* -16 */
    int32_t step;           /* -12: rest, or between filters of few taps */
    const int8_t *end;      /* -8: of pixel 0, beyond the last */
    uintptr_t requantize;   /* -4: where in the code sums are requantized */
    int32_t bias[8];        /* 0: twice those of four channels */
    int32_t left[4];        /* 32 */
    int32_t mantissa[4];    /* 48 */
    int32_t right[4];       /* 64 */
    uint16_t places[8];     /* 80: from out, of both pixels' channels in turn */
} tiles;

#define BEGIN                                                                                     \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "vpush {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                              \
    "add r11, r0, #60\n"                                                                          \
    "ldrd r3, r5, [r0]\n"                                                                         \
    "ldrd r9, r4, [r0, #8]\n"                                                                     \
    "ldr r1, [r11, #-24]\n"                                                                       \
    "ldr r7, [r11, #-12]\n"                                                                       \
    "vctp.8 r4\n"

#define BIASES "ldm r11, {r0, r2, r4, r6, r8, r10, r12, lr}\n"

/* Sums of q2 and q3, filters in turn, by the pixels. */
#define MACS(sum0, sum1, filter)                                                                  \
    "vmladava.s8 " sum0 ", " filter ", q0\n"                                                      \
    "vmladava.s8 " sum1 ", " filter ", q1\n"

/* The first taps of filters `step` bytes apart, which are fewer than 16. */
#define REST(step)                                                                                \
    "vpstt\n"                                                                                     \
    "vldrbt.8 q0, [r3]\n"                                                                         \
    "vldrbt.8 q1, [r5]\n"                                                                         \
    "add r3, r7\n"                                                                                \
    "add r5, r7\n"                                                                                \
    "vldrb.8 q2, [r1], #" step "\n" MACS("r0", "r8", "q2")                                        \
    "vldrb.8 q3, [r1], #" step "\n" MACS("r2", "r10", "q3")                                       \
    "vldrb.8 q2, [r1], #" step "\n" MACS("r4", "r12", "q2")                                       \
    "vpst\n"                                                                                      \
    "vldrbt.8 q3, [r1], #" step "\n" MACS("r6", "lr", "q3")

/* Sixteen taps: 14 instructions, 56 bytes, for 128 MACs. */
#define VECTOR                                                                                    \
    "vldrb.8 q0, [r3], #16\n"                                                                     \
    "vldrb.8 q2, [r1], #16\n"                                                                     \
    "vmladava.s8 r0, q2, q0\n"                                                                    \
    "vldrb.8 q1, [r5], #16\n"                                                                     \
    "vmladava.s8 r8, q2, q1\n"                                                                    \
    "vldrb.8 q3, [r1], #16\n" MACS("r2", "r10", "q3")                                             \
    "vldrb.8 q2, [r1], #16\n" MACS("r4", "r12", "q2")                                             \
    "vldrb.8 q3, [r1], #16\n" MACS("r6", "lr", "q3")
#define VECTORS_4 VECTOR VECTOR VECTOR VECTOR
#define VECTOR_BYTES 56

/* Of a four's first channel; those after it must fit 16 bits, too. */
#define MAX_PLACE 65532

#define GATHER_SUMS                                                                               \
    "vmov q0[2], q0[0], r0, r4\n"                                                                 \
    "vmov q0[3], q0[1], r2, r6\n"                                                                 \
    "vmov q1[2], q1[0], r8, r12\n"                                                                \
    "vmov q1[3], q1[1], r10, lr\n"                                                                \
    "ldmdb r11, {r0, r1, r2, r4, r7, r8, pc}\n"

/* Requantization from ta_<name>_halves_up, ta_<name>_halves_away or ta_<name>_any_shift: mantissas
 * are in one register and right shifts in another, which is loaded again after other use. */
#define REQUANTIZE(name, mantissa, right)                                                         \
    "ta_" name "_any_shift:\n"                                                                    \
    "vldrw.32 " right ", [r11, #32]\n"                                                            \
    "vshl.s32 q0, q0, " right "\n"                                                                \
    "vshl.s32 q1, q1, " right "\n"                                                                \
    "vqrdmulh.s32 q0, q0, " mantissa "\n"                                                         \
    "vqrdmulh.s32 q1, q1, " mantissa "\n"                                                         \
    "vldrw.32 " right ", [r11, #64]\n"                                                            \
    "vand " right ", q0, " right "\n"                                                             \
    "vshr.s32 " right ", " right ", #31\n"                                                        \
    "vadd.i32 q0, q0, " right "\n"                                                                \
    "vldrw.32 " right ", [r11, #64]\n"                                                            \
    "vand " right ", q1, " right "\n"                                                             \
    "vshr.s32 " right ", " right ", #31\n"                                                        \
    "b 5f\n"                                                                                      \
    "ta_" name "_halves_away:\n"                                                                  \
    "vqrdmulh.s32 q0, q0, " mantissa "\n"                                                         \
    "vqrdmulh.s32 q1, q1, " mantissa "\n"                                                         \
    "vshr.s32 " right ", q0, #31\n"                                                               \
    "vadd.i32 q0, q0, " right "\n"                                                                \
    "vshr.s32 " right ", q1, #31\n"                                                               \
    "5:\n"                                                                                        \
    "vadd.i32 q1, q1, " right "\n"                                                                \
    "vldrw.32 " right ", [r11, #64]\n"                                                            \
    "b 6f\n"                                                                                      \
    "ta_" name "_halves_up:\n"                                                                    \
    "vqrdmulh.s32 q0, q0, " mantissa "\n"                                                         \
    "vqrdmulh.s32 q1, q1, " mantissa "\n"                                                         \
    "6:\n"                                                                                        \
    "vrshl.s32 q0, q0, " right "\n"                                                               \
    "vrshl.s32 q1, q1, " right "\n"                                                               \
    "vqmovnb.s32 q0, q0\n"                                                                        \
    "vqmovnt.s32 q0, q1\n"                                                                        \
    "vqadd.s16 q0, q0, r0\n"                                                                      \
    "vqmovnb.s16 q0, q0\n"

#define END                                                                                       \
    "add r3, r2\n"                                                                                \
    "add r5, r2\n"                                                                                \
    "add r9, r4\n"                                                                                \
    "cmp r3, r8\n"                                                                                \
    "bne 1b\n"                                                                                    \
    "vpop {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* Places in the code of `run`, without the bit that says it is Thumb. */
extern const uint8_t ta_mve_rest_8[];
extern const uint8_t ta_mve_rest_16[];
extern const uint8_t ta_mve_vectors[];
extern const uint8_t ta_mve_sums_end[];
extern const uint8_t ta_mve_halves_up[];
extern const uint8_t ta_mve_halves_away[];
extern const uint8_t ta_mve_any_shift[];

/* And of `run_few`. */
extern const uint8_t ta_mve_few_halves_up[];
extern const uint8_t ta_mve_few_halves_away[];
extern const uint8_t ta_mve_few_any_shift[];

/* 21 instructions for eight outputs beside their sums, where halves round up. */
__attribute__((naked, noinline)) static void run(const tiles *t __attribute__((unused)))
{
    __asm__ volatile(BEGIN
                     "vldrw.32 q5, [r11, #48]\n"
                     "vldrw.32 q6, [r11, #64]\n"
                     "vldrw.32 q7, [r11, #80]\n"
                     "1:\n" BIASES
                     "ldr pc, [r11, #-44]\n"
                     "ta_mve_rest_8:\n" REST("8")
                     "ldr pc, [r11, #-40]\n"
                     "ta_mve_rest_16:\n" REST("16")
                     "ldr pc, [r11, #-40]\n"
                     "ta_mve_vectors:\n"
                     "ldr r7, [r11, #-32]\n"
                     "2:\n" VECTORS_4
                     "cmp r1, r7\n"
                     "bne 2b\n"
                     "ldr pc, [r11, #-36]\n" VECTORS_4 VECTORS_4
                     "ta_mve_sums_end:\n" GATHER_SUMS REQUANTIZE("mve", "q5", "q6")
                     "vstrb.16 q0, [r9, q7]\n" END);
}

/* Of at most 16 taps: filters stay in q4-q7. 32 instructions for eight outputs. */
__attribute__((naked, noinline)) static void run_few(const tiles *t __attribute__((unused)))
{
    __asm__ volatile(BEGIN
                     "vldrw.32 q2, [r11, #48]\n"
                     "vldrw.32 q3, [r11, #64]\n"
                     "vpst\n"
                     "vldrbt.8 q4, [r1]\n"
                     "add r1, r7\n"
                     "vpst\n"
                     "vldrbt.8 q5, [r1]\n"
                     "add r1, r7\n"
                     "vpst\n"
                     "vldrbt.8 q6, [r1]\n"
                     "add r1, r7\n"
                     "vpst\n"
                     "vldrbt.8 q7, [r1]\n"
                     "1:\n" BIASES
                     "vpstt\n"
                     "vldrbt.8 q0, [r3]\n"
                     "vldrbt.8 q1, [r5]\n"
                     MACS("r0", "r8", "q4") MACS("r2", "r10", "q5")
                     MACS("r4", "r12", "q6") MACS("r6", "lr", "q7")
                     GATHER_SUMS REQUANTIZE("mve_few", "q2", "q3")
                     "vldrw.32 q1, [r11, #80]\n"
                     "vstrb.16 q0, [r9, q1]\n" END);
}

/* The address to which a load of pc goes there. */
static uintptr_t code(const uint8_t *place)
{
    return (uintptr_t)place + 1;
}

static uintptr_t find_requantization(ta_mve_rounding rounding, bool is_few)
{
    switch (rounding) {
    case TA_MVE_HALVES_UP:
        return code(is_few ? ta_mve_few_halves_up : ta_mve_halves_up);
    case TA_MVE_HALVES_AWAY:
        return code(is_few ? ta_mve_few_halves_away : ta_mve_halves_away);
    default:
        return code(is_few ? ta_mve_few_any_shift : ta_mve_any_shift);
    }
}

/* What channels have in common. */
static void plan_tiles(tiles *t, const ta_linear *layer, const int8_t *pixels, int32_t pitch,
                       int32_t count)
{
    /* Of an odd number of pixels, the one in the middle is made twice. */
    const int32_t half = count >> 1;
    const bool is_few = layer->taps <= 16;
    const int32_t rest = layer->taps & 15;
    const int32_t vectors = layer->taps >> 4;
    const int32_t looped = vectors > 8 ? ((vectors - 5) & ~3) : 0;
    t->pixel0 = pixels;
    t->pixel1 = pixels + half * pitch;
    t->end = pixels + (count - half) * pitch;
    t->next = pitch - (is_few ? 0 : layer->taps);
    t->rest = (uint32_t)(is_few ? layer->taps : rest);
    t->step = is_few ? (layer->taps + 7) & ~7 : rest;
    t->last = code(ta_mve_sums_end) - (uintptr_t)((vectors - looped) * VECTOR_BYTES);
    t->vectors = looped > 0 ? code(ta_mve_vectors) : t->last;
    t->first = rest == 0 ? t->vectors : code(rest > 8 ? ta_mve_rest_16 : ta_mve_rest_8);
    t->filters = layer->filters;
    t->stop = layer->filters + 4 * (ta_mve_rest_step(layer->taps) + 16 * looped);
    t->zero_point = layer->requant->zero_point;
    t->requantize =
        find_requantization(ta_mve_rounding_of(layer->requant, layer->channels), is_few);
    t->out_step = layer->channels;
    const uint16x8_t lane = vidupq_n_u16(0, 1);
    const uint16x8_t pixel = vandq_u16(lane, vdupq_n_u16(1));
    const uint16_t apart = (uint16_t)(half * layer->channels);
    vstrhq_u16(t->places, vmlaq_n_u16(vshrq_n_u16(lane, 1), pixel, apart));
}

typedef void run_tiles(const tiles *t);

/* So few pixels that places are 16 bits. */
static void make_pixels(const ta_linear *layer, const int8_t *pixels, int32_t pitch, int32_t count,
                        int8_t *out)
{
    /* What calls cannot change stays in registers. */
    const ta_requant requant = *layer->requant;
    const int32_t *const bias = layer->bias;
    const int32_t taps = layer->taps;
    const int32_t channels = layer->channels;
    const int32_t bytes = ta_mve_four_bytes(taps);
    run_tiles *const make_tiles = taps <= 16 ? run_few : run;
    if (channels >= 4) {
        tiles t; /* no initialiser: that would be a call of memset */
        plan_tiles(&t, layer, pixels, pitch, count);
        t.out = out;
        for (int32_t c = 0; c + 4 <= channels; c += 4) {
            const ta_mve_channels constants = ta_mve_four_channels(&requant, c);
            const int32x4_t biases = vldrwq_s32(bias + c);
            vstrwq_s32(t.bias, biases);
            vstrwq_s32(t.bias + 4, biases);
            vstrwq_s32(t.left, constants.left);
            vstrwq_s32(t.mantissa, constants.mantissa);
            vstrwq_s32(t.right, constants.right);
            make_tiles(&t);
            t.filters += bytes;
            t.stop += bytes;
            t.out += 4;
        }
    }
    if ((channels & 3) != 0) {
        ta_linear_s8_rest_mve(layer, pixels, pitch, count, out);
    }
    ta_clamp_s8_mve(layer->requant, out, count * channels);
}

void ta_linear_s8_mve(const ta_linear *layer, const int8_t *pixels, int32_t pitch, int32_t count,
                      int8_t *out)
{
    const int32_t most = MAX_PLACE / layer->channels * 2;
    for (; count > most; count -= most, pixels += most * pitch, out += most * layer->channels) {
        make_pixels(layer, pixels, pitch, most, out);
    }
    make_pixels(layer, pixels, pitch, count, out);
}

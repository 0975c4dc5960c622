/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_linear_mve.h"
#include "ta_mve_requant.h"

/* Fours of channels that share requantization; the assembly knows the offsets. */
typedef struct fours {
    int8_t *out;           /* 0 */
    int32_t rounding;      /* 4: ta_mve_rounding */
    int32_t step;          /* 8: ta_mve_rest_step */
    const int8_t *filters; /* 12 */
    const int8_t *pixel;   /* 16 */
    int32_t vectors;       /* 20: whole ones of a pixel */
    int32_t count;         /* 24: of fours */
    const int32_t *bias;   /* 28 */
    int32_t rest;          /* 32: taps that fill no vector */
    int32_t zero_point;    /* 36 */
    int32_t left[4];       /* 40 */
    int32_t mantissa[4];   /* 56 */
    int32_t right[4];      /* 72 */
} fours;

/* r0, r2, r4, r6 the sums, r3 pixel; the others as loaded. 15 instructions for four outputs and 10
 * for 64 MACs. */
__attribute__((naked, noinline)) static void run(const fours *f __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "vpush {d8, d9, d10, d11, d12, d13, d14, d15}\n"
                     "ldm r0, {r1, r5, r7, r8, r9, r10, r11, r12}\n"
                     "ldrd r2, r3, [r0, #32]\n"
                     "vldrw.32 q4, [r0, #40]\n"
                     "vldrw.32 q5, [r0, #56]\n"
                     "vldrw.32 q6, [r0, #72]\n"
                     "vdup.32 q7, r3\n"
                     "vctp.8 r2\n"
                     "push {r2}\n"
                     "1:\n"
                     "ldm r12!, {r0, r2, r4, r6}\n"
                     "mov r3, r9\n"
                     "cbz r7, 2f\n"
                     "vpst\n"
                     "vldrbt.8 q0, [r3]\n"
                     "ldr lr, [sp]\n"
                     "add r3, lr\n"
                     "vldrb.8 q1, [r8]\n"
                     "vmladava.s8 r0, q0, q1\n"
                     "add r8, r7\n"
                     "vldrb.8 q1, [r8]\n"
                     "vmladava.s8 r2, q0, q1\n"
                     "add r8, r7\n"
                     "vldrb.8 q1, [r8]\n"
                     "vmladava.s8 r4, q0, q1\n"
                     "add r8, r7\n"
                     "vpst\n"
                     "vldrbt.8 q1, [r8]\n"
                     "vmladava.s8 r6, q0, q1\n"
                     "add r8, r7\n"
                     "2:\n"
                     "wls lr, r10, 4f\n"
                     "3:\n"
                     "vldrb.8 q0, [r3], #16\n"
                     "vldrb.8 q1, [r8], #16\n"
                     "vmladava.s8 r0, q0, q1\n"
                     "vldrb.8 q2, [r8], #16\n"
                     "vmladava.s8 r2, q0, q2\n"
                     "vldrb.8 q1, [r8], #16\n"
                     "vmladava.s8 r4, q0, q1\n"
                     "vldrb.8 q2, [r8], #16\n"
                     "vmladava.s8 r6, q0, q2\n"
                     "le lr, 3b\n"
                     "4:\n"
                     "vmov q0[2], q0[0], r0, r4\n"
                     "vmov q0[3], q0[1], r2, r6\n"
                     "cbz r5, 5f\n"
                     "vshl.s32 q0, q0, q4\n"
                     "vqrdmulh.s32 q0, q0, q5\n"
                     "vand q1, q0, q6\n"
                     "vshr.s32 q1, q1, #31\n"
                     "vadd.i32 q0, q0, q1\n"
                     "b 6f\n"
                     "5:\n"
                     "vqrdmulh.s32 q0, q0, q5\n"
                     "6:\n"
                     "vrshl.s32 q0, q0, q6\n"
                     "vadd.i32 q0, q0, q7\n"
                     "vqmovnb.s32 q0, q0\n"
                     "vqmovnb.s16 q0, q0\n"
                     "vstrb.32 q0, [r1], #4\n"
                     "subs r11, #1\n"
                     "bne 1b\n"
                     "add sp, #4\n"
                     "vpop {d8, d9, d10, d11, d12, d13, d14, d15}\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

void ta_linear_s8_1_mve(const ta_linear *layer, const int8_t *pixel, int8_t *out)
{
    /* What calls cannot change stays in registers. */
    const ta_requant requant = *layer->requant;
    const int32_t all = layer->channels & ~3;
    const int32_t bytes = ta_mve_four_bytes(layer->taps);
    const int32_t together = requant.per_channel ? 4 : all;
    fours f; /* no initialiser: that would be a call of memset */
    f.out = out;
    f.rounding = (int32_t)ta_mve_rounding_of(layer->requant, layer->channels);
    f.step = ta_mve_rest_step(layer->taps);
    f.filters = layer->filters;
    f.pixel = pixel;
    f.vectors = layer->taps >> 4;
    f.count = together >> 2;
    f.bias = layer->bias;
    f.rest = layer->taps & 15;
    f.zero_point = requant.zero_point;
    for (int32_t c = 0; c < all; c += together) {
        const ta_mve_channels constants = ta_mve_four_channels(&requant, c);
        vstrwq_s32(f.left, constants.left);
        vstrwq_s32(f.mantissa, constants.mantissa);
        vstrwq_s32(f.right, constants.right);
        run(&f);
        f.filters += bytes;
        f.out += 4;
        f.bias += 4;
    }
    if ((layer->channels & 3) != 0) {
        ta_linear_s8_rest_mve(layer, pixel, 0, 1, out);
    }
    ta_clamp_s8_mve(layer->requant, out, layer->channels);
}

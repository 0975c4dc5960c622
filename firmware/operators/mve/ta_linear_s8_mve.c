/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers of the loops: r0, r2, r4, r6 the sums (VMLADAVA takes even ones); r1, r3 filters;
 * r5, r7 pixels; r8 out; r9 taps; r10 from the end of a pixel to the next but one; r11 the zero
 * point; r12 the struct; lr the count of taps. q0-q3 taps and outputs; q4 biases, q5 mantissas,
 * q6 right shifts, q7 places of outputs.
 */
#include "ta_linear_mve.h"
#include "ta_mve_requant.h"

/* Two channels over pixels, two at a time; the assembly knows the offsets. */
typedef struct pair {
    const int8_t *filter0; /* 0 */
    const int8_t *filter1; /* 4 */
    int32_t out_step;      /* 8 */
    const int8_t *end;     /* 12: of pixel 0, beyond the last */
    const int8_t *pixel0;  /* 16 */
    const int8_t *pixel1;  /* 20 */
    int8_t *out;           /* 24 */
    int32_t taps;          /* 28 */
    int32_t next;          /* 32: from a pixel's end to the next but one */
    int32_t zero_point;    /* 36 */
    int32_t left[4];       /* 40 */
    int32_t bias[4];       /* 56 */
    int32_t mantissa[4];   /* 72 */
    int32_t right[4];      /* 88 */
    uint32_t places[4];    /* 104: of the outputs of both pixels, from out */
    int32_t count;         /* 120: of pairs of pixels */
} pair;

#define BEGIN                                                                                     \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "vpush {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                              \
    "mov r12, r0\n"                                                                               \
    "add r0, #16\n"                                                                               \
    "ldm r0, {r5, r7, r8, r9, r10, r11}\n"                                                        \
    "vldrw.32 q4, [r12, #56]\n"                                                                   \
    "vldrw.32 q5, [r12, #72]\n"                                                                   \
    "vldrw.32 q6, [r12, #88]\n"                                                                   \
    "vldrw.32 q7, [r12, #104]\n"

#define GATHER_SUMS                                                                               \
    "vmov q0[2], q0[0], r0, r2\n"                                                                 \
    "vmov q0[3], q0[1], r4, r6\n"                                                                 \
    "vadd.i32 q0, q0, q4\n"
#define EXACT                                                                                     \
    "vldrw.32 q1, [r12, #40]\n"                                                                   \
    "vshl.s32 q0, q0, q1\n"                                                                       \
    "vqrdmulh.s32 q0, q0, q5\n"                                                                   \
    "vand q1, q0, q6\n"                                                                           \
    "vshr.s32 q1, q1, #31\n"                                                                      \
    "vqadd.s32 q0, q0, q1\n"                                                                      \
    "vrshl.s32 q0, q0, q6\n"
#define SIMPLE                                                                                    \
    "vqrdmulh.s32 q0, q0, q5\n"                                                                   \
    "vrshl.s32 q0, q0, q6\n"

/* Sixteen taps of two filters and two pixels: 9 instructions for 64 MACs. */
#define SUMS                                                                                      \
    "1:\n"                                                                                        \
    "ldrd r1, r3, [r12]\n"                                                                        \
    "movs r0, #0\n"                                                                               \
    "movs r2, #0\n"                                                                               \
    "movs r4, #0\n"                                                                               \
    "movs r6, #0\n"                                                                               \
    "dlstp.8 lr, r9\n"                                                                            \
    "2:\n"                                                                                        \
    "vldrb.8 q0, [r1], #16\n"                                                                     \
    "vldrb.8 q1, [r5], #16\n"                                                                     \
    "vmladava.s8 r0, q0, q1\n"                                                                    \
    "vldrb.8 q2, [r7], #16\n"                                                                     \
    "vmladava.s8 r2, q0, q2\n"                                                                    \
    "vldrb.8 q3, [r3], #16\n"                                                                     \
    "vmladava.s8 r4, q3, q1\n"                                                                    \
    "vmladava.s8 r6, q3, q2\n"                                                                    \
    "letp lr, 2b\n" GATHER_SUMS

#define OUTPUTS                                                                                   \
    "vadd.i32 q0, q0, r11\n"                                                                      \
    "vqmovnb.s32 q0, q0\n"                                                                        \
    "vqmovnb.s16 q0, q0\n"                                                                        \
    "vstrb.32 q0, [r8, q7]\n"                                                                     \
    "ldrd r0, r2, [r12, #8]\n"                                                                    \
    "add r5, r10\n"                                                                               \
    "add r7, r10\n"                                                                               \
    "add r8, r0\n"                                                                                \
    "cmp r5, r2\n"                                                                                \
    "bne 1b\n"                                                                                    \
    "vpop {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* 23 instructions for four outputs beside their sums. */
__attribute__((naked, noinline)) static void run(const pair *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN SUMS EXACT OUTPUTS);
}

/* 18, where ta_mve_is_simple. */
__attribute__((naked, noinline)) static void run_simple(const pair *p __attribute__((unused)))
{
    __asm__ volatile(BEGIN SUMS SIMPLE OUTPUTS);
}

/* Windows of 16, 32, 64 or 128 taps, or of fewer than 16: no loop over taps, filters stay where
 * they are. r1 and r3 filters, r9 from a pixel to the next but one, r10 from its outputs to those,
 * r12 the count of pairs, then lr. */
#define BEGIN_UNROLLED                                                                            \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                               \
    "vpush {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                              \
    "vldrw.32 q4, [r0, #56]\n"                                                                    \
    "vldrw.32 q5, [r0, #72]\n"                                                                    \
    "vldrw.32 q6, [r0, #88]\n"                                                                    \
    "vldrw.32 q7, [r0, #104]\n"                                                                   \
    "mov r12, r0\n"                                                                               \
    "ldr r4, [r12, #28]\n"                                                                        \
    "vctp.8 r4\n"                                                                                 \
    "ldr r10, [r12, #8]\n"                                                                        \
    "ldr r11, [r12, #36]\n"                                                                       \
    "ldr r9, [r12, #32]\n"                                                                        \
    "ldr r4, [r12, #120]\n"                                                                       \
    "ldrd r5, r7, [r12, #16]\n"                                                                   \
    "ldr r8, [r12, #24]\n"                                                                        \
    "ldrd r1, r3, [r12]\n"                                                                        \
    "dls lr, r4\n"                                                                                \
    "1:\n"

#define FEW_TAPS                                                                                  \
    "vpstttt\n"                                                                                   \
    "vldrbt.8 q0, [r1]\n"                                                                         \
    "vldrbt.8 q1, [r5]\n"                                                                         \
    "vldrbt.8 q2, [r7]\n"                                                                         \
    "vldrbt.8 q3, [r3]\n"                                                                         \
    "vmladav.s8 r0, q0, q1\n"                                                                     \
    "vmladav.s8 r2, q0, q2\n"                                                                     \
    "vmladav.s8 r4, q3, q1\n"                                                                     \
    "vmladav.s8 r6, q3, q2\n"
/* Sixteen taps at `at`: 8 instructions for 64 MACs. */
#define TAPS(mac, at)                                                                             \
    "vldrb.8 q0, [r1, #" at "]\n"                                                                 \
    "vldrb.8 q1, [r5, #" at "]\n"                                                                 \
    mac ".s8 r0, q0, q1\n"                                                                        \
    "vldrb.8 q2, [r7, #" at "]\n"                                                                 \
    mac ".s8 r2, q0, q2\n"                                                                        \
    "vldrb.8 q3, [r3, #" at "]\n"                                                                 \
    mac ".s8 r4, q3, q1\n"                                                                        \
    mac ".s8 r6, q3, q2\n"
#define TAPS_16 TAPS("vmladav", "0")
#define TAPS_32 TAPS_16 TAPS("vmladava", "16")
#define TAPS_64 TAPS_32 TAPS("vmladava", "32") TAPS("vmladava", "48")
#define TAPS_128                                                                                  \
    TAPS_64 TAPS("vmladava", "64") TAPS("vmladava", "80") TAPS("vmladava", "96")                  \
        TAPS("vmladava", "112")

#define END_UNROLLED                                                                              \
    "vadd.i32 q0, q0, r11\n"                                                                      \
    "vqmovnb.s32 q0, q0\n"                                                                        \
    "vqmovnb.s16 q0, q0\n"                                                                        \
    "vstrb.32 q0, [r8, q7]\n"                                                                     \
    "add r5, r9\n"                                                                                \
    "add r7, r9\n"                                                                                \
    "add r8, r10\n"                                                                               \
    "le lr, 1b\n"                                                                                 \
    "vpop {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* 13 instructions for four outputs beside their sums, or 18. */
#define UNROLLED(name, taps, requantize)                                                          \
    __attribute__((naked, noinline)) static void name(const pair *p __attribute__((unused)))      \
    {                                                                                             \
        __asm__ volatile(BEGIN_UNROLLED taps GATHER_SUMS requantize END_UNROLLED);                \
    }
UNROLLED(run_few, FEW_TAPS, EXACT)
UNROLLED(run_16, TAPS_16, EXACT)
UNROLLED(run_32, TAPS_32, EXACT)
UNROLLED(run_64, TAPS_64, EXACT)
UNROLLED(run_few_simple, FEW_TAPS, SIMPLE)
UNROLLED(run_16_simple, TAPS_16, SIMPLE)
UNROLLED(run_32_simple, TAPS_32, SIMPLE)
UNROLLED(run_64_simple, TAPS_64, SIMPLE)
UNROLLED(run_128_simple, TAPS_128, SIMPLE)

typedef void run_pair(const pair *p);

/* The loop without another over taps; NULL where there is none, or little would be gained. */
static run_pair *find_unrolled(int32_t taps, bool simple)
{
    if (taps < 16) {
        return simple ? run_few_simple : run_few;
    }
    switch (taps) {
    case 16:
        return simple ? run_16_simple : run_16;
    case 32:
        return simple ? run_32_simple : run_32;
    case 64:
        return simple ? run_64_simple : run_64;
    case 128:
        return simple ? run_128_simple : NULL;
    default:
        return NULL;
    }
}

void ta_linear_s8_mve(const ta_linear *layer, const int8_t *pixels, int32_t pitch,
                      int32_t count, int8_t *out)
{
    const int32_t taps = layer->taps;
    const int32_t channels = layer->channels;
    const int32_t even = count & ~1;
    const int32_t taken = (taps + 15) & ~15;
    const int8_t *const last = pixels + even * pitch;
    const bool simple = ta_mve_is_simple(layer->requant);
    run_pair *const unrolled = find_unrolled(taps, simple);
    run_pair *const run_pairs = unrolled != NULL ? unrolled : simple ? run_simple : run;
    const uint32x4_t lane = vidupq_n_u32(0, 1);
    const uint32x4_t of_pixel = vmulq_n_u32(vshrq_n_u32(lane, 1), (uint32_t)channels);
    pair p; /* no initialiser: that would be a call of memset */
    p.filter0 = layer->filters;
    p.out_step = 2 * channels;
    p.end = last;
    p.taps = taps;
    p.zero_point = layer->requant->zero_point;
    for (int32_t c = 0; c < channels; c += 2) {
        /* The last of an odd number of channels is its own neighbour; so is the last pixel. */
        const int32_t odd = c + 1 < channels;
        const uint32x4_t places = vandq_u32(lane, vdupq_n_u32((uint32_t)odd));
        const uint32x4_t those = vaddq_n_u32(places, (uint32_t)c);
        const ta_mve_channels constants = ta_mve_channels_of(layer->requant, those);
        vstrwq_s32(p.left, constants.left);
        vstrwq_s32(p.mantissa, constants.mantissa);
        vstrwq_s32(p.right, constants.right);
        vstrwq_s32(p.bias, vldrwq_gather_shifted_offset_s32(layer->bias, those));
        p.filter1 = p.filter0 + (odd ? taps : 0);
        if (even > 0) {
            p.pixel0 = pixels;
            p.pixel1 = pixels + pitch;
            p.next = 2 * pitch - (unrolled != NULL ? 0 : taken);
            p.count = even / 2;
            p.out = out + c;
            vstrwq_u32(p.places, vaddq_u32(places, of_pixel));
            run_pairs(&p);
        }
        if (even < count) {
            p.pixel0 = last;
            p.pixel1 = last;
            p.next = -taken;
            p.count = 1;
            p.out = out + even * channels + c;
            vstrwq_u32(p.places, places);
            run_pairs(&p);
        }
        p.filter0 += 2 * taps;
    }
    ta_clamp_s8_mve(layer->requant, out, count * channels);
}

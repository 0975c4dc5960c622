/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen channels of a stretch of output pixels at a time. Scratch after the row pointers: the
 * input columns of the stretch, [columns][fours][16 channels][4 rows], so that a word holds four
 * rows of one channel. A gathering load takes the words of four columns, or of as many as the
 * window has, and one VMLADAV sums sixteen taps.
 */
#include "ta_depthwise_conv_2d.h"
#include "ta_mve_requant.h"

#define CHANNELS 16
#define WORD 4
#define MOST_VECTORS 16

struct group;

/* A stretch of output pixels; what all its channels share. */
typedef struct strip {
    const ta_conv_2d *op;
    int8_t *columns;
    int32_t fours;        /* of rows of the window, rounded up */
    int32_t step;         /* bytes from the window of an output to the next one's */
    int32_t count;        /* outputs */
    int32_t vectors;      /* of sixteen taps, a window */
    uint32x4_t places;    /* of four outputs */
    void (*run)(const struct group *g);
    uint32_t at[MOST_VECTORS][4]; /* the words of a window, from the first */
} strip;

/* Lays `count` columns of four rows, whose pixels are `step` bytes apart; of sixteen channels as
 * many as there are: 15 instructions a column. Returns where the next one goes. */
static int8_t *lay_fours(int8_t *to, int32_t to_step, const int8_t *const *from, int32_t offset,
                         int32_t step, int32_t channels, int32_t count)
{
    const int8_t *row0 = from[0] + offset;
    const int8_t *row1 = from[1] + offset;
    const int8_t *row2 = from[2] + offset;
    const int8_t *row3 = from[3] + offset;
    if (count <= 0) {
        return to;
    }
    __asm__ volatile("vctp.8 %[channels]\n"
                     "dls lr, %[count]\n"
                     "1:\n"
                     "vpstttt\n"
                     "vldrbt.8 q0, [%[row0]]\n"
                     "vldrbt.8 q1, [%[row1]]\n"
                     "vldrbt.8 q2, [%[row2]]\n"
                     "vldrbt.8 q3, [%[row3]]\n"
                     "add %[row0], %[step]\n"
                     "add %[row1], %[step]\n"
                     "add %[row2], %[step]\n"
                     "add %[row3], %[step]\n"
                     "vst40.8 {q0, q1, q2, q3}, [%[to]]\n"
                     "vst41.8 {q0, q1, q2, q3}, [%[to]]\n"
                     "vst42.8 {q0, q1, q2, q3}, [%[to]]\n"
                     "vst43.8 {q0, q1, q2, q3}, [%[to]]\n"
                     "add %[to], %[to_step]\n"
                     "le lr, 1b\n"
                     : [row0] "+r"(row0), [row1] "+r"(row1), [row2] "+r"(row2),
                       [row3] "+r"(row3), [to] "+r"(to)
                     : [channels] "r"(channels), [count] "r"(count), [step] "r"(step),
                       [to_step] "r"(to_step)
                     : "lr", "q0", "q1", "q2", "q3", "cc", "memory");
    return to;
}

/* Lays columns [x, x + count) of sixteen channels; those beside the input are of zero points. */
static void lay_columns(const strip *s, const int8_t *const *rows, int32_t channel, int32_t x,
                        int32_t count)
{
    const ta_conv_2d *op = s->op;
    const int32_t channels = op->in_channels - channel;
    const int32_t to_step = s->fours * CHANNELS * WORD;
    const int32_t first = x > 0 ? x : 0;
    const int32_t stop = x + count;
    const int32_t last = stop < op->in_width ? stop : op->in_width;
    const int8_t *const zeros[WORD] = { op->zero_row, op->zero_row, op->zero_row, op->zero_row };
    for (int32_t four = 0; four < s->fours; ++four) {
        int8_t *to = s->columns + four * CHANNELS * WORD;
        const int8_t *from[WORD];
        for (int32_t k = 0; k < WORD; ++k) {
            /* Filters have zeros for the rows beyond the last. */
            const int32_t ky = four * WORD + k;
            from[k] = rows[ky < op->kernel_h ? ky : op->kernel_h - 1];
        }
        to = lay_fours(to, to_step, zeros, channel, 0, channels, first - x);
        to = lay_fours(to, to_step, from, first * op->in_channels + channel, op->in_channels,
                       channels, last - first);
        (void)lay_fours(to, to_step, zeros, channel, 0, channels, stop - last);
    }
}

static inline int8x16_t gather(const int8_t *window, uint32x4_t words)
{
    const int32_t *from = (const int32_t *)(const void *)window;
    return vreinterpretq_s8_s32(vldrwq_gather_offset_s32(from, words));
}

/* The sums of four outputs. */
static inline int32x4_t sums(const strip *s, const int8_t *window, const int8_t *filter)
{
    int32_t acc0 = 0;
    int32_t acc1 = 0;
    int32_t acc2 = 0;
    int32_t acc3 = 0;
    const uint32_t *at = s->at[0];
    for (int32_t v = s->vectors; v > 0; --v, filter += 16, at += 4) {
        const int8_t *from = window;
        const int8x16_t weights = vldrbq_s8(filter);
        const uint32x4_t words = vldrwq_u32(at);
        acc0 = vmladavaq_s8(acc0, weights, gather(from, words));
        from += s->step;
        acc1 = vmladavaq_s8(acc1, weights, gather(from, words));
        from += s->step;
        acc2 = vmladavaq_s8(acc2, weights, gather(from, words));
        from += s->step;
        acc3 = vmladavaq_s8(acc3, weights, gather(from, words));
    }
    const int32x4_t found = { acc0, acc1, acc2, acc3 };
    return found;
}

/* Four channels of a stretch whose windows are one vector; the assembly knows the offsets. */
typedef struct group {
    uint32_t at[4];        /* 0: addresses of the words of the first window, channel 0 */
    const int8_t *filters; /* 16 */
    int8_t *out;           /* 20 */
    int32_t step;          /* 24: from a window to the next */
    int32_t channels;      /* 28 */
    int32_t zero_point;    /* 32 */
    int32_t count;         /* 36: outputs */
    int32_t bias[4];       /* 40 */
    int32_t mantissa[4];   /* 56 */
    int32_t right[4];      /* 72 */
    int32_t left[4];       /* 88 */
} group;

/* r0, r2, r4, r6 sums; r1 the struct, r3 out, r5 step, r7 channels, r12 zero point; q3 at, q4-q7
 * filters. */
#define BEGIN                                                                                     \
    "push {r4, r5, r6, r7, lr}\n"                                                                 \
    "vpush {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                              \
    "mov r1, r0\n"                                                                                \
    "ldrd r2, r3, [r1, #16]\n"                                                                    \
    "ldrd r5, r7, [r1, #24]\n"                                                                    \
    "ldrd r12, lr, [r1, #32]\n"                                                                   \
    "vldrw.32 q3, [r1]\n"                                                                         \
    "vldrb.8 q4, [r2]\n"                                                                          \
    "vldrb.8 q5, [r2, #16]\n"                                                                     \
    "vldrb.8 q6, [r2, #32]\n"                                                                     \
    "vldrb.8 q7, [r2, #48]\n"                                                                     \
    "dls lr, lr\n"                                                                                \
    "1:\n"                                                                                        \
    "vldrw.u32 q0, [q3]\n"                                                                        \
    "vmladav.s8 r0, q0, q4\n"                                                                     \
    "vldrw.u32 q1, [q3, #4]\n"                                                                    \
    "vmladav.s8 r2, q1, q5\n"                                                                     \
    "vldrw.u32 q2, [q3, #8]\n"                                                                    \
    "vmladav.s8 r4, q2, q6\n"                                                                     \
    "vldrw.u32 q0, [q3, #12]\n"                                                                   \
    "vmladav.s8 r6, q0, q7\n"                                                                     \
    "vldrw.32 q1, [r1, #40]\n"                                                                    \
    "vmov q0[2], q0[0], r0, r4\n"                                                                 \
    "vmov q0[3], q0[1], r2, r6\n"                                                                 \
    "vadd.i32 q3, q3, r5\n"                                                                       \
    "vadd.i32 q0, q0, q1\n"

#define END                                                                                       \
    "vadd.i32 q0, q0, r12\n"                                                                      \
    "vqmovnb.s32 q0, q0\n"                                                                        \
    "vqmovnb.s16 q0, q0\n"                                                                        \
    "vstrb.32 q0, [r3]\n"                                                                         \
    "add r3, r7\n"                                                                                \
    "le lr, 1b\n"                                                                                 \
    "vpop {d8, d9, d10, d11, d12, d13, d14, d15}\n"                                               \
    "pop {r4, r5, r6, r7, pc}\n"

/* 29 instructions for four outputs. */
__attribute__((naked, noinline)) static void run(const group *g __attribute__((unused)))
{
    __asm__ volatile(BEGIN "vldrw.32 q2, [r1, #88]\n"
                           "vldrw.32 q1, [r1, #56]\n"
                           "vshl.s32 q0, q0, q2\n"
                           "vldrw.32 q2, [r1, #72]\n"
                           "vqrdmulh.s32 q0, q0, q1\n"
                           "vand q1, q0, q2\n"
                           "vshr.s32 q1, q1, #31\n"
                           "vqadd.s32 q0, q0, q1\n"
                           "vrshl.s32 q0, q0, q2\n" END);
}

/* 24, where ta_mve_is_simple. */
__attribute__((naked, noinline)) static void run_simple(const group *g __attribute__((unused)))
{
    __asm__ volatile(BEGIN "vldrw.32 q1, [r1, #56]\n"
                           "vldrw.32 q2, [r1, #72]\n"
                           "vqrdmulh.s32 q0, q0, q1\n"
                           "vrshl.s32 q0, q0, q2\n" END);
}

/* Channels c to c + 3 of all outputs of the stretch, where a window is one vector. */
static void four_channels(const strip *s, const int8_t *window, int32_t c, int8_t *out)
{
    const ta_conv_2d *op = s->op;
    const uint32x4_t channels = vidupq_n_u32((uint32_t)c, 1);
    const ta_mve_channels constants = ta_mve_channels_of(&op->requant, channels);
    group g; /* no initialiser: that would be a call of memset */
    g.filters = op->weights + c * 16;
    g.out = out;
    g.step = s->step;
    g.channels = op->out_channels;
    g.zero_point = op->requant.zero_point;
    g.count = s->count;
    vstrwq_u32(g.at, vaddq_n_u32(vldrwq_u32(s->at[0]), (uint32_t)window));
    vstrwq_s32(g.bias, vldrwq_s32(op->bias + c));
    vstrwq_s32(g.mantissa, constants.mantissa);
    vstrwq_s32(g.right, constants.right);
    vstrwq_s32(g.left, constants.left);
    s->run(&g);
}

/* Channel c of them, where a window is several vectors. */
static void one_channel(const strip *s, const int8_t *window, int32_t c, int8_t *out)
{
    const ta_conv_2d *op = s->op;
    const ta_mve_channels constants =
        ta_mve_channels_of(&op->requant, vdupq_n_u32((uint32_t)c));
    const int8_t *filter = op->weights + c * s->vectors * 16;
    for (int32_t left = s->count; left > 0; left -= 4) {
        const int32x4_t acc = vaddq_n_s32(sums(s, window, filter), op->bias[c]);
        const int32x4_t values = ta_mve_requantize_s8(&constants, acc, op->requant.zero_point);
        vstrbq_scatter_offset_p_s32(out, s->places, values, vctp32q((uint32_t)left));
        window += 4 * s->step;
        out += 4 * op->out_channels;
    }
}

/* The sixteen channels from `first`, or as many as there are, of the stretch. */
static void make_channels(const strip *s, int32_t first, int8_t *out)
{
    const int32_t channels = s->op->out_channels;
    const int32_t last = first + CHANNELS < channels ? first + CHANNELS : channels;
    if (s->vectors > 1) {
        for (int32_t c = first; c < last; ++c) {
            one_channel(s, s->columns + (c - first) * WORD, c, out + c);
        }
        return;
    }
    for (int32_t c = first; c < last; c += 4) {
        const int32_t four = c + 4 <= last ? c : last - 4;
        four_channels(s, s->columns + (four - first) * WORD, four, out + four);
    }
}

void ta_depthwise_conv_2d_s8_mve(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                 int32_t x_start, int32_t x_stop)
{
    const int32_t channels = op->out_channels;
    strip s; /* no initialiser: that would be a call of memset */
    s.op = op;
    s.columns = (int8_t *)op->scratch + op->kernel_h * (int32_t)sizeof *rows;
    s.fours = (op->kernel_h + WORD - 1) / WORD;
    s.places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)channels);
    s.run = ta_mve_is_simple(&op->requant) ? run_simple : run;
    const int32_t words = op->kernel_w * s.fours;
    s.step = op->stride_w * s.fours * CHANNELS * WORD;
    s.vectors = (words + 3) / 4;
    for (int32_t w = 0; w < 4 * s.vectors; ++w) {
        const int32_t column = w / s.fours * op->dilation_w;
        s.at[w / 4][w % 4] =
            w < words ? (uint32_t)((column * s.fours + w % s.fours) * CHANNELS * WORD) : 0;
    }
    for (int32_t x = x_start; x < x_stop; x += op->stretch) {
        const int32_t left = x * op->stride_w - op->pad_left;
        s.count = x_stop - x < op->stretch ? x_stop - x : op->stretch;
        const int32_t columns =
            (s.count - 1) * op->stride_w + (op->kernel_w - 1) * op->dilation_w + 1;
        for (int32_t c = 0; c < channels; c += CHANNELS) {
            /* The last sixteen are made again where channels are no multiple of sixteen. */
            const int32_t first = c + CHANNELS <= channels || c == 0 ? c : channels - CHANNELS;
            lay_columns(&s, rows, first, left, columns);
            make_channels(&s, first, out + x * channels);
        }
    }
    ta_clamp_s8_mve(&op->requant, out + x_start * channels, (x_stop - x_start) * channels);
}

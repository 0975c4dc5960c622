/* SPDX-License-Identifier: Apache-2.0
 *
 * Four channels of one output pixel, or of two side by side, at a time: all pixels under their windows
 * are loaded, two of them packed to a word, and two channels after the other made of what two halves
 * of the words hold. Weights are widened to 256 times their value, so sums are what floors take.
 */
#include <stdbool.h>

#include "ta_depthwise_conv_2d.h"

enum { SIDE = 3, PAIR_COLUMNS = 4 };

/* What lies on the stack, in this order, while channels are gone through: pointers to the pixels under
 * the windows, of each column the upper two rows', then the lower row's; `at`, which is one less than
 * where the next output goes, and to which pointers are relative; of a pair, channels; `at` behind the
 * last. */
typedef struct pixel_taps {
    uint32_t upper[SIDE][2];
    uint32_t lower[SIDE];
} pixel_taps;

typedef struct pair_taps {
    uint32_t upper[PAIR_COLUMNS][2];
    uint32_t lower[PAIR_COLUMNS];
    int32_t channels;
} pair_taps;

#define PACK(low, high, first)                                                                    \
    "pkhbt " low ", " first ", " high ", lsl #16\n"                                               \
    "pkhtb " high ", " high ", " first ", asr #16\n"
/* Of two pixels, two channels of each: one to `other`, one in place. */
#define WIDEN(other, pixels)                                                                      \
    "sxtb16 " other ", " pixels "\n"                                                              \
    "sxtb16 " pixels ", " pixels ", ror #8\n"
#define ADD(acc, pixels, filter) "smlad " acc ", " pixels ", " filter ", " acc "\n"
/* An output by a floor. */
#define FLOOR(acc, slope, offset)                                                                 \
    "smmla " acc ", " acc ", " slope ", " offset "\n"                                             \
    "ssat " acc ", #8, " acc ", asr #8\n"

/* Two channels of a pixel, packed in r2, r4, r6, r9, the last widened in r12 and r8, whose half is
 * `half`: 25 instructions for 18 MACs. */
#define TWO_OF_PIXEL(half)                                                                        \
    "ldmia lr!, {r0, r1, r3, r5, r7, r10}\n" WIDEN("r11", "r2") ADD("r0", "r11", "r3")            \
    ADD("r1", "r2", "r5") WIDEN("r11", "r4") ADD("r0", "r11", "r7") ADD("r1", "r4", "r10")        \
    "ldmia lr!, {r2, r3, r4, r5, r7, r10}\n" WIDEN("r11", "r6") ADD("r0", "r11", "r2")            \
    ADD("r1", "r6", "r3") WIDEN("r11", "r9") ADD("r0", "r11", "r4") ADD("r1", "r9", "r5")         \
    "smla" half "t r0, r12, r7, r0\n"                                                             \
    "smla" half "t r1, r8, r10, r1\n"                                                             \
    "ldmia lr!, {r2, r3, r4}\n" FLOOR("r0", "r2", "r4") FLOOR("r1", "r3", "r4")

/* All channels of a pixel: 81 instructions for 36 MACs. */
#define ALL_OF_PIXEL                                                                              \
    "1:\n"                                                                                        \
    "ldmia.w sp, {r0-r9}\n"                                                                       \
    "ldr r0, [r0, r9]\n"                                                                          \
    "ldr r1, [r1, r9]\n"                                                                          \
    "ldr r2, [r2, r9]\n"                                                                          \
    "ldr r3, [r3, r9]\n"                                                                          \
    "ldr r4, [r4, r9]\n"                                                                          \
    "ldr r5, [r5, r9]\n"                                                                          \
    "ldr r6, [r6, r9]\n"                                                                          \
    "ldr r7, [r7, r9]\n"                                                                          \
    "ldr r8, [r8, r9]\n" PACK("r9", "r7", "r6") PACK("r6", "r5", "r4") PACK("r4", "r3", "r2")     \
    PACK("r2", "r1", "r0")                                                                        \
    "push {r1, r3, r5, r7}\n" WIDEN("r12", "r8") TWO_OF_PIXEL("b")                                \
    "ldr r5, [sp, #52]\n"                                                                         \
    "strb r0, [r5, #1]\n"                                                                         \
    "strb r1, [r5, #2]\n"                                                                         \
    "pop {r2, r4, r6, r9}\n" TWO_OF_PIXEL("t")                                                    \
    "ldrd r5, r6, [sp, #36]\n"                                                                    \
    "strb r0, [r5, #3]\n"                                                                         \
    "strb r1, [r5, #4]!\n"                                                                        \
    "str r5, [sp, #36]\n"                                                                         \
    "cmp r5, r6\n"                                                                                \
    "bne.w 1b\n"                                                                                  \
    "add sp, #44\n"                                                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* Two channels of two pixels, columns packed in r2, r4, r6, r8, the lower row's two by two in r10, r12;
 * `at` is `table` from the stack pointer, and the outputs are `first` from it: 49 instructions for 36
 * MACs. */
#define TWO_OF_PAIR(table, first)                                                                 \
    "ldmia lr!, {r3, r5, r7, r9}\n" WIDEN("r11", "r2")                                            \
    "smlad r0, r11, r7, r3\n"                                                                     \
    "smlad r1, r2, r9, r5\n" WIDEN("r11", "r4") ADD("r3", "r11", "r7") ADD("r5", "r4", "r9")      \
    "ldmia lr!, {r2, r7, r9}\n" ADD("r0", "r11", "r2") ADD("r1", "r4", "r7") WIDEN("r11", "r6")   \
    ADD("r3", "r11", "r2") ADD("r5", "r6", "r7")                                                  \
    "ldmia lr!, {r2, r4, r7}\n" ADD("r0", "r11", "r9") ADD("r1", "r6", "r2") WIDEN("r11", "r8")   \
    ADD("r3", "r11", "r9") ADD("r5", "r8", "r2") WIDEN("r11", "r10") ADD("r0", "r11", "r4")       \
    ADD("r1", "r10", "r7")                                                                        \
    "smlatb r3, r11, r4, r3\n"                                                                    \
    "smlatb r5, r10, r7, r5\n"                                                                    \
    "ldmia lr!, {r2, r4, r6, r7, r8}\n" WIDEN("r11", "r12")                                       \
    "smlabt r0, r11, r2, r0\n"                                                                    \
    "smlabt r1, r12, r4, r1\n" ADD("r3", "r11", "r2") ADD("r5", "r12", "r4")                      \
    "ldrd r9, r10, [sp, #" table "]\n" FLOOR("r0", "r6", "r8")                                    \
    "strb r0, [r9, #" first "]!\n" FLOOR("r3", "r6", "r8")                                        \
    "strb r3, [r9, r10]\n" FLOOR("r1", "r7", "r8")                                                \
    "strb r1, [r9, #1]!\n" FLOOR("r5", "r7", "r8")                                                \
    "strb r5, [r9, r10]\n"

/* All channels of a pair: 129 instructions for 72 MACs. */
#define ALL_OF_PAIR                                                                               \
    "1:\n"                                                                                        \
    "ldmia.w sp, {r0-r12}\n"                                                                      \
    "ldr r0, [r0, r12]\n"                                                                         \
    "ldr r1, [r1, r12]\n"                                                                         \
    "ldr r2, [r2, r12]\n"                                                                         \
    "ldr r3, [r3, r12]\n"                                                                         \
    "ldr r4, [r4, r12]\n"                                                                         \
    "ldr r5, [r5, r12]\n"                                                                         \
    "ldr r6, [r6, r12]\n"                                                                         \
    "ldr r7, [r7, r12]\n"                                                                         \
    "ldr r8, [r8, r12]\n"                                                                         \
    "ldr r9, [r9, r12]\n"                                                                         \
    "ldr r10, [r10, r12]\n"                                                                       \
    "ldr r11, [r11, r12]\n" PACK("r12", "r11", "r10") PACK("r10", "r9", "r8")                     \
    PACK("r8", "r7", "r6") PACK("r6", "r5", "r4") PACK("r4", "r3", "r2") PACK("r2", "r1", "r0")   \
    "push {r1, r3, r5, r7, r9, r11}\n" TWO_OF_PAIR("72", "1")                                     \
    "pop {r2, r4, r6, r8, r10, r12}\n" TWO_OF_PAIR("48", "3")                                     \
    "ldr r11, [sp, #56]\n"                                                                        \
    "str r9, [sp, #48]\n"                                                                         \
    "cmp r9, r11\n"                                                                               \
    "bne.w 1b\n"                                                                                  \
    "add sp, #60\n"                                                                               \
    "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"

/* Makes one pixel. from: rows, of which `offset`, less `at`, is the first column, and the others follow
 * `step` bytes apart; or with a step of 0, pixel_taps. */
__attribute__((naked, noinline)) static void
make_pixel(const void *from __attribute__((unused)), const int32_t *filters __attribute__((unused)),
           uint32_t offset __attribute__((unused)), uint32_t at __attribute__((unused)),
           uint32_t stop __attribute__((unused)), int32_t step __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "mov lr, r1\n"
                     "mov r9, r3\n"
                     "ldrd r10, r5, [sp, #36]\n"
                     "cbnz r5, 2f\n"
                     "ldmia.w r0, {r0-r8}\n"
                     "b 3f\n"
                     "2:\n"
                     "ldmia.w r0, {r0, r1, r6}\n"
                     "add r0, r2\n"
                     "add r1, r2\n"
                     "add r6, r2\n"
                     "add r2, r0, r5\n"
                     "add r3, r1, r5\n"
                     "add r7, r6, r5\n"
                     "add r4, r2, r5\n"
                     "add r8, r7, r5\n"
                     "add r5, r3, r5\n"
                     "3:\n"
                     "push {r0-r10}\n" ALL_OF_PIXEL);
}

/* Makes two pixels, with a stride and a dilation of 1; with a step of 0, from pair_taps. */
__attribute__((naked, noinline)) static void
make_pair(const void *from __attribute__((unused)), const int32_t *filters __attribute__((unused)),
          uint32_t offset __attribute__((unused)), uint32_t at __attribute__((unused)),
          uint32_t stop __attribute__((unused)), int32_t step __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "mov lr, r1\n"
                     "mov r12, r3\n"
                     "ldrd r10, r4, [sp, #36]\n"
                     "cbnz r4, 2f\n"
                     "ldr r4, [r0, #48]\n"
                     "push {r4, r10}\n"
                     "ldmia.w r0, {r0-r11}\n"
                     "b 3f\n"
                     "2:\n"
                     "push {r4, r10}\n"
                     "ldmia.w r0, {r0, r1, r8}\n"
                     "add r0, r2\n"
                     "add r1, r2\n"
                     "add r8, r2\n"
                     "add r2, r0, r4\n"
                     "add r3, r1, r4\n"
                     "add r9, r8, r4\n"
                     "add r5, r3, r4\n"
                     "add r10, r9, r4\n"
                     "add r6, r2, r4, lsl #1\n"
                     "add r7, r5, r4\n"
                     "add r11, r10, r4\n"
                     "add r4, r2, r4\n"
                     "3:\n"
                     "push {r0-r12}\n" ALL_OF_PAIR);
}

/* Points at the pixels of a column, relative to `at`; beside the input they are zero points. */
static inline void point_at(const ta_conv_2d *op, const int8_t *const *rows, int32_t column,
                            uint32_t at, uint32_t *upper, uint32_t *lower)
{
    if (column >= 0 && column < op->in_width) {
        const uint32_t offset = (uint32_t)(column * op->in_channels) - at;
        upper[0] = (uint32_t)rows[0] + offset;
        upper[1] = (uint32_t)rows[1] + offset;
        *lower = (uint32_t)rows[2] + offset;
    } else {
        upper[0] = upper[1] = *lower = (uint32_t)op->zero_row - at;
    }
}

/* Makes a pixel, or a pair, of whose windows `left` is the first column. Out of the way of the others. */
__attribute__((noinline)) static void make_at_edge(const ta_conv_2d *op, const int8_t *const *rows,
                                                   int32_t left, bool is_pair, uint32_t at)
{
    const int32_t *const filters = (const int32_t *)(const void *)op->weights;
    const uint32_t stop = at + (uint32_t)op->out_channels;
    if (is_pair) {
        pair_taps taps; /* no initialiser: that would be a call of memset */
        for (int32_t k = 0; k < PAIR_COLUMNS; ++k) {
            point_at(op, rows, left + k, at, taps.upper[k], &taps.lower[k]);
        }
        taps.channels = op->out_channels;
        make_pair(&taps, filters, 0, at, stop, 0);
    } else {
        pixel_taps taps;
        for (int32_t k = 0; k < SIDE; ++k) {
            point_at(op, rows, left + k * op->dilation_w, at, taps.upper[k], &taps.lower[k]);
        }
        make_pixel(&taps, filters, 0, at, stop, 0);
    }
}

void ta_depthwise_conv_2d_s8_3x3_wide_dsp(const ta_conv_2d *op, const int8_t *const *rows,
                                          int8_t *out, int32_t x_start, int32_t x_stop)
{
    const int32_t *const filters = (const int32_t *)(const void *)op->weights;
    const int32_t channels = op->out_channels;
    const int32_t stride = op->stride_w;
    const int32_t dilation = op->dilation_w;
    const int32_t edge = op->in_width - 2 * dilation;
    int32_t left = x_start * stride - op->pad_left;
    int8_t *const start = out + x_start * channels;
    uint32_t at = (uint32_t)start - 1u;
    const int32_t count = (x_stop - x_start) * channels;
    const uint32_t at_stop = at + (uint32_t)count;
    do {
        uint32_t stop = at + (uint32_t)channels;
        const uint32_t offset = (uint32_t)(left * channels) - at;
        const bool is_pair = stride * dilation == 1 && stop != at_stop;
        if (left < 0 || left + is_pair >= edge) {
            make_at_edge(op, rows, left, is_pair, at);
        } else if (is_pair) {
            make_pair(rows, filters, offset, at, stop, channels);
        } else {
            make_pixel(rows, filters, offset, at, stop, dilation * channels);
        }
        at = stop;
        left += stride;
        if (is_pair) {
            at += (uint32_t)channels;
            left += stride;
        }
    } while (at != at_stop);
    if (op->requant.lowest > INT8_MIN || op->requant.highest < INT8_MAX) {
        ta_clamp_outputs_s8(&op->requant, start, count);
    }
}

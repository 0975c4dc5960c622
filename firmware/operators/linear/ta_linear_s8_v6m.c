/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include <stdbool.h>
#include <string.h>

#include "ta_linear_v6m.h"

#define UNROLLED 8
#define WORD 4

/* r0-r4 pixels, r5 tap, r6 place, r7 a tap's value, r12 taps. 13 instructions for five, of four
 * 11. */
#define WIDEN(pixel)                                                                              \
    "ldrsb r7, [" pixel ", r5]\n"                                                                 \
    "stmia r6!, {r7}\n"
#define WIDEN_ALL(fifth)                                                                          \
    ".syntax unified\n"                                                                           \
    "push {r4, r5, r6, r7, lr}\n"                                                                 \
    "movs r6, r0\n"                                                                               \
    "mov r12, r2\n"                                                                               \
    "ldmia r1!, {r0, r2, r3, r4, r5}\n"                                                           \
    "mov r1, r2\n"                                                                                \
    "mov r2, r3\n"                                                                                \
    "mov r3, r4\n"                                                                                \
    "mov r4, r5\n"                                                                                \
    "movs r5, #0\n"                                                                               \
    "1:\n" WIDEN("r0") WIDEN("r1") WIDEN("r2") WIDEN("r3") fifth                                  \
    "adds r5, #1\n"                                                                               \
    "cmp r5, r12\n"                                                                               \
    "bne 1b\n"                                                                                    \
    "pop {r4, r5, r6, r7, pc}\n"

__attribute__((naked, noinline)) static void widen_five(
    int32_t *to __attribute__((unused)), const int8_t *const *pixels __attribute__((unused)),
    int32_t taps __attribute__((unused)))
{
    __asm__ volatile(WIDEN_ALL(WIDEN("r4")));
}

__attribute__((naked, noinline)) static void widen_four(
    int32_t *to __attribute__((unused)), const int8_t *const *pixels __attribute__((unused)),
    int32_t taps __attribute__((unused)))
{
    __asm__ volatile(WIDEN_ALL(""));
}

void ta_widen_v6m(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps)
{
    (tile == 5 ? widen_five : widen_four)(to, pixels, taps);
}

/* r0 filter, r1 taps, r2 weight, r3-r7 taps, r8-r12 sums, lr stop; 24 bytes, of four 20. */
#define ADD_PRODUCT(sum, tap)                                                                     \
    "muls " tap ", r2\n"                                                                          \
    "add " sum ", " tap "\n"
#define FIVE(at)                                                                                  \
    "ldrb r2, [r0, #" at "]\n"                                                                    \
    "ldmia r1!, {r3, r4, r5, r6, r7}\n" ADD_PRODUCT("r8", "r3") ADD_PRODUCT("r9", "r4")           \
        ADD_PRODUCT("r10", "r5") ADD_PRODUCT("r11", "r6") ADD_PRODUCT("r12", "r7")
#define FOUR(at)                                                                                  \
    "ldrb r2, [r0, #" at "]\n"                                                                    \
    "ldmia r1!, {r4, r5, r6, r7}\n" ADD_PRODUCT("r8", "r4") ADD_PRODUCT("r9", "r5")               \
        ADD_PRODUCT("r10", "r6") ADD_PRODUCT("r11", "r7")
#define EIGHT(tap) tap("0") tap("1") tap("2") tap("3") tap("4") tap("5") tap("6") tap("7")

/* All channels: 99 instructions for 40 MACs, of four pixels 83 for 32, and 28 for a channel beside
 * its outputs. */
#define CHANNELS(tap)                                                                             \
    TA_V6M_BEGIN                                                                                  \
    "1:\n"                                                                                        \
    "ldr r2, [sp, #40]\n"                                                                         \
    "ldmia r2!, {r3, r4, r5, r6, r7}\n"                                                           \
    "ldr r0, [sp, #44]\n"                                                                         \
    "subs r2, r0\n"                                                                               \
    "str r2, [sp, #40]\n"                                                                         \
    "mov r8, r3\n"                                                                                \
    "mov r9, r4\n"                                                                                \
    "mov r10, r5\n"                                                                               \
    "mov r11, r6\n"                                                                               \
    "mov r12, r7\n"                                                                               \
    "ldr r0, [sp, #28]\n"                                                                         \
    "ldr r1, [sp, #36]\n"                                                                         \
    "mov lr, r1\n"                                                                                \
    "ldr r1, [sp, #32]\n"                                                                         \
    "ldr r2, [sp, #48]\n"                                                                         \
    "add pc, r2\n"                                                                                \
    "nop\n"                                                                                       \
    "2:\n" EIGHT(tap)                                                                             \
    "adds r0, #8\n"                                                                               \
    "cmp r1, lr\n"                                                                                \
    "bne 2b\n"                                                                                    \
    "ldr r1, [sp, #52]\n"                                                                         \
    "adds r0, r1\n"                                                                               \
    "str r0, [sp, #28]\n" TA_V6M_OUTPUTS                                                          \
    "beq 3f\n"                                                                                    \
    "b 1b\n"                                                                                      \
    "3:\n" TA_V6M_END

__attribute__((naked, noinline)) static void five(const ta_frame_v6m *frame
                                                  __attribute__((unused)))
{
    __asm__ volatile(CHANNELS(FIVE));
}

__attribute__((naked, noinline)) static void four(const ta_frame_v6m *frame
                                                  __attribute__((unused)))
{
    __asm__ volatile(CHANNELS(FOUR));
}

/* Adds taps of five pixels, r3-r7, to sums, r8-r12: 8 instructions for five; of four pixels, r4-r7
 * and r8-r11, 7 for four. */
#define ADD_ALL(taps, adds)                                                                       \
    ".syntax unified\n"                                                                           \
    "push {r2, r4, r5, r6, r7, lr}\n"                                                             \
    "mov r4, r8\n"                                                                                \
    "mov r5, r9\n"                                                                                \
    "mov r6, r10\n"                                                                               \
    "mov r7, r11\n"                                                                               \
    "push {r4, r5, r6, r7}\n"                                                                     \
    "movs r4, #0\n"                                                                               \
    "mov r8, r4\n"                                                                                \
    "mov r9, r4\n"                                                                                \
    "mov r10, r4\n"                                                                               \
    "mov r11, r4\n"                                                                               \
    "mov r12, r4\n"                                                                               \
    "1:\n"                                                                                        \
    "ldmia r0!, {" taps "}\n" adds                                                                \
    "cmp r0, r1\n"                                                                                \
    "bne 1b\n"                                                                                    \
    "mov r3, r8\n"                                                                                \
    "mov r4, r9\n"                                                                                \
    "mov r5, r10\n"                                                                               \
    "mov r6, r11\n"                                                                               \
    "mov r7, r12\n"                                                                               \
    "stmia r2!, {r3, r4, r5, r6, r7}\n"                                                           \
    "pop {r4, r5, r6, r7}\n"                                                                      \
    "mov r8, r4\n"                                                                                \
    "mov r9, r5\n"                                                                                \
    "mov r10, r6\n"                                                                               \
    "mov r11, r7\n"                                                                               \
    "pop {r2, r4, r5, r6, r7, pc}\n"

__attribute__((naked, noinline)) static void add_five(
    const int32_t *taps __attribute__((unused)), const int32_t *stop __attribute__((unused)),
    int32_t *sums __attribute__((unused)))
{
    __asm__ volatile(ADD_ALL("r3, r4, r5, r6, r7", "add r8, r3\n"
                                                   "add r9, r4\n"
                                                   "add r10, r5\n"
                                                   "add r11, r6\n"
                                                   "add r12, r7\n"));
}

__attribute__((naked, noinline)) static void add_four(
    const int32_t *taps __attribute__((unused)), const int32_t *stop __attribute__((unused)),
    int32_t *sums __attribute__((unused)))
{
    __asm__ volatile(ADD_ALL("r4, r5, r6, r7", "add r8, r4\n"
                                               "add r9, r5\n"
                                               "add r10, r6\n"
                                               "add r11, r7\n"));
}

/* 128 too much in each weight makes that much of all taps too much: it is taken off what the sums of
 * the first part start from, and for the other parts, before the last, off what was kept. */
static void take_off(ta_tile_v6m *tile, bool is_first, bool is_last)
{
    const int32_t count = tile->tile * (tile->stop - tile->from);
    int32_t sums[TA_LINEAR_V6M_PIXELS] = { 0 };
    (tile->tile == 5 ? add_five : add_four)(tile->taps, tile->taps + count, sums);
    for (int32_t k = 0; k < tile->tile; ++k) {
        tile->start[k] -= 128 * sums[k];
    }
    if (is_last && !is_first) {
        int32_t *sum = tile->sums;
        for (int32_t c = 0; c < tile->layer->channels; ++c) {
            for (int32_t k = 0; k < 4; ++k) {
                *sum++ += tile->start[k];
            }
        }
    }
}

void ta_linear_s8_v6m(ta_tile_v6m *tile)
{
    const ta_linear *layer = tile->layer;
    const int32_t taps = tile->stop - tile->from;
    const int32_t lead = -taps & (UNROLLED - 1);
    const bool is_first = tile->from == 0;
    const bool is_last = tile->stop == layer->taps;
    const bool is_five = tile->tile == 5;
    ta_frame_v6m *const frame = &tile->frame;
    take_off(tile, is_first, is_last);
    ta_frame_outputs_v6m(frame, &tile->exact, layer, tile->count, tile->out);
    if (!is_last) {
        ta_keep_sums_v6m(frame, tile->sums);
    }
    frame->filter = layer->filters + tile->from - lead;
    frame->of.linear.taps = tile->taps;
    frame->of.linear.stop = tile->taps + tile->tile * taps;
    frame->of.linear.start = is_first ? tile->start : tile->sums;
    frame->of.linear.start_back = is_first ? 5 * WORD : WORD;
    frame->of.linear.lead_bytes = (is_five ? 24 : 20) * lead;
    frame->of.linear.ahead = layer->taps - taps - lead;
    (is_five ? five : four)(frame);
    if (is_first || is_last) {
        memset(tile->start, 0, sizeof tile->start);
    }
    if (is_last) {
        ta_clamp_v6m(layer->requant, tile->out, tile->count * layer->channels);
    }
}

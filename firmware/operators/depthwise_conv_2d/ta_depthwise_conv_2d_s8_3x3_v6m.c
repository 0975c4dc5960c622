/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_depthwise_conv_2d.h"
#include "ta_outputs_v6m.h"

#define ROWS 3

/* r0 weights, then channel, r1-r3 weights of a row, r4 pointers to columns, r5 tap, r6 product, r7
 * column, r8-r12 sums. */
#define WEIGHT(to, at)                                                                            \
    "ldrb " to ", [r0, #" at "]\n"                                                                \
    "sxtb " to ", " to "\n"
#define WEIGHTS(at0, at1, at2)                                                                    \
    "ldr r0, [sp, #28]\n" WEIGHT("r1", at0) WEIGHT("r2", at1) WEIGHT("r3", at2)                   \
    "ldr r0, [sp, #36]\n"
#define COLUMN                                                                                    \
    "ldmia r4!, {r7}\n"                                                                           \
    "ldrsb r5, [r7, r0]\n"

/* What a column adds to a sum, by its place under the window; the last of a column may lose it. */
#define PRODUCT(sum, weight, add)                                                                 \
    "movs r6, r5\n"                                                                               \
    "muls r6, " weight "\n" add " " sum ", r6\n"
#define LAST(sum, weight, add)                                                                    \
    "muls r5, " weight "\n" add " " sum ", r5\n"

/* The first product of a sum makes it: `add` is mov then. */
#define ONE(left, add) COLUMN LAST(left, "r1", add)
#define TWO(middle, left, add) COLUMN PRODUCT(middle, "r2", "add") LAST(left, "r1", add)
#define THREE(right, middle, left, add)                                                           \
    COLUMN PRODUCT(right, "r3", "add") PRODUCT(middle, "r2", "add") LAST(left, "r1", add)
#define END(right, middle)                                                                        \
    COLUMN PRODUCT(right, "r3", "add") LAST(middle, "r2", "add") COLUMN LAST(middle, "r3", "add")

#define ROW_OF_4(add)                                                                             \
    ONE("r8", add) TWO("r8", "r9", add) THREE("r8", "r9", "r10", add)                             \
        THREE("r9", "r10", "r11", add) END("r10", "r11")
#define ROW_OF_5(add)                                                                             \
    ONE("r8", add) TWO("r8", "r9", add) THREE("r8", "r9", "r10", add)                             \
        THREE("r9", "r10", "r11", add) THREE("r10", "r11", "r12", add) END("r11", "r12")

/* The same by a stride of two: columns lie under the middle of a window, or between two. */
#define MIDDLE(middle) COLUMN LAST(middle, "r2", "add")
#define BETWEEN(right, left, add) COLUMN PRODUCT(right, "r3", "add") LAST(left, "r1", add)
#define ROW_OF_4_BY_2(add)                                                                        \
    ONE("r8", add) MIDDLE("r8") BETWEEN("r8", "r9", add) MIDDLE("r9") BETWEEN("r9", "r10", add)   \
        MIDDLE("r10") BETWEEN("r10", "r11", add) MIDDLE("r11") COLUMN LAST("r11", "r3", "add")

#define CHANNELS(row)                                                                             \
    TA_V6M_BEGIN                                                                                  \
    "1:\n"                                                                                        \
    "ldr r4, [sp, #32]\n" WEIGHTS("0", "1", "2") row("mov") WEIGHTS("3", "4", "5") row("add")     \
        WEIGHTS("6", "7", "8") row("add")                                                         \
    "adds r0, #1\n"                                                                               \
    "str r0, [sp, #36]\n"                                                                         \
    "ldr r0, [sp, #28]\n"                                                                         \
    "adds r0, #9\n"                                                                               \
    "str r0, [sp, #28]\n" TA_V6M_OUTPUTS                                                          \
    "beq 2f\n"                                                                                    \
    "b 1b\n"                                                                                      \
    "2:\n" TA_V6M_END

/* 188 instructions for the five sums of a channel, 155 for four, with a stride of two 168. */
#define TILE __attribute__((naked, noinline)) static void

TILE five(const ta_frame_v6m *frame __attribute__((unused)))
{
    __asm__ volatile(CHANNELS(ROW_OF_5));
}

TILE four(const ta_frame_v6m *frame __attribute__((unused)))
{
    __asm__ volatile(CHANNELS(ROW_OF_4));
}

TILE four_by_2(const ta_frame_v6m *frame __attribute__((unused)))
{
    __asm__ volatile(CHANNELS(ROW_OF_4_BY_2));
}

/* Points at the columns from `left` on, [ROWS][count]; where some lie beside the input and there is
 * no padding, only outputs that are missing read them, and may read any. */
static void point_at(const ta_conv_2d *op, const int8_t *const *rows, int32_t left, int32_t count,
                     const int8_t **columns)
{
    for (int32_t ky = 0; ky < ROWS; ++ky) {
        for (int32_t x = left; x < left + count; ++x) {
            const int8_t *const beside = op->zero_row != NULL ? op->zero_row : rows[ky];
            *columns++ = x >= 0 && x < op->in_width ? rows[ky] + x * op->in_channels : beside;
        }
    }
}

void ta_depthwise_conv_2d_s8_3x3_v6m(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                     int32_t x_start, int32_t x_stop)
{
    const int32_t stride = op->stride_w;
    const int8_t **const columns = (const int8_t **)op->scratch + ROWS;
    const ta_linear layer = {
        .bias = op->bias,
        .requant = &op->requant,
        .channels = op->in_channels,
    };
    ta_frame_v6m frame;
    ta_exact_v6m exact;
    frame.of.depthwise.columns = columns;
    int32_t count;
    for (int32_t x = x_start; x < x_stop; x += count) {
        const int32_t tile = stride == 1 && (x_stop - x) % 5 == 0 ? 5 : 4;
        count = x_stop - x < tile ? x_stop - x : tile;
        point_at(op, rows, x * stride - op->pad_left, (tile - 1) * stride + 3, columns);
        ta_frame_outputs_v6m(&frame, &exact, &layer, count, out + x * layer.channels);
        frame.filter = op->weights;
        frame.of.depthwise.channel = 0;
        (stride == 2 ? four_by_2 : (tile == 5 ? five : four))(&frame);
    }
    ta_clamp_v6m(&op->requant, out + x_start * layer.channels,
                 (x_stop - x_start) * layer.channels);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * A channel's outputs from sums in registers, for loops in assembly on Armv6-M. They keep a frame
 * at sp that these functions know, and are called with
 *   r8-r12 sums of pixels 0 to 4, of which the last may be missing
 * by `outputs` of the frame, one channel after the other. All of r0-r7, r12 and lr are lost.
 */
#ifndef TA_OUTPUTS_V6M_H
#define TA_OUTPUTS_V6M_H

#include "ta_linear_c.h"

/* Pixels of a tile at most. */
#define TA_LINEAR_V6M_PIXELS 5

typedef struct ta_frame_v6m {
    void (*outputs)(void); /* 0: makes a channel's */
    int32_t skipped;       /* 4: bytes of code of ta_outputs_floors_v6m, for missing pixels */
    const void *constants; /* 8: [channels][2] biases and slopes of floors, ta_exact_v6m, or sums */
    int8_t *out;           /* 12: of the last pixel that there is */
    const int8_t *end;     /* 16: of that pixel's outputs */
    int32_t step;          /* 20: from a pixel's outputs to those of the next */
    int32_t offset;        /* 24: of floors */
    const int8_t *filter;  /* 28: of the channel */
    union {
        struct {
            const int32_t *taps;  /* 32: [taps][tile] */
            const int32_t *stop;  /* 36 */
            const int32_t *start; /* 40: [5], what sums start from */
            int32_t start_back;   /* 44: from behind those to the next channel's, in bytes */
            int32_t lead_bytes;   /* 48: of code, for taps that are skipped of a loop's first turn */
            int32_t ahead;        /* 52: from a filter's last tap to the next one's first */
        } linear;
        struct {
            const int8_t *const *columns; /* 32: [3][those under a tile] */
            int32_t channel;              /* 36: the next */
        } depthwise;
    } of;
} ta_frame_v6m;

/* Where there are no floors. */
typedef struct ta_exact_v6m {
    const ta_linear *layer;
    int32_t channel; /* the next */
    int32_t count;   /* of pixels */
} ta_exact_v6m;

/* Sets what outputs are made by, of all channels of `count` pixels, out[count][channels]; exact
 * is used where requant has no floors, and lives as long. bias is [channels][2] where it has, a slope behind each. */
void ta_frame_outputs_v6m(ta_frame_v6m *frame, ta_exact_v6m *exact, const ta_linear *layer,
                          int32_t count, int8_t *out);

/* Lets sums be kept, four of each channel, instead of outputs made of them. */
void ta_keep_sums_v6m(ta_frame_v6m *frame, int32_t *sums);

/* Clamps what ta_frame_outputs_v6m left at int8's ends. */
static inline void ta_clamp_v6m(const ta_requant *requant, int8_t *out, int32_t count)
{
    if (requant->floors) {
        ta_clamp_outputs_s8(requant, out, count);
    }
}

/* Assembly: ta_floor of r0, 256 times a sum and the bias, to r0, short of the offset: r4 and r5 are
 * the low and the high half of the slope, r1-r3 are lost. As ta_high_product has it, in 16. */
#define TA_V6M_HIGH_PRODUCT                                                                       \
    "asrs r1, r0, #16\n"                                                                          \
    "uxth r0, r0\n"                                                                               \
    "movs r2, r0\n"                                                                               \
    "muls r2, r4\n"                                                                               \
    "lsrs r2, #16\n"                                                                              \
    "movs r3, r1\n"                                                                               \
    "muls r3, r4\n"                                                                               \
    "adds r2, r3\n"                                                                               \
    "muls r0, r5\n"                                                                               \
    "muls r1, r5\n"                                                                               \
    "asrs r3, r2, #16\n"                                                                          \
    "adds r1, r3\n"                                                                               \
    "uxth r2, r2\n"                                                                               \
    "adds r0, r2\n"                                                                               \
    "lsrs r0, #16\n"                                                                              \
    "adds r0, r1\n"

/* The rest of ta_floor of r0, whose offset has been added; saturated to int8. */
#define TA_V6M_SHIFT_AND_SATURATE                                                                 \
    "asrs r0, #11\n"                                                                              \
    "sxtb r1, r0\n"                                                                               \
    "cmp r0, r1\n"                                                                                \
    "beq 1f\n"                                                                                    \
    "asrs r0, #31\n"                                                                              \
    "movs r1, #127\n"                                                                             \
    "eors r0, r1\n"                                                                               \
    "1:\n"

/* Assembly: saves registers and makes a frame of what r0 points at; takes it away and returns. */
#define TA_V6M_BEGIN                                                                              \
    ".syntax unified\n"                                                                           \
    "push {r4, r5, r6, r7, lr}\n"                                                                 \
    "mov r4, r8\n"                                                                                \
    "mov r5, r9\n"                                                                                \
    "mov r6, r10\n"                                                                               \
    "mov r7, r11\n"                                                                               \
    "push {r4, r5, r6, r7}\n"                                                                     \
    "adds r0, #28\n"                                                                              \
    "ldmia r0!, {r1, r2, r3, r4, r5, r6, r7}\n"                                                   \
    "push {r1, r2, r3, r4, r5, r6, r7}\n"                                                         \
    "subs r0, #56\n"                                                                              \
    "ldmia r0!, {r1, r2, r3, r4, r5, r6, r7}\n"                                                   \
    "push {r1, r2, r3, r4, r5, r6, r7}\n"
#define TA_V6M_END                                                                                \
    "add sp, #56\n"                                                                               \
    "pop {r4, r5, r6, r7}\n"                                                                      \
    "mov r8, r4\n"                                                                                \
    "mov r9, r5\n"                                                                                \
    "mov r10, r6\n"                                                                               \
    "mov r11, r7\n"                                                                               \
    "pop {r4, r5, r6, r7, pc}\n"

/* Makes a channel's outputs; then equal where it was the last. */
#define TA_V6M_OUTPUTS                                                                            \
    "ldr r0, [sp]\n"                                                                              \
    "blx r0\n"                                                                                    \
    "ldr r0, [sp, #12]\n"                                                                         \
    "ldr r1, [sp, #16]\n"                                                                         \
    "cmp r0, r1\n"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_outputs_v6m.h"

/* A pixel's output: r4 and r5 slope, r6 place, r7 offset, lr bias. 30 instructions of 2 bytes. */
#define OUTPUT(sum)                                                                               \
    "mov r0, " sum "\n"                                                                           \
    "lsls r0, #8\n"                                                                               \
    "add r0, lr\n" TA_V6M_HIGH_PRODUCT                                                            \
    "adds r0, r7\n" TA_V6M_SHIFT_AND_SATURATE                                                     \
    "strb r0, [r6]\n"                                                                             \
    "ldr r1, [sp, #24]\n"                                                                         \
    "subs r6, r1\n"
#define OUTPUT_BYTES 60

/* 17 instructions, and 27 for an output, 30 for one beyond int8. The frame is four bytes on. */
__attribute__((naked)) static void floors(void)
{
    __asm__ volatile(".syntax unified\n"
                     "push {lr}\n"
                     "ldr r1, [sp, #12]\n"
                     "ldmia r1!, {r2, r4}\n"
                     "str r1, [sp, #12]\n"
                     "mov lr, r2\n"
                     "lsrs r5, r4, #16\n"
                     "uxth r4, r4\n"
                     "ldr r6, [sp, #16]\n"
                     "adds r0, r6, #1\n"
                     "str r0, [sp, #16]\n"
                     "ldr r7, [sp, #28]\n"
                     "ldr r0, [sp, #8]\n"
                     "add pc, r0\n"
                     "nop\n"
                     "2:\n" OUTPUT("r12") OUTPUT("r11") OUTPUT("r10") OUTPUT("r9") OUTPUT("r8")
                     "pop {pc}\n");
}

/* Sums as the assembly below leaves them on the stack, and the frame. */
typedef struct exact_frame {
    int32_t sums[TA_LINEAR_V6M_PIXELS];
    int32_t registers[2];
    ta_frame_v6m frame;
} exact_frame;

__attribute__((used)) static void store_exact(exact_frame *f)
{
    ta_exact_v6m *const exact = (ta_exact_v6m *)f->frame.constants;
    const ta_requant *requant = exact->layer->requant;
    const int32_t c = exact->channel++;
    const int32_t bias = exact->layer->bias[c];
    const ta_multiplier multiplier = ta_channel_multiplier(requant, c);
    int8_t *out = f->frame.out++;
    for (int32_t k = exact->count - 1; k >= 0; --k, out -= f->frame.step) {
        *out = ta_requantize_s8(requant, multiplier, f->sums[k] + bias);
    }
}

__attribute__((naked)) static void rounded(void)
{
    __asm__ volatile(".syntax unified\n"
                     "push {r4, lr}\n"
                     "mov r0, r8\n"
                     "mov r1, r9\n"
                     "mov r2, r10\n"
                     "mov r3, r11\n"
                     "mov r4, r12\n"
                     "push {r0, r1, r2, r3, r4}\n"
                     "mov r0, sp\n"
                     "bl store_exact\n"
                     "add sp, #20\n"
                     "pop {r4, pc}\n");
}

void ta_frame_outputs_v6m(ta_frame_v6m *frame, ta_exact_v6m *exact, const ta_linear *layer,
                          int32_t count, int8_t *out)
{
    const ta_requant *requant = layer->requant;
    frame->outputs = requant->floors ? floors : rounded;
    frame->skipped = (TA_LINEAR_V6M_PIXELS - count) * OUTPUT_BYTES;
    frame->constants = requant->floors ? (const void *)layer->bias : exact;
    frame->step = layer->channels;
    frame->out = out + (count - 1) * layer->channels;
    frame->end = frame->out + layer->channels;
    frame->offset = ta_floor_offset(requant, TA_LINEAR_C_FLOOR_SHIFT);
    exact->layer = layer;
    exact->channel = 0;
    exact->count = count;
}

__attribute__((naked)) static void keep(void)
{
    __asm__ volatile(".syntax unified\n"
                     "ldr r0, [sp, #8]\n"
                     "mov r1, r8\n"
                     "mov r2, r9\n"
                     "mov r3, r10\n"
                     "mov r4, r11\n"
                     "stmia r0!, {r1, r2, r3, r4}\n"
                     "str r0, [sp, #8]\n"
                     "ldr r0, [sp, #12]\n"
                     "adds r0, #1\n"
                     "str r0, [sp, #12]\n"
                     "bx lr\n");
}

void ta_keep_sums_v6m(ta_frame_v6m *frame, int32_t *sums)
{
    frame->outputs = keep;
    frame->constants = sums;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the row pointers: of each position, where in the code its products start, then
 * [3][in_channels] int16, fours of channels in the order 0, 2, 1, 3, in whole eights; behind all, where
 * outputs are made.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_winograd_1d_dsp.h"

/* What is to be transformed; the assembly knows the offsets. */
typedef struct patch {
    const int8_t *const *rows; /* 0: of the input, three */
    int32_t offset;            /* 4: of the tile's first column in each */
    int32_t channels;          /* 8: in fours */
    const int8_t *beside;      /* 12: the pixel in place of those that are not to be read */
    int32_t outside;           /* 16: bit k says that column k has none of its own */
    int32_t *to;               /* 20: the first position */
    int32_t stride;            /* 24: bytes from position to position */
} patch;

/* Four channels of four columns at r0 to r3, to positions at r4 to r7: 24 instructions. */
#define TRANSFORM_FOUR                                                                            \
    "ldr r9, [r1], #4\n"                                                                          \
    "ldr r11, [r2], #4\n"                                                                         \
    "sxtb16 r8, r9\n"                                                                             \
    "sxtb16 r9, r9, ror #8\n"                                                                     \
    "sxtb16 r10, r11\n"                                                                           \
    "sxtb16 r11, r11, ror #8\n"                                                                   \
    "ssub16 r12, r8, r10\n"                                                                       \
    "ssub16 lr, r9, r11\n"                                                                        \
    "strd r12, lr, [r5], #8\n"                                                                    \
    "sadd16 r12, r8, r10\n"                                                                       \
    "sadd16 lr, r9, r11\n"                                                                        \
    "strd r12, lr, [r6], #8\n"                                                                    \
    "ldr lr, [r3], #4\n"                                                                          \
    "sxtb16 r12, lr\n"                                                                            \
    "sxtb16 lr, lr, ror #8\n"                                                                     \
    "ssub16 r12, r12, r8\n"                                                                       \
    "ssub16 lr, lr, r9\n"                                                                         \
    "strd r12, lr, [r4], #8\n"                                                                    \
    "ldr lr, [r0], #4\n"                                                                          \
    "sxtb16 r12, lr\n"                                                                            \
    "sxtb16 lr, lr, ror #8\n"                                                                     \
    "ssub16 r12, r12, r10\n"                                                                      \
    "ssub16 lr, lr, r11\n"                                                                        \
    "strd r12, lr, [r7], #8\n"

/* Takes the pixel at r10 for a column if the next bit of r11 says so. */
#define BESIDE(column)                                                                            \
    "lsrs r11, r11, #1\n"                                                                         \
    "it cs\n"                                                                                     \
    "movcs " column ", r10\n"

/* Transforms a tile. In its frame: the end of the first column's channels, then patch up to `outside`,
 * then the end of the rows. */
__attribute__((naked, noinline)) static void transform(const patch *p __attribute__((unused)))
{
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0, {r8, r9, r10, r11, r12}\n"
                     "ldrd r4, r7, [r0, #20]\n"
                     "add lr, r8, #12\n"
                     "sub sp, #4\n"
                     "push {r8, r9, r10, r11, r12, lr}\n"
                     "sub sp, #4\n"
                     "adds r4, #4\n"
                     "adds r5, r4, r7\n"
                     "adds r6, r5, r7\n"
                     "add r7, r6\n"
                     "1:\n"
                     "ldr r0, [r8], #4\n"
                     "add r0, r9\n"
                     "add r1, r0, r10\n"
                     "add r2, r1, r10\n"
                     "add r3, r2, r10\n"
                     "ldrd r10, r11, [sp, #16]\n"
                     "str r8, [sp, #4]\n"
                     "cmp r11, #0\n"
                     "bne 5f\n"
                     "2:\n"
                     "ldr r9, [sp, #12]\n"
                     "add r8, r0, r9\n"
                     "str r8, [sp]\n"
                     "lsls r9, r9, #29\n"
                     "bmi 4f\n"
                     "3:\n" TRANSFORM_FOUR "4:\n" TRANSFORM_FOUR
                     "ldr r12, [sp]\n"
                     "cmp r0, r12\n"
                     "bne 3b\n"
                     "ldrd r8, r9, [sp, #4]\n"
                     "ldr r10, [sp, #12]\n"
                     "ldr r12, [sp, #24]\n"
                     "cmp r8, r12\n"
                     "bne 1b\n"
                     "add sp, #32\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
                     "5:\n" BESIDE("r0") BESIDE("r1") BESIDE("r2") BESIDE("r3") "b 2b\n");
}

/* A tile that is to meet all filters; the assembly knows the offsets. */
typedef struct tile {
    int8_t *out;          /* 0: of the next filter */
    int32_t pitch;        /* 4: bytes to the second pixel; 0 where it is not wanted */
    int8_t *end;          /* 8: of the first pixel's outputs */
    int32_t offset;       /* 12: of floors; else 2 * zero point + 1 */
    const int32_t *first; /* 16: where products start, and what they meet */
} tile;

/* In the frame of apply(), behind sums after each of four positions: tile. */
#define OUT "[sp, #64]"
#define PITCH "[sp, #68]"
#define END "[sp, #72]"
#define OFFSET "[sp, #76]"

/* Twice the sums of both pixels, r2-r5 and r6-r9; r0: out. 14 instructions. */
#define SUMS                                                                                      \
    "add r0, sp, #32\n"                                                                           \
    "ldmia.w r0, {r6, r7, r8, r9, r10, r11, r12, lr}\n"                                           \
    "add r2, r10\n"                                                                               \
    "add r3, r11\n"                                                                               \
    "add r4, r12\n"                                                                               \
    "add r5, lr\n"                                                                                \
    "sub r2, r2, r6, lsl #1\n"                                                                    \
    "sub r3, r3, r7, lsl #1\n"                                                                    \
    "sub r4, r4, r8, lsl #1\n"                                                                    \
    "sub r5, r5, r9, lsl #1\n"                                                                    \
    "ldrd r6, r7, [sp, #16]\n"                                                                    \
    "ldrd r8, r9, [sp, #24]\n"                                                                    \
    "ldr r0, " OUT "\n"

/* Goes on to the next four filters, if any. */
#define NEXT                                                                                      \
    "ldr r2, " END "\n"                                                                           \
    "str r0, " OUT "\n"                                                                           \
    "add sp, #64\n"                                                                               \
    "cmp r0, r2\n"                                                                                \
    "bne.w 1b\n"

/* Addresses in the code of apply(). */
typedef struct entries {
    uint32_t last; /* behind products */
    uint32_t floors; /* where outputs are made */
    uint32_t exact;
} entries;

/* All filters over a tile. Without one, returns the entries. */
__attribute__((naked, noinline)) static const entries *apply(
    const tile *t __attribute__((unused)), const int8_t *filters __attribute__((unused)))
{
    __asm__ volatile("cbnz r0, 0f\n"
                     "adr.w r0, 90f\n"
                     "bx lr\n"
                     "0:\n"
                     "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
                     "ldmia r0, {r4, r5, r6, r7, r8}\n"
                     "push {r4, r5, r6, r7, r8}\n"
                     "1:\n"
                     "ldr r0, [sp, #16]\n"
                     "movs r2, #0\n"
                     "movs r3, #0\n"
                     "movs r4, #0\n"
                     "movs r5, #0\n"
                     "ldr pc, [r0], #4\n"
                     ".rept 24\n" EIGHT ".endr\n"
                     "2:\n"
                     "push {r2, r3, r4, r5}\n"
                     "ldr pc, [r0], #4\n"
                     "3:\n" SUMS "ldr r12, " PITCH "\n"
                     "ldr lr, " OFFSET "\n" FLOORS("r12", "r2", "r6") FLOORS("r12", "r3", "r7")
                     FLOORS("r12", "r4", "r8") FLOORS("r12", "r5", "r9") NEXT
                     "b 9f\n"
                     "4:\n" SUMS EXACTLY(OFFSET, PITCH, "r2", "r6") EXACTLY(OFFSET, PITCH, "r3", "r7") EXACTLY(OFFSET, PITCH, "r4", "r8")
                     EXACTLY(OFFSET, PITCH, "r5", "r9") NEXT
                     "9:\n"
                     "add sp, #20\n"
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"
                     ".balign 4\n"
                     "90:\n"
                     ".word 2b + 1, 3b + 1, 4b + 1\n");
}

/* Writes the addresses into scratch. */
static void lay_addresses(const ta_conv_2d *op, int32_t *to, int32_t eights)
{
    const entries *at = apply(NULL, NULL);
    for (int32_t k = 0; k < POSITIONS; ++k) {
        *to = (int32_t)at->last - CODE_OF_EIGHT * eights;
        to += 1 + EIGHT_BYTES / 4 * eights;
    }
    *to = (int32_t)(op->requant.floors ? at->floors : at->exact);
}

void ta_conv_2d_s8_winograd_1d_dsp(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                                   int32_t x_start, int32_t x_stop)
{
    const int32_t eights = eights_of(op);
    int32_t *const positions = (int32_t *)op->scratch + op->kernel_h;
    patch p = {
        .rows = rows,
        .channels = op->in_channels,
        .to = positions,
        .stride = 4 + EIGHT_BYTES * eights,
    };
    tile t = { .offset = offset_of(&op->requant), .first = positions };
    int8_t *pixel = out + x_start * op->out_channels;
    int8_t *const start = pixel;
    lay_addresses(op, positions, eights);
    for (int32_t x = x_start; x < x_stop; x += OUT_COLUMNS) {
        const int32_t left = x - op->pad_left;
        p.outside = (int32_t)outside_of(op, left, x_stop);
        p.offset = left * op->in_channels;
        p.beside = beside_of(op, rows[0] + p.offset);
        transform(&p);
        t.out = pixel;
        t.end = pixel + op->out_channels;
        t.pitch = x + 1 < x_stop ? op->out_channels : 0;
        (void)apply(&t, op->weights);
        pixel += OUT_COLUMNS * op->out_channels;
    }
    ta_clamp_outputs_s8(&op->requant, start, (x_stop - x_start) * op->out_channels);
}

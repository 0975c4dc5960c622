/* SPDX-License-Identifier: Apache-2.0
 *
 * Two pixels to a word, tap = first + (second << 16): a weight's product with it is two products
 * in one. Sums of blocks of taps, so short that the first's stays in 16 bits, are taken apart:
 *   block = first + 2^15 + (second << 16), second = block >> 16
 * Σ second and Σ block, modulo 2^32, give Σ first.
 */
/* What is hot is assembly; what surrounds it is built for size. */
#pragma GCC optimize("Os")

#include "ta_linear_rv32.h"
#include "ta_rv32_requant.h"

/* All filters over a tile; the assembly knows the offsets. */
typedef struct pass {
    int8_t *out[6];        /* 0, 4, 8, 12, 16, 20: of pixels; those missing are the last's */
    const int32_t *taps;   /* 24: joined */
    const int8_t *filters; /* 28 */
    int32_t last;          /* 32: the first channel of the last two */
    int32_t offset;        /* 36: see ta_rv32_offset */
    int32_t lowest;        /* 40 */
    int32_t highest;       /* 44 */
} pass;

/* a0 filters, a1 taps, a2 channel, a3 pass, a4 what is left of the block, a5 2^15, a6 and a7
 * weights, t0 two pixels' tap, t1 product; s0-s2 blocks of the first filter and s3-s5 of the second,
 * by pairs of pixels, s6-s11 likewise sums of second pixels, t2-t6 and ra sums of blocks. */
#define NEW(block) "a5"
#define SAME(block) block
#define WEIGHTS(first, second)                                                                    \
    "lb a6, " first "(a0)\n"                                                                      \
    "lb a7, " second "(a0)\n"
#define PAIR(tap, block0, block1, from)                                                           \
    "lw t0, " tap "(a1)\n"                                                                        \
    "mul t1, a6, t0\n"                                                                            \
    "add " block0 ", " from(block0) ", t1\n"                                                      \
    "mul t1, a7, t0\n"                                                                            \
    "add " block1 ", " from(block1) ", t1\n"
#define TAPS_END(bytes, words)                                                                    \
    "addi a4, a4, -1\n"                                                                           \
    "addi a0, a0, " bytes "\n"                                                                    \
    "addi a1, a1, " words "\n"

#define TAP_OF_6(from)                                                                            \
    PAIR("0", "s0", "s3", from) PAIR("4", "s1", "s4", from) PAIR("8", "s2", "s5", from)
#define NEXT_OF_6                                                                                 \
    PAIR("12", "s0", "s3", SAME) PAIR("16", "s1", "s4", SAME) PAIR("20", "s2", "s5", SAME)
#define TAP_OF_4(from) PAIR("0", "s0", "s3", from) PAIR("4", "s1", "s4", from)
#define NEXT_OF_4 PAIR("8", "s0", "s3", SAME) PAIR("12", "s1", "s4", SAME)
/* Two taps: 38 instructions for 24 MACs with their branch, of four pixels 28 for 16. The first two
 * of a block are behind the byte that counts them. */
#define FIRST_TAPS(tap, next, words)                                                              \
    WEIGHTS("1", "2") tap(NEW) WEIGHTS("3", "4") next TAPS_END("5", words)
#define TAPS(tap, next, words)                                                                    \
    WEIGHTS("0", "1") tap(SAME) WEIGHTS("2", "3") next TAPS_END("4", words)

#define BLOCK_END(block, second, both)                                                            \
    "srai t1, " block ", 16\n"                                                                    \
    "add " second ", " second ", t1\n"                                                            \
    "add " both ", " both ", " block "\n"
#define TWO_OF(what)                                                                              \
    what("s0", "s6", "t2") what("s1", "s7", "t3") what("s3", "s9", "t5") what("s4", "s10", "t6")
#define THIRD_OF(what) what("s2", "s8", "t4") what("s5", "s11", "ra")
#define NO_THIRD_OF(what)

/* The first word holds -2^15 for each block. */
#define CLEAR(block, second, both)                                                                \
    "li " second ", 0\n"                                                                          \
    "mv " both ", t0\n"
#define SPLIT(block, second, both)                                                                \
    "slli t1, " second ", 16\n"                                                                   \
    "sub " both ", " both ", t1\n"

/* s0-s5 become where outputs of the channel go, a4 the offset, a5 and t0 the ends of the range. */
#define PLACE(out, place)                                                                         \
    "lw " out ", " place "(a3)\n"                                                                 \
    "add " out ", " out ", a2\n"
#define OUTPUT(sum, out, channel, requantize)                                                     \
    requantize(sum)                                                                               \
    "bge " sum ", a5, 4f\n"                                                                       \
    "mv " sum ", a5\n"                                                                            \
    "4:\n"                                                                                        \
    "ble " sum ", t0, 4f\n"                                                                       \
    "mv " sum ", t0\n"                                                                            \
    "4:\n"                                                                                        \
    "sb " sum ", " channel "(" out ")\n"

/* Two words behind the taps for each filter, then of exact requantization one of two right shifts
 * less 1. a6 bias, a7 multiplier, a1 shift. */
#define FLOOR_WORDS(bias, multiplier, shift)                                                      \
    "lw a6, " bias "(a0)\n"                                                                       \
    "lw a7, " multiplier "(a0)\n"
#define EXACT_WORDS(bias, multiplier, shift)                                                      \
    FLOOR_WORDS(bias, multiplier, shift)                                                          \
    "lb a1, " shift "(a0)\n"                                                                      \
    "lw a4, 36(a3)\n"                                                                             \
    "sll a4, a4, a1\n"                                                                            \
    "addi a1, a1, 1\n"
#define FLOOR(sum) TA_RV32_FLOOR(sum, "a6", "a7", "a4")
#define EXACT(sum) TA_RV32_ROUND_TWICE(sum, "a6", "a7", "a4", "a1", "t1")

#define FOUR_OUTPUTS(channel, requantize, first0, second0, first1, second1)                       \
    OUTPUT(first0, "s0", channel, requantize) OUTPUT(second0, "s1", channel, requantize)          \
        OUTPUT(first1, "s2", channel, requantize) OUTPUT(second1, "s3", channel, requantize)
#define TWO_OUTPUTS(channel, requantize, first2, second2)                                         \
    OUTPUT(first2, "s4", channel, requantize) OUTPUT(second2, "s5", channel, requantize)

#define PLACES PLACE("s0", "0") PLACE("s1", "4") PLACE("s2", "8") PLACE("s3", "12")
#define SIX_PLACES PLACES PLACE("s4", "16") PLACE("s5", "20")

/* Beside the taps 18 instructions for a block of six pixels and 12 for one of four; by floors some
 * 13 for an output, exactly 18. */
#define BEGIN(third)                                                                              \
    "addi sp, sp, -64\n" TA_RV32_ALL_SAVED("sw")                                                  \
    "mv a3, a0\n"                                                                                 \
    "lw a0, 28(a3)\n"                                                                             \
    "li a2, 0\n"                                                                                  \
    "0:\n"                                                                                        \
    "lw t0, 0(a0)\n"                                                                              \
    "lw a1, 24(a3)\n"                                                                             \
    "addi a0, a0, 4\n"                                                                            \
    "lui a5, 8\n"                                                                                 \
    TWO_OF(CLEAR) third(CLEAR)
#define SUMS(first_taps, taps, third)                                                             \
    "lbu a4, 0(a0)\n"                                                                             \
    "1:\n" first_taps                                                                             \
    "beqz a4, 3f\n"                                                                               \
    "2:\n" taps                                                                                   \
    "bnez a4, 2b\n"                                                                               \
    "3:\n" TWO_OF(BLOCK_END) third(BLOCK_END)                                                     \
    "lbu a4, 0(a0)\n"                                                                             \
    "bnez a4, 1b\n" TWO_OF(SPLIT) third(SPLIT)                                                    \
    "addi a0, a0, 4\n"                                                                            \
    "andi a0, a0, -4\n"                                                                           \
    "lw a4, 36(a3)\n"                                                                             \
    "lw a5, 40(a3)\n"                                                                             \
    "lw t0, 44(a3)\n"
#define SUMS_OF_6                                                                                 \
    SUMS(FIRST_TAPS(TAP_OF_6, NEXT_OF_6, "24"), TAPS(TAP_OF_6, NEXT_OF_6, "24"), THIRD_OF)
#define SUMS_OF_4                                                                                 \
    SUMS(FIRST_TAPS(TAP_OF_4, NEXT_OF_4, "16"), TAPS(TAP_OF_4, NEXT_OF_4, "16"), NO_THIRD_OF)
/* The last two channels may overlap the ones before. */
#define END(words)                                                                                \
    "addi a0, a0, " words "\n"                                                                    \
    "addi a2, a2, 2\n"                                                                            \
    "lw t0, 32(a3)\n"                                                                             \
    "ble a2, t0, 0b\n"                                                                            \
    "addi t1, t0, 1\n"                                                                            \
    "sub t1, a2, t1\n"                                                                            \
    "mv a2, t0\n"                                                                                 \
    "beqz t1, 0b\n"                                                                               \
    TA_RV32_ALL_SAVED("lw")                                                                       \
    "addi sp, sp, 64\n"                                                                           \
    "ret\n"

#define ALL_CHANNELS __attribute__((naked, noinline)) static void
#define SIX(words, requantize, bytes)                                                             \
    BEGIN(THIRD_OF) SUMS_OF_6 SIX_PLACES                                                          \
    words("0", "4", "16") FOUR_OUTPUTS("0", requantize, "t2", "s6", "t3", "s7")                   \
    TWO_OUTPUTS("0", requantize, "t4", "s8")                                                      \
    words("8", "12", "17") FOUR_OUTPUTS("1", requantize, "t5", "s9", "t6", "s10")                 \
    TWO_OUTPUTS("1", requantize, "ra", "s11") END(bytes)
#define FOUR(words, requantize, bytes)                                                            \
    BEGIN(NO_THIRD_OF) SUMS_OF_4 PLACES                                                           \
    words("0", "4", "16") FOUR_OUTPUTS("0", requantize, "t2", "s6", "t3", "s7")                   \
    words("8", "12", "17") FOUR_OUTPUTS("1", requantize, "t5", "s9", "t6", "s10") END(bytes)

ALL_CHANNELS six_by_floors(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SIX(FLOOR_WORDS, FLOOR, "16"));
}

ALL_CHANNELS four_by_floors(const pass *p __attribute__((unused)))
{
    __asm__ volatile(FOUR(FLOOR_WORDS, FLOOR, "16"));
}

ALL_CHANNELS six_exactly(const pass *p __attribute__((unused)))
{
    __asm__ volatile(SIX(EXACT_WORDS, EXACT, "20"));
}

ALL_CHANNELS four_exactly(const pass *p __attribute__((unused)))
{
    __asm__ volatile(FOUR(EXACT_WORDS, EXACT, "20"));
}

int32_t ta_tile_pairs_rv32(int32_t left)
{
    return left <= 4 || left == 7 || left == 8 ? 4 : 6;
}

static int32_t joined(int32_t first, int32_t second)
{
    return first + second * 65536;
}

__attribute__((optimize("O2"))) static void join_pair(int32_t *to, int32_t pairs,
                                                      const int8_t *first, const int8_t *second,
                                                      int32_t taps)
{
    int32_t k = taps;
    for (; k >= 4; k -= 4, first += 4, second += 4) {
        *to = joined(first[0], second[0]);
        *(to += pairs) = joined(first[1], second[1]);
        *(to += pairs) = joined(first[2], second[2]);
        *(to += pairs) = joined(first[3], second[3]);
        to += pairs;
    }
    for (; k > 0; --k, to += pairs) {
        *to = joined(*first++, *second++);
    }
}

void ta_join_pairs_rv32(int32_t *to, const int8_t *const *pixels, int32_t tile, int32_t taps)
{
    const int32_t pairs = tile / 2;
    for (int32_t p = 0; p < pairs; ++p) {
        join_pair(to + p, pairs, pixels[2 * p], pixels[2 * p + 1], taps);
    }
}

void ta_linear_s8_pairs_rv32(const ta_linear *layer, const int32_t *taps, int32_t tile,
                             int32_t count, int8_t *out)
{
    const ta_requant *requant = layer->requant;
    pass p = {
        .taps = taps,
        .filters = layer->filters,
        .last = layer->channels - 2,
        .offset = ta_rv32_offset(requant),
        .lowest = requant->lowest,
        .highest = requant->highest,
    };
    for (int32_t k = 0; k < tile; ++k) {
        p.out[k] = out + (k < count ? k : count - 1) * layer->channels;
    }
    if (tile == 6) {
        (requant->floors ? six_by_floors : six_exactly)(&p);
    } else {
        (requant->floors ? four_by_floors : four_exactly)(&p);
    }
}

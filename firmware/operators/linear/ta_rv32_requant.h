/* SPDX-License-Identifier: Apache-2.0
 *
 * Requantization of a sum in a register, in assembly for RV32IM. Other arguments are registers too.
 */
#ifndef TA_RV32_REQUANT_H
#define TA_RV32_REQUANT_H

#include "ta_requant.h"

/* ta_floor by this shift, not clamped: of 256 times the sum, and `bias`. */
#define TA_RV32_FLOOR_SHIFT 11
#define TA_RV32_FLOOR(acc, bias, slope, offset)                                                   \
    "slli " acc ", " acc ", 8\n"                                                                  \
    "add " acc ", " acc ", " bias "\n"                                                            \
    "mulh " acc ", " acc ", " slope "\n"                                                          \
    "add " acc ", " acc ", " offset "\n"                                                          \
    "srai " acc ", " acc ", 11\n"

/* ta_scale with a shift of at least 1, and the zero point, not clamped: of twice the sum, and
 * `bias`, which is twice the bias. `rounding` is the channel's offset; low is lost. */
#define TA_RV32_ROUND_TWICE(acc, bias, mantissa, rounding, shift, low)                            \
    "slli " acc ", " acc ", 1\n"                                                                  \
    "add " acc ", " acc ", " bias "\n"                                                            \
    "mul " low ", " acc ", " mantissa "\n"                                                        \
    "mulh " acc ", " acc ", " mantissa "\n"                                                       \
    "srli " low ", " low ", 31\n"                                                                 \
    "add " acc ", " acc ", " low "\n"                                                             \
    "srai " low ", " acc ", 31\n"                                                                 \
    "add " acc ", " acc ", " low "\n"                                                             \
    "add " acc ", " acc ", " rounding "\n"                                                        \
    "sra " acc ", " acc ", " shift "\n"

/* What makes a channel's offset: the floor's, or twice the zero point and 1, to be shifted left by
 * the channel's right shift less 1. */
static inline int32_t ta_rv32_offset(const ta_requant *requant)
{
    return requant->floors ? ta_floor_offset(requant, TA_RV32_FLOOR_SHIFT)
                           : 2 * requant->zero_point + 1;
}

/* `how` is "sw" or "lw": the registers that a function must keep, into 52 bytes from sp on. */
#define TA_RV32_ALL_SAVED(how)                                                                    \
    how " ra, 0(sp)\n" how " s0, 4(sp)\n" how " s1, 8(sp)\n" how " s2, 12(sp)\n"                  \
    how " s3, 16(sp)\n" how " s4, 20(sp)\n" how " s5, 24(sp)\n" how " s6, 28(sp)\n"               \
    how " s7, 32(sp)\n" how " s8, 36(sp)\n" how " s9, 40(sp)\n" how " s10, 44(sp)\n"              \
    how " s11, 48(sp)\n"

#endif

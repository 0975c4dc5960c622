/* SPDX-License-Identifier: Apache-2.0
 *
 * Adds to the sums of a quad and requantizes its four outputs, in assembly. Registers: r2, r3 the
 * sums S of both pairs and r4, r5 their sums D0. Of requantization: r0 out, r1 constants; lr the
 * offset: of floors, else 2 * zero point + 1, which is odd; r6-r11 are lost.
 */
#ifndef TA_QUADS_REQUANT_DSP_H
#define TA_QUADS_REQUANT_DSP_H

/* Two taps of both pairs: 6 instructions for 8 MACs. */
#define TA_QUAD_TWO(first, second, taps)                                                          \
    "smlad r2, " first ", " taps ", r2\n"                                                         \
    "smlad r3, " second ", " taps ", r3\n"                                                        \
    "sxtb16 " first ", " first "\n"                                                               \
    "sxtb16 " second ", " second "\n"                                                             \
    "smlad r4, " first ", " taps ", r4\n"                                                         \
    "smlad r5, " second ", " taps ", r5\n"

#define TA_QUAD_FLOOR(acc, slope)                                                                 \
    "smmla " acc ", " acc ", " slope ", lr\n"                                                     \
    "ssat " acc ", #8, " acc ", asr #11\n"

/* By floors: 21 instructions. */
#define TA_QUAD_FLOORS                                                                            \
    "ldmia.w r1!, {r6, r7, r8, r9, r10, r11}\n"                                                   \
    "sub r2, r2, r4\n"                                                                            \
    "sub r3, r3, r5\n"                                                                            \
    "add r4, r7, r4, lsl #8\n"                                                                    \
    "add r5, r10, r5, lsl #8\n" TA_QUAD_FLOOR("r4", "r6") TA_QUAD_FLOOR("r2", "r8")               \
        TA_QUAD_FLOOR("r5", "r9") TA_QUAD_FLOOR("r3", "r11") "strb r4, [r0], #1\n"                \
                                                             "strb r2, [r0], #1\n"                \
                                                             "strb r5, [r0], #1\n"                \
                                                             "strb r3, [r0], #1\n"

/* One channel exactly, from twice its accumulator; see ta_dsp_requant.h. r8: its right shift less
 * 1, in the lowest byte. */
#define TA_QUAD_SCALE(acc, mantissa)                                                              \
    "lsl r10, lr, r8\n"                                                                           \
    "add r11, r10, " acc ", asr #31\n"                                                            \
    "smmlar " acc ", " acc ", " mantissa ", r11\n"                                                \
    "asr " acc ", " acc ", r8\n"                                                                  \
    "ssat " acc ", #8, " acc ", asr #1\n"                                                         \
    "strb " acc ", [r0], #1\n"

/* A pair exactly: 17 instructions. */
#define TA_QUAD_EXACT(s, d)                                                                       \
    "ldmia.w r1!, {r6, r7, r8, r9}\n"                                                             \
    "sub " s ", " s ", " d "\n"                                                                   \
    "add " d ", r7, " d ", lsl #1\n" TA_QUAD_SCALE(d, "r6")                                       \
    "asr " s ", " s ", #7\n"                                                                      \
    "lsr r8, r8, #8\n" TA_QUAD_SCALE(s, "r9")

#endif

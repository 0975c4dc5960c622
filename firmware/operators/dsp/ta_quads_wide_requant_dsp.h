/* SPDX-License-Identifier: Apache-2.0
 *
 * Adds to the sums of a quad, r2-r5, under filters widened in flash, r6-r9 from r1 on, and
 * requantizes its four outputs, in assembly. Of requantization: [sp] holds out, its end and the
 * offset of floors; flags say whether out has come to its end; r0 and r6-r12 and lr are lost.
 */
#ifndef TA_QUADS_WIDE_REQUANT_DSP_H
#define TA_QUADS_WIDE_REQUANT_DSP_H

/* Two taps of all four: 5 instructions for 8 MACs. */
#define TA_QUAD_WIDE_TWO(taps)                                                                    \
    "ldmia.w r1!, {r6, r7, r8, r9}\n"                                                             \
    "smlad r2, r6, " taps ", r2\n"                                                                \
    "smlad r3, r7, " taps ", r3\n"                                                                \
    "smlad r4, r8, " taps ", r4\n"                                                                \
    "smlad r5, r9, " taps ", r5\n"

#define TA_QUAD_WIDE_FLOOR(acc, slope)                                                            \
    "smmla " acc ", " acc ", " slope ", lr\n"                                                     \
    "ssat " acc ", #8, " acc ", asr #11\n"                                                        \
    "strb " acc ", [r0], #1\n"

/* By floors: 16 instructions. */
#define TA_QUAD_WIDE_FLOORS                                                                       \
    "ldmia sp, {r0, r12, lr}\n"                                                                   \
    "ldmia r1!, {r6, r7, r8, r9}\n" TA_QUAD_WIDE_FLOOR("r2", "r6") TA_QUAD_WIDE_FLOOR("r3", "r7") \
        TA_QUAD_WIDE_FLOOR("r4", "r8") TA_QUAD_WIDE_FLOOR("r5", "r9")                             \
    "str r0, [sp]\n"                                                                              \
    "cmp r0, r12\n"

/* One channel exactly; see ta_dsp_requant.h. */
#define TA_QUAD_WIDE_SCALE(acc)                                                                   \
    "ldmia r1!, {r6, r7, r8}\n"                                                                   \
    "add r9, r7, " acc ", asr #31\n"                                                              \
    "smmlar " acc ", " acc ", r6, r9\n"                                                           \
    "asr " acc ", " acc ", r8\n"                                                                  \
    "ssat " acc ", #8, " acc "\n"                                                                 \
    "strb " acc ", [r0], #1\n"

/* Exactly: 27 instructions. */
#define TA_QUAD_WIDE_EXACT                                                                        \
    "ldmia sp, {r0, r12}\n" TA_QUAD_WIDE_SCALE("r2") TA_QUAD_WIDE_SCALE("r3")                     \
        TA_QUAD_WIDE_SCALE("r4") TA_QUAD_WIDE_SCALE("r5") "str r0, [sp]\n"                        \
                                                          "cmp r0, r12\n"

#endif

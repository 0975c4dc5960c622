/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters four at a time, widened to int16 in flash as in ta_wide_dsp.h, for cores with the DSP
 * extension: what is loaded of a pixel serves all four, and nothing is unpacked.
 *
 * Channels are a multiple of four. Quad q: filters 4q to 4q + 3. Taps go in fours, at least two of
 * them, in the order and with the padding of ta_linear_dsp.h; pixels too. Around the taps of a quad
 * lie its constants, in the order in which they are read:
 *   [4] biases, [2 * fours][4] words of two taps, then
 *   floors: [4] slopes; else, of each of the four: mantissa, half an output and the zero point
 *     before the shift, right shift; all of them, and what filters are multiplied by, as in
 *     ta_wide_dsp.h.
 */
#ifndef TA_QUADS_WIDE_DSP_H
#define TA_QUADS_WIDE_DSP_H

#include "ta_quads_dsp.h"

/* As ta_quads_s8_dsp. */
ta_quads_kernel ta_quads_wide_s8_dsp;

/* As ta_quads_pieces_s8_dsp: in a quarter more instructions, and without scratch. */
ta_pieces_kernel ta_quads_wide_pieces_s8_dsp;

#endif

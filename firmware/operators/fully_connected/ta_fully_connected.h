/* SPDX-License-Identifier: Apache-2.0
 *
 * Fully connected layer, int8. A batch is the elements that one row of weights meets: a piece
 * of one input row, or several whole rows.
 */
#ifndef TA_FULLY_CONNECTED_H
#define TA_FULLY_CONNECTED_H

#include "ta_requant.h"
#include "ta_rows.h"

typedef struct ta_fully_connected ta_fully_connected;

/* Makes all channels of one batch, out[0..out_channels). pieces[k]: piece_bytes of the batch,
 * 0 <= k < op->pieces. Nothing overlaps out. */
typedef void ta_fully_connected_kernel(const ta_fully_connected *op, const int8_t *const *pieces,
                                       int8_t *out);

struct ta_fully_connected {
    ta_fully_connected_kernel *kernel;
    ta_source in;
    ta_sink out;
    void *scratch;         /* `pieces` pointers, then the kernel's own */
    const int8_t *weights; /* [out_channels][pieces * piece_bytes] */
    const int32_t *bias;   /* [out_channels], the input's zero point folded in */
    ta_requant requant;
    int32_t piece_bytes;
    int32_t pieces;        /* more than 1 only where batches_a_row is 1 */
    int32_t batches_a_row; /* of the input */
    int32_t out_width;     /* batches a row of the output */
    int32_t out_channels;
};

/* Makes output rows [y_start, y_stop). */
void ta_fully_connected_rows(const ta_fully_connected *op, int32_t y_start, int32_t y_stop);

/* Any shape, any core, four channels at a time; bias and requant as in ta_linear_c.h. Needs
 * scratch for the batch where that has several pieces. */
ta_fully_connected_kernel ta_fully_connected_s8_c;

/* RV32IM; filters, bias and requant as in ta_linear_rv32.h. Needs scratch for the batch where that
 * has several pieces. */
ta_fully_connected_kernel ta_fully_connected_s8_rv32;

/* Cores with Thumb-2; filters, bias and requant as in ta_linear_v7m.h. Needs its words of scratch,
 * and behind them the batch where that has several pieces. */
ta_fully_connected_kernel ta_fully_connected_s8_v7m;

/* Cores without Thumb-2; filters, bias and requant as in ta_pieces_v6m.h. */
ta_fully_connected_kernel ta_fully_connected_s8_v6m;

/* Cores with the DSP extension; filters, bias, requant and their bounds as in ta_linear_dsp.h. */
ta_fully_connected_kernel ta_fully_connected_s8_dsp;

/* The same by the code that convolutions in groups of three have. */
ta_fully_connected_kernel ta_fully_connected_s8_unrolled_dsp;

/* The same of channels in fours, filters as in ta_quads_dsp.h. */
ta_fully_connected_kernel ta_fully_connected_s8_quads_dsp;

/* Both, pieces being of whole words, without scratch; of quads at least eight taps. */
ta_fully_connected_kernel ta_fully_connected_s8_quads_pieces_dsp;
ta_fully_connected_kernel ta_fully_connected_s8_pieces_dsp;

/* Cores with Helium; scratch likewise. */
ta_fully_connected_kernel ta_fully_connected_s8_mve;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * The serial protocol around the models of one firmware image: MLPerf Tiny's text commands,
 * and ours, which start with "ta". ta_harness.c owns main.
 *
 * The generated project defines what this file declares; everything lies in flash.
 */
#ifndef TA_HARNESS_H
#define TA_HARNESS_H

#include "ta_model.h"

/* Writes bytes [first, first + bytes) of row y of an input to row; see ta_observer. */
typedef void ta_row_source(const ta_observer *self, int32_t input, int32_t y, int32_t first,
                           int8_t *row, int32_t bytes);

/* Asks the host for the row, again until it comes whole. */
ta_row_source ta_ask_for_row;

/* Where models that are fed by rows get them from; NULL in an image without such a model, which
 * then does without the code for it. */
extern ta_row_source *const ta_image_rows;

extern const ta_model *const ta_models[];
extern const int32_t ta_model_count; /* at least 1 */

extern const char ta_board_name[];
/* What ta_port_counter counts: "cycles", or "none" where it always reads 0. */
extern const char ta_counter_kind[];

#endif

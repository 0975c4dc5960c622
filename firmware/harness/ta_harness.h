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

extern const ta_model *const ta_models[];
extern const int32_t ta_model_count; /* at least 1 */

extern const char ta_board_name[];
/* What ta_port_counter counts: "cycles", or "none" where it always reads 0. */
extern const char ta_counter_kind[];

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * MLPerf Tiny's anomaly detection: the runner sends a window of 640 float32, an autoencoder of
 * one int8 input and output of as many elements runs on it, and the result is the mean squared
 * difference of the window and what came out. Only for images with TA_MLPERF_AD01.
 */
#ifndef TA_MLPERF_AD01_H
#define TA_MLPERF_AD01_H

#include "ta_model.h"

#define TA_AD01_BYTES (640u * 4u)

/* Byte `position` of the window, less than TA_AD01_BYTES; the host's floats are little-endian. */
uint8_t *ta_ad01_byte(uint32_t position);

/* Makes the model's input from the window: value / scale, halves away from zero, + zero point. */
void ta_ad01_quantize(const ta_model *model);

/* The mean squared difference of window and output. */
float ta_ad01_error(const ta_model *model);

#endif

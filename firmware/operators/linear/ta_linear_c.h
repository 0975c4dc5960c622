/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters over pixels in portable C, two by two: four products of four loads.
 */
#ifndef TA_LINEAR_C_H
#define TA_LINEAR_C_H

#include "ta_linear.h"

/* Where requant->floors, biases and words are those of ta_floor by this shift. */
#define TA_LINEAR_C_FLOOR_SHIFT 11
ta_linear_kernel ta_linear_s8_c;

#endif

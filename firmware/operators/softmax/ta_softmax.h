/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax over channels, int8, in the fixed-point arithmetic of TensorFlow Lite.
 */
#ifndef TA_SOFTMAX_H
#define TA_SOFTMAX_H

#include "ta_rows.h"

typedef struct ta_softmax ta_softmax;

/* Makes one output row; out may be the input row itself. */
typedef void ta_softmax_kernel(const ta_softmax *op, const int8_t *in, int8_t *out);

struct ta_softmax {
    ta_softmax_kernel *kernel;
    ta_source in;
    ta_sink out;
    const int32_t *exps; /* [exp_count], e^-(beta * scale * d) in Q0.31 for d = 0, 1, ... */
    int16_t exp_count;   /* larger differences count as 0 */
    int16_t width;
    int16_t channels; /* at most 4095, so that a sum of exponentials in Q12.19 fits */
};

/* Makes output rows [y_start, y_stop). */
void ta_softmax_rows(const ta_softmax *op, int32_t y_start, int32_t y_stop);

/* Any shape, any core; the reference for all others. */
ta_softmax_kernel ta_softmax_s8_c;

#endif

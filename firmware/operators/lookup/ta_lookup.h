/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one 8-bit element, tabulated when the code was generated.
 */
#ifndef TA_LOOKUP_H
#define TA_LOOKUP_H

#include "ta_rows.h"

typedef struct ta_lookup ta_lookup;

/* Makes pixels [x_start, x_stop) of one output row from the input row. in, out: column 0;
 * they may be the same row. */
typedef void ta_lookup_kernel(const ta_lookup *op, const int8_t *in, int8_t *out,
                              int32_t x_start, int32_t x_stop);

struct ta_lookup {
    ta_lookup_kernel *kernel;
    ta_source in;
    ta_sink out;
    const int8_t *table; /* [256], by the input's byte read as unsigned */
    int32_t width;
    int32_t channels;
};

/* Makes output rows [y_start, y_stop). */
void ta_lookup_rows(const ta_lookup *op, int32_t y_start, int32_t y_stop);

/* Signed and unsigned elements alike. */
ta_lookup_kernel ta_lookup_s8_c;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Height and width changed by repeating and leaving out pixels. Elements of any type.
 */
#ifndef TA_RESIZE_NEAREST_NEIGHBOR_H
#define TA_RESIZE_NEAREST_NEIGHBOR_H

#include "ta_rows.h"

typedef struct ta_resize_nearest_neighbor {
    ta_source in;
    ta_sink out;             /* does not overlap in */
    const uint16_t *rows;    /* [out.height]: the input row that each output row repeats */
    const uint16_t *columns; /* [out_width] */
    int32_t out_width;
    int32_t pixel_bytes;
} ta_resize_nearest_neighbor;

/* Makes output rows [y_start, y_stop). */
void ta_resize_nearest_neighbor_rows(const ta_resize_nearest_neighbor *op, int32_t y_start,
                                     int32_t y_stop);

#endif

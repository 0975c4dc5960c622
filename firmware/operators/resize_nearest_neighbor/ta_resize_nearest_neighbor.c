/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_resize_nearest_neighbor.h"

#include <string.h>

void ta_resize_nearest_neighbor_rows(const ta_resize_nearest_neighbor *op, int32_t y_start,
                                     int32_t y_stop)
{
    for (int32_t y = y_start; y < y_stop; ++y) {
        const int8_t *in = ta_source_row(&op->in, op->rows[y]);
        int8_t *out = ta_sink_row(&op->out, y);
        for (int32_t x = 0; x < op->out_width; ++x) {
            memcpy(out + x * op->pixel_bytes, in + op->columns[x] * op->pixel_bytes,
                   (size_t)op->pixel_bytes);
        }
    }
}

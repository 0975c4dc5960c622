/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements moved, not changed: a box of the output is copied from an input, whose axes may be
 * permuted, strided, reversed or offset. Elements of any type.
 */
#ifndef TA_STRIDED_COPY_H
#define TA_STRIDED_COPY_H

#include <stdbool.h>

#include "ta_rows.h"

/* One of the axes that an output row's number is made of. Its indices [first, first + count)
 * are in the box; from one to the next, the place in the input moves on by row_step rows and
 * byte_step bytes within the row. */
typedef struct ta_row_axis {
    int32_t size;
    int32_t first;
    int32_t count;
    int32_t row_step;
    int32_t byte_step;
} ta_row_axis;

/* A loop within an output row; out_step is in bytes. */
typedef struct ta_copy_loop {
    int32_t count;
    int32_t row_step;
    int32_t byte_step;
    int32_t out_step;
} ta_copy_loop;

typedef struct ta_strided_copy {
    ta_source in;
    ta_sink out; /* overlaps no input */
    const ta_row_axis *row_axes; /* outermost first; their sizes' product is out.height */
    int32_t first_row;           /* of the input: where the box's first element comes from, */
    int32_t first_byte;          /* and which byte of that row */
    int32_t out_first;           /* byte of an output row at which the box begins */
    ta_copy_loop blocks;
    ta_copy_loop items; /* in each block */
    int32_t item_bytes; /* contiguous in both tensors */
    int32_t row_bytes;  /* of the output */
    uint8_t row_axis_count;
    bool fills; /* whether what is outside of the box becomes fill; else it is left alone */
    int8_t fill;
} ta_strided_copy;

/* Makes output rows [y_start, y_stop), as far as they are in the box or to be filled. */
void ta_strided_copy_rows(const ta_strided_copy *op, int32_t y_start, int32_t y_stop);

#endif

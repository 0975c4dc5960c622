/* SPDX-License-Identifier: Apache-2.0 */
/* Called a row at a time: built for size. */
#pragma GCC optimize("Os", "no-tree-loop-distribute-patterns")

#include "ta_strided_copy.h"

#include <string.h>

typedef struct place {
    int32_t row;
    int32_t byte;
} place;

/* Finds what output row y is copied from; false where the row is outside of the box. */
static bool find_row(const ta_strided_copy *op, int32_t y, place *from)
{
    for (int32_t k = op->row_axis_count - 1; k >= 0; --k) {
        const ta_row_axis *axis = &op->row_axes[k];
        const int32_t index = y % axis->size - axis->first;
        y /= axis->size;
        if (index < 0 || index >= axis->count) {
            return false;
        }
        from->row += index * axis->row_step;
        from->byte += index * axis->byte_step;
    }
    return true;
}

static void copy_item(int8_t *out, const int8_t *in, int32_t bytes)
{
    if (bytes == 1) {
        *out = *in;
    } else {
        memcpy(out, in, (size_t)bytes);
    }
}

/* from: the place of the row's first item. */
static void copy_row(const ta_strided_copy *op, place from, int8_t *out)
{
    const ta_copy_loop blocks = op->blocks;
    const ta_copy_loop items = op->items;
    for (int32_t b = 0; b < blocks.count; ++b) {
        for (int32_t k = 0; k < items.count; ++k) {
            const int32_t row = from.row + b * blocks.row_step + k * items.row_step;
            const int32_t byte = from.byte + b * blocks.byte_step + k * items.byte_step;
            copy_item(out + b * blocks.out_step + k * items.out_step,
                      ta_source_row(&op->in, row) + byte, op->item_bytes);
        }
    }
}

void ta_strided_copy_rows(const ta_strided_copy *op, int32_t y_start, int32_t y_stop)
{
    for (int32_t y = y_start; y < y_stop; ++y) {
        int8_t *out = ta_sink_row(&op->out, y);
        if (op->fills) {
            memset(out, op->fill, (size_t)op->row_bytes);
        }
        place from = { .row = op->first_row, .byte = op->first_byte };
        if (find_row(op, y, &from)) {
            copy_row(op, from, out + op->out_first);
        }
    }
}

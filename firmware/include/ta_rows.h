/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of tensors. Every kernel makes output rows from rows of its inputs; whether a tensor
 * lies whole in memory or as a ring of its latest rows is known here and nowhere else.
 *
 * Layout: a row is width x channels elements, channels innermost. Row y lies at
 * data + (y % ring) * pitch. A whole tensor has ring = its height. Memory belongs to the
 * model's arena (or, for constants, to flash); nobody frees it.
 */
#ifndef TA_ROWS_H
#define TA_ROWS_H

#include <stddef.h>
#include <stdint.h>

#ifdef TA_CHECKED
#include <assert.h>
#define TA_ASSERT(condition) assert(condition)
#else
#define TA_ASSERT(condition) ((void)0)
#endif

/* Rows to read. data is aligned to the element's size. */
typedef struct ta_source {
    const int8_t *data;
    int32_t pitch;  /* bytes from a row to the next */
    int16_t ring;   /* rows that the memory holds */
    int16_t height; /* rows of the tensor */
} ta_source;

/* Rows to write; fields as in ta_source. */
typedef struct ta_sink {
    int8_t *data;
    int32_t pitch;
    int16_t ring;
    int16_t height;
} ta_sink;

/* Address of row y, 0 <= y < height. */
static inline const int8_t *ta_source_row(const ta_source *source, int32_t y)
{
    TA_ASSERT(y >= 0 && y < source->height);
    return source->data + (y % source->ring) * source->pitch;
}

static inline int8_t *ta_sink_row(const ta_sink *sink, int32_t y)
{
    TA_ASSERT(y >= 0 && y < sink->height);
    return sink->data + (y % sink->ring) * sink->pitch;
}

/* Fills rows[0..count) with the addresses of rows y, y + step, ...; a row above or below the
 * tensor becomes padding, a row of zero points. */
static inline void ta_window(const ta_source *source, const int8_t *padding, int32_t y,
                             int32_t step, int32_t count, const int8_t **rows)
{
    for (int32_t k = 0; k < count; ++k, y += step) {
        rows[k] = (y >= 0 && y < source->height) ? ta_source_row(source, y) : padding;
    }
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Row programs: the order in which streamed layers make their rows, as a list of bytes.
 */
#ifndef TA_PROGRAM_H
#define TA_PROGRAM_H

#include "ta_observe.h"

/* Makes rows [y_start, y_stop) of one layer. */
typedef void ta_layer(const ta_observer *observer, int32_t y_start, int32_t y_stop);

/* Runs a program: each entry names the layer, by its place in `layers`, that makes its next
 * row. next: one counter for each layer, zeros. */
static inline void ta_run_program(ta_layer *const *layers, int16_t *next, const uint8_t *program,
                                  int32_t count, const ta_observer *observer)
{
    for (int32_t i = 0; i < count; ++i) {
        const int32_t layer = program[i];
        const int32_t y = next[layer]++;
        layers[layer](observer, y, y + 1);
    }
}

#endif

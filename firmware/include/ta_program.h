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

/* The same where turns are folded: TA_REPEAT stands before the number of entries of a turn, how
 * often it is taken, and its entries. */
#define TA_REPEAT 255

static inline void ta_run_folded(ta_layer *const *layers, int16_t *next, const uint8_t *program,
                                 int32_t count, const ta_observer *observer)
{
    for (const uint8_t *end = program + count; program < end;) {
        int32_t length = 1;
        int32_t turns = 1;
        if (*program == TA_REPEAT) {
            length = program[1];
            turns = program[2];
            program += 3;
        }
        for (; turns > 0; --turns) {
            ta_run_program(layers, next, program, length, observer);
        }
        program += length;
    }
}

#endif

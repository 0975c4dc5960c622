/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeding rows to a model by pushing them, as a camera's line interrupt does: the row programs of
 * ta_program.h as a machine that stops where it needs a row, and goes on when it has it.
 */
#ifndef TA_PUSH_H
#define TA_PUSH_H

#include <stdbool.h>
#include <string.h>

#include "ta_program.h"

#ifndef TA_REPEAT
#define TA_REPEAT 255
#endif

/* What became of a row that was pushed. */
typedef enum ta_pushed {
    TA_PUSH_MORE,     /* taken; more rows are wanted */
    TA_PUSH_LAST,     /* taken; it was the last, and what is left to compute needs no row */
    TA_PUSH_UNWANTED, /* another row is wanted, or none; nothing happened */
} ta_pushed;

/* An input whose rows arrive: bytes [first, first + bytes) of each of them are kept. */
typedef struct ta_pushed_input {
    const ta_sink *rows;
    int32_t input; /* number among the model's inputs */
    int32_t first;
    int32_t bytes;
} ta_pushed_input;

/* A part of an inference: a row program, or, where program is NULL, all `count` rows of
 * layers[0] in one go. arrivals: for each layer the place in ta_push_plan.inputs of the input
 * whose rows arrive in its stead; -1 where it computes. */
typedef struct ta_push_part {
    ta_layer *const *layers;
    const uint8_t *program;
    const int8_t *arrivals;
    int32_t count; /* bytes of the program, or rows */
} ta_push_part;

/* An inference; lies in flash. */
typedef struct ta_push_plan {
    const ta_push_part *parts;
    const ta_pushed_input *inputs;
    int32_t part_count;
    int32_t row_count; /* rows that are pushed in all */
    int32_t most_layers;
} ta_push_plan;

/* Where an inference stands. next: ta_push_plan.most_layers counters; owned by the model. */
typedef struct ta_push_state {
    int16_t *next;
    const ta_observer *observer;
    int32_t part;
    int32_t turn;   /* where the turn at hand begins in the program */
    int32_t length; /* its entries; 0 between turns */
    int32_t turns;  /* how often it is still taken */
    int32_t entry;  /* in the turn */
    int32_t rows_left;
    const ta_pushed_input *wanted; /* whose row y comes next; NULL where none is wanted */
    int32_t y;
} ta_push_state;

static inline void ta_push_enter_part(const ta_push_plan *plan, ta_push_state *state, int32_t part)
{
    state->part = part;
    state->turn = 0;
    state->length = 0;
    memset(state->next, 0, (size_t)plan->most_layers * sizeof state->next[0]);
}

/* The layer that comes next in the part at hand, or -1 at its end. */
static inline int32_t ta_push_layer(const ta_push_part *part, ta_push_state *state)
{
    if (part->program == NULL) {
        return state->next[0] < part->count ? 0 : -1;
    }
    if (state->length == 0) {
        if (state->turn == part->count) {
            return -1;
        }
        const uint8_t *program = part->program + state->turn;
        const bool folded = *program == TA_REPEAT;
        state->length = folded ? program[1] : 1;
        state->turns = folded ? program[2] : 1;
        state->turn += folded ? 3 : 0;
        state->entry = 0;
    }
    return part->program[state->turn + state->entry];
}

/* Counts the step that was taken last. */
static inline void ta_push_step(const ta_push_part *part, ta_push_state *state, int32_t layer,
                                int32_t rows)
{
    state->next[layer] = (int16_t)(state->next[layer] + rows);
    if (part->program == NULL || ++state->entry < state->length) {
        return;
    }
    state->entry = 0;
    if (--state->turns == 0) {
        state->turn += state->length;
        state->length = 0;
    }
}

/* Computes until a row is needed, or to the end. */
static inline void ta_push_run(const ta_push_plan *plan, ta_push_state *state)
{
    state->wanted = NULL;
    while (state->part < plan->part_count) {
        const ta_push_part *part = &plan->parts[state->part];
        const int32_t layer = ta_push_layer(part, state);
        if (layer < 0) {
            ta_push_enter_part(plan, state, state->part + 1);
            continue;
        }
        const int32_t y = state->next[layer];
        if (part->arrivals[layer] >= 0) {
            state->wanted = &plan->inputs[part->arrivals[layer]];
            state->y = y;
            return;
        }
        const int32_t rows = part->program == NULL ? part->count : 1;
        part->layers[layer](state->observer, y, y + rows);
        ta_push_step(part, state, layer, rows);
    }
}

/* Starts an inference, and computes what needs no row. */
static inline void ta_push_begin(const ta_push_plan *plan, ta_push_state *state,
                                 const ta_observer *observer)
{
    state->observer = observer;
    state->rows_left = plan->row_count;
    ta_push_enter_part(plan, state, 0);
    ta_push_run(plan, state);
}

/* Takes row y of an input, all of it, if that is the one wanted; but for the last, computes all
 * that can be computed then. */
static inline ta_pushed ta_push_row(const ta_push_plan *plan, ta_push_state *state, int32_t input,
                                    int32_t y, const int8_t *row)
{
    const ta_pushed_input *wanted = state->wanted;
    if (wanted == NULL || wanted->input != input || state->y != y) {
        return TA_PUSH_UNWANTED;
    }
    const ta_push_part *part = &plan->parts[state->part];
    TA_PAUSE();
    memcpy(ta_sink_row(wanted->rows, y), row + wanted->first, (size_t)wanted->bytes);
    TA_RESUME();
    ta_push_step(part, state, ta_push_layer(part, state), 1);
    if (--state->rows_left == 0) {
        state->wanted = NULL;
        return TA_PUSH_LAST;
    }
    ta_push_run(plan, state);
    return TA_PUSH_MORE;
}

/* Computes what is left after the last row; false where rows are still wanted. */
static inline bool ta_push_finish(const ta_push_plan *plan, ta_push_state *state)
{
    if (state->rows_left > 0) {
        return false;
    }
    ta_push_run(plan, state);
    return true;
}

#endif

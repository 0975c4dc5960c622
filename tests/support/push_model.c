/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the model `m`, which is fed by rows, twice on the host by pushing rows, as run_model.c does
 * by being asked for them: the same arguments, input and output. Between them it pushes rows that
 * are not wanted, and finishes too early, which must change nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "m.h"

static int8_t *whole_inputs[16];
static int32_t row_bytes[16];
static bool is_second;

static void put(const void *data, size_t bytes)
{
    if (is_second && fwrite(data, 1, bytes, stdout) != bytes) {
        exit(2);
    }
}

static void rows_done(const ta_observer *self, int32_t layer, int32_t output, const ta_sink *rows,
                      int32_t bytes, int32_t y_start, int32_t y_stop)
{
    (void)self;
    const int32_t header[5] = {layer, output, y_start, y_stop, bytes};
    put(header, sizeof header);
    for (int32_t y = y_start; y < y_stop; ++y) {
        put(ta_sink_row(rows, y), (size_t)bytes);
    }
}

static void require(bool condition)
{
    if (!condition) {
        exit(4);
    }
}

/* A row of its own, so that the sanitizer sees what is read beyond it, or after the return. */
static ta_pushed push(int32_t input, int32_t y)
{
    int8_t *row = malloc((size_t)row_bytes[input]);
    require(row != NULL);
    memcpy(row, whole_inputs[input] + y * row_bytes[input], (size_t)row_bytes[input]);
    const ta_pushed pushed = m_push_row(input, y, row);
    free(row);
    return pushed;
}

static void run(const ta_observer *observer)
{
    ta_pushed pushed = TA_PUSH_MORE;
    m_begin(observer);
    while (pushed == TA_PUSH_MORE) {
        int32_t input = 0;
        while (m_wanted_row(input) < 0) {
            require(++input < M_INPUT_COUNT);
        }
        const int32_t y = m_wanted_row(input);
        require(m_push_row(input, y + 1, NULL) == TA_PUSH_UNWANTED);
        require(m_push_row(input + 1, y, NULL) == TA_PUSH_UNWANTED);
        require(!m_finish());
        pushed = push(input, y);
    }
    require(pushed == TA_PUSH_LAST);
    require(m_wanted_row(0) == -1 && m_push_row(0, 0, NULL) == TA_PUSH_UNWANTED);
    require(m_finish());
}

int main(int count, char **arguments)
{
    const ta_observer observer = {.rows_done = rows_done};
    for (int32_t k = 0; k < m_model.input_count; ++k) {
        const size_t bytes = (size_t)m_model.inputs[k].bytes;
        require(k + 1 < count);
        row_bytes[k] = (int32_t)strtol(arguments[k + 1], NULL, 10);
        whole_inputs[k] = malloc(bytes);
        require(whole_inputs[k] != NULL && fread(whole_inputs[k], 1, bytes, stdin) == bytes);
    }
    run(NULL);
    is_second = true;
    run(&observer);
    for (int32_t k = 0; k < m_model.input_count; ++k) {
        free(whole_inputs[k]);
    }
    for (int32_t k = 0; k < m_model.output_count; ++k) {
        const int32_t header[5] = {-1, k, 0, 1, m_model.outputs[k].bytes};
        put(header, sizeof header);
        put(m_model.outputs[k].data, (size_t)m_model.outputs[k].bytes);
    }
    return 0;
}

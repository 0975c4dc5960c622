/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the model `m` once on the host: inputs from standard input, one after another, which it
 * also hands to a model that is fed by rows; to
 * standard output a record for every rows_done (five int32: layer, output, y_start, y_stop,
 * row bytes; then the rows) and, last, layer -1 with the outputs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ta_model.h"

extern const ta_model m_model;

static void put(const void *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, stdout) != bytes) {
        exit(2);
    }
}

static int8_t *whole_inputs[16];
static int32_t row_bytes[16];

static void read_row(const ta_observer *self, int32_t input, int32_t y, int32_t first,
                     int8_t *row, int32_t bytes)
{
    (void)self;
    memcpy(row, whole_inputs[input] + y * row_bytes[input] + first, (size_t)bytes);
}

static void rows_done(const ta_observer *self, int32_t layer, int32_t output, const ta_sink *rows,
                      int32_t bytes, int32_t y_start, int32_t y_stop)
{
    (void)self;
    const int32_t header[5] = { layer, output, y_start, y_stop, bytes };
    put(header, sizeof header);
    for (int32_t y = y_start; y < y_stop; ++y) {
        put(ta_sink_row(rows, y), (size_t)bytes);
    }
}

/* The bytes of a row of each input, in order, are the arguments. */
int main(int count, char **arguments)
{
    for (int k = 1; k < count; ++k) {
        row_bytes[k - 1] = (int32_t)strtol(arguments[k], NULL, 10);
    }
    const ta_observer observer = { .rows_done = rows_done, .read_row = read_row };
    for (int32_t k = 0; k < m_model.input_count; ++k) {
        const ta_port_tensor *input = &m_model.inputs[k];
        /* A buffer of its own, so that the sanitizer sees a row beyond its end. */
        whole_inputs[k] = malloc((size_t)input->bytes);
        if (whole_inputs[k] == NULL ||
            fread(whole_inputs[k], 1, (size_t)input->bytes, stdin) != (size_t)input->bytes) {
            return 3;
        }
        if (input->data != NULL) {
            memcpy(input->data, whole_inputs[k], (size_t)input->bytes);
        }
    }
    m_model.run(&observer);
    for (int32_t k = 0; k < m_model.input_count; ++k) {
        free(whole_inputs[k]);
    }
    for (int32_t k = 0; k < m_model.output_count; ++k) {
        const int32_t header[5] = { -1, k, 0, 1, m_model.outputs[k].bytes };
        put(header, sizeof header);
        put(m_model.outputs[k].data, (size_t)m_model.outputs[k].bytes);
    }
    return 0;
}

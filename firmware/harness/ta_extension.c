/* SPDX-License-Identifier: Apache-2.0
 *
 * Our commands. Each is text, "ta VERB TAG ARGUMENTS.. CRC", with decimal numbers, where CRC
 * is the CRC-32 of all before its space. Each is answered by frames that carry TAG:
 *
 *   id                     I  identity of the board and the selected model
 *   model K                I  the same, after selecting model K
 *   load OFFSET COUNT      G  go: the host now sends COUNT bytes of input and their CRC, escaped
 *                             and ended as a frame, then A when they lie in the input memory
 *   run MODEL CRC          B  the inference begins, then R: cycles, microseconds
 *   layers MODEL CRC       L  for rows of a layer: layer, cycles since the last
 *   check MODEL CRC        C  for rows of an output: layer, output, y_start, y_stop, their CRC
 *   dump MODEL CRC LAYER OUTPUT
 *                          D  for each row of that output: y, the row; these three as run,
 *                             between B and R
 *   out                    O  for each output: tag of the run that made it, the bytes; then A
 *   stack                  S  bytes of stack used at most, bytes of stack, tag of the last run
 *   reset                  A  and the board restarts
 *
 * or by E with a message. The runs of a model that is fed by rows send Q: input, y, first byte
 * of that row, bytes, and wait for the host to send 'r', tag, input, y, first (four bytes each but
 * the letter), these bytes and the CRC of all, escaped and ended as a frame. What does not come so is asked for again;
 * a lone '%' abandons the run, which then ends with E. The run commands name the selected model and the CRC of all input
 * bytes, which are compared first, so that no number can come from anything else.
 */
#include "ta_frame.h"
#include "ta_harness.h"
#include "ta_port.h"
#include "ta_session.h"
#include "ta_text.h"

#define PROTOCOL_VERSION 2u

/* Where the stack is not ours to paint these are absent. */
#pragma weak ta_stack_bottom
#pragma weak ta_stack_top

/* Where counting went on: a wait for a row moves all of these. */
typedef struct stopwatch {
    uint32_t counter; /* when the inference began */
    uint32_t microseconds;
    uint32_t layer_counter; /* after the last report of a layer */
    bool abandoned;         /* the host gave up feeding rows */
} stopwatch;

/* What the observers of one run share. */
typedef struct reporter {
    ta_observer observer;
    ta_answer *answer;
    stopwatch *watch;
    int32_t layer; /* for dump */
    int32_t output;
} reporter;

static void send_empty(ta_answer *answer, char kind)
{
    ta_frame_begin(answer, kind);
    ta_frame_end(answer);
}

static void send_error(ta_answer *answer, const char *message)
{
    ta_frame_begin(answer, 'E');
    ta_frame_text(answer, message);
    ta_frame_end(answer);
}

static void send_pair(ta_answer *answer, char kind, uint32_t first, uint32_t second)
{
    ta_frame_begin(answer, kind);
    ta_frame_word(answer, first);
    ta_frame_word(answer, second);
    ta_frame_end(answer);
}

static void put_tensor(ta_answer *answer, const ta_port_tensor *tensor)
{
    const union {
        float real;
        uint32_t bits;
    } scale = {tensor->scale};
    ta_frame_word(answer, (uint32_t)tensor->dtype);
    ta_frame_word(answer, (uint32_t)tensor->bytes);
    ta_frame_word(answer, scale.bits);
    ta_frame_word(answer, (uint32_t)tensor->zero_point);
}

static void send_identity(const ta_session *session, ta_answer *answer)
{
    const ta_model *model = session->model;
    ta_frame_begin(answer, 'I');
    ta_frame_word(answer, PROTOCOL_VERSION);
    ta_frame_word(answer, session->model_index);
    ta_frame_word(answer, (uint32_t)ta_model_count);
    ta_frame_word(answer, (uint32_t)model->layer_count);
    ta_frame_word(answer, (uint32_t)model->input_preserved);
    ta_frame_word(answer, (uint32_t)model->fed_by_rows);
    ta_frame_word(answer, (uint32_t)model->input_count);
    ta_frame_word(answer, (uint32_t)model->output_count);
    for (int32_t k = 0; k < model->input_count; ++k) {
        put_tensor(answer, &model->inputs[k]);
    }
    for (int32_t k = 0; k < model->output_count; ++k) {
        put_tensor(answer, &model->outputs[k]);
    }
    ta_frame_text(answer, model->image_id);
    ta_frame_text(answer, model->name);
    ta_frame_text(answer, ta_board_name);
    ta_frame_text(answer, ta_counter_kind);
    ta_frame_end(answer);
}

static void select_model(ta_session *session, ta_answer *answer, uint32_t index)
{
    if (index >= (uint32_t)ta_model_count) {
        send_error(answer, "no such model");
        return;
    }
    ta_session_select(session, index);
    send_identity(session, answer);
}

#define FRAME_ENDED (-1)
#define FRAME_BROKEN (-2)

/* The next byte of the frame that the host sends, or how it ended. */
static int32_t receive_byte(uint32_t *crc)
{
    uint8_t byte = ta_port_read();
    if (byte == TA_FRAME_END) {
        return FRAME_ENDED;
    }
    if (byte == TA_FRAME_ESCAPE) {
        byte = ta_port_read();
        if (byte == TA_FRAME_END) {
            return FRAME_BROKEN;
        }
        byte = byte == TA_FRAME_ESCAPED_END ? TA_FRAME_END : TA_FRAME_ESCAPE;
    }
    *crc = ta_crc_update(*crc, byte);
    return byte;
}

/* Takes `count` bytes and their CRC into the input memory; false if they did not come so. */
static bool receive(const ta_session *session, uint32_t offset, uint32_t count)
{
    uint32_t crc = TA_CRC_START;
    uint32_t received = 0;
    int32_t byte;
    while ((byte = receive_byte(&crc)) >= 0) {
        if (received < count) {
            *ta_session_input(session, offset + received) = (int8_t)byte;
        }
        ++received;
    }
    return byte == FRAME_ENDED && received == count + 4u && crc == TA_CRC_RESIDUE;
}

#define ROW_HEADER_BYTES 17

/* Takes `bytes` bytes of a row, sent after `header`; false if it did not come so. */
static bool receive_row(const uint8_t *header, int8_t *row, int32_t bytes, bool *abandoned)
{
    uint32_t crc = TA_CRC_START;
    int32_t received = -ROW_HEADER_BYTES;
    bool expected = true;
    int32_t byte;
    while ((byte = receive_byte(&crc)) >= 0) {
        if (received < 0) {
            if (received == -ROW_HEADER_BYTES && byte == '%') {
                *abandoned = true;
                return false;
            }
            expected = expected && byte == header[received + ROW_HEADER_BYTES];
        } else if (received < bytes) {
            row[received] = (int8_t)byte;
        }
        ++received;
    }
    return byte == FRAME_ENDED && expected && received == bytes + 4 && crc == TA_CRC_RESIDUE;
}

static void put_word(uint8_t *bytes, uint32_t word)
{
    for (int32_t k = 0; k < 4; ++k) {
        bytes[k] = (uint8_t)(word >> (8 * k));
    }
}

/* An observer is the first member of its reporter. */
void ta_ask_for_row(const ta_observer *self, int32_t input, int32_t y, int32_t first,
                    int8_t *row, int32_t bytes)
{
    const reporter *r = (const reporter *)self;
    stopwatch *watch = r->watch;
    const uint32_t counter = ta_port_counter();
    const uint32_t microseconds = ta_port_microseconds();
    uint8_t header[ROW_HEADER_BYTES] = {'r'};
    bool received = false;
    put_word(header + 1, r->answer->tag);
    put_word(header + 5, (uint32_t)input);
    put_word(header + 9, (uint32_t)y);
    put_word(header + 13, (uint32_t)first);
    while (!received && !watch->abandoned) {
        ta_frame_begin(r->answer, 'Q');
        ta_frame_word(r->answer, (uint32_t)input);
        ta_frame_word(r->answer, (uint32_t)y);
        ta_frame_word(r->answer, (uint32_t)first);
        ta_frame_word(r->answer, (uint32_t)bytes);
        ta_frame_end(r->answer);
        received = receive_row(header, row, bytes, &watch->abandoned);
    }
    const uint32_t waited = ta_port_counter() - counter;
    watch->counter += waited;
    watch->layer_counter += waited;
    watch->microseconds += ta_port_microseconds() - microseconds;
}

static void load(ta_session *session, ta_answer *answer, uint32_t offset, uint32_t count)
{
    const uint32_t most = ta_session_input_bytes(session);
    if (offset > most || count > most - offset) {
        send_error(answer, "beyond the inputs");
        return;
    }
    ta_session_spoil(session);
    send_empty(answer, 'G');
    if (receive(session, offset, count)) {
        send_empty(answer, 'A');
    } else {
        send_error(answer, "the bytes did not come whole");
    }
}

static uint32_t input_crc(const ta_session *session)
{
    uint32_t crc = TA_CRC_START;
    const uint32_t bytes = ta_session_input_bytes(session);
    for (uint32_t k = 0; k < bytes; ++k) {
        crc = ta_crc_update(crc, (uint8_t)*ta_session_input(session, k));
    }
    return ~crc;
}

/* One inference, if the model and the CRC of the inputs are those of the arguments. */
static void run(ta_session *session, reporter *r, const uint32_t *argument)
{
    ta_answer *answer = r->answer;
    stopwatch *watch = r->watch;
    if (session->model->fed_by_rows != 0) {
        r->observer.read_row = ta_image_rows;
    }
    if (argument[0] != session->model_index || argument[1] != input_crc(session)) {
        send_error(answer, "another model or other inputs");
        return;
    }
    /* MLPerf's infer may go on with these. */
    session->input_ready = true;
    send_empty(answer, 'B');
    watch->microseconds = ta_port_microseconds();
    watch->counter = ta_port_counter();
    watch->layer_counter = watch->counter;
    ta_session_run(session, &r->observer);
    const uint32_t counted = ta_port_counter() - watch->counter;
    const uint32_t elapsed = ta_port_microseconds() - watch->microseconds;
    if (watch->abandoned) {
        ta_session_spoil(session);
        send_error(answer, "abandoned");
        return;
    }
    session->output_tag = answer->tag;
    send_pair(answer, 'R', counted, elapsed);
}

static void report_count(const ta_observer *self, int32_t layer, int32_t output,
                         const ta_sink *rows, int32_t row_bytes, int32_t y_start, int32_t y_stop)
{
    const reporter *r = (const reporter *)self;
    const uint32_t counted = ta_port_counter() - r->watch->layer_counter;
    (void)output, (void)rows, (void)row_bytes, (void)y_start, (void)y_stop;
    send_pair(r->answer, 'L', (uint32_t)layer, counted);
    r->watch->layer_counter = ta_port_counter();
}

static void report_crc(const ta_observer *self, int32_t layer, int32_t output,
                       const ta_sink *rows, int32_t row_bytes, int32_t y_start, int32_t y_stop)
{
    const reporter *r = (const reporter *)self;
    uint32_t crc = TA_CRC_START;
    for (int32_t y = y_start; y < y_stop; ++y) {
        const int8_t *row = ta_sink_row(rows, y);
        for (int32_t k = 0; k < row_bytes; ++k) {
            crc = ta_crc_update(crc, (uint8_t)row[k]);
        }
    }
    ta_frame_begin(r->answer, 'C');
    ta_frame_word(r->answer, (uint32_t)layer);
    ta_frame_word(r->answer, (uint32_t)output);
    ta_frame_word(r->answer, (uint32_t)y_start);
    ta_frame_word(r->answer, (uint32_t)y_stop);
    ta_frame_word(r->answer, ~crc);
    ta_frame_end(r->answer);
}

static void report_rows(const ta_observer *self, int32_t layer, int32_t output,
                        const ta_sink *rows, int32_t row_bytes, int32_t y_start, int32_t y_stop)
{
    const reporter *r = (const reporter *)self;
    if (layer != r->layer || output != r->output) {
        return;
    }
    for (int32_t y = y_start; y < y_stop; ++y) {
        ta_frame_begin(r->answer, 'D');
        ta_frame_word(r->answer, (uint32_t)y);
        ta_frame_bytes(r->answer, ta_sink_row(rows, y), row_bytes);
        ta_frame_end(r->answer);
    }
}

static void send_outputs(const ta_session *session, ta_answer *answer)
{
    if (!session->output_ready) {
        send_error(answer, "no outputs");
        return;
    }
    for (int32_t k = 0; k < session->model->output_count; ++k) {
        const ta_port_tensor *output = &session->model->outputs[k];
        ta_frame_begin(answer, 'O');
        ta_frame_word(answer, session->output_tag);
        ta_frame_bytes(answer, output->data, output->bytes);
        ta_frame_end(answer);
    }
    send_empty(answer, 'A');
}

static void send_stack(const ta_session *session, ta_answer *answer)
{
    const uint32_t *bottom = ta_stack_bottom;
    const uint32_t *const top = ta_stack_top;
    const uint32_t size = (uint32_t)((uintptr_t)top - (uintptr_t)bottom);
    while (bottom != top && *bottom == TA_STACK_PAINT) {
        ++bottom;
    }
    ta_frame_begin(answer, 'S');
    ta_frame_word(answer, (uint32_t)((uintptr_t)top - (uintptr_t)bottom));
    ta_frame_word(answer, size);
    ta_frame_word(answer, session->output_ready ? session->output_tag : 0u);
    ta_frame_end(answer);
}

/* Cuts " CRC" off the end of the command and compares it. */
static bool check_crc(char *command)
{
    char *last = NULL;
    for (char *c = command; *c != '\0'; ++c) {
        last = *c == ' ' ? c : last;
    }
    uint32_t expected;
    if (last == NULL || !ta_parse_number(last + 1, &expected)) {
        return false;
    }
    *last = '\0';
    uint32_t crc = TA_CRC_START;
    for (const char *c = command; *c != '\0'; ++c) {
        crc = ta_crc_update(crc, (uint8_t)*c);
    }
    return ~crc == expected;
}

#define ARGUMENTS 4

/* Executes a command whose CRC was right; absent arguments are 0. */
static void execute(ta_session *session, ta_answer *answer, const char *verb,
                    const uint32_t *argument)
{
    stopwatch watch = {.abandoned = false};
    reporter r = {.answer = answer, .watch = &watch};
    if (ta_same_text(verb, "id")) {
        send_identity(session, answer);
    } else if (ta_same_text(verb, "model")) {
        select_model(session, answer, argument[0]);
    } else if (ta_same_text(verb, "load")) {
        load(session, answer, argument[0], argument[1]);
    } else if (ta_same_text(verb, "run")) {
        run(session, &r, argument);
    } else if (ta_same_text(verb, "layers")) {
        r.observer.rows_done = report_count;
        run(session, &r, argument);
    } else if (ta_same_text(verb, "check")) {
        r.observer.rows_done = report_crc;
        run(session, &r, argument);
    } else if (ta_same_text(verb, "dump")) {
        r.observer.rows_done = report_rows;
        r.layer = (int32_t)argument[2];
        r.output = (int32_t)argument[3];
        run(session, &r, argument);
    } else if (ta_same_text(verb, "out")) {
        send_outputs(session, answer);
    } else if (ta_same_text(verb, "stack")) {
        send_stack(session, answer);
    } else if (ta_same_text(verb, "reset")) {
        send_empty(answer, 'A');
        ta_port_reset();
    } else {
        send_error(answer, "unknown command");
    }
}

void ta_extension_command(ta_session *session, char *command)
{
    uint32_t tag = 0;
    uint32_t argument[ARGUMENTS] = {0};
    if (!check_crc(command)) {
        ta_put_error("Wrong checksum");
        return;
    }
    (void)ta_next_word(&command);
    const char *verb = ta_next_word(&command);
    const char *word = ta_next_word(&command);
    bool valid = word != NULL && ta_parse_number(word, &tag);
    for (int32_t k = 0; k < ARGUMENTS && (word = ta_next_word(&command)) != NULL; ++k) {
        valid = ta_parse_number(word, &argument[k]) && valid;
    }
    if (!valid) {
        ta_put_error("Arguments are numbers, the first a tag");
        return;
    }
    ta_answer answer = {.tag = (uint16_t)tag};
    execute(session, &answer, verb, argument);
}

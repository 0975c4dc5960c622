/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of MLPerf Tiny's runner.
 *
 * TA_ENERGY: energy mode, in which a timestamp is an edge on a pin and no line.
 * TA_MLPERF_AD01: the input is MLPerf's window of float32, the result one mean squared error.
 * TA_DB_FLIP: bits of every byte that 'db' loads are flipped: 0x80 feeds an int8 model from a
 * runner that sends unsigned pixels, as MLPerf's ic01 and vww01 do.
 */
#include "ta_harness.h"
#include "ta_mlperf_ad01.h"
#include "ta_port.h"
#include "ta_session.h"
#include "ta_text.h"

#ifndef TA_DB_FLIP
#define TA_DB_FLIP 0x00u
#endif

/* A character that may have come over a noisy link, fit to be sent back. */
static char printable(char c)
{
    return c > ' ' && c < 0x7f ? c : '?';
}

static void timestamp(void)
{
#ifdef TA_ENERGY
    ta_port_pulse();
#else
    ta_put_number("m-lap-us-", ta_port_microseconds(), "\r\n");
#endif
}

void ta_mlperf_banner(void)
{
#ifdef TA_ENERGY
    ta_put_line("m-timestamp-mode-energy");
#else
    ta_put_line("m-timestamp-mode-performance");
#endif
    timestamp();
    ta_put_line("m-init-done");
}

static void help(void)
{
    ta_put_line("name% timestamp% profile% help% results%");
    ta_put_line("db load N% db HH..% db print% infer [N=1] [W=10]%");
}

/* Where 'db' writes: the model's inputs, or the window that they are made from. */
#ifdef TA_MLPERF_AD01

static uint32_t db_size(const ta_session *session)
{
    (void)session;
    return TA_AD01_BYTES;
}

static uint8_t *db_byte(const ta_session *session, uint32_t position)
{
    (void)session;
    return ta_ad01_byte(position);
}

#else

static uint32_t db_size(const ta_session *session)
{
    return ta_session_input_bytes(session);
}

static uint8_t *db_byte(const ta_session *session, uint32_t position)
{
    return (uint8_t *)ta_session_input(session, position);
}

#endif

#ifndef TA_MLPERF_AD01

static float output_value(const ta_port_tensor *tensor, int32_t k)
{
    /* The memory of an output is aligned to its elements. */
    const void *data = tensor->data;
    int32_t q;
    switch (tensor->dtype) {
    case TA_FLOAT32:
        return ((const float *)data)[k];
    case TA_INT32:
        q = ((const int32_t *)data)[k];
        break;
    case TA_UINT8:
        q = ((const uint8_t *)data)[k];
        break;
    default:
        q = tensor->data[k];
        break;
    }
    return tensor->scale != 0.0f ? tensor->scale * (float)(q - tensor->zero_point) : (float)q;
}

static int32_t element_bytes(ta_dtype dtype)
{
    return dtype == TA_FLOAT32 || dtype == TA_INT32 ? 4 : 1;
}

#endif

static void results(const ta_session *session)
{
    if (!session->output_ready) {
        ta_put_error("No results: infer first");
        return;
    }
#ifdef TA_MLPERF_AD01
    ta_put_text("m-results-[");
    ta_put_real(ta_ad01_error(session->model));
    ta_put_line("]");
#else
    const char *separator = "m-results-[";
    for (int32_t j = 0; j < session->model->output_count; ++j) {
        const ta_port_tensor *output = &session->model->outputs[j];
        const int32_t count = output->bytes / element_bytes(output->dtype);
        for (int32_t k = 0; k < count; ++k) {
            ta_put_text(separator);
            ta_put_real(output_value(output, k));
            separator = ",";
        }
    }
    ta_put_line("]");
#endif
}

static void db_load(ta_session *session, const char *size)
{
    uint32_t bytes;
    if (size == NULL) {
        ta_put_error("Command 'db load' requires the # of bytes");
        return;
    }
    if (!ta_parse_number(size, &bytes) || bytes == 0u) {
        ta_put_error("Command 'db load' must be >0 bytes");
        return;
    }
    const uint32_t most = db_size(session);
    if (bytes > most) {
        ta_put_number("Supplied buffer size ", bytes, "");
        ta_put_number(" exceeds maximum of ", most, "\r\n");
        return;
    }
    ta_session_spoil(session);
    session->load_bytes = bytes;
    ta_put_number("m-[Expecting ", bytes, " bytes]\r\n");
}

static void db_bytes(ta_session *session, const char *digits)
{
    uint32_t count = 0;
    while (digits[count] != '\0') {
        ++count;
    }
    if (count % 2u != 0u) {
        ta_put_error("Insufficent number of hex digits");
        return;
    }
    if (session->load_position == session->load_bytes) {
        ta_put_error("No bytes expected: use 'db load' first");
        return;
    }
    for (uint32_t k = 0; k < count; k += 2u) {
        const int32_t high = ta_parse_hex_digit(digits[k]);
        const int32_t low = ta_parse_hex_digit(digits[k + 1u]);
        if (high < 0 || low < 0) {
            const char pair[] = {printable(digits[k]), printable(digits[k + 1u]), '\0'};
            ta_put_text("e-[Invalid hex digit '");
            ta_put_text(pair);
            ta_put_line("']");
            return;
        }
        uint8_t *byte = db_byte(session, session->load_position++);
        *byte = (uint8_t)(((uint32_t)high * 16u + (uint32_t)low) ^ TA_DB_FLIP);
        if (session->load_position == session->load_bytes) {
            /* A shorter load leaves the rest of the input undefined: infer refuses it. */
            session->input_ready = session->load_bytes == db_size(session);
#ifdef TA_MLPERF_AD01
            ta_ad01_quantize(session->model);
#endif
            ta_put_line("m-load-done");
            return;
        }
    }
}

static void db_print(const ta_session *session)
{
    for (uint32_t k = 0; k < session->load_bytes; ++k) {
        const bool last = k % 8u == 7u || k + 1u == session->load_bytes;
        ta_put_text(k % 8u == 0u ? "m-buffer-" : "");
        ta_put_hex((uint8_t)(*db_byte(session, k) ^ TA_DB_FLIP));
        ta_put_text(last ? "\r\n" : "-");
    }
}

static void db(ta_session *session, char *arguments)
{
    const char *subcommand = ta_next_word(&arguments);
    if (subcommand == NULL) {
        ta_put_error("Command 'db' requires a subcommand");
    } else if (ta_same_text(subcommand, "load")) {
        db_load(session, ta_next_word(&arguments));
    } else if (ta_same_text(subcommand, "print")) {
        db_print(session);
    } else {
        db_bytes(session, subcommand);
    }
}

static void infer(ta_session *session, char *arguments)
{
    uint32_t runs = 1;
    uint32_t warmups = 10;
    const char *word = ta_next_word(&arguments);
    if (word != NULL && (!ta_parse_number(word, &runs) || runs == 0u)) {
        ta_put_error("Inference iterations must be >0");
        return;
    }
    word = ta_next_word(&arguments);
    if (word != NULL && !ta_parse_number(word, &warmups)) {
        ta_put_error("Inference warmup must be >=0");
        return;
    }
    if (session->model->fed_by_rows != 0) {
        ta_put_error("This model is fed by rows, which the ta commands do");
        return;
    }
    if (!session->input_ready) {
        ta_put_error("No input: load all of it, again after a run that overwrote it");
        return;
    }
    if (session->model->input_preserved == 0 && (runs != 1u || warmups != 0u)) {
        ta_put_error("A run overwrites the input: 'infer 1 0', or build to keep the input");
        return;
    }
    ta_put_number("m-warmup-start-", warmups, "\r\n");
    for (; warmups > 0u; --warmups) {
        ta_session_run(session, NULL);
    }
    ta_put_line("m-warmup-done");
    ta_put_number("m-infer-start-", runs, "\r\n");
    timestamp();
    for (; runs > 0u; --runs) {
        ta_session_run(session, NULL);
    }
    timestamp();
    ta_put_line("m-infer-done");
    results(session);
}

void ta_mlperf_command(ta_session *session, char *command)
{
    const char *verb = ta_next_word(&command);
    if (verb == NULL) {
        return;
    }
    if (ta_same_text(verb, "name")) {
        ta_put_text("m-name-dut-[tinyaiot ");
        ta_put_text(ta_board_name);
        ta_put_line("]");
    } else if (ta_same_text(verb, "timestamp")) {
        timestamp();
    } else if (ta_same_text(verb, "profile")) {
        ta_put_line("m-profile-[ULPMark for tinyML Firmware V0.0.1]");
        ta_put_text("m-model-[");
        ta_put_text(session->model->name);
        ta_put_line("]");
    } else if (ta_same_text(verb, "help")) {
        help();
    } else if (ta_same_text(verb, "db")) {
        db(session, command);
    } else if (ta_same_text(verb, "infer")) {
        infer(session, command);
    } else if (ta_same_text(verb, "results")) {
        results(session);
    } else {
        ta_put_text("e-[Unknown command: ");
        for (; *verb != '\0'; ++verb) {
            ta_port_write((uint8_t)printable(*verb));
        }
        ta_put_line("]");
    }
}

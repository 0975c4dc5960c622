/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands of both protocols share: the selected model and the state of its input
 * and output memory. Inputs are addressed as one run of bytes, one input after the other.
 */
#ifndef TA_SESSION_H
#define TA_SESSION_H

#include <stdbool.h>

#include "ta_model.h"

typedef struct ta_session {
    const ta_model *model;
    uint32_t model_index;
    uint32_t load_bytes;    /* announced by 'db load' */
    uint32_t load_position; /* of those, received */
    bool input_ready;       /* the input memory holds a whole input */
    bool output_ready;      /* the output memory holds the last run's outputs */
    uint16_t output_tag;    /* of the request whose run made them; 0 for MLPerf's infer */
} ta_session;

void ta_session_select(ta_session *session, uint32_t index);

/* Bytes of input memory; 0 for a model that is fed by rows. */
uint32_t ta_session_input_bytes(const ta_session *session);

/* Byte `position` of the inputs, less than ta_session_input_bytes. */
int8_t *ta_session_input(const ta_session *session, uint32_t position);

/* To be called before the input memory is written. */
void ta_session_spoil(ta_session *session);

/* One inference, between the marks that an emulator counts by. */
void ta_session_run(ta_session *session, const ta_observer *observer);

/* Executes one command of MLPerf Tiny's protocol and sends its reply but for m-ready. */
void ta_mlperf_command(ta_session *session, char *command);

/* The lines sent at boot, but for m-ready. */
void ta_mlperf_banner(void);

/* The same for a command of ours: "ta", verb, tag, arguments, CRC-32 of all before it. */
void ta_extension_command(ta_session *session, char *command);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_session.h"

#include "ta_harness.h"

void ta_session_select(ta_session *session, uint32_t index)
{
    session->model = ta_models[index];
    session->model_index = index;
    ta_session_spoil(session);
}

uint32_t ta_session_input_bytes(const ta_session *session)
{
    uint32_t bytes = 0;
    if (session->model->fed_by_rows != 0) {
        return 0;
    }
    for (int32_t k = 0; k < session->model->input_count; ++k) {
        bytes += (uint32_t)session->model->inputs[k].bytes;
    }
    return bytes;
}

int8_t *ta_session_input(const ta_session *session, uint32_t position)
{
    const ta_port_tensor *input = session->model->inputs;
    while (position >= (uint32_t)input->bytes) {
        position -= (uint32_t)input->bytes;
        ++input;
    }
    return input->data + position;
}

void ta_session_spoil(ta_session *session)
{
    /* Input and output may lie in the same memory. */
    session->input_ready = false;
    session->output_ready = false;
    session->load_bytes = 0;
    session->load_position = 0;
}

void ta_session_run(ta_session *session, const ta_observer *observer)
{
    const ta_model *model = session->model;
    TA_BEGIN();
    model->run(observer);
    TA_END();
    session->input_ready = session->input_ready && model->input_preserved != 0;
    session->output_ready = true;
    session->output_tag = 0;
}

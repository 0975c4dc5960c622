/* SPDX-License-Identifier: Apache-2.0
 *
 * Three models small enough to know by heart, for tests of the harness.
 *
 * All take int8 [3, 4] and int8 [2], which the first two ignore, and return int8 [3, 4] and its first
 * element as an eighth in float32, as uint8 and as int32.
 * toy: layer 0 adds 1, layer 1 multiplies by 3 (mod 256), row by row in turn.
 * eater: layer 0 inverts all bits in place.
 * fed: asks for the rows of both inputs; layer 0 adds the second's first element.
 */
#include "ta_harness.h"

#define ROWS 3
#define ROW_BYTES 4
#define BYTES (ROWS * ROW_BYTES)

static int8_t arena[64] __attribute__((aligned(8)));
static int8_t *const in = arena;
static int8_t *const middle = arena + 16;
static int8_t *const out = arena + 32;

static void put_ends(int8_t first)
{
    *(float *)(void *)(arena + 44) = (float)first / 8.0f;
    arena[48] = first;
    *(int32_t *)(void *)(arena + 52) = first;
}

static void toy_run(const ta_observer *observer)
{
    const ta_sink middle_rows = {middle, ROW_BYTES, ROWS, ROWS};
    const ta_sink out_rows = {out, ROW_BYTES, ROWS, ROWS};
    const ta_completion middle_done = {&middle_rows, ROW_BYTES, 0, 0};
    const ta_completion out_done = {&out_rows, ROW_BYTES, 1, 0};
    for (int32_t y = 0; y < ROWS; ++y) {
        TA_LAYER(0);
        for (int32_t k = y * ROW_BYTES; k < (y + 1) * ROW_BYTES; ++k) {
            middle[k] = (int8_t)(uint8_t)(in[k] + 1);
        }
        ta_rows_done(observer, &middle_done, 0, y, y + 1);
        TA_LAYER(1);
        for (int32_t k = y * ROW_BYTES; k < (y + 1) * ROW_BYTES; ++k) {
            out[k] = (int8_t)(uint8_t)(middle[k] * 3);
        }
        ta_rows_done(observer, &out_done, 0, y, y + 1);
    }
    put_ends(out[0]);
}

static void eater_run(const ta_observer *observer)
{
    const ta_sink rows = {in, ROW_BYTES, ROWS, ROWS};
    const ta_completion done = {&rows, ROW_BYTES, 0, 0};
    TA_LAYER(0);
    for (int32_t k = 0; k < BYTES; ++k) {
        in[k] = (int8_t)~in[k];
    }
    ta_rows_done(observer, &done, 0, 0, ROWS);
    put_ends(in[0]);
}

static void fed_run(const ta_observer *observer)
{
    const ta_sink left = {in, ROW_BYTES, 1, ROWS};
    const ta_sink right = {in + 1, ROW_BYTES, 1, ROWS};
    const ta_sink second = {in + ROW_BYTES, 2, 1, 1};
    const ta_sink out_rows = {out, ROW_BYTES, ROWS, ROWS};
    const ta_completion out_done = {&out_rows, ROW_BYTES, 0, 0};
    ta_read_rows(observer, 1, &second, 0, 2, 0, 1);
    for (int32_t y = 0; y < ROWS; ++y) {
        /* Each row in two parts, as strips ask for them. */
        ta_read_rows(observer, 0, &left, 0, 1, y, y + 1);
        ta_read_rows(observer, 0, &right, 1, ROW_BYTES - 1, y, y + 1);
        TA_LAYER(0);
        for (int32_t k = 0; k < ROW_BYTES; ++k) {
            out[y * ROW_BYTES + k] = (int8_t)(uint8_t)(in[k] + in[ROW_BYTES]);
        }
        ta_rows_done(observer, &out_done, 0, y, y + 1);
    }
    put_ends(out[0]);
}

static const ta_port_tensor fed_inputs[] = {
    {NULL, BYTES, TA_INT8, 0.5f, -3},
    {NULL, 2, TA_INT8, 0.25f, 0},
};
static const ta_port_tensor inputs[] = {
    {arena, BYTES, TA_INT8, 0.5f, -3},
    {arena + 12, 2, TA_INT8, 0.25f, 0},
};
#define ENDS                                                                                     \
    {arena + 44, 4, TA_FLOAT32, 0.0f, 0}, {arena + 48, 1, TA_UINT8, 0.5f, 128},                  \
    {                                                                                            \
        arena + 52, 4, TA_INT32, 0.0f, 0                                                         \
    }
static const ta_port_tensor toy_outputs[] = {{arena + 32, BYTES, TA_INT8, 0.1f, -3}, ENDS};
static const ta_port_tensor eater_outputs[] = {{arena, BYTES, TA_INT8, 0.00390625f, -128}, ENDS};

static const ta_model toy = {
    .name = "toy",
    .image_id = "0123456789abcdef",
    .inputs = inputs,
    .outputs = toy_outputs,
    .input_count = 2,
    .output_count = 4,
    .layer_count = 2,
    .input_preserved = 1,
    .run = toy_run,
};
static const ta_model eater = {
    .name = "eater",
    .image_id = "fedcba9876543210",
    .inputs = inputs,
    .outputs = eater_outputs,
    .input_count = 2,
    .output_count = 4,
    .layer_count = 1,
    .input_preserved = 0,
    .run = eater_run,
};
static const ta_model fed = {
    .name = "fed",
    .image_id = "00112233445566ff",
    .inputs = fed_inputs,
    .outputs = toy_outputs,
    .input_count = 2,
    .output_count = 4,
    .layer_count = 1,
    .fed_by_rows = 1,
    .run = fed_run,
};

const ta_model *const ta_models[] = {&toy, &eater, &fed};
const int32_t ta_model_count = 3;
ta_row_source *const ta_image_rows = ta_ask_for_row;
const char ta_board_name[] = "host";
const char ta_counter_kind[] = "cycles";

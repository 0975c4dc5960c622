/* SPDX-License-Identifier: Apache-2.0
 *
 * A generated model as the firmware harness sees it. Everything lies in flash but the
 * inputs' and outputs' memory, which is part of the model's arena.
 */
#ifndef TA_MODEL_H
#define TA_MODEL_H

#include "ta_observe.h"

typedef enum ta_dtype { TA_INT8, TA_UINT8, TA_INT32, TA_FLOAT32 } ta_dtype;

/* An input or output. real = scale * (q - zero_point); scale is 0 where it is not quantized.
 * data is NULL for the inputs of a model that is fed by rows. */
typedef struct ta_port_tensor {
    int8_t *data;
    int32_t bytes;
    ta_dtype dtype;
    float scale;
    int32_t zero_point;
} ta_port_tensor;

typedef struct ta_model {
    const char *name;
    const char *image_id; /* 16 hex digits: hash of model, plan and sources */
    const ta_port_tensor *inputs;
    const ta_port_tensor *outputs;
    int32_t input_count;
    int32_t output_count;
    int32_t layer_count;
    int32_t input_preserved; /* whether an inference leaves the inputs as they were */
    int32_t fed_by_rows;     /* whether it asks the observer for the rows of its inputs */
    /* One inference; observer may be NULL but for a model that is fed by rows. */
    void (*run)(const ta_observer *observer);
} ta_model;

#endif

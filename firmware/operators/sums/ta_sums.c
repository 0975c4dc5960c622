/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_sums.h"

/* Four channels at a time, whose sums stay in registers. */
#define CHANNELS 4

static void add_row(const ta_sums *op, const int8_t *row)
{
    int32_t c = 0;
    for (; c + CHANNELS <= op->channels; c += CHANNELS) {
        int32_t *sums = op->sums + c;
        int32_t a = sums[0], b = sums[1], d = sums[2], e = sums[3];
        const int8_t *in = row + c;
        for (int32_t x = op->width; x > 0; --x, in += op->channels) {
            a += in[0];
            b += in[1];
            d += in[2];
            e += in[3];
        }
        sums[0] = a;
        sums[1] = b;
        sums[2] = d;
        sums[3] = e;
    }
    for (; c < op->channels; ++c) {
        const int8_t *in = row + c;
        for (int32_t x = op->width; x > 0; --x, in += op->channels) {
            op->sums[c] += *in;
        }
    }
}

void ta_sums_rows(const ta_sums *op, int32_t y_start, int32_t y_stop)
{
    for (int32_t c = 0; y_start == 0 && c < op->channels; ++c) {
        op->sums[c] = 0;
    }
    for (int32_t y = y_start; y < y_stop; ++y) {
        add_row(op, ta_source_row(&op->in, y));
    }
    if (y_stop == op->in.height) {
        op->kernel(op, ta_sink_row(&op->out, 0));
    }
}

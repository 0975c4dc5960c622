/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch after the row pointers: input columns, [columns][kernel_h][in_channels]. Windows are
 * kernel_w columns side by side; where dilation and stride let them, they share columns.
 */
#include <stdbool.h>

#include "ta_conv_2d.h"
#include "ta_linear_mve.h"

/* Copies `bytes` bytes `count` times, between places a step apart: 6 instructions each time for
 * up to 16 bytes. */
static void copy(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step,
                 int32_t bytes, int32_t count)
{
    if (count <= 0) {
        return;
    }
    if (bytes <= 16) {
        __asm__ volatile("vctp.8 %[bytes]\n"
                "dls lr, %[count]\n"
                "1:\n"
                "vpstt\n"
                "vldrbt.8 q0, [%[from]]\n"
                "vstrbt.8 q0, [%[to]]\n"
                "add %[from], %[from_step]\n"
                "add %[to], %[to_step]\n"
                "le lr, 1b\n"
                : [from] "+r"(from), [to] "+r"(to)
                : [bytes] "r"(bytes), [count] "r"(count), [from_step] "r"(from_step),
                  [to_step] "r"(to_step)
                : "lr", "q0", "cc", "memory");
        return;
    }
    do {
        const int8_t *source = from;
        int8_t *sink = to;
        __asm__ volatile("dlstp.8 lr, %[bytes]\n"
                "1:\n"
                "vldrb.8 q0, [%[source]], #16\n"
                "vstrb.8 q0, [%[sink]], #16\n"
                "letp lr, 1b\n"
                : [source] "+r"(source), [sink] "+r"(sink)
                : [bytes] "r"(bytes)
                : "lr", "q0", "cc", "memory");
        from += from_step;
        to += to_step;
    } while (--count > 0);
}

/* Lays input columns x, x + step, ..., `count` of them; those beside the input are of zero
 * points. Returns where the next goes. */
static int8_t *lay_columns(const ta_conv_2d *op, const int8_t *const *rows, int8_t *to, int32_t x,
                           int32_t step, int32_t count)
{
    const int32_t channels = op->in_channels;
    const int32_t column = op->kernel_h * channels;
    int32_t before = 0;
    for (; x < 0 && before < count; x += step) {
        ++before;
    }
    int32_t inside = 0;
    for (int32_t at = x; at < op->in_width && before + inside < count; at += step) {
        ++inside;
    }
    const int32_t after = count - before - inside;
    for (int32_t ky = 0; ky < op->kernel_h; ++ky, to += channels) {
        copy(to, column, op->zero_row, 0, channels, before);
        copy(to + before * column, column, rows[ky] + x * channels, step * channels, channels,
             inside);
        copy(to + (before + inside) * column, column, op->zero_row, 0, channels, after);
    }
    return to + (count - 1) * column;
}

void ta_conv_2d_s8_mve(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    const int32_t column = op->kernel_h * op->in_channels;
    const ta_linear_mve layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->kernel_w * column,
        .channels = op->out_channels,
    };
    const bool shared = op->dilation_w == 1 && op->stride_w < op->kernel_w;
    const int32_t pitch = shared ? op->stride_w * column : layer.taps;
    int8_t *const columns = (int8_t *)op->scratch + op->kernel_h * (int32_t)sizeof *rows;
    for (int32_t x = x_start; x < x_stop; x += op->stretch) {
        const int32_t count = x_stop - x < op->stretch ? x_stop - x : op->stretch;
        const int32_t left = x * op->stride_w - op->pad_left;
        if (shared) {
            (void)lay_columns(op, rows, columns, left, 1,
                              (count - 1) * op->stride_w + op->kernel_w);
        } else {
            int8_t *to = columns;
            for (int32_t k = 0; k < count; ++k) {
                to = lay_columns(op, rows, to, left + k * op->stride_w, op->dilation_w,
                                 op->kernel_w);
            }
        }
        ta_linear_s8_mve(&layer, columns, pitch, count, out + x * op->out_channels);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_mve.h>
#include <stdbool.h>

#include "ta_conv_2d.h"
#include "ta_linear_mve.h"

static int32_t smaller(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* Fills columns beside the input. */
static void fill(int8_t *to, int32_t bytes, const ta_conv_2d *op)
{
    if (bytes <= 0) {
        return;
    }
    const int8x16_t values = vdupq_n_s8(op->zero_row[0]);
    for (; bytes > 0; bytes -= 16, to += 16) {
        vstrbq_p_s8(to, values, vctp8q((uint32_t)bytes));
    }
}

/* Copies up to 16 bytes from each of `count` places: 6 instructions. */
static void copy(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step,
                 int32_t bytes, int32_t count)
{
    __asm__ volatile("vctp.8 %[bytes]\n"
            "wls lr, %[count], 2f\n"
            "1:\n"
            "vpstt\n"
            "vldrbt.8 q0, [%[from]]\n"
            "vstrbt.8 q0, [%[to]]\n"
            "add %[from], %[from_step]\n"
            "add %[to], %[to_step]\n"
            "le lr, 1b\n"
            "2:\n"
            : [from] "+r"(from), [to] "+r"(to)
            : [bytes] "r"(bytes), [count] "r"(count), [from_step] "r"(from_step),
              [to_step] "r"(to_step)
            : "lr", "q0", "cc", "memory");
}

/* Copies up to 16 bytes from each of `count` places to bytes `offsets` from others: 6
 * instructions. */
static void scatter(int8_t *to, int32_t to_step, uint8x16_t offsets, const int8_t *from,
                    int32_t bytes, int32_t count)
{
    __asm__ volatile("vctp.8 %[bytes]\n"
            "wls lr, %[count], 2f\n"
            "1:\n"
            "vpstt\n"
            "vldrbt.8 q0, [%[from]]\n"
            "vstrbt.8 q0, [%[to], %q[offsets]]\n"
            "add %[from], %[bytes]\n"
            "add %[to], %[to_step]\n"
            "le lr, 1b\n"
            "2:\n"
            : [from] "+r"(from), [to] "+r"(to)
            : [bytes] "r"(bytes), [count] "r"(count), [to_step] "r"(to_step),
              [offsets] "w"(offsets)
            : "lr", "q0", "cc", "memory");
}

static void copy_wide(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step,
                      int32_t bytes, int32_t count)
{
    for (; count > 0; --count, from += from_step, to += to_step) {
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
    }
}

/* Places of the bytes of columns side by side: where bytes of a column of `channels`, at most 8,
 * are one behind the other, and columns `column` apart. They wrap around 8 bits. */
static uint8x16_t places(int32_t channels, int32_t column)
{
    const uint8x16_t byte = vidupq_n_u8(0, 1);
    /* So little above 256 / channels that 15 times it is not too much. */
    const uint8_t inverse = (uint8_t)(256 / channels + 1);
    const uint8x16_t number = channels == 1 ? byte : vmulhq_u8(byte, vdupq_n_u8(inverse));
    return vmlaq_n_u8(byte, number, (uint8_t)(column - channels));
}

/* Lays input columns x, x + step, ..., `count` of them, as ta_lay_columns does. */
static int8_t *lay_columns(const ta_conv_2d *op, const int8_t *const *rows, int8_t *to, int32_t x,
                   int32_t step, int32_t count)
{
    const int32_t channels = op->in_channels;
    const int32_t column = op->kernel_h * channels;
    const int32_t before = x < 0 ? smaller((step - 1 - x) / step, count) : 0;
    x += before * step;
    const int32_t inside =
        x < op->in_width ? smaller((op->in_width - 1 - x) / step + 1, count - before) : 0;
    fill(to, before * column, op);
    to += before * column;
    const int8_t *const *const end = rows + op->kernel_h;
    const int32_t together = smaller(16 / channels, (256 - channels) / column + 1);
    if (step > 1 || together < 2) {
        for (int8_t *row = to; rows < end; ++rows, row += channels) {
            (channels > 16 ? copy_wide : copy)(row, column, *rows + x * channels, step * channels,
                                               channels, inside);
        }
    } else {
        const uint8x16_t offsets = places(channels, column);
        const int32_t whole = inside / together;
        const int32_t bytes = together * channels;
        for (int8_t *row = to; rows < end; ++rows, row += channels) {
            const int8_t *const from = *rows + x * channels;
            scatter(row, together * column, offsets, from, bytes, whole);
            scatter(row + whole * together * column, 0, offsets, from + whole * bytes,
                    inside * channels - whole * bytes, 1);
        }
    }
    to += inside * column;
    const int32_t after = count - before - inside;
    fill(to, after * column, op);
    return to + after * column;
}

/* As ta_convolve_by_columns, but for how columns are laid. */
void ta_conv_2d_s8_mve(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    const int32_t column = op->kernel_h * op->in_channels;
    const ta_linear layer = {
        .filters = op->weights,
        .bias = op->bias,
        .requant = &op->requant,
        .taps = op->kernel_w * column,
        .channels = op->out_channels,
    };
    const bool shared = op->dilation_w == 1 && op->stride_w < op->kernel_w;
    int8_t *const columns = (int8_t *)op->scratch + op->kernel_h * (int32_t)sizeof *rows;
    for (int32_t x = x_start; x < x_stop; x += op->stretch) {
        const int32_t count = smaller(x_stop - x, op->stretch);
        /* Windows that share columns are laid as one. */
        const int32_t windows = shared ? 1 : count;
        const int32_t width = op->kernel_w + (shared ? (count - 1) * op->stride_w : 0);
        int8_t *to = columns;
        for (int32_t k = 0; k < windows; ++k) {
            const int32_t left = (x + k) * op->stride_w - op->pad_left;
            to = lay_columns(op, rows, to, left, op->dilation_w, width);
        }
        ta_linear_s8_mve(&layer, columns, shared ? op->stride_w * column : layer.taps, count,
                         out + x * op->out_channels);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_columns.h"
#include "ta_linear_mve.h"

/* 6 instructions a column of up to 16 bytes. */
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

void ta_conv_2d_s8_mve(const ta_conv_2d *op, const int8_t *const *rows, int8_t *out,
                       int32_t x_start, int32_t x_stop)
{
    ta_convolve_by_columns(op, rows, out, x_start, x_stop, copy, ta_linear_s8_mve);
}

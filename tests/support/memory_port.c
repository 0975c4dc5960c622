/* SPDX-License-Identifier: Apache-2.0
 *
 * A port in memory: the firmware runs as a coroutine that yields when it has read all that
 * was fed to it, so that a test knows when the board has nothing more to say.
 */
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "ta_port.h"

int main(void);

static ucontext_t host;
static ucontext_t board;
static uint8_t stack[1 << 18];
static const uint8_t *input;
static size_t input_bytes;
static uint8_t output[1 << 20];
static size_t output_bytes;
static uint32_t ticks;

static void run_board(void)
{
    (void)main();
}

/* (Re)starts the firmware and lets it run up to its first read. */
void memory_port_start(void)
{
    input_bytes = 0;
    output_bytes = 0;
    getcontext(&board);
    board.uc_stack.ss_sp = stack;
    board.uc_stack.ss_size = sizeof stack;
    board.uc_link = &host;
    makecontext(&board, run_board, 0);
    swapcontext(&host, &board);
}

void memory_port_feed(const uint8_t *data, size_t bytes)
{
    input = data;
    input_bytes = bytes;
    swapcontext(&host, &board);
}

/* Moves what the board has sent to data, at most `most` bytes. */
size_t memory_port_take(uint8_t *data, size_t most)
{
    const size_t count = output_bytes < most ? output_bytes : most;
    memcpy(data, output, count);
    memmove(output, output + count, output_bytes - count);
    output_bytes -= count;
    return count;
}

void ta_port_start(void)
{
}

uint8_t ta_port_read(void)
{
    while (input_bytes == 0) {
        swapcontext(&board, &host);
    }
    --input_bytes;
    return *input++;
}

void ta_port_write(uint8_t byte)
{
    if (output_bytes < sizeof output) {
        output[output_bytes++] = byte;
    }
}

uint32_t ta_port_counter(void)
{
    return ticks += 100;
}

uint32_t ta_port_microseconds(void)
{
    return ticks / 10;
}

void ta_port_reset(void)
{
}

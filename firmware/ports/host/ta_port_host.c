/* SPDX-License-Identifier: Apache-2.0
 *
 * The host as a board: the serial link is one TCP connection to 127.0.0.1. Prints
 * "listening on PORT", takes the first connection and exits when that ends.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ta_port.h"

static int connection = -1;
static uint64_t start_microseconds;
static uint8_t output[4096];
static size_t output_count;

static void check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(EXIT_FAILURE);
    }
}

static uint64_t now_microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void ta_port_start(void)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    const int on = 1;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    check(listener, "socket");
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(bind(listener, (struct sockaddr *)&address, size), "bind");
    check(listen(listener, 1), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    printf("listening on %u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    connection = accept(listener, NULL, NULL);
    check(connection, "accept");
    check(setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    close(listener);
    start_microseconds = now_microseconds();
}

/* What was written leaves before the next read: a reply is a segment or a few. */
static void flush_output(void)
{
    size_t sent = 0;
    while (sent < output_count) {
        const ssize_t count = send(connection, output + sent, output_count - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            exit(EXIT_SUCCESS);
        }
        sent += (size_t)count;
    }
    output_count = 0;
}

uint8_t ta_port_read(void)
{
    static uint8_t input[4096];
    static ssize_t input_count;
    static ssize_t input_position;
    if (input_position == input_count) {
        flush_output();
        input_position = 0;
        input_count = recv(connection, input, sizeof input, 0);
        if (input_count <= 0) {
            exit(EXIT_SUCCESS);
        }
    }
    return input[input_position++];
}

void ta_port_write(uint8_t byte)
{
    output[output_count++] = byte;
    if (output_count == sizeof output) {
        flush_output();
    }
}

uint32_t ta_port_counter(void)
{
    return 0;
}

uint32_t ta_port_microseconds(void)
{
    return (uint32_t)(now_microseconds() - start_microseconds);
}

#ifdef TA_ENERGY
/* The host's pin is a line of its standard output. */
void ta_port_pulse(void)
{
    puts("falling edge");
    fflush(stdout);
}
#endif

void ta_port_reset(void)
{
}

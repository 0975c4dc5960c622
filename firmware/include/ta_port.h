/* SPDX-License-Identifier: Apache-2.0
 *
 * What a port (the code for one family of chips) gives the harness. The start-up code of
 * firmware/arch paints the stack with TA_STACK_PAINT and then calls main.
 */
#ifndef TA_PORT_H
#define TA_PORT_H

#include <stdint.h>

#define TA_STACK_PAINT 0xA5A5A5A5u

/* Of the serial link. */
#ifndef TA_BAUD
#define TA_BAUD 115200u
#endif

/* Sets up clock, serial link and counter; called once, first. */
void ta_port_start(void);

/* The next byte of the serial link; blocks until there is one. */
uint8_t ta_port_read(void);

/* Sends a byte; blocks while the transmitter is full. */
void ta_port_write(uint8_t byte);

/* Free-running cycle counter, wraps at 2^32; always 0 where the chip has none. */
uint32_t ta_port_counter(void);

/* Free-running microseconds, wraps at 2^32; always 0 where there is no clock. */
uint32_t ta_port_microseconds(void);

/* A falling edge on a pin, low for 1 us or more, which a power meter watches. Called only by
 * images built with TA_ENERGY; a port without it refuses to compile with that. */
void ta_port_pulse(void);

/* Restarts the board; returns only where that is impossible. */
void ta_port_reset(void);

/* Ends of the painted stack, 4-byte aligned, bottom lowest; defined by the linker script, or
 * absent (the harness refers to them weakly) where the stack is not ours to paint. */
extern uint32_t ta_stack_bottom[];
extern uint32_t ta_stack_top[];

#endif

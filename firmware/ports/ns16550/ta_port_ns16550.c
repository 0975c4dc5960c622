/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU's RISC-V machine `virt`: a 16550 UART, and the CLINT's clock of 10 MHz.
 */
#include "ta_port.h"

#define UART_DATA (*(volatile uint8_t *)0x10000000u)
#define UART_FIFO_CONTROL (*(volatile uint8_t *)0x10000002u)
#define UART_LINE_STATUS (*(volatile uint8_t *)0x10000005u)
#define FIFO_ON 1u
#define STATUS_RX_READY (1u << 0)
#define STATUS_TX_EMPTY (1u << 5)

#define CLINT_TIME_LOW (*(volatile uint32_t *)0x0200BFF8u)
#define CLINT_TIME_HIGH (*(volatile uint32_t *)0x0200BFFCu)
#define CLINT_MHZ 10u

void ta_port_start(void)
{
    UART_FIFO_CONTROL = FIFO_ON;
}

uint8_t ta_port_read(void)
{
    while ((UART_LINE_STATUS & STATUS_RX_READY) == 0u) {
    }
    return UART_DATA;
}

void ta_port_write(uint8_t byte)
{
    while ((UART_LINE_STATUS & STATUS_TX_EMPTY) == 0u) {
    }
    UART_DATA = byte;
}

/* No clock drives the machine: it has no cycles. */
uint32_t ta_port_counter(void)
{
    return 0;
}

uint32_t ta_port_microseconds(void)
{
    uint32_t low;
    uint32_t high;
    do {
        high = CLINT_TIME_HIGH;
        low = CLINT_TIME_LOW;
    } while (high != CLINT_TIME_HIGH);
    return (uint32_t)((((uint64_t)high << 32) | low) / CLINT_MHZ);
}

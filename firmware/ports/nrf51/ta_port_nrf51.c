/* SPDX-License-Identifier: Apache-2.0
 *
 * Nordic nRF51 (nRF51 Series Reference Manual 3.0): UART0 and TIMER0.
 *
 * TA_TX_PIN, TA_RX_PIN: pins of port 0.
 */
#include <stdbool.h>

#include "ta_port.h"
#include "ta_stopwatch.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define CLOCK_TASK_HFCLK_START REGISTER(0x40000000u)
#define CLOCK_EVENT_HFCLK_STARTED REGISTER(0x40000100u)

#define UART_TASK_START_RX REGISTER(0x40002000u)
#define UART_TASK_START_TX REGISTER(0x40002008u)
#define UART_EVENT_RX_READY REGISTER(0x40002108u)
#define UART_EVENT_TX_READY REGISTER(0x4000211Cu)
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_PIN_TX REGISTER(0x4000250Cu)
#define UART_PIN_RX REGISTER(0x40002514u)
#define UART_RXD REGISTER(0x40002518u)
#define UART_TXD REGISTER(0x4000251Cu)
#define UART_BAUDRATE REGISTER(0x40002524u)
#define UART_ENABLED 4u
/* Baud rate / 16 MHz in units of 2^-32, rounded to the 20 bits that there are. */
#define UART_BAUD_VALUE ((uint32_t)((((uint64_t)TA_BAUD << 32) / 16000000u + 0x800u) & 0xFFFFF000u))

#define TIMER_TASK_START REGISTER(0x40008000u)
#define TIMER_TASK_CAPTURE REGISTER(0x40008040u)
#define TIMER_BIT_MODE REGISTER(0x40008508u)
#define TIMER_PRESCALER REGISTER(0x40008510u)
#define TIMER_CAPTURED REGISTER(0x40008540u)
#define TIMER_32_BITS 3u
#define TIMER_MHZ 16u

#define GPIO_OUTPUT_SET REGISTER(0x50000508u)
#define GPIO_DIRECTION_SET REGISTER(0x50000518u)
#define GPIO_PIN_CONFIG(pin) REGISTER(0x50000700u + 4u * (pin))
#define GPIO_INPUT_CONNECTED 0u

/* The crystal's accuracy is what the baud rate and the timer need. */
static void start_crystal(void)
{
    CLOCK_TASK_HFCLK_START = 1;
    while (CLOCK_EVENT_HFCLK_STARTED == 0u) {
    }
}

static void start_uart(void)
{
    GPIO_OUTPUT_SET = 1u << TA_TX_PIN;
    GPIO_DIRECTION_SET = 1u << TA_TX_PIN;
    GPIO_PIN_CONFIG(TA_RX_PIN) = GPIO_INPUT_CONNECTED;
    /* Pins are chosen while the UART is off; QEMU's takes registers only while it is on. */
    UART_PIN_TX = TA_TX_PIN;
    UART_PIN_RX = TA_RX_PIN;
    UART_BAUDRATE = UART_BAUD_VALUE;
    UART_ENABLE = UART_ENABLED;
    UART_EVENT_RX_READY = 0;
    UART_EVENT_TX_READY = 0;
    UART_TASK_START_TX = 1;
    UART_TASK_START_RX = 1;
}

/* 16 MHz is also the core's clock: TIMER0 counts its cycles. */
static void start_timer(void)
{
    TIMER_BIT_MODE = TIMER_32_BITS;
    TIMER_PRESCALER = 0;
    TIMER_TASK_START = 1;
}

void ta_port_start(void)
{
    start_crystal();
    start_uart();
    /* After the UART: QEMU looks for received bytes again when a timer starts, but not when a
     * receiver does. */
    start_timer();
}

uint8_t ta_port_read(void)
{
    while (UART_EVENT_RX_READY == 0u) {
        (void)ta_port_microseconds();
    }
    UART_EVENT_RX_READY = 0;
    return (uint8_t)UART_RXD;
}

void ta_port_write(uint8_t byte)
{
    static bool sending;
    while (sending && UART_EVENT_TX_READY == 0u) {
    }
    UART_EVENT_TX_READY = 0;
    UART_TXD = byte;
    sending = true;
}

uint32_t ta_port_counter(void)
{
    TIMER_TASK_CAPTURE = 1;
    return TIMER_CAPTURED;
}

uint32_t ta_port_microseconds(void)
{
    static ta_stopwatch watch;
    return ta_stopwatch_read(&watch, ta_port_counter(), TIMER_MHZ);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Arm's MPS2 and MPS3 boards: UART and timer of the Cortex-M System Design Kit (DDI 0479), or
 * the system counter of an SSE-300 subsystem (101773) where TA_SSE_COUNTER is defined.
 *
 * TA_UART, TA_CMSDK_TIMER, TA_SSE_COUNTER: base addresses. TA_CLOCK_HZ: of all of them.
 */
#include "ta_cortex_m.h"
#include "ta_port.h"
#include "ta_stopwatch.h"

#define REGISTER(base, offset) (*(volatile uint32_t *)((base) + (offset)))

#define UART_DATA REGISTER(TA_UART, 0x00u)
#define UART_STATE REGISTER(TA_UART, 0x04u)
#define UART_CONTROL REGISTER(TA_UART, 0x08u)
#define UART_BAUD_DIVIDER REGISTER(TA_UART, 0x10u)
#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define CONTROL_TX_AND_RX 3u

#ifdef TA_SSE_COUNTER

#define COUNTER_CONTROL REGISTER(TA_SSE_COUNTER, 0x00u)
#define COUNTER_LOW REGISTER(TA_SSE_COUNTER, 0x08u)

static void start_timer(void)
{
    COUNTER_CONTROL = 1u;
}

static uint32_t timer_ticks(void)
{
    return COUNTER_LOW;
}

#else

#define TIMER_CONTROL REGISTER(TA_CMSDK_TIMER, 0x00u)
#define TIMER_VALUE REGISTER(TA_CMSDK_TIMER, 0x04u)
#define TIMER_RELOAD REGISTER(TA_CMSDK_TIMER, 0x08u)

static void start_timer(void)
{
    TIMER_RELOAD = UINT32_MAX;
    TIMER_VALUE = UINT32_MAX;
    TIMER_CONTROL = 1u;
}

/* The timer counts down. */
static uint32_t timer_ticks(void)
{
    return ~TIMER_VALUE;
}

#endif

void ta_port_start(void)
{
    UART_BAUD_DIVIDER = TA_CLOCK_HZ / TA_BAUD;
    UART_CONTROL = CONTROL_TX_AND_RX;
    /* QEMU looks for received bytes again when DATA is read, but not when CONTROL is written. */
    (void)UART_DATA;
    start_timer();
    ta_cycles_start();
}

uint8_t ta_port_read(void)
{
    while ((UART_STATE & STATE_RX_FULL) == 0u) {
        (void)ta_port_microseconds();
    }
    return (uint8_t)UART_DATA;
}

void ta_port_write(uint8_t byte)
{
    while ((UART_STATE & STATE_TX_FULL) != 0u) {
    }
    UART_DATA = byte;
}

uint32_t ta_port_counter(void)
{
    return ta_cycles();
}

uint32_t ta_port_microseconds(void)
{
    static ta_stopwatch watch;
    return ta_stopwatch_read(&watch, timer_ticks(), TA_CLOCK_HZ / 1000000u);
}

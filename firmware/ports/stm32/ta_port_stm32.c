/* SPDX-License-Identifier: Apache-2.0
 *
 * STM32 with the older USART (status and data registers): USART1 on pins PA9 and PA10.
 *
 * TA_STM32_USART1: its base address.
 */
#include "ta_cortex_m.h"
#include "ta_port.h"
#include "ta_stm32.h"
#include "ta_stopwatch.h"

#define USART_STATUS TA_STM32_REGISTER(TA_STM32_USART1 + 0x00u)
#define USART_DATA TA_STM32_REGISTER(TA_STM32_USART1 + 0x04u)
#define USART_BAUD_DIVIDER TA_STM32_REGISTER(TA_STM32_USART1 + 0x08u)
#define USART_CONTROL TA_STM32_REGISTER(TA_STM32_USART1 + 0x0Cu)
#define STATUS_RX_READY (1u << 5)
#define STATUS_TX_EMPTY (1u << 7)
#define CONTROL_USART_TX_RX ((1u << 13) | (1u << 3) | (1u << 2))

static uint32_t core_mhz = 1;

void ta_port_start(void)
{
    const ta_stm32_clocks clocks = ta_stm32_start();
    core_mhz = clocks.core_hz / 1000000u;
    USART_BAUD_DIVIDER = (clocks.usart_hz + TA_BAUD / 2u) / TA_BAUD;
    USART_CONTROL = CONTROL_USART_TX_RX;
    ta_cycles_start();
}

uint8_t ta_port_read(void)
{
    while ((USART_STATUS & STATUS_RX_READY) == 0u) {
        (void)ta_port_microseconds();
    }
    return (uint8_t)USART_DATA;
}

void ta_port_write(uint8_t byte)
{
    while ((USART_STATUS & STATUS_TX_EMPTY) == 0u) {
    }
    USART_DATA = byte;
}

uint32_t ta_port_counter(void)
{
    return ta_cycles();
}

uint32_t ta_port_microseconds(void)
{
    static ta_stopwatch watch;
    return ta_stopwatch_read(&watch, ta_cycles(), core_mhz);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Stellaris LM3S (LM3S811 and LM3S6965 data sheets): 50 MHz from the main oscillator through
 * the PLL, UART0 (a PL011) on pins PA0 and PA1.
 *
 * TA_STELLARIS_CRYSTAL: the crystal, as the XTAL field of RCC names it.
 */
#include "ta_cortex_m.h"
#include "ta_port.h"
#include "ta_stopwatch.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define SYSCTL_RAW_INTERRUPTS REGISTER(0x400FE050u)
#define PLL_LOCKED (1u << 6)
#define SYSCTL_RCC REGISTER(0x400FE060u)
#define RCC_BYPASS_PLL (1u << 11)
#define RCC_USE_DIVIDER (1u << 22)
#define RCC_PLL_POWER_DOWN ((1u << 13) | (1u << 12)) /* and its output off, on the LM3S811 */
#define RCC_MAIN_OSCILLATOR_OFF 1u
#define RCC_SOURCE (3u << 4)
#define RCC_CRYSTAL (15u << 6)
#define RCC_DIVIDER (15u << 23)
#define RCC_200_MHZ_BY_4 (3u << 23)
#define SYSCTL_RCGC1 REGISTER(0x400FE104u)
#define SYSCTL_RCGC2 REGISTER(0x400FE108u)

#define GPIOA_FUNCTION REGISTER(0x40004420u)
#define GPIOA_DIGITAL REGISTER(0x4000451Cu)
#define PA0_AND_PA1 3u

#define UART_DATA REGISTER(0x4000C000u)
#define UART_FLAGS REGISTER(0x4000C018u)
#define UART_BAUD_INTEGER REGISTER(0x4000C024u)
#define UART_BAUD_FRACTION REGISTER(0x4000C028u)
#define UART_LINE REGISTER(0x4000C02Cu)
#define UART_CONTROL REGISTER(0x4000C030u)
#define FLAG_RX_EMPTY (1u << 4)
#define FLAG_TX_FULL (1u << 5)
#define LINE_8_BITS_WITH_FIFOS 0x70u
#define CONTROL_ON_TX_RX 0x301u

static void run_from_crystal(void)
{
    SYSCTL_RCC = (SYSCTL_RCC | RCC_BYPASS_PLL) & ~(RCC_USE_DIVIDER | RCC_MAIN_OSCILLATOR_OFF);
    SYSCTL_RCC = (SYSCTL_RCC & ~(RCC_CRYSTAL | RCC_SOURCE | RCC_PLL_POWER_DOWN | RCC_DIVIDER)) |
                 (TA_STELLARIS_CRYSTAL << 6) | RCC_200_MHZ_BY_4 | RCC_USE_DIVIDER;
}

static void start_clock(void)
{
    run_from_crystal();
    while ((SYSCTL_RAW_INTERRUPTS & PLL_LOCKED) == 0u) {
    }
    SYSCTL_RCC &= ~RCC_BYPASS_PLL;
}

static void start_uart(void)
{
    /* Clock / 16 / baud, in 64ths, rounded. */
    const uint32_t divider = (TA_CLOCK_HZ * 8u / TA_BAUD + 1u) / 2u;
    SYSCTL_RCGC1 |= 1u;
    SYSCTL_RCGC2 |= 1u;
    /* Three cycles pass before the clocks are there. */
    (void)SYSCTL_RCGC2;
    (void)SYSCTL_RCGC2;
    GPIOA_FUNCTION |= PA0_AND_PA1;
    GPIOA_DIGITAL |= PA0_AND_PA1;
    UART_CONTROL = 0;
    UART_BAUD_INTEGER = divider / 64u;
    UART_BAUD_FRACTION = divider % 64u;
    UART_LINE = LINE_8_BITS_WITH_FIFOS;
    UART_CONTROL = CONTROL_ON_TX_RX;
}

void ta_port_start(void)
{
    start_clock();
    start_uart();
    ta_cycles_start();
}

uint8_t ta_port_read(void)
{
    while ((UART_FLAGS & FLAG_RX_EMPTY) != 0u) {
        (void)ta_port_microseconds();
    }
    return (uint8_t)UART_DATA;
}

void ta_port_write(uint8_t byte)
{
    while ((UART_FLAGS & FLAG_TX_FULL) != 0u) {
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
    return ta_stopwatch_read(&watch, ta_cycles(), TA_CLOCK_HZ / 1000000u);
}

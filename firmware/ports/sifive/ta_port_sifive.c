/* SPDX-License-Identifier: Apache-2.0
 *
 * SiFive FE310 (FE310-G002 Manual): UART0 on GPIO 16 and 17, core on the 16 MHz crystal, at
 * which code in the serial flash needs no further set-up.
 */
#include "ta_port.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define PRCI_CRYSTAL REGISTER(0x10008004u)
#define PRCI_CRYSTAL_ON (1u << 30)
#define PRCI_CRYSTAL_READY (1u << 31)
#define PRCI_PLL REGISTER(0x10008008u)
/* Use the PLL's output, bypass the PLL, feed it the crystal. */
#define PRCI_PLL_IS_CRYSTAL ((1u << 16) | (1u << 17) | (1u << 18))

#define GPIO_FUNCTION_ENABLE REGISTER(0x10012038u)
#define GPIO_FUNCTION_SELECT REGISTER(0x1001203Cu)
#define GPIO_UART0 ((1u << 16) | (1u << 17))

#define UART_TX REGISTER(0x10013000u)
#define UART_RX REGISTER(0x10013004u)
#define UART_TX_CONTROL REGISTER(0x10013008u)
#define UART_RX_CONTROL REGISTER(0x1001300Cu)
#define UART_DIVIDER REGISTER(0x10013018u)
#define UART_FULL_OR_EMPTY (1u << 31)
#define CRYSTAL_HZ 16000000u

#define CLINT_TIME_LOW REGISTER(0x0200BFF8u)
#define CLINT_TIME_HIGH REGISTER(0x0200BFFCu)

void ta_port_start(void)
{
    PRCI_CRYSTAL |= PRCI_CRYSTAL_ON;
    while ((PRCI_CRYSTAL & PRCI_CRYSTAL_READY) == 0u) {
    }
    PRCI_PLL |= PRCI_PLL_IS_CRYSTAL;
    GPIO_FUNCTION_SELECT &= ~GPIO_UART0;
    GPIO_FUNCTION_ENABLE |= GPIO_UART0;
    UART_DIVIDER = (CRYSTAL_HZ + TA_BAUD / 2u) / TA_BAUD - 1u;
    UART_TX_CONTROL = 1u;
    UART_RX_CONTROL = 1u;
}

uint8_t ta_port_read(void)
{
    uint32_t word;
    do {
        word = UART_RX;
    } while ((word & UART_FULL_OR_EMPTY) != 0u);
    return (uint8_t)word;
}

void ta_port_write(uint8_t byte)
{
    while ((UART_TX & UART_FULL_OR_EMPTY) != 0u) {
    }
    UART_TX = byte;
}

uint32_t ta_port_counter(void)
{
    uint32_t cycles;
    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     "csrr %0, mcycle\n"
                     ".option pop\n"
                     : "=r"(cycles));
    return cycles;
}

/* The clock ticks at 32,768 Hz: 1,000,000 / 32,768 = 15,625 / 512. */
uint32_t ta_port_microseconds(void)
{
    uint32_t low;
    uint32_t high;
    do {
        high = CLINT_TIME_HIGH;
        low = CLINT_TIME_LOW;
    } while (high != CLINT_TIME_HIGH);
    const uint64_t ticks = ((uint64_t)high << 32) | low;
    return (uint32_t)((ticks * 15625u) >> 9);
}

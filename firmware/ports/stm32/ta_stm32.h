/* SPDX-License-Identifier: Apache-2.0
 *
 * What each STM32 family gives the port that they share.
 */
#ifndef TA_STM32_H
#define TA_STM32_H

#include <stdbool.h>
#include <stdint.h>

#define TA_STM32_REGISTER(address) (*(volatile uint32_t *)(address))

typedef struct ta_stm32_clocks {
    uint32_t core_hz;
    uint32_t usart_hz;
} ta_stm32_clocks;

/* Starts the fastest clock that the board has, and USART1's clock and pins. Where a crystal
 * is missing the chip stays on its internal oscillator. Returns what now runs. */
ta_stm32_clocks ta_stm32_start(void);

/* Whether any of the bits comes on in the time that an oscillator or PLL may take. */
static inline bool ta_stm32_becomes(const volatile uint32_t *address, uint32_t bits)
{
    for (int32_t polls = 0; polls < 100000; ++polls) {
        if ((*address & bits) != 0u) {
            return true;
        }
    }
    return false;
}

#endif

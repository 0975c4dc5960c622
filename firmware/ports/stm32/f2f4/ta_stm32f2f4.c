/* SPDX-License-Identifier: Apache-2.0
 *
 * STM32F205 (RM0033) and STM32F405 (RM0090): TA_CLOCK_HZ, 120 or 168 MHz, from a crystal of
 * TA_STM32_CRYSTAL_MHZ through the PLL.
 */
#include "ta_stm32.h"

#define RCC_CR TA_STM32_REGISTER(0x40023800u)
#define RCC_CR_HSE_ON (1u << 16)
#define RCC_CR_HSE_READY (1u << 17)
#define RCC_CR_PLL_ON (1u << 24)
#define RCC_CR_PLL_READY (1u << 25)
#define RCC_PLLCFGR TA_STM32_REGISTER(0x40023804u)
/* (crystal / crystal MHz) * multiplier, which is halved for the core and is 48 MHz for USB. */
#define PLL_MULTIPLIER (TA_CLOCK_HZ / 500000u)
#define PLL_USB_DIVIDER (PLL_MULTIPLIER / 48u)
#define RCC_PLLCFGR_FULL                                                           \
    (TA_STM32_CRYSTAL_MHZ | (PLL_MULTIPLIER << 6) | (0u << 16) | (1u << 22) |      \
     (PLL_USB_DIVIDER << 24))
#define RCC_CFGR TA_STM32_REGISTER(0x40023808u)
#define RCC_CFGR_APB1_QUARTER (5u << 10)
#define RCC_CFGR_APB2_HALF (4u << 13)
#define RCC_CFGR_USE_PLL 2u
#define RCC_CFGR_PLL_IN_USE (2u << 2)
#define RCC_AHB1ENR TA_STM32_REGISTER(0x40023830u)
#define RCC_AHB1ENR_GPIOA 1u
#define RCC_APB2ENR TA_STM32_REGISTER(0x40023844u)
#define RCC_APB2ENR_USART1 (1u << 4)

#define FLASH_ACR TA_STM32_REGISTER(0x40023C00u)
#define FLASH_ACR_CACHES 0x700u
/* One for each 30 MHz but the first, at 2.7 V and above. */
#define FLASH_ACR_WAIT_STATES ((TA_CLOCK_HZ - 1u) / 30000000u)

#define GPIOA_MODER TA_STM32_REGISTER(0x40020000u)
#define GPIOA_AFRH TA_STM32_REGISTER(0x40020024u)
#define PA9_AND_PA10_MODE (15u << 18)
#define PA9_AND_PA10_ALTERNATE (10u << 18)
#define PA9_AND_PA10_FUNCTION 0x00000FF0u
#define PA9_AND_PA10_USART1 0x00000770u

static const ta_stm32_clocks internal = {.core_hz = 16000000u, .usart_hz = 16000000u};
static const ta_stm32_clocks full = {.core_hz = TA_CLOCK_HZ, .usart_hz = TA_CLOCK_HZ / 2u};

static ta_stm32_clocks start_pll(void)
{
    RCC_CR |= RCC_CR_HSE_ON;
    if (!ta_stm32_becomes(&RCC_CR, RCC_CR_HSE_READY)) {
        return internal;
    }
    RCC_PLLCFGR = RCC_PLLCFGR_FULL;
    RCC_CR |= RCC_CR_PLL_ON;
    if (!ta_stm32_becomes(&RCC_CR, RCC_CR_PLL_READY)) {
        return internal;
    }
    FLASH_ACR = FLASH_ACR_CACHES | FLASH_ACR_WAIT_STATES;
    RCC_CFGR = RCC_CFGR_APB1_QUARTER | RCC_CFGR_APB2_HALF | RCC_CFGR_USE_PLL;
    while ((RCC_CFGR & RCC_CFGR_PLL_IN_USE) == 0u) {
    }
    return full;
}

ta_stm32_clocks ta_stm32_start(void)
{
    const ta_stm32_clocks clocks = start_pll();
    RCC_AHB1ENR |= RCC_AHB1ENR_GPIOA;
    RCC_APB2ENR |= RCC_APB2ENR_USART1;
    GPIOA_AFRH = (GPIOA_AFRH & ~PA9_AND_PA10_FUNCTION) | PA9_AND_PA10_USART1;
    GPIOA_MODER = (GPIOA_MODER & ~PA9_AND_PA10_MODE) | PA9_AND_PA10_ALTERNATE;
    return clocks;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * STM32F100 (RM0041): 24 MHz from the internal oscillator through the PLL.
 */
#include "ta_stm32.h"

#define RCC_CR TA_STM32_REGISTER(0x40021000u)
#define RCC_CR_PLL_ON (1u << 24)
#define RCC_CR_PLL_READY (1u << 25)
#define RCC_CFGR TA_STM32_REGISTER(0x40021004u)
#define RCC_CFGR_HALF_HSI_TIMES_6 (4u << 18)
#define RCC_CFGR_USE_PLL 2u
#define RCC_CFGR_PLL_IN_USE (2u << 2)
#define RCC_APB2ENR TA_STM32_REGISTER(0x40021018u)
#define RCC_APB2ENR_GPIOA (1u << 2)
#define RCC_APB2ENR_USART1 (1u << 14)

#define GPIOA_CRH TA_STM32_REGISTER(0x40010804u)
#define PA9_AND_PA10 0x00000FF0u
#define PA9_OUTPUT_PA10_INPUT 0x000004B0u /* alternate push-pull, 50 MHz; floating */

#define HSI_HZ 8000000u
#define PLL_HZ 24000000u

static uint32_t start_pll(void)
{
    RCC_CFGR = RCC_CFGR_HALF_HSI_TIMES_6;
    RCC_CR |= RCC_CR_PLL_ON;
    if (!ta_stm32_becomes(&RCC_CR, RCC_CR_PLL_READY)) {
        return HSI_HZ;
    }
    RCC_CFGR |= RCC_CFGR_USE_PLL;
    return ta_stm32_becomes(&RCC_CFGR, RCC_CFGR_PLL_IN_USE) ? PLL_HZ : HSI_HZ;
}

ta_stm32_clocks ta_stm32_start(void)
{
    const uint32_t hz = start_pll();
    RCC_APB2ENR |= RCC_APB2ENR_GPIOA | RCC_APB2ENR_USART1;
    GPIOA_CRH = (GPIOA_CRH & ~PA9_AND_PA10) | PA9_OUTPUT_PA10_INPUT;
    const ta_stm32_clocks clocks = {.core_hz = hz, .usart_hz = hz};
    return clocks;
}

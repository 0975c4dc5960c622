/* SPDX-License-Identifier: Apache-2.0
 *
 * Cycle counter of the core (Armv7-M and Armv8-M Architecture Reference Manuals, "DWT").
 */
#include "ta_cortex_m.h"

#ifdef __ARM_ARCH_6M__

void ta_cycles_start(void)
{
}

uint32_t ta_cycles(void)
{
    return 0;
}

#else

#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DEMCR_TRACE_ENABLE (1u << 24)
#define DWT_CONTROL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CYCLES (*(volatile uint32_t *)0xE0001004u)
#define DWT_LOCK (*(volatile uint32_t *)0xE0001FB0u)
#define DWT_UNLOCK 0xC5ACCE55u

void ta_cycles_start(void)
{
    DEMCR |= DEMCR_TRACE_ENABLE;
    /* Only the Cortex-M7 has a lock here; elsewhere the write goes nowhere. */
    DWT_LOCK = DWT_UNLOCK;
    DWT_CYCLES = 0;
    DWT_CONTROL |= 1u;
}

uint32_t ta_cycles(void)
{
    return DWT_CYCLES;
}

#endif

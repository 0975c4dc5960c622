/* SPDX-License-Identifier: Apache-2.0
 *
 * What every Cortex-M port needs of its core, with our start-up code or a framework's.
 */
#ifndef TA_CORTEX_M_H
#define TA_CORTEX_M_H

#include <stdint.h>

/* Starts the cycle counter of the DWT, where the core has one. */
void ta_cycles_start(void);

/* Free-running core cycles, wraps at 2^32; always 0 where there is no counter. */
uint32_t ta_cycles(void);

/* Restarts the chip; does not return. */
static inline void ta_core_reset(void)
{
    volatile uint32_t *const aircr = (volatile uint32_t *)0xE000ED0Cu;
    __asm__ volatile("dsb" ::: "memory");
    *aircr = 0x05FA0004u;
    for (;;) {
    }
}

#endif

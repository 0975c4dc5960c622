/* SPDX-License-Identifier: Apache-2.0
 *
 * From reset to main, and from a fault to its report, on every Cortex-M. No interrupt is ever
 * enabled: the table holds the core's own exceptions only.
 *
 * The stack lies at the bottom of the first RAM, so that an overflow leaves the memory and
 * faults instead of overwriting data.
 */
#include <stdint.h>

#include "ta_fault.h"
#include "ta_port.h"

/* Defined by the linker script; all are 4-byte aligned. */
extern uint32_t ta_data_load[];
extern uint32_t ta_data_start[];
extern uint32_t ta_data_stop[];
extern uint32_t ta_bss_start[];
extern uint32_t ta_bss_stop[];

int main(void);
void ta_reset(void);
void ta_fault(void);
void ta_start(void);
void ta_report_fault(uint32_t pc, uint32_t lr, uint32_t sp);

typedef union vector {
    uint32_t *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = ta_stack_top}, {.handler = ta_reset},
    {.handler = ta_fault},   {.handler = ta_fault},
    {.handler = ta_fault},   {.handler = ta_fault},
    {.handler = ta_fault},   {.handler = ta_fault},
    {.handler = ta_fault},   {.handler = ta_fault},
    {.handler = ta_fault},   {.handler = ta_fault},
    {.handler = ta_fault},   {.handler = ta_fault},
    {.handler = ta_fault},   {.handler = ta_fault},
};

#define TEXT(x) #x
#define VALUE_TEXT(x) TEXT(x)
/* The assembler does not know C's suffix. */
#define STACK_PAINT 0xA5A5A5A5
_Static_assert(STACK_PAINT == TA_STACK_PAINT, "the harness looks for this paint");

/* Paints the stack, which nothing may use before that. A boot loader may have left another
 * stack pointer than the vector table's. */
__attribute__((naked, noreturn)) void ta_reset(void)
{
    __asm__ volatile("cpsid i\n"
                     "ldr r0, =ta_stack_bottom\n"
                     "ldr r1, =ta_stack_top\n"
#if __ARM_ARCH >= 8
                     "msr msplim, r0\n"
#endif
                     "mov sp, r1\n"
                     "ldr r2, =" VALUE_TEXT(STACK_PAINT) "\n"
                     "1: stmia r0!, {r2}\n"
                     "cmp r0, r1\n"
                     "blo 1b\n"
                     "bl ta_start\n"
                     ".ltorg\n");
}

#define VTOR (*(volatile uint32_t *)0xE000ED08u)
#define CCR (*(volatile uint32_t *)0xE000ED14u)
#define CCR_LOW_OVERHEAD_LOOPS (1u << 19)
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_FPU_AND_MVE (0xFu << 20)

#define MPU_TYPE (*(volatile uint32_t *)0xE000ED90u)
#define MPU_TYPE_REGIONS 0xFF00u
#define MPU_CONTROL (*(volatile uint32_t *)0xE000ED94u)
#define MPU_ON_WITH_DEFAULT_MAP 5u
#define MPU_ADDRESS (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_ADDRESS_REGION_0 (1u << 4)
#define MPU_ATTRIBUTES (*(volatile uint32_t *)0xE000EDA0u)
#define MPU_NO_ACCESS_4_KB ((1u << 28) | (11u << 1) | 1u)
#define GUARD_BYTES 4096u

/* Below the RAM some chips, and QEMU's MPS2 boards, ignore writes instead of faulting. */
static void guard_stack(void)
{
#if __ARM_ARCH == 7
    if ((MPU_TYPE & MPU_TYPE_REGIONS) != 0u) {
        MPU_ADDRESS = ((uint32_t)(uintptr_t)ta_stack_bottom - GUARD_BYTES) | MPU_ADDRESS_REGION_0;
        MPU_ATTRIBUTES = MPU_NO_ACCESS_4_KB;
        MPU_CONTROL = MPU_ON_WITH_DEFAULT_MAP;
    }
#endif
}

static void prepare_core(void)
{
#ifndef __ARM_ARCH_6M__
    VTOR = (uint32_t)(uintptr_t)vectors;
#endif
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= CPACR_FPU_AND_MVE;
#endif
#ifdef __ARM_FEATURE_MVE
    CCR |= CCR_LOW_OVERHEAD_LOOPS;
#endif
    guard_stack();
    __asm__ volatile("dsb\nisb" ::: "memory");
}

void ta_start(void)
{
    const uint32_t *load = ta_data_load;
    prepare_core();
    for (uint32_t *word = ta_data_start; word < ta_data_stop; ++word) {
        *word = *load++;
    }
    for (uint32_t *word = ta_bss_start; word < ta_bss_stop; ++word) {
        *word = 0;
    }
    main();
    for (;;) {
    }
}

/* Takes pc (r0) and lr (r1) from the exception frame, or 0 where it is not on the stack, and
 * reports them and sp (r2) from a fresh stack: the old one may be what is broken. */
__attribute__((naked, noreturn)) void ta_fault(void)
{
    __asm__ volatile("movs r0, #0\n"
                     "movs r1, #0\n"
                     "mov r2, sp\n"
                     "ldr r3, =ta_stack_bottom\n"
                     "cmp r2, r3\n"
                     "blo 1f\n"
                     "ldr r3, =ta_stack_top - 32\n"
                     "cmp r2, r3\n"
                     "bhi 1f\n"
                     "ldr r0, [r2, #24]\n"
                     "ldr r1, [r2, #20]\n"
                     "1: ldr r3, =ta_stack_top\n"
                     "mov sp, r3\n"
                     "bl ta_report_fault\n"
                     ".ltorg\n");
}

#ifndef __ARM_ARCH_6M__
#define CFSR (*(volatile uint32_t *)0xE000ED28u)
#define MMFAR (*(volatile uint32_t *)0xE000ED34u)
#define BFAR (*(volatile uint32_t *)0xE000ED38u)
#else
#define CFSR 0u
#define MMFAR 0u
#define BFAR 0u
#endif
#define CFSR_NO_FRAME ((1u << 4) | (1u << 12) | (1u << 20)) /* MSTKERR, STKERR, STKOF */
#define CFSR_MMFAR_VALID (1u << 7)

/* The host tells by cfsr whether there is an address at all. */
void ta_report_fault(uint32_t pc, uint32_t lr, uint32_t sp)
{
    const uint32_t cfsr = CFSR;
    if ((cfsr & CFSR_NO_FRAME) != 0u) {
        pc = 0;
        lr = 0;
    }
    ta_fault_word("\r\ne-[HardFault pc=", pc);
    ta_fault_word(" lr=", lr);
    ta_fault_word(" cfsr=", cfsr);
    ta_fault_word(" address=", (cfsr & CFSR_MMFAR_VALID) != 0u ? MMFAR : BFAR);
    ta_fault_word(" sp=", sp);
    ta_fault_end();
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * From reset to main, and from a trap to its report, on a 32-bit RISC-V core in machine mode.
 * No interrupt is ever enabled.
 *
 * The stack lies at the bottom of the first RAM, so that an overflow leaves the memory and
 * traps instead of overwriting data.
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
void ta_trap(void);
void ta_start(void);
void ta_report_trap(uint32_t pc, uint32_t ra, uint32_t mcause, uint32_t mtval, uint32_t sp);

#define TEXT(x) #x
#define VALUE_TEXT(x) TEXT(x)
/* The assembler does not know C's suffix. */
#define STACK_PAINT 0xA5A5A5A5
_Static_assert(STACK_PAINT == TA_STACK_PAINT, "the harness looks for this paint");

/* Since 2019 these are an extension of their own, which -march=rv32imac leaves out. */
#define ENABLE_CSR_INSTRUCTIONS ".option arch, +zicsr\n"

__attribute__((section(".vectors"), used, naked, noreturn)) void ta_reset(void)
{
    __asm__ volatile(ENABLE_CSR_INSTRUCTIONS "csrwi mie, 0\n"
                     "la t0, ta_trap\n"
                     "csrw mtvec, t0\n"
                     ".option push\n"
                     ".option norelax\n"
                     "la gp, __global_pointer$\n"
                     ".option pop\n"
                     "la t0, ta_stack_bottom\n"
                     "la sp, ta_stack_top\n"
                     "li t1, " VALUE_TEXT(STACK_PAINT) "\n"
                     "1: sw t1, 0(t0)\n"
                     "addi t0, t0, 4\n"
                     "bltu t0, sp, 1b\n"
                     "call ta_start\n");
}

void ta_start(void)
{
    const uint32_t *load = ta_data_load;
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

/* The image starts anew; peripherals keep their state, which ta_port_start sets again. */
void ta_port_reset(void)
{
    ta_reset();
}

/* Reports from a fresh stack: the old one may be what is broken. mtvec needs the alignment. */
__attribute__((naked, noreturn, aligned(4))) void ta_trap(void)
{
    __asm__ volatile(ENABLE_CSR_INSTRUCTIONS "csrr a0, mepc\n"
                     "mv a1, ra\n"
                     "csrr a2, mcause\n"
                     "csrr a3, mtval\n"
                     "mv a4, sp\n"
                     "la sp, ta_stack_top\n"
                     "call ta_report_trap\n");
}

void ta_report_trap(uint32_t pc, uint32_t ra, uint32_t mcause, uint32_t mtval, uint32_t sp)
{
    ta_fault_word("\r\ne-[Trap pc=", pc);
    ta_fault_word(" ra=", ra);
    ta_fault_word(" mcause=", mcause);
    ta_fault_word(" mtval=", mtval);
    ta_fault_word(" sp=", sp);
    ta_fault_end();
}

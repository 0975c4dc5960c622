/* SPDX-License-Identifier: Apache-2.0
 *
 * Protects the pages before and behind each of ta_guarded before main runs. What reads or writes
 * there ends the program, and is told by the nearest of them.
 */
#define _GNU_SOURCE /* sigaction, mprotect */
#include "guards.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void tell(const ta_guarded *item, uintptr_t address)
{
    char text[256];
    const uintptr_t first = (uintptr_t)item->first;
    const uintptr_t end = first + item->bytes;
    const int behind = address >= end;
    const int length = snprintf(text, sizeof text, "guard: %s: byte %lu %s\n", item->name,
                                (unsigned long)(behind ? address - end : first - address),
                                behind ? "behind its end" : "before its start");
    if (write(STDERR_FILENO, text, (size_t)length) != length) {
        _exit(4);
    }
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    const uintptr_t address = (uintptr_t)info->si_addr;
    const ta_guarded *nearest = NULL;
    uintptr_t least = UINTPTR_MAX;
    (void)signal;
    (void)context;
    for (size_t k = 0; k < ta_guarded_count; ++k) {
        const uintptr_t first = (uintptr_t)ta_guarded_items[k].first;
        const uintptr_t end = first + ta_guarded_items[k].bytes;
        const uintptr_t away = address >= end ? address - end : first - address;
        if ((address < first || address >= end) && away < least) {
            least = away;
            nearest = &ta_guarded_items[k];
        }
    }
    if (nearest != NULL) {
        tell(nearest, address);
    }
    _exit(3);
}

static void protect(uintptr_t address)
{
    if (mprotect((void *)address, ta_guard_page, PROT_NONE) != 0) {
        perror("guard");
        _exit(4);
    }
}

__attribute__((constructor)) static void protect_all(void)
{
    const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    if (sigaction(SIGSEGV, &action, NULL) != 0 ||
        sigaction(SIGBUS, &action, NULL) != 0) {
        _exit(4);
    }
    for (size_t k = 0; k < ta_guarded_count; ++k) {
        const uintptr_t first = (uintptr_t)ta_guarded_items[k].first;
        const uintptr_t end = first + ta_guarded_items[k].bytes;
        protect((first / ta_guard_page - 1) * ta_guard_page);
        protect((end + ta_guard_page - 1) / ta_guard_page * ta_guard_page);
    }
}

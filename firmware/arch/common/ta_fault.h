/* SPDX-License-Identifier: Apache-2.0
 *
 * How the fault handlers of all cores report: one line, sent through the port, which needs no
 * memory but the stack. tinyaiot.devices.faults reads it.
 */
#ifndef TA_FAULT_H
#define TA_FAULT_H

#include <stdint.h>

void ta_fault_text(const char *text);

/* label, then the word as 0x and eight hex digits. */
void ta_fault_word(const char *label, uint32_t word);

/* Ends the report. The next byte that the host sends restarts the board. */
void ta_fault_end(void);

#endif

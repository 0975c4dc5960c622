/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_fault.h"

#include "ta_port.h"

void ta_fault_text(const char *text)
{
    while (*text != '\0') {
        ta_port_write((uint8_t)*text++);
    }
}

void ta_fault_word(const char *label, uint32_t word)
{
    static const char digits[] = "0123456789abcdef";
    ta_fault_text(label);
    ta_fault_text("0x");
    for (uint32_t k = 0; k < 8u; ++k, word <<= 4) {
        ta_port_write((uint8_t)digits[word >> 28]);
    }
}

void ta_fault_end(void)
{
    ta_fault_text("]\r\n");
    (void)ta_port_read();
    ta_port_reset();
}

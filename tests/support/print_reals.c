/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares ta_put_real with the C library's "%0.3f" for every float of which the low 14 bits
 * are a hash of the others, and for the values around each half of a thousandth up to 32.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ta_port.h"
#include "ta_text.h"

static char text[64];
static size_t length;

void ta_port_write(uint8_t byte)
{
    text[length++] = (char)byte;
    text[length] = '\0';
}

static void compare(float value)
{
    char expected[64];
    length = 0;
    ta_put_real(value);
    snprintf(expected, sizeof expected, "%0.3f", (double)value);
    if (strcmp(text, expected) != 0) {
        printf("%a: %s instead of %s\n", (double)value, text, expected);
        exit(EXIT_FAILURE);
    }
}

int main(void)
{
    for (uint32_t high = 0; high < 1u << 18; ++high) {
        const union {
            uint32_t bits;
            float real;
        } view = {(high << 14) | ((high * 2654435761u) >> 18)};
        compare(view.real);
    }
    for (int32_t k = -64000; k <= 64000; ++k) {
        const float half = (float)k / 2000.0f;
        compare(half);
        compare(nextafterf(half, INFINITY));
        compare(nextafterf(half, -INFINITY));
    }
    return EXIT_SUCCESS;
}

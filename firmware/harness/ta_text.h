/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to and from the serial link, without a C library's printf.
 */
#ifndef TA_TEXT_H
#define TA_TEXT_H

#include <stdbool.h>
#include <stdint.h>

void ta_put_text(const char *text);

/* The text and CR LF. */
void ta_put_line(const char *text);

/* The message as "e-[message]" and CR LF. */
void ta_put_error(const char *message);

/* prefix, value in decimal, suffix. */
void ta_put_number(const char *prefix, uint32_t value, const char *suffix);

/* Two lower-case hex digits. */
void ta_put_hex(uint8_t byte);

/* As printf's "%0.3f": three decimals of the exact value, halves to even. */
void ta_put_real(float value);

/* Cuts the next word off *rest and ends it with NUL; NULL where there is none. */
char *ta_next_word(char **rest);

bool ta_same_text(const char *a, const char *b);

/* Whether word is a decimal number; *value is it, or 2^32 - 1 where it is larger. */
bool ta_parse_number(const char *word, uint32_t *value);

/* The value of a hex digit, or -1. */
int32_t ta_parse_hex_digit(char digit);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_text.h"

#include <stddef.h>

#include "ta_port.h"

void ta_put_text(const char *text)
{
    while (*text != '\0') {
        ta_port_write((uint8_t)*text++);
    }
}

void ta_put_line(const char *text)
{
    ta_put_text(text);
    ta_put_text("\r\n");
}

void ta_put_error(const char *message)
{
    ta_put_text("e-[");
    ta_put_text(message);
    ta_put_line("]");
}

static void put_reversed(const char *digits, int32_t count)
{
    while (count > 0) {
        ta_port_write((uint8_t)digits[--count]);
    }
}

void ta_put_number(const char *prefix, uint32_t value, const char *suffix)
{
    char digits[10];
    int32_t count = 0;
    ta_put_text(prefix);
    do {
        digits[count++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u);
    put_reversed(digits, count);
    ta_put_text(suffix);
}

void ta_put_hex(uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    ta_port_write((uint8_t)digits[byte >> 4]);
    ta_port_write((uint8_t)digits[byte & 15u]);
}

/* x / 2^exponent, halves to even; x < 2^34, exponent >= 1. */
static uint64_t rounded_shift(uint64_t x, uint32_t exponent)
{
    if (exponent > 35u) {
        return 0;
    }
    const uint64_t half = 1ull << (exponent - 1u);
    const uint64_t quotient = x >> exponent;
    const uint64_t remainder = x & (2u * half - 1u);
    const bool up = remainder > half || (remainder == half && (quotient & 1u) != 0u);
    return quotient + (up ? 1u : 0u);
}

/* 1000 * FLT_MAX has 42 digits and fits 9 limbs of 16 bits; a shifted word reaches one more. */
#define LIMBS 10
#define DIGITS 42

/* Divides the number, lowest limb first, by ten; returns the remainder. */
static uint32_t divide_by_ten(uint16_t *limbs)
{
    uint32_t remainder = 0;
    for (int32_t k = LIMBS - 1; k >= 0; --k) {
        const uint32_t part = (remainder << 16) | limbs[k];
        limbs[k] = (uint16_t)(part / 10u);
        remainder = part % 10u;
    }
    return remainder;
}

static bool is_zero(const uint16_t *limbs)
{
    uint32_t all = 0;
    for (int32_t k = 0; k < LIMBS; ++k) {
        all |= limbs[k];
    }
    return all == 0u;
}

void ta_put_real(float value)
{
    const union {
        float real;
        uint32_t bits;
    } view = {value};
    const uint32_t exponent = (view.bits >> 23) & 0xffu;
    const uint32_t fraction = view.bits & 0x7fffffu;
    if ((view.bits >> 31) != 0u) {
        ta_put_text("-");
    }
    if (exponent == 0xffu) {
        ta_put_text(fraction != 0u ? "nan" : "inf");
        return;
    }
    /* |value| = mantissa * 2^(power - 150); a subnormal has no hidden bit. */
    const uint32_t mantissa = exponent != 0u ? fraction | 0x800000u : fraction;
    const uint32_t power = exponent != 0u ? exponent : 1u;
    const uint32_t shift = power > 150u ? power - 150u : 0u;
    uint64_t word = (uint64_t)mantissa * 1000u;
    word = power < 150u ? rounded_shift(word, 150u - power) : word << (shift % 16u);
    uint16_t limbs[LIMBS] = {0};
    for (uint32_t k = shift / 16u; word != 0u; ++k, word >>= 16) {
        limbs[k] = (uint16_t)(word & 0xffffu);
    }
    char digits[DIGITS + 1];
    int32_t count = 0;
    while (count < 5 || !is_zero(limbs)) {
        if (count == 3) {
            digits[count++] = '.';
        }
        digits[count++] = (char)('0' + divide_by_ten(limbs));
    }
    put_reversed(digits, count);
}

char *ta_next_word(char **rest)
{
    char *word = *rest;
    while (*word == ' ') {
        ++word;
    }
    char *end = word;
    while (*end != ' ' && *end != '\0') {
        ++end;
    }
    *rest = *end == '\0' ? end : end + 1;
    *end = '\0';
    return end == word ? NULL : word;
}

bool ta_same_text(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        ++a;
        ++b;
    }
    return *a == *b;
}

bool ta_parse_number(const char *word, uint32_t *value)
{
    *value = 0;
    if (*word == '\0') {
        return false;
    }
    for (; *word != '\0'; ++word) {
        if (*word < '0' || *word > '9') {
            return false;
        }
        const uint32_t digit = (uint32_t)(*word - '0');
        *value = *value > (UINT32_MAX - digit) / 10u ? UINT32_MAX : *value * 10u + digit;
    }
    return true;
}

int32_t ta_parse_hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

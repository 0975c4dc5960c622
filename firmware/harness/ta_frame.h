/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames on the serial link: bytes and their CRC-32 (IEEE 802.3, least significant byte
 * first), escaped and ended as in SLIP (RFC 1055). A frame starts with a delimiter too, which
 * ends whatever text came before it. Text never has the delimiter in it.
 */
#ifndef TA_FRAME_H
#define TA_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define TA_FRAME_END 0xC0u
#define TA_FRAME_ESCAPE 0xDBu
#define TA_FRAME_ESCAPED_END 0xDCu
#define TA_FRAME_ESCAPED_ESCAPE 0xDDu

#define TA_CRC_START 0xFFFFFFFFu
/* The CRC register over bytes that are followed by their own CRC. */
#define TA_CRC_RESIDUE 0xDEBB20E3u

/* The register after one more byte; the CRC is its complement at the end. */
uint32_t ta_crc_update(uint32_t crc, uint8_t byte);

/* The answer to one request: frames that carry the request's tag and are numbered. Each is
 * kind, tag (2 bytes), number (2 bytes), body; integers least significant byte first. */
typedef struct ta_answer {
    uint32_t crc;
    uint16_t tag;
    uint16_t number;
} ta_answer;

void ta_frame_begin(ta_answer *answer, char kind);
void ta_frame_byte(ta_answer *answer, uint8_t byte);
void ta_frame_bytes(ta_answer *answer, const int8_t *bytes, int32_t count);
void ta_frame_word(ta_answer *answer, uint32_t word);
/* The text and its NUL. */
void ta_frame_text(ta_answer *answer, const char *text);
void ta_frame_end(ta_answer *answer);

#endif

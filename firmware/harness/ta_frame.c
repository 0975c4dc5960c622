/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_frame.h"

#include "ta_port.h"

uint32_t ta_crc_update(uint32_t crc, uint8_t byte)
{
    /* Half a byte at a time: 64 bytes of table, not 1024. */
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
        0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
        0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    crc ^= byte;
    crc = (crc >> 4) ^ table[crc & 15u];
    return (crc >> 4) ^ table[crc & 15u];
}

static void put_escaped(uint8_t byte)
{
    if (byte == TA_FRAME_END || byte == TA_FRAME_ESCAPE) {
        ta_port_write(TA_FRAME_ESCAPE);
        byte = byte == TA_FRAME_END ? TA_FRAME_ESCAPED_END : TA_FRAME_ESCAPED_ESCAPE;
    }
    ta_port_write(byte);
}

void ta_frame_begin(ta_answer *answer, char kind)
{
    ta_port_write(TA_FRAME_END);
    answer->crc = TA_CRC_START;
    ta_frame_byte(answer, (uint8_t)kind);
    ta_frame_word(answer, answer->tag | ((uint32_t)answer->number << 16));
    ++answer->number;
}

void ta_frame_byte(ta_answer *answer, uint8_t byte)
{
    answer->crc = ta_crc_update(answer->crc, byte);
    put_escaped(byte);
}

void ta_frame_bytes(ta_answer *answer, const int8_t *bytes, int32_t count)
{
    for (int32_t k = 0; k < count; ++k) {
        ta_frame_byte(answer, (uint8_t)bytes[k]);
    }
}

void ta_frame_word(ta_answer *answer, uint32_t word)
{
    for (int32_t k = 0; k < 4; ++k, word >>= 8) {
        ta_frame_byte(answer, (uint8_t)(word & 0xffu));
    }
}

void ta_frame_text(ta_answer *answer, const char *text)
{
    do {
        ta_frame_byte(answer, (uint8_t)*text);
    } while (*text++ != '\0');
}

void ta_frame_end(ta_answer *answer)
{
    uint32_t crc = ~answer->crc;
    for (int32_t k = 0; k < 4; ++k, crc >>= 8) {
        put_escaped((uint8_t)(crc & 0xffu));
    }
    ta_port_write(TA_FRAME_END);
}

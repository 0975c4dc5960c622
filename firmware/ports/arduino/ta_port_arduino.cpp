/* SPDX-License-Identifier: Apache-2.0
 *
 * Any board with an Arduino core: its first serial port, and its clock. Setup, loop, clocks and
 * memory are the core's; its interrupts go on during an inference and count in what is measured.
 *
 * TA_MAIN: the harness's main, which Arduino's own would clash with. TA_ENERGY_PIN: of the edges
 * that a power meter watches, with TA_ENERGY.
 */
#include <Arduino.h>

extern "C" {
#include "ta_frame.h"
#include "ta_port.h"

int TA_MAIN(void);
}

#if defined(__arm__)
extern "C" {
#include "ta_cortex_m.h"
}
#elif defined(__AVR__)
#include <avr/wdt.h>
#endif

/* What is written byte by byte leaves in pieces: on native USB each write is a packet. */
static uint8_t output[64];
static size_t output_count = 0;

static void flush_output()
{
    if (output_count != 0) {
        Serial.write(output, output_count);
        output_count = 0;
    }
}

extern "C" void ta_port_start(void)
{
    Serial.begin(TA_BAUD);
#ifdef TA_ENERGY
    pinMode(TA_ENERGY_PIN, OUTPUT);
    digitalWrite(TA_ENERGY_PIN, HIGH);
#endif
#if defined(__arm__)
    ta_cycles_start();
#endif
}

#ifdef TA_ENERGY
extern "C" void ta_port_pulse(void)
{
    digitalWrite(TA_ENERGY_PIN, LOW);
    delayMicroseconds(2);
    digitalWrite(TA_ENERGY_PIN, HIGH);
}
#endif

extern "C" uint8_t ta_port_read(void)
{
    while (Serial.available() <= 0) {
        flush_output();
        yield();
    }
    return static_cast<uint8_t>(Serial.read());
}

extern "C" void ta_port_write(uint8_t byte)
{
    output[output_count++] = byte;
    /* A host waits for whole lines and frames, some of them before a long inference. */
    if (byte == '\n' || byte == TA_FRAME_END || output_count == sizeof output) {
        flush_output();
    }
}

extern "C" uint32_t ta_port_counter(void)
{
#if defined(__arm__)
    return ta_cycles();
#elif defined(ESP32) || defined(ESP8266)
    return ESP.getCycleCount();
#else
    return 0;
#endif
}

extern "C" uint32_t ta_port_microseconds(void)
{
    return micros();
}

/* Where no way is known, the caller goes on. */
extern "C" void ta_port_reset(void)
{
    flush_output();
    Serial.flush();
#if defined(__arm__)
    ta_core_reset();
#elif defined(ESP32) || defined(ESP8266)
    ESP.restart();
#elif defined(__AVR__)
    wdt_enable(WDTO_15MS);
    for (;;) {
    }
#endif
}

void setup()
{
    TA_MAIN();
}

void loop()
{
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The harness: reads commands that end with a percent sign, one at a time, and executes them.
 */
#include "ta_frame.h"
#include "ta_port.h"
#include "ta_session.h"
#include "ta_text.h"

#define COMMAND_BYTES 80

/* Reads a command; false if it was too long. A frame delimiter discards what came before it,
 * so that a host can always start afresh; line ends and NULs from terminals are ignored. */
static bool read_command(char *command)
{
    int32_t count = 0;
    uint8_t byte;
    while ((byte = ta_port_read()) != '%') {
        if (byte == TA_FRAME_END) {
            count = 0;
        } else if (byte != '\r' && byte != '\n' && byte != '\0') {
            if (count < COMMAND_BYTES) {
                command[count] = (char)byte;
            }
            count = count <= COMMAND_BYTES ? count + 1 : count;
        }
    }
    command[count <= COMMAND_BYTES ? count : 0] = '\0';
    return count <= COMMAND_BYTES;
}

/* A framework has a main of its own, and calls this under another name. */
#ifndef TA_MAIN
#define TA_MAIN main
#endif

int TA_MAIN(void);

int TA_MAIN(void)
{
    char command[COMMAND_BYTES + 1];
    ta_session session;
    ta_port_start();
    ta_session_select(&session, 0);
#ifndef TA_NO_BANNER
    ta_mlperf_banner();
    ta_put_line("m-ready");
#endif
    for (;;) {
        if (!read_command(command)) {
            ta_put_error("Command longer than 80 bytes");
        } else if (command[0] == 't' && command[1] == 'a' && command[2] == ' ') {
            ta_extension_command(&session, command);
        } else {
            ta_mlperf_command(&session, command);
        }
        ta_put_line("m-ready");
    }
}

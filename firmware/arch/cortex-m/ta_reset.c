/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_cortex_m.h"
#include "ta_port.h"

void ta_port_reset(void)
{
    ta_core_reset();
}

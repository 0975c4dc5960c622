/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARDS_H
#define GUARDS_H

#include <stddef.h>

/* Memory that nothing may be read or written beside. Whole pages lie before and behind it. */
typedef struct ta_guarded {
    const char *name;
    const void *first;
    size_t bytes;
} ta_guarded;

/* Made for each program. */
extern const size_t ta_guard_page; /* bytes */
extern const ta_guarded ta_guarded_items[];
extern const size_t ta_guarded_count;

#endif

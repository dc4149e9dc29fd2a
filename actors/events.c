/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include <assert.h>
#include <string.h>

static const char *const names[EVENT_TYPE_COUNT] = {
#define X(name, text) [EVENT_##name] = text,
    EVENT_TYPES(X)
#undef X
};

const char *event_type_name(enum event_type type)
{
    assert((unsigned)type < EVENT_TYPE_COUNT);
    return names[type];
}

enum event_type event_type_find(const char *text, size_t length)
{
    unsigned type = 0;

    while (type < EVENT_TYPE_COUNT &&
           (strlen(names[type]) != length || memcmp(names[type], text, length) != 0))
        type++;
    return (enum event_type)type;
}

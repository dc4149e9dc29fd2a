/* SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"

enum message_class message_class(enum message_type type)
{
    static const uint8_t classes[MESSAGE_TYPE_COUNT] = {
#define X(name, body, class) [MESSAGE_##name] = MESSAGE_CLASS_##class,
        MESSAGES(X)
#undef X
    };

    assert((unsigned)type < MESSAGE_TYPE_COUNT);
    return (enum message_class)classes[type];
}

const char *message_name(enum message_type type)
{
    static const char *const names[MESSAGE_TYPE_COUNT] = {
#define X(name, body, class) [MESSAGE_##name] = #name,
        MESSAGES(X)
#undef X
    };

    assert((unsigned)type < MESSAGE_TYPE_COUNT);
    return names[type];
}

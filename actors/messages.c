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

uint32_t message_size(enum message_type type, uint32_t lines)
{
    static const uint32_t sizes[MESSAGE_TYPE_COUNT] = {
#define X(name, body, class)                                                                       \
    [MESSAGE_##name] =                                                                             \
        (uint32_t)(offsetof(struct message, body) + sizeof(((struct message *)0)->body)),
        MESSAGES(X)
#undef X
    };
    uint32_t unused = (uint32_t)((RESERVATION_LINES_MAX - lines) * sizeof(struct line));
    uint32_t size;

    assert((unsigned)type < MESSAGE_TYPE_COUNT && lines <= RESERVATION_LINES_MAX);
    size = sizes[type];
    if (type == MESSAGE_RESERVE || type == MESSAGE_LINE_PREPARE || type == MESSAGE_REPLY)
        size -= unused;
    return (size + 7) & ~7u;
}

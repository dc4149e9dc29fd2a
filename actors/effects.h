/* SPDX-License-Identifier: Apache-2.0 */
/* What an actor wants done, as data. Records and messages are written straight into the arenas of
 * the shard's open batch: records become durable together, and only then do the messages leave.
 * Timers and gates are applied by the shard when the actor returns. */
#ifndef STAMPEDE_EFFECTS_H
#define STAMPEDE_EFFECTS_H

#include <stdbool.h>
#include <string.h>

#include "messages.h"

struct moment {
    int64_t boot_ms; /* CLOCK_BOOTTIME: deadlines */
    int64_t wall_ms; /* CLOCK_REALTIME: display, and what is stored */
};

/* A bump allocator over memory of the engine's; contents are a sequence of sized items. */
struct arena {
    uint8_t *bytes;
    uint32_t used;
    uint32_t capacity;
};

/* What one receive may add at most; the shard closes its batch before less is left. */
enum {
    EFFECT_RECORD_BYTES_MAX = 160 * 1024, /* a product of 100 variants and its document */
    EFFECT_MESSAGE_BYTES_MAX = (RESERVATION_LINES_MAX + 4) * (int)sizeof(struct message),
    EFFECT_TIMERS_MAX = 4,
    EFFECT_MARKS_MAX = 2,
    EFFECT_MAILS_MAX = 2,
    EFFECT_GATES_MAX = PRODUCT_VARIANTS_MAX + RESERVATION_LINES_MAX,
};

enum gate_operation {
    GATE_RESOLVE, /* claimed units are now recorded */
    GATE_RETURN,  /* claimed units go back */
    GATE_CREDIT,  /* units came back or were received */
    GATE_SHOW,    /* nothing moves in the gate, but what it tells of the record changed */
};

struct gate_effect {
    uint32_t sku_id;
    uint32_t quantity;
    uint8_t operation;
    bool shows; /* stock, reserved and sold are the record's own, to be shown from now on */
    uint32_t stock;
    uint32_t reserved;
    uint32_t sold;
};

struct timer_effect {
    uint32_t slot;
    int64_t deadline_boot_ms; /* 0: cancel */
};

/* A mail was enqueued, changed or dropped: its outbox is to know. */
struct mail_effect {
    struct principal account;
    uint64_t sequence;
    int64_t next_wall_ms; /* 0: it is no more */
    uint8_t is_dead;
    uint8_t is_of_order; /* of the other outbox; `account`: order_mail_owner */
};

struct effects {
    struct arena *records;
    struct arena *messages;
    struct timer_effect timers[EFFECT_TIMERS_MAX];
    struct gate_effect gates[EFFECT_GATES_MAX];
    uint32_t timer_count;
    uint32_t gate_count;
    /* What is cached of these principals' sessions is true no more (engine/session_marks.h). */
    uint32_t mark_count;
    struct principal marks[EFFECT_MARKS_MAX];
    bool erases; /* a data key was deleted: it is to vanish from every file */
    bool tells;  /* an event of `tells_partition` was written (event_out.h) */
    uint32_t tells_partition;
    uint32_t audit_count; /* entries among the records, whose number and hash are to be added */
    uint32_t mail_count;
    struct mail_effect mails[EFFECT_MAILS_MAX];
    /* The request needs units that it does not carry: the shard claims `claim_lines`, all or none,
     * and delivers the message again, its claim made or refused; nothing is decided before. */
    uint32_t claim_count;
    struct line claim_lines[PRODUCT_VARIANTS_MAX];
};

/* Room for a record, zeroed, with its key filled in. `tail` bytes follow it. */
static inline struct record *effects_record(struct effects *effects, enum record_kind kind,
                                            uint32_t partition, uint32_t lines, uint32_t tail)
{
    uint32_t size = (record_size(kind, lines) + tail + 7) & ~7u;
    struct arena *arena = effects->records;
    struct record *record = (struct record *)(void *)(arena->bytes + arena->used);

    assert(arena->capacity - arena->used >= size);
    arena->used += size;
    memset(record, 0, size);
    record->size = size;
    record->kind = (uint8_t)kind;
    record->partition = (uint16_t)partition;
    return record;
}

/* Room for a message of so many bytes, zeroed, with type and size filled in. */
static inline struct message *effects_message_sized(struct effects *effects, enum message_type type,
                                                    uint32_t size)
{
    struct arena *arena = effects->messages;
    struct message *message = (struct message *)(void *)(arena->bytes + arena->used);

    assert(arena->capacity - arena->used >= size);
    arena->used += size;
    memset(message, 0, size);
    message->size = size;
    message->type = (uint8_t)type;
    return message;
}

static inline struct message *effects_message(struct effects *effects, enum message_type type,
                                              uint32_t lines)
{
    return effects_message_sized(effects, type, message_size(type, lines));
}

static inline void effects_gate(struct effects *effects, struct gate_effect effect)
{
    assert(effects->gate_count < EFFECT_GATES_MAX);
    effects->gates[effects->gate_count++] = effect;
}

static inline void effects_mark(struct effects *effects, const struct principal *principal)
{
    assert(effects->mark_count < EFFECT_MARKS_MAX);
    effects->marks[effects->mark_count++] = *principal;
}

static inline void effects_mail(struct effects *effects, struct mail_effect effect)
{
    assert(effects->mail_count < EFFECT_MAILS_MAX);
    effects->mails[effects->mail_count++] = effect;
}

/* Sets the slot's one timer, or cancels it with a deadline of 0. */
static inline void effects_timer(struct effects *effects, uint32_t slot, int64_t deadline_boot_ms)
{
    assert(effects->timer_count < EFFECT_TIMERS_MAX);
    effects->timers[effects->timer_count++] =
        (struct timer_effect){.slot = slot, .deadline_boot_ms = deadline_boot_ms};
}

#endif

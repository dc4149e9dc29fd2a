/* SPDX-License-Identifier: Apache-2.0 */
#include "mailbox.h"

#include <ck_pr.h>
#include <string.h>

#include "gate.h"
#include "mutants.h"
#include "tsan.h"

/* Each side keeps what it last saw of the other's count on its own line, and looks again only when
 * that says full or empty: so a line moves between cores once for many messages. (ck_ring reads the
 * other side's count for each; bench_mailbox has both.) */
struct mailbox {
    uint32_t requests_max;
    uint32_t mask;
    struct message *slots;
    /* The producer's. */
    _Alignas(CACHE_LINE) unsigned int tail; /* messages committed; read by the consumer */
    uint32_t head_seen;
    /* The consumer's. */
    _Alignas(CACHE_LINE) unsigned int head; /* messages popped; read by the producer */
    uint32_t tail_seen;
    struct message *popped; /* being read until the next pop */
#ifdef STAMPEDE_MUTANTS
    bool held_back;
#endif
};

static uint32_t ring_size(uint32_t requests_max, uint32_t completions_max)
{
    uint32_t size = 4;

    assert(requests_max >= 1 && completions_max < 1u << 30);
    while (size - 1 < requests_max + completions_max)
        size *= 2;
    return size;
}

static size_t round_up(size_t bytes)
{
    return (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

size_t mailbox_bytes(uint32_t requests_max, uint32_t completions_max)
{
    size_t size = ring_size(requests_max, completions_max);

    return round_up(sizeof(struct mailbox)) + round_up(size * sizeof(struct message));
}

struct mailbox *mailbox_init(void *memory, uint32_t requests_max, uint32_t completions_max)
{
    struct mailbox *mailbox = memory;

    assert(((uintptr_t)memory & (CACHE_LINE - 1)) == 0);
    mailbox->requests_max = requests_max;
    mailbox->mask = ring_size(requests_max, completions_max) - 1;
    mailbox->slots = (struct message *)(void *)((uint8_t *)memory + round_up(sizeof(*mailbox)));
    return mailbox;
}

struct message *mailbox_begin(struct mailbox *mailbox, enum message_class class)
{
    uint32_t room = class == MESSAGE_CLASS_COMPLETION && !MUTANT(COMPLETION_REFUSED)
                        ? mailbox->mask
                        : mailbox->requests_max;
    struct message *message = &mailbox->slots[mailbox->tail & mailbox->mask];

    if (mailbox->tail - mailbox->head_seen >= room) {
        mailbox->head_seen = ck_pr_load_uint(&mailbox->head);
        /* The consumer's count was read: the slot's last reader is done before we write. */
        ck_pr_fence_acquire();
        if (mailbox->tail - mailbox->head_seen >= room) {
            assert(class != MESSAGE_CLASS_COMPLETION || MUTANT(COMPLETION_REFUSED));
            return NULL;
        }
    }
    TSAN_ACQUIRE(message);
    return message;
}

void mailbox_commit(struct mailbox *mailbox)
{
    struct message *message = &mailbox->slots[mailbox->tail & mailbox->mask];

    assert(message->size >= offsetof(struct message, reserve) && message->size <= sizeof(*message));
    TSAN_RELEASE(message);
    ck_pr_fence_release();
    ck_pr_store_uint(&mailbox->tail, mailbox->tail + 1);
}

bool mailbox_push(struct mailbox *mailbox, const struct message *message)
{
    struct message *slot = mailbox_begin(mailbox, message_class((enum message_type)message->type));

    if (slot == NULL)
        return false;
    memcpy(slot, message, message->size);
    mailbox_commit(mailbox);
    return true;
}

uint32_t mailbox_ready(struct mailbox *mailbox)
{
#ifdef STAMPEDE_MUTANTS
    if (mailbox->held_back)
        return 0;
#endif
    if (mailbox->tail_seen == mailbox->head) {
        mailbox->tail_seen = ck_pr_load_uint(&mailbox->tail);
        ck_pr_fence_acquire();
    }
    return mailbox->tail_seen - mailbox->head;
}

struct message *mailbox_pop(struct mailbox *mailbox)
{
    struct message *message = &mailbox->slots[mailbox->head & mailbox->mask];

    if (mailbox_ready(mailbox) == 0)
        return NULL;
    TSAN_ACQUIRE(message);
    if (mailbox->popped != NULL)
        TSAN_RELEASE(mailbox->popped);
    mailbox->popped = message;
    /* What we read of the last message comes before the count that gives its slot back. */
    ck_pr_fence_release();
    ck_pr_store_uint(&mailbox->head, mailbox->head + 1);
    return message;
}

const struct message *mailbox_peek(const struct mailbox *mailbox, uint32_t ahead)
{
    const struct message *message = &mailbox->slots[(mailbox->head + ahead) & mailbox->mask];

    assert(ahead < mailbox->tail_seen - mailbox->head);
    TSAN_ACQUIRE(message);
    return message;
}

uint32_t mailbox_depth(const struct mailbox *mailbox)
{
    /* In this order: neither count runs back, so what is seen is no less than nothing. */
    uint32_t head = ck_pr_load_uint(&mailbox->head);

    ck_pr_fence_load();
    return ck_pr_load_uint(&mailbox->tail) - head;
}

#ifdef STAMPEDE_MUTANTS
void mailbox_hold_back(struct mailbox *mailbox, bool held_back)
{
    mailbox->held_back = held_back;
}
#endif

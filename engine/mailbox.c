/* SPDX-License-Identifier: Apache-2.0 */
#include "mailbox.h"

#include <ck_ring.h>
#include <string.h>

#include "gate.h"
#include "tsan.h"

struct mailbox {
    struct ck_ring ring; /* producer's and consumer's counters on lines of their own */
    _Alignas(CACHE_LINE) uint32_t requests_max;
    uint32_t mask;
    struct ck_ring_buffer *pointers;
    struct message *slots;
    _Alignas(CACHE_LINE) uint32_t pushed;        /* the producer's count */
    _Alignas(CACHE_LINE) struct message *popped; /* the consumer's: being read until the next pop */
    uint32_t taken;                              /* its count */
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

    return round_up(sizeof(struct mailbox)) + round_up(size * sizeof(struct ck_ring_buffer)) +
           round_up(size * sizeof(struct message));
}

struct mailbox *mailbox_init(void *memory, uint32_t requests_max, uint32_t completions_max)
{
    uint32_t size = ring_size(requests_max, completions_max);
    struct mailbox *mailbox = memory;
    uint8_t *bytes = memory;

    assert(((uintptr_t)memory & (CACHE_LINE - 1)) == 0);
    ck_ring_init(&mailbox->ring, size);
    mailbox->requests_max = requests_max;
    mailbox->mask = size - 1;
    bytes += round_up(sizeof(*mailbox));
    mailbox->pointers = (struct ck_ring_buffer *)(void *)bytes;
    bytes += round_up(size * sizeof(struct ck_ring_buffer));
    mailbox->slots = (struct message *)(void *)bytes;
    return mailbox;
}

struct message *mailbox_begin(struct mailbox *mailbox, enum message_class class)
{
    uint32_t depth = ck_ring_size(&mailbox->ring);

    if (class != MESSAGE_CLASS_COMPLETION && depth >= mailbox->requests_max)
        return NULL;
    assert(depth < mailbox->mask);
    /* The consumer's count was read: the slot's last reader is done before we write. */
    atomic_thread_fence(memory_order_acquire);
    TSAN_ACQUIRE(&mailbox->slots[mailbox->pushed & mailbox->mask]);
    return &mailbox->slots[mailbox->pushed & mailbox->mask];
}

void mailbox_commit(struct mailbox *mailbox)
{
    struct message *message = &mailbox->slots[mailbox->pushed & mailbox->mask];
    bool pushed;

    assert(message->size >= offsetof(struct message, reserve) && message->size <= sizeof(*message));
    TSAN_RELEASE(message);
    pushed = ck_ring_enqueue_spsc(&mailbox->ring, mailbox->pointers, message);
    assert(pushed);
    (void)pushed;
    mailbox->pushed++;
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

struct message *mailbox_pop(struct mailbox *mailbox)
{
    void *message;

    /* What we read of the last message comes before the count that gives its slot back: ck 0.7.1's
     * own fence there orders stores only, which is enough on x86 alone. */
    atomic_thread_fence(memory_order_release);
    if (mailbox->popped != NULL)
        TSAN_RELEASE(mailbox->popped);
    if (!ck_ring_dequeue_spsc(&mailbox->ring, mailbox->pointers, &message))
        return NULL;
    TSAN_ACQUIRE(message);
    mailbox->popped = message;
    mailbox->taken++;
    return message;
}

const struct message *mailbox_peek(const struct mailbox *mailbox, uint32_t ahead)
{
    const struct message *message = &mailbox->slots[(mailbox->taken + ahead) & mailbox->mask];

    TSAN_ACQUIRE(message);
    return message;
}

uint32_t mailbox_depth(const struct mailbox *mailbox)
{
    return ck_ring_size(&mailbox->ring);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Marks: when is what a shard has cached of somebody's sessions still true?
 *
 * A number for each of many classes of principals, shared by all shards. The owner of an account
 * moves its class's mark when its sessions change, or a guest's when that becomes a customer, in
 * the turn in which the change happens: before it is durable, and so before anybody is told of it.
 * A shard that caches an answer keeps the mark that came with it, and asks again once the mark is
 * another. Two principals of one class cost each other a question now and then, never a wrong
 * answer. 0: nothing of this class ever changed; so most guests need never be asked about.
 *
 * Order. The owner's store is a release, a reader's load an acquire; what makes a revocation
 * visible is that its answer travels to the client, and the client's next request to the reader,
 * later. */
#ifndef STAMPEDE_SESSION_MARKS_H
#define STAMPEDE_SESSION_MARKS_H

#include <stdatomic.h>

#include "hash.h"
#include "identity.h"

struct session_marks {
    struct hash_key key;
    uint32_t count;
    _Atomic uint32_t marks[];
};

static inline _Atomic uint32_t *session_mark_of(const struct session_marks *marks,
                                                const struct principal *principal)
{
    uint64_t hash = hash_bytes(&marks->key, principal->bytes, sizeof(principal->bytes));

    return (_Atomic uint32_t *)(uintptr_t)&marks->marks[hash % marks->count];
}

/* Any thread. */
static inline uint32_t session_mark_read(const struct session_marks *marks,
                                         const struct principal *principal)
{
    return atomic_load_explicit(session_mark_of(marks, principal), memory_order_acquire);
}

/* The owners'; two of them may share a class. */
static inline void session_mark_move(struct session_marks *marks, const struct principal *principal)
{
    _Atomic uint32_t *mark = session_mark_of(marks, principal);

    if (atomic_fetch_add_explicit(mark, 1, memory_order_acq_rel) == UINT32_MAX)
        atomic_fetch_add_explicit(mark, 1, memory_order_acq_rel); /* 0 is for those never moved */
}

#endif

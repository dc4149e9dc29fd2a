/* SPDX-License-Identifier: Apache-2.0 */
/* Where a shard keeps the accounts that are in use. An account (or the entry of an address or a
 * guest) is loaded from the journal when it is asked for; its calls wait meanwhile, and it leaves
 * memory again, least recently used first, once all that it wrote is durable. Private to engine/.
 */
#ifndef STAMPEDE_ACCOUNTS_H
#define STAMPEDE_ACCOUNTS_H

#include "account.h"
#include "engine.h"
#include "index_table.h"

enum account_slot_state { SLOT_FREE, SLOT_LOADING, SLOT_LOADED, SLOT_READY };

struct account_slot {
    struct account_subject subject;
    uint32_t older; /* by use; of a free one, the next free */
    uint32_t newer;
    uint8_t state; /* enum account_slot_state; READY: loaded, and its calls wait for their turn */
    uint8_t reads; /* under way */
    bool failed;
    uint64_t write_serial; /* of the batch that holds what it wrote last */
    struct account_envelope *waiting_first;
    struct account_envelope *waiting_last;
    struct account_slot *next_ready;
    struct engine_read read[2];
};

struct accounts {
    struct account_slot *slots; /* `count` */
    struct index_table index;
    uint32_t count;
    uint32_t fresh;
    uint32_t free;
    uint32_t oldest;
    uint32_t newest;
    struct account_slot *ready_first;
    struct account_slot *ready_last;
};

/* In zeroed memory of the engine's: `count` slots, and buckets for as many. */
void accounts_init(struct accounts *accounts, struct account_slot *slots,
                   struct index_bucket *buckets, uint32_t count);
/* Frees what waits. */
void accounts_destroy(struct accounts *accounts);

/* A MESSAGE_ACCOUNT for a partition of this shard: served at once, or when it is loaded. */
void accounts_deliver(struct shard *shard, struct message *message);
/* Serves what was loaded meanwhile, as long as the open batch has room. */
void accounts_run_ready(struct shard *shard);
static inline bool accounts_have_ready(const struct accounts *accounts)
{
    return accounts->ready_first != NULL;
}

#endif

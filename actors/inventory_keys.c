/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys of stock adjustments. A key and the answer it was given are stored with the
 * ledger entry, so that a repeat, also after a restart, books nothing again. They are forgotten
 * oldest first, when another comes in. */
#include <string.h>

#include "inventory_private.h"

enum { FORGOTTEN_AT_ONCE = 2 }; /* for one that comes in, so that there is never much to do */

struct adjust_key *adjust_key_find(const struct inventory_pool *pool, uint32_t sku_id,
                                   const struct hash128 *key)
{
    uint64_t hash = pool_key_hash(pool, sku_id, key);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->adjust_key_index, hash, &cursor)) != SLOT_NONE) {
        struct adjust_key *kept = &pool->adjust_keys[slot];

        if (kept->sku_id == sku_id && kept->stored.key.word[0] == key->word[0] &&
            kept->stored.key.word[1] == key->word[1])
            return kept;
    }
    return NULL;
}

void adjust_key_persist(const struct adjust_key *key, enum record_operation operation,
                        struct effects *effects)
{
    struct record *record = effects_record(effects, RECORD_KEY, key->partition, 0, 0);

    record->operation = (uint8_t)operation;
    record->subject = key->sku_id;
    record->sequence = key->sequence;
    record->key = key->stored;
}

static void forget_oldest(struct inventory_pool *pool, struct effects *effects)
{
    uint32_t slot = pool->adjust_key_oldest;
    struct adjust_key *key = &pool->adjust_keys[slot];

    adjust_key_persist(key, RECORD_DELETE, effects);
    index_table_remove(&pool->adjust_key_index,
                       pool_key_hash(pool, key->sku_id, &key->stored.key), slot);
    pool->adjust_key_oldest = key->next;
    if (key->next == SLOT_NONE)
        pool->adjust_key_newest = SLOT_NONE;
    slots_give(&pool->adjust_key_slots, slot);
}

bool adjust_key_make_room(struct inventory_pool *pool, const struct moment *moment,
                          struct effects *effects)
{
    for (int i = 0; i < FORGOTTEN_AT_ONCE && pool->adjust_key_oldest != SLOT_NONE; i++) {
        const struct adjust_key *oldest = &pool->adjust_keys[pool->adjust_key_oldest];

        if (moment->wall_ms - oldest->stored.wall_ms < ADJUST_KEY_RETENTION_MS)
            break;
        forget_oldest(pool, effects);
    }
    return slots_have(&pool->adjust_key_slots, 1);
}

void adjust_key_add(struct inventory_pool *pool, uint32_t partition, uint32_t sku_id,
                    uint64_t sequence, const struct key_record *stored)
{
    uint32_t slot = slots_take(&pool->adjust_key_slots);

    pool->adjust_keys[slot] = (struct adjust_key){.stored = *stored,
                                                  .sequence = sequence,
                                                  .partition = partition,
                                                  .sku_id = sku_id,
                                                  .next = SLOT_NONE};
    index_table_add(&pool->adjust_key_index, pool_key_hash(pool, sku_id, &stored->key), slot);
    if (pool->adjust_key_newest != SLOT_NONE)
        pool->adjust_keys[pool->adjust_key_newest].next = slot;
    else
        pool->adjust_key_oldest = slot;
    pool->adjust_key_newest = slot;
}

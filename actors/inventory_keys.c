/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys of stock adjustments. A key and the answer it was given are stored with the
 * ledger entry, so that a repeat, also after a restart, books nothing again. Those past retention
 * are forgotten when others come in. */
#include <string.h>

#include "inventory_private.h"

/* For each that comes in, so that there is never much to do and none stays for long. */
enum { FORGOTTEN_AT_ONCE = 2, LOOKED_AT = 64 };

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

static void forget(struct inventory_pool *pool, uint32_t slot, struct effects *effects)
{
    struct adjust_key *key = &pool->adjust_keys[slot];

    adjust_key_persist(key, RECORD_DELETE, effects);
    index_table_remove(&pool->adjust_key_index, pool_key_hash(pool, key->sku_id, &key->stored.key),
                       slot);
    key->sequence = 0;
    slots_give(&pool->adjust_key_slots, slot);
}

bool adjust_key_make_room(struct inventory_pool *pool, const struct moment *moment,
                          struct effects *effects)
{
    uint32_t forgotten = 0;

    for (int looked = 0; looked < LOOKED_AT && forgotten < FORGOTTEN_AT_ONCE; looked++) {
        const struct adjust_key *key;

        if (pool->adjust_key_scan >= pool->adjust_key_slots.fresh)
            pool->adjust_key_scan = 0;
        if (pool->adjust_key_slots.fresh == 0)
            break;
        key = &pool->adjust_keys[pool->adjust_key_scan];
        if (key->sequence != 0 && moment->boot_ms - key->kept_boot_ms >= ADJUST_KEY_RETENTION_MS) {
            forget(pool, pool->adjust_key_scan, effects);
            forgotten++;
        }
        pool->adjust_key_scan++;
    }
    return slots_have(&pool->adjust_key_slots, 1);
}

struct adjust_key *adjust_key_add(struct inventory_pool *pool, int64_t kept_boot_ms,
                                  uint32_t sku_id, uint64_t sequence,
                                  const struct key_record *stored)
{
    uint32_t slot = slots_take(&pool->adjust_key_slots);
    struct adjust_key *key = &pool->adjust_keys[slot];

    assert(sequence != 0);
    *key = (struct adjust_key){.stored = *stored,
                               .kept_boot_ms = kept_boot_ms,
                               .sequence = sequence,
                               .partition = sku_id_partition(sku_id),
                               .sku_id = sku_id};
    index_table_add(&pool->adjust_key_index, pool_key_hash(pool, sku_id, &stored->key), slot);
    return key;
}

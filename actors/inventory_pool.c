/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a shard's partitions, laid out in one piece of memory of the engine's. */
#include <string.h>

#include "inventory_private.h"

static void pool_lay_out(struct layout *layout, struct inventory_pool *pool)
{
    const struct inventory_sizes *sizes = &pool->sizes;

    pool->holds = layout_take(layout, sizes->holds_max * sizeof(struct hold));
    pool->lines = layout_take(layout, sizes->lines_max * sizeof(struct hold_line));
    pool->skus = layout_take(layout, sizes->skus_max * sizeof(struct sku));
    pool->products = layout_take(layout, sizes->products_max * sizeof(struct product));
    pool->limit_rows = layout_take(layout, sizes->limit_rows_max * sizeof(struct limit_row));
    layout_slots(layout, &pool->hold_slots, sizes->holds_max);
    layout_slots(layout, &pool->line_slots, sizes->lines_max);
    layout_slots(layout, &pool->limit_slots, sizes->limit_rows_max);
    pool->adjust_keys = layout_take(layout, ADJUST_KEYS_MAX * sizeof(struct adjust_key));
    layout_slots(layout, &pool->adjust_key_slots, ADJUST_KEYS_MAX);
    pool->adopted = layout_take(layout, ADOPTED_GUESTS_MAX * sizeof(struct adopted_guest));
    layout_index(layout, &pool->adjust_key_index, ADJUST_KEYS_MAX);
    layout_index(layout, &pool->key_index, sizes->holds_max);
    layout_index(layout, &pool->block_index, sizes->holds_max);
    pool->blocks = layout_take(layout, sizes->holds_max * sizeof(struct sequence_block));
    layout_slots(layout, &pool->block_slots, sizes->holds_max);
    layout_index(layout, &pool->principal_index, sizes->holds_max);
    layout_index(layout, &pool->adopted_index, ADOPTED_GUESTS_MAX);
    layout_index(layout, &pool->sku_index, sizes->skus_max);
    layout_index(layout, &pool->product_index, sizes->products_max);
    layout_index(layout, &pool->limit_index, sizes->limit_rows_max);
}

size_t inventory_pool_bytes(const struct inventory_sizes *sizes)
{
    struct inventory_pool pool = {.sizes = *sizes};
    struct layout layout = {0};

    layout_take(&layout, sizeof(pool));
    pool_lay_out(&layout, &pool);
    return layout.used;
}

struct inventory_pool *inventory_pool_init(void *memory, const struct inventory_sizes *sizes,
                                           const struct hash_key *hash_key)
{
    struct layout layout = {.base = memory};
    struct inventory_pool *pool = layout_take(&layout, sizeof(*pool));

    assert(((uintptr_t)memory & 63) == 0 && sizes->lines_max >= sizes->holds_max);
    pool->sizes = *sizes;
    pool->hash_key = *hash_key;
    pool_lay_out(&layout, pool);
    pool->oldest = SLOT_NONE;
    pool->youngest = SLOT_NONE;
    assert(layout.used == inventory_pool_bytes(sizes));
    return pool;
}

uint32_t inventory_pool_active(const struct inventory_pool *pool)
{
    return pool->active;
}

uint32_t inventory_pool_aborting(const struct inventory_pool *pool)
{
    return pool->aborting;
}

uint32_t inventory_pool_kept(const struct inventory_pool *pool)
{
    return pool->hold_slots.fresh - pool->hold_slots.free_count;
}

const struct inventory_statistics *inventory_pool_statistics(const struct inventory_pool *pool)
{
    return &pool->statistics;
}

uint32_t inventory_slot_partition(const struct inventory_pool *pool, uint32_t slot)
{
    assert(slot < pool->hold_slots.fresh && (pool->holds[slot].flags & HOLD_IN_USE) != 0);
    return pool->holds[slot].partition;
}

/* ---- hashes ---- */

uint64_t pool_key_hash(const struct inventory_pool *pool, uint32_t subject,
                       const struct hash128 *key)
{
    return hash_word(key->word[0] ^ pool->hash_key.word[0]) ^ hash_word(key->word[1] + subject);
}

static uint64_t pair_hash(const struct inventory_pool *pool, uint64_t a, uint64_t b)
{
    return hash_word(a + hash_word(b ^ pool->hash_key.word[1]));
}

uint64_t principal_hash(const struct inventory_pool *pool, const struct principal *principal)
{
    uint64_t words[2];

    memcpy(words, principal->bytes, sizeof(words));
    return pair_hash(pool, words[0], words[1]);
}

/* ---- SKUs, products, limits ---- */

struct sku *pool_find_sku(const struct inventory_pool *pool, uint32_t sku_id)
{
    uint64_t hash = pair_hash(pool, sku_id, 1);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->sku_index, hash, &cursor)) != SLOT_NONE)
        if (pool->skus[slot].sku_id == sku_id)
            return &pool->skus[slot];
    return NULL;
}

struct sku *pool_add_sku(struct inventory_pool *pool, uint32_t sku_id, uint32_t product)
{
    struct sku *sku;

    if (pool->sku_count == pool->sizes.skus_max)
        return NULL;
    sku = &pool->skus[pool->sku_count];
    *sku = (struct sku){.sku_id = sku_id,
                        .product = product,
                        .line_first = SLOT_NONE,
                        .line_last = SLOT_NONE,
                        .next_of_product = pool->products[product].sku_first};
    pool->products[product].sku_first = pool->sku_count;
    pool->products[product].sku_count++;
    index_table_add(&pool->sku_index, pair_hash(pool, sku_id, 1), pool->sku_count);
    pool->sku_count++;
    return sku;
}

struct product *pool_find_product(const struct inventory_pool *pool, uint32_t partition,
                                  uint32_t number)
{
    uint64_t hash = pair_hash(pool, partition, number);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->product_index, hash, &cursor)) != SLOT_NONE)
        if (pool->products[slot].partition == partition && pool->products[slot].number == number)
            return &pool->products[slot];
    return NULL;
}

struct product *pool_add_product(struct inventory_pool *pool, uint32_t partition, uint32_t number)
{
    struct product *product;

    if (pool->product_count == pool->sizes.products_max)
        return NULL;
    product = &pool->products[pool->product_count];
    *product = (struct product){
        .partition = (uint16_t)partition, .number = number, .sku_first = SLOT_NONE};
    index_table_add(&pool->product_index, pair_hash(pool, partition, number), pool->product_count);
    pool->product_count++;
    return product;
}

static uint64_t limit_hash(const struct inventory_pool *pool, uint32_t product,
                           const struct principal *principal)
{
    return pair_hash(pool, principal_hash(pool, principal), product);
}

struct limit_row *pool_find_limit(const struct inventory_pool *pool, uint32_t product,
                                  const struct principal *principal)
{
    uint64_t hash = limit_hash(pool, product, principal);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->limit_index, hash, &cursor)) != SLOT_NONE) {
        struct limit_row *row = &pool->limit_rows[slot];

        if (row->product == product && principal_equal(&row->principal, principal))
            return row;
    }
    return NULL;
}

struct limit_row *pool_add_limit(struct inventory_pool *pool, uint32_t product,
                                 const struct principal *principal)
{
    struct limit_row *row;
    uint32_t slot;

    if (!slots_have(&pool->limit_slots, 1))
        return NULL;
    slot = slots_take(&pool->limit_slots);
    row = &pool->limit_rows[slot];
    *row = (struct limit_row){.principal = *principal, .product = product};
    index_table_add(&pool->limit_index, limit_hash(pool, product, principal), slot);
    return row;
}

void pool_drop_limit_if_empty(struct inventory_pool *pool, struct limit_row *row)
{
    uint32_t slot = (uint32_t)(row - pool->limit_rows);

    if (row->held != 0 || row->sold != 0)
        return;
    index_table_remove(&pool->limit_index, limit_hash(pool, row->product, &row->principal), slot);
    slots_give(&pool->limit_slots, slot);
}

/* ---- holds ---- */

static struct hold *find_by_key(struct inventory_pool *pool, uint32_t partition,
                                const struct hash128 *key, uint8_t participant)
{
    uint64_t hash = pool_key_hash(pool, partition, key);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->key_index, hash, &cursor)) != SLOT_NONE) {
        struct hold *hold = &pool->holds[slot];

        if (hold->key.word[0] == key->word[0] && hold->key.word[1] == key->word[1] &&
            hold->partition == partition && (hold->flags & HOLD_PARTICIPANT) == participant)
            return hold;
    }
    return NULL;
}

struct hold *pool_find_key(struct inventory_pool *pool, uint32_t partition,
                           const struct hash128 *key)
{
    return find_by_key(pool, partition, key, 0);
}

struct hold *pool_find_participant(struct inventory_pool *pool, uint32_t partition,
                                   uint32_t owner_partition, uint64_t owner_sequence)
{
    struct hash128 key = participant_key(owner_partition, owner_sequence);

    return find_by_key(pool, partition, &key, HOLD_PARTICIPANT);
}

static uint32_t find_block(const struct inventory_pool *pool, uint32_t partition, uint64_t group)
{
    uint64_t hash = pair_hash(pool, partition, group);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->block_index, hash, &cursor)) != SLOT_NONE)
        if (pool->blocks[slot].group == group && pool->blocks[slot].partition == partition)
            break;
    return slot;
}

static void add_sequence(struct inventory_pool *pool, const struct hold *hold, uint32_t slot)
{
    uint64_t group = hold->sequence >> SEQUENCE_BLOCK_BITS;
    uint32_t at = find_block(pool, hold->partition, group);

    if (at == SLOT_NONE) { /* there are as many blocks as holds */
        at = slots_take(&pool->block_slots);
        pool->blocks[at] = (struct sequence_block){.group = group, .partition = hold->partition};
        index_table_add(&pool->block_index, pair_hash(pool, hold->partition, group), at);
    }
    pool->blocks[at].used++;
    pool->blocks[at].slots_plus_one[hold->sequence & (SEQUENCE_BLOCK - 1)] = slot + 1;
}

static void remove_sequence(struct inventory_pool *pool, const struct hold *hold)
{
    uint64_t group = hold->sequence >> SEQUENCE_BLOCK_BITS;
    uint32_t at = find_block(pool, hold->partition, group);

    assert(at != SLOT_NONE);
    pool->blocks[at].slots_plus_one[hold->sequence & (SEQUENCE_BLOCK - 1)] = 0;
    if (--pool->blocks[at].used > 0)
        return;
    index_table_remove(&pool->block_index, pair_hash(pool, hold->partition, group), at);
    slots_give(&pool->block_slots, at);
}

struct hold *pool_find_sequence(struct inventory_pool *pool, uint32_t partition, uint64_t sequence)
{
    uint32_t at = find_block(pool, partition, sequence >> SEQUENCE_BLOCK_BITS);
    uint32_t slot_plus_one =
        at == SLOT_NONE ? 0 : pool->blocks[at].slots_plus_one[sequence & (SEQUENCE_BLOCK - 1)];

    return slot_plus_one == 0 ? NULL : &pool->holds[slot_plus_one - 1];
}

void pool_prefetch(const struct inventory_pool *pool, uint32_t partition,
                   const struct reserve_body *body)
{
    const struct sku *sku = pool_find_sku(pool, body->lines[0].sku_id);

    index_table_prefetch(&pool->key_index, pool_key_hash(pool, partition, &body->key));
    index_table_prefetch(&pool->principal_index, principal_hash(pool, &body->principal));
    prefetch_to_write(sku);
}

void pool_prefetch_next(const struct inventory_pool *pool, const struct reserve_body *body)
{
    const struct sku *sku = pool_find_sku(pool, body->lines[0].sku_id);
    uint32_t cursor = 0;
    uint32_t first =
        index_table_find(&pool->principal_index, principal_hash(pool, &body->principal), &cursor);

    if (first != SLOT_NONE)
        prefetch_to_write(&pool->holds[first]);
    if (sku != NULL && sku->line_last != SLOT_NONE)
        prefetch_to_write(&pool->lines[sku->line_last]);
}

bool pool_has_room(const struct inventory_pool *pool, uint32_t line_count)
{
    return slots_have(&pool->hold_slots, 1) && slots_have(&pool->line_slots, line_count);
}

struct hold *pool_new_hold(struct inventory_pool *pool, const struct line *lines,
                           uint32_t line_count)
{
    uint32_t slot = slots_take(&pool->hold_slots);
    struct hold *hold = &pool->holds[slot];
    uint32_t next = SLOT_NONE;

    assert(line_count >= 1 && line_count <= RESERVATION_LINES_MAX);
    for (uint32_t i = line_count; i-- > 0;) {
        uint32_t line = slots_take(&pool->line_slots);

        pool->lines[line] = (struct hold_line){.sku_id = lines[i].sku_id,
                                               .quantity = lines[i].quantity,
                                               .hold = slot,
                                               .next = next,
                                               .sku_previous = SLOT_NONE,
                                               .sku_next = SLOT_NONE};
        next = line;
    }
    *hold = (struct hold){.line_first = next,
                          .line_count = (uint8_t)line_count,
                          .flags = HOLD_IN_USE,
                          .principal_previous = SLOT_NONE,
                          .principal_next = SLOT_NONE};
    return hold;
}

uint32_t pool_first_of_principal(const struct inventory_pool *pool,
                                 const struct principal *principal)
{
    uint64_t hash = principal_hash(pool, principal);
    uint32_t cursor = 0;
    uint32_t first;

    while ((first = index_table_find(&pool->principal_index, hash, &cursor)) != SLOT_NONE)
        if (principal_equal(&pool->holds[first].principal, principal))
            break;
    return first;
}

static void link_principal(struct inventory_pool *pool, struct hold *hold, uint32_t slot)
{
    uint32_t first = pool_first_of_principal(pool, &hold->principal);
    uint64_t hash = principal_hash(pool, &hold->principal);

    if (first == SLOT_NONE) {
        index_table_add(&pool->principal_index, hash, slot);
        return;
    }
    hold->principal_next = first;
    pool->holds[first].principal_previous = slot;
    index_table_replace(&pool->principal_index, hash, first, slot);
}

static void unlink_principal(struct inventory_pool *pool, struct hold *hold, uint32_t slot)
{
    if (hold->principal_next != SLOT_NONE)
        pool->holds[hold->principal_next].principal_previous = hold->principal_previous;
    if (hold->principal_previous != SLOT_NONE) {
        pool->holds[hold->principal_previous].principal_next = hold->principal_next;
    } else {
        uint64_t hash = principal_hash(pool, &hold->principal);

        if (hold->principal_next != SLOT_NONE)
            index_table_replace(&pool->principal_index, hash, slot, hold->principal_next);
        else
            index_table_remove(&pool->principal_index, hash, slot);
    }
}

static void link_age(struct inventory_pool *pool, struct hold *hold, uint32_t slot)
{
    hold->older = pool->youngest;
    hold->younger = SLOT_NONE;
    if (pool->youngest != SLOT_NONE)
        pool->holds[pool->youngest].younger = slot;
    else
        pool->oldest = slot;
    pool->youngest = slot;
}

static void unlink_age(struct inventory_pool *pool, const struct hold *hold)
{
    if (hold->older != SLOT_NONE)
        pool->holds[hold->older].younger = hold->younger;
    else
        pool->oldest = hold->younger;
    if (hold->younger != SLOT_NONE)
        pool->holds[hold->younger].older = hold->older;
    else
        pool->youngest = hold->older;
}

static void link_line(struct inventory_pool *pool, struct sku *sku, uint32_t line)
{
    pool->lines[line].sku_previous = sku->line_last;
    if (sku->line_last != SLOT_NONE)
        pool->lines[sku->line_last].sku_next = line;
    else
        sku->line_first = line;
    sku->line_last = line;
    sku->lines++;
}

static void unlink_line(struct inventory_pool *pool, struct sku *sku, const struct hold_line *line)
{
    if (line->sku_previous != SLOT_NONE)
        pool->lines[line->sku_previous].sku_next = line->sku_next;
    else
        sku->line_first = line->sku_next;
    if (line->sku_next != SLOT_NONE)
        pool->lines[line->sku_next].sku_previous = line->sku_previous;
    else
        sku->line_last = line->sku_previous;
    sku->lines--;
}

bool pool_find_skus(const struct inventory_pool *pool, uint32_t partition, const struct line *lines,
                    uint32_t line_count, struct sku *skus_out[RESERVATION_LINES_MAX])
{
    for (uint32_t i = 0; i < line_count; i++) {
        skus_out[i] = NULL;
        if (sku_id_partition(lines[i].sku_id) != partition)
            continue;
        skus_out[i] = pool_find_sku(pool, lines[i].sku_id);
        if (skus_out[i] == NULL)
            return false;
    }
    return true;
}

void pool_link_hold(struct inventory_pool *pool, struct hold *hold, struct sku *const skus[])
{
    uint32_t slot = pool_hold_slot(pool, hold);

    assert(hold->sequence != 0);
    index_table_add(&pool->key_index, pool_key_hash(pool, hold->partition, &hold->key), slot);
    add_sequence(pool, hold, slot);
    link_principal(pool, hold, slot);
    link_age(pool, hold, slot);
    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next, skus++)
        if (*skus != NULL)
            link_line(pool, *skus, line);
}

void pool_unlink_key(struct inventory_pool *pool, struct hold *hold)
{
    assert(hold->state == HOLD_ABORTED);
    index_table_remove(&pool->key_index, pool_key_hash(pool, hold->partition, &hold->key),
                       pool_hold_slot(pool, hold));
}

void pool_free_hold(struct inventory_pool *pool, struct hold *hold)
{
    uint32_t slot = pool_hold_slot(pool, hold);
    bool owner = (hold->flags & HOLD_PARTICIPANT) == 0;
    uint32_t line = hold->line_first;

    assert((hold->flags & HOLD_IN_USE) != 0);
    if (!owner || hold->state != HOLD_ABORTED) /* an aborted intent's key went before */
        index_table_remove(&pool->key_index, pool_key_hash(pool, hold->partition, &hold->key),
                           slot);
    remove_sequence(pool, hold);
    unlink_principal(pool, hold, slot);
    unlink_age(pool, hold);
    while (line != SLOT_NONE) {
        struct hold_line *freed = &pool->lines[line];
        uint32_t next = freed->next;

        if (sku_id_partition(freed->sku_id) == hold->partition)
            unlink_line(pool, pool_find_sku(pool, freed->sku_id), freed);
        slots_give(&pool->line_slots, line);
        line = next;
    }
    hold->flags = 0;
    slots_give(&pool->hold_slots, slot);
}

void pool_move_hold(struct inventory_pool *pool, struct hold *hold,
                    const struct principal *principal)
{
    uint32_t slot = pool_hold_slot(pool, hold);

    unlink_principal(pool, hold, slot);
    hold->principal_previous = SLOT_NONE;
    hold->principal_next = SLOT_NONE;
    hold->principal = *principal;
    link_principal(pool, hold, slot);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a shard's coupons, laid out in one piece of memory of the engine's. */
#include <string.h>

#include "coupon_private.h"

static void pool_lay_out(struct layout *layout, struct coupon_pool *pool)
{
    const struct coupon_sizes *sizes = &pool->sizes;

    pool->coupons = layout_take(layout, sizes->coupons_max * sizeof(struct coupon));
    pool->names = layout_take(layout, sizes->coupons_max * sizeof(struct coupon_names));
    pool->uses = layout_take(layout, sizes->uses_max * sizeof(struct coupon_use));
    pool->customers = layout_take(layout, sizes->customers_max * sizeof(struct coupon_customer));
    layout_slots(layout, &pool->coupon_slots, sizes->coupons_max);
    layout_slots(layout, &pool->use_slots, sizes->uses_max);
    layout_slots(layout, &pool->customer_slots, sizes->customers_max);
    layout_index(layout, &pool->code_index, sizes->coupons_max);
    layout_index(layout, &pool->number_index, sizes->coupons_max);
    layout_index(layout, &pool->use_index, sizes->uses_max);
    layout_index(layout, &pool->customer_index, sizes->customers_max);
}

size_t coupon_pool_bytes(const struct coupon_sizes *sizes)
{
    struct coupon_pool pool = {.sizes = *sizes};
    struct layout layout = {0};

    layout_take(&layout, sizeof(pool));
    pool_lay_out(&layout, &pool);
    return layout.used;
}

struct coupon_pool *coupon_pool_init(void *memory, const struct coupon_sizes *sizes,
                                     const struct hash_key *hash_key)
{
    struct layout layout = {.base = memory};
    struct coupon_pool *pool = layout_take(&layout, sizeof(*pool));

    assert(((uintptr_t)memory & 63) == 0);
    pool->sizes = *sizes;
    pool->hash_key = *hash_key;
    pool_lay_out(&layout, pool);
    pool->deleted = SLOT_NONE;
    pool->ended_oldest = SLOT_NONE;
    pool->ended_youngest = SLOT_NONE;
    assert(layout.used == coupon_pool_bytes(sizes));
    return pool;
}

const struct coupon_statistics *coupon_pool_statistics(const struct coupon_pool *pool)
{
    return &pool->statistics;
}

/* ---- hashes ---- */

static uint64_t words_hash(const struct coupon_pool *pool, uint64_t a, uint64_t b)
{
    return hash_word(a + hash_word(b ^ pool->hash_key.word[0]));
}

static uint64_t code_hash(const struct coupon_pool *pool, const char *code)
{
    return hash_bytes(&pool->hash_key, code, strlen(code));
}

static uint64_t number_hash(const struct coupon_pool *pool, uint32_t partition, uint32_t number)
{
    return words_hash(pool, partition, number);
}

static uint64_t use_hash(const struct coupon_pool *pool, uint32_t partition, uint32_t number,
                         const struct reservation_id *order)
{
    return words_hash(pool, (uint64_t)partition << 32 | number, coupon_use_place(order));
}

static uint64_t customer_hash(const struct coupon_pool *pool, uint32_t coupon,
                              const struct principal *principal)
{
    uint64_t words[2];

    memcpy(words, principal->bytes, sizeof(words));
    return words_hash(pool, coupon, words_hash(pool, words[0], words[1]));
}

/* ---- coupons ---- */

static uint32_t slot_of(const struct coupon_pool *pool, const struct coupon *coupon)
{
    return (uint32_t)(coupon - pool->coupons);
}

struct coupon *pool_find_code(const struct coupon_pool *pool, uint32_t partition, const char *code)
{
    uint64_t hash = code_hash(pool, code);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->code_index, hash, &cursor)) != SLOT_NONE)
        if (pool->coupons[slot].partition == partition &&
            strcmp(pool->coupons[slot].definition.code, code) == 0)
            return &pool->coupons[slot];
    return NULL;
}

struct coupon *pool_find_number(const struct coupon_pool *pool, uint32_t partition, uint32_t number)
{
    uint64_t hash = number_hash(pool, partition, number);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->number_index, hash, &cursor)) != SLOT_NONE)
        if (pool->coupons[slot].partition == partition && pool->coupons[slot].number == number)
            return &pool->coupons[slot];
    return NULL;
}

void pool_set_names(struct coupon_pool *pool, const struct coupon *coupon,
                    const struct coupon_names *names)
{
    struct coupon_names *own = &pool->names[slot_of(pool, coupon)];

    if (own->length == 0 && names->length == 0)
        return;
    own->length = names->length;
    memcpy(own->bytes, names->bytes, names->length);
}

const struct coupon_names *pool_names(const struct coupon_pool *pool, const struct coupon *coupon)
{
    return &pool->names[slot_of(pool, coupon)];
}

struct coupon *pool_add_coupon(struct coupon_pool *pool, uint32_t partition, uint32_t number,
                               const struct coupon_definition *definition,
                               const struct coupon_names *names)
{
    struct coupon *coupon;
    uint32_t slot;

    if (!slots_have(&pool->coupon_slots, 1))
        return NULL;
    slot = slots_take(&pool->coupon_slots);
    coupon = &pool->coupons[slot];
    *coupon = (struct coupon){.definition = *definition,
                              .number = number,
                              .partition = (uint16_t)partition,
                              .customer_first = SLOT_NONE,
                              .next = SLOT_NONE};
    pool_set_names(pool, coupon, names);
    index_table_add(&pool->code_index, code_hash(pool, definition->code), slot);
    index_table_add(&pool->number_index, number_hash(pool, partition, number), slot);
    return coupon;
}

void pool_delete_coupon(struct coupon_pool *pool, struct coupon *coupon)
{
    uint32_t slot = slot_of(pool, coupon);
    uint32_t *link = &pool->deleted;

    assert(!coupon->is_deleted);
    coupon->is_deleted = true;
    index_table_remove(&pool->code_index, code_hash(pool, coupon->definition.code), slot);
    while (*link != SLOT_NONE)
        link = &pool->coupons[*link].next;
    *link = slot;
}

void pool_drop_deleted(struct coupon_pool *pool)
{
    uint32_t slot = pool->deleted;
    struct coupon *coupon = &pool->coupons[slot];

    assert(coupon->is_deleted && coupon->held == 0 && coupon->customer_first == SLOT_NONE);
    index_table_remove(&pool->number_index, number_hash(pool, coupon->partition, coupon->number),
                       slot);
    pool->deleted = coupon->next;
    coupon->version = 0;
    slots_give(&pool->coupon_slots, slot);
}

void coupon_fill_view(const struct coupon_pool *pool, const struct coupon *coupon,
                      struct coupon_view *view_out)
{
    const struct coupon_names *names = pool_names(pool, coupon);

    view_out->definition = coupon->definition;
    view_out->names.length = names->length;
    memcpy(view_out->names.bytes, names->bytes, names->length);
    view_out->version = coupon->version;
    view_out->created_wall_ms = coupon->created_wall_ms;
    view_out->updated_wall_ms = coupon->updated_wall_ms;
    view_out->partition = coupon->partition;
    view_out->number = coupon->number;
    view_out->held = coupon->held;
    view_out->committed = coupon->committed;
}

bool coupon_find(const struct coupon_pool *pool, uint32_t partition, const char *code,
                 struct coupon_view *view_out)
{
    const struct coupon *coupon = pool_find_code(pool, partition, code);

    if (coupon != NULL)
        coupon_fill_view(pool, coupon, view_out);
    return coupon != NULL;
}

/* ---- uses ---- */

struct coupon_use *pool_find_use(const struct coupon_pool *pool, uint32_t partition,
                                 uint32_t number, const struct reservation_id *order)
{
    uint64_t hash = use_hash(pool, partition, number, order);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->use_index, hash, &cursor)) != SLOT_NONE) {
        struct coupon_use *use = &pool->uses[slot];

        if (use->partition == partition && use->number == number &&
            coupon_use_place(&use->order) == coupon_use_place(order))
            return use;
    }
    return NULL;
}

bool pool_has_use_room(const struct coupon_pool *pool)
{
    return slots_have(&pool->use_slots, 1);
}

struct coupon_use *pool_add_use(struct coupon_pool *pool, uint32_t partition, uint32_t number,
                                const struct reservation_id *order)
{
    uint32_t slot = slots_take(&pool->use_slots);
    struct coupon_use *use = &pool->uses[slot];

    *use = (struct coupon_use){.order = *order,
                               .number = number,
                               .partition = (uint16_t)partition,
                               .state = COUPON_USE_HELD,
                               .younger = SLOT_NONE};
    index_table_add(&pool->use_index, use_hash(pool, partition, number, order), slot);
    return use;
}

void pool_end_use(struct coupon_pool *pool, struct coupon_use *use)
{
    uint32_t slot = (uint32_t)(use - pool->uses);

    use->younger = SLOT_NONE;
    if (pool->ended_youngest != SLOT_NONE)
        pool->uses[pool->ended_youngest].younger = slot;
    else
        pool->ended_oldest = slot;
    pool->ended_youngest = slot;
}

void pool_drop_oldest_ended(struct coupon_pool *pool)
{
    uint32_t slot = pool->ended_oldest;
    struct coupon_use *use = &pool->uses[slot];

    assert(use->state != COUPON_USE_HELD);
    index_table_remove(&pool->use_index, use_hash(pool, use->partition, use->number, &use->order),
                       slot);
    pool->ended_oldest = use->younger;
    if (pool->ended_oldest == SLOT_NONE)
        pool->ended_youngest = SLOT_NONE;
    use->state = COUPON_USE_RELEASED;
    use->number = 0;
    slots_give(&pool->use_slots, slot);
}

/* ---- customers ---- */

struct coupon_customer *pool_find_customer(const struct coupon_pool *pool,
                                           const struct coupon *coupon,
                                           const struct principal *principal)
{
    uint64_t hash = customer_hash(pool, slot_of(pool, coupon), principal);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->customer_index, hash, &cursor)) != SLOT_NONE) {
        struct coupon_customer *customer = &pool->customers[slot];

        if (customer->coupon == slot_of(pool, coupon) &&
            principal_equal(&customer->principal, principal))
            return customer;
    }
    return NULL;
}

struct coupon_customer *pool_add_customer(struct coupon_pool *pool, struct coupon *coupon,
                                          const struct principal *principal)
{
    struct coupon_customer *customer;
    uint32_t slot;

    if (!slots_have(&pool->customer_slots, 1))
        return NULL;
    slot = slots_take(&pool->customer_slots);
    customer = &pool->customers[slot];
    *customer = (struct coupon_customer){.principal = *principal,
                                         .coupon = slot_of(pool, coupon),
                                         .previous = SLOT_NONE,
                                         .next = coupon->customer_first};
    if (coupon->customer_first != SLOT_NONE)
        pool->customers[coupon->customer_first].previous = slot;
    coupon->customer_first = slot;
    index_table_add(&pool->customer_index, customer_hash(pool, customer->coupon, principal), slot);
    return customer;
}

void pool_drop_customer(struct coupon_pool *pool, struct coupon_customer *customer)
{
    uint32_t slot = (uint32_t)(customer - pool->customers);

    index_table_remove(&pool->customer_index,
                       customer_hash(pool, customer->coupon, &customer->principal), slot);
    if (customer->previous != SLOT_NONE)
        pool->customers[customer->previous].next = customer->next;
    else
        pool->coupons[customer->coupon].customer_first = customer->next;
    if (customer->next != SLOT_NONE)
        pool->customers[customer->next].previous = customer->previous;
    slots_give(&pool->customer_slots, slot);
}

/* ---- lists and audit ---- */

/* Keeps the `limit` first codes in order, by insertion: a page is short. */
uint32_t coupon_list(const struct coupon_pool *pool, const struct coupon_list_body *query,
                     struct coupon_view *views_out, bool *more_out)
{
    uint32_t slots[LIST_PAGE_MAX];
    uint32_t count = 0;

    assert(query->limit >= 1 && query->limit <= LIST_PAGE_MAX);
    *more_out = false;
    for (uint32_t slot = 0; slot < pool->coupon_slots.fresh; slot++) {
        const struct coupon *coupon = &pool->coupons[slot];
        const char *code = coupon->definition.code;
        uint32_t at;

        if (coupon->version == 0 || coupon->is_deleted || strcmp(code, query->after) <= 0)
            continue;
        *more_out = *more_out || count == query->limit;
        if (count == query->limit &&
            strcmp(code, pool->coupons[slots[count - 1]].definition.code) > 0)
            continue;
        if (count < query->limit)
            count++;
        for (at = count - 1;
             at > 0 && strcmp(pool->coupons[slots[at - 1]].definition.code, code) > 0; at--)
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
    for (uint32_t i = 0; i < count; i++)
        coupon_fill_view(pool, &pool->coupons[slots[i]], &views_out[i]);
    return count;
}

static bool coupon_agrees(const struct coupon_pool *pool, const struct coupon *coupon)
{
    uint64_t held_by_customers = 0;
    uint64_t counted = 0;
    uint64_t held = 0;

    for (uint32_t slot = 0; slot < pool->use_slots.fresh; slot++) {
        const struct coupon_use *use = &pool->uses[slot];

        if (use->number == coupon->number && use->partition == coupon->partition &&
            use->state == COUPON_USE_HELD) {
            held++;
            counted += use->is_counted;
        }
    }
    for (uint32_t slot = coupon->customer_first; slot != SLOT_NONE;
         slot = pool->customers[slot].next)
        held_by_customers += pool->customers[slot].held;
    return held == coupon->held && counted == held_by_customers &&
           (coupon->definition.max_uses == 0 ||
            (uint64_t)coupon->held + coupon->committed <= coupon->definition.max_uses);
}

uint32_t coupon_pool_audit(const struct coupon_pool *pool)
{
    uint32_t wrong = 0;

    for (uint32_t slot = 0; slot < pool->coupon_slots.fresh; slot++)
        if (pool->coupons[slot].version != 0 && !coupon_agrees(pool, &pool->coupons[slot]))
            wrong++;
    return wrong;
}

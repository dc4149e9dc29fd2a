/* SPDX-License-Identifier: Apache-2.0 */
/* Where carts are kept: slots, blocks, the order of their last changes. */
#include "cart_private.h"

/* ---- memory ---- */

static size_t round_up(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t cart_pool_bytes(uint32_t carts_max)
{
    return round_up(sizeof(struct cart_pool)) + round_up(carts_max * sizeof(struct cart)) +
           index_table_buckets(carts_max) * sizeof(struct index_bucket) +
           (size_t)carts_max * CART_BLOCKS_MAX * sizeof(struct cart_block);
}

struct cart_pool *cart_pool_init(void *memory, uint32_t carts_max,
                                 const struct cart_options *options,
                                 const struct hash_key *hash_key)
{
    uint8_t *at = memory;
    struct cart_pool *pool = memory;
    struct index_bucket *buckets;

    assert(((uintptr_t)memory & 63) == 0 && carts_max >= 1);
    *pool = (struct cart_pool){.options = options,
                               .hash_key = *hash_key,
                               .carts_max = carts_max,
                               .free = SLOT_NONE,
                               .free_block = SLOT_NONE};
    at += round_up(sizeof(*pool));
    pool->carts = (struct cart *)(void *)at;
    at += round_up(carts_max * sizeof(struct cart));
    buckets = (struct index_bucket *)(void *)at;
    at += index_table_buckets(carts_max) * sizeof(*buckets);
    pool->blocks = (struct cart_block *)(void *)at;
    index_table_init(&pool->index, buckets, carts_max);
    for (unsigned i = 0; i < CART_LISTS; i++)
        pool->lists[i] = (struct cart_list){SLOT_NONE, SLOT_NONE, SLOT_NONE};
    return pool;
}

/* There is one: as many as all carts can need were reserved. */
static uint32_t take_block(struct cart_pool *pool)
{
    uint32_t block = pool->free_block;

    if (block != SLOT_NONE)
        pool->free_block = pool->blocks[block].next_free;
    else
        block = pool->fresh_block++;
    assert(block < pool->carts_max * CART_BLOCKS_MAX);
    memset(&pool->blocks[block], 0, sizeof(pool->blocks[block]));
    pool->blocks_used++;
    return block;
}

static void give_block(struct cart_pool *pool, uint32_t block)
{
    pool->blocks[block].next_free = pool->free_block;
    pool->free_block = block;
    pool->blocks_used--;
}

/* ---- the order of last changes ---- */

static struct cart_list *list_of(struct cart_pool *pool, const struct cart *cart)
{
    return &pool->lists[cart->by_customer];
}

static void unlink_cart(struct cart_pool *pool, uint32_t slot)
{
    struct cart *cart = &pool->carts[slot];
    struct cart_list *list = list_of(pool, cart);

    if (list->awake == slot)
        list->awake = cart->newer;
    if (cart->older != SLOT_NONE)
        pool->carts[cart->older].newer = cart->newer;
    else
        list->oldest = cart->newer;
    if (cart->newer != SLOT_NONE)
        pool->carts[cart->newer].older = cart->older;
    else
        list->newest = cart->older;
}

static void link_newest(struct cart_pool *pool, uint32_t slot)
{
    struct cart *cart = &pool->carts[slot];
    struct cart_list *list = list_of(pool, cart);

    cart->older = list->newest;
    cart->newer = SLOT_NONE;
    if (list->newest != SLOT_NONE)
        pool->carts[list->newest].newer = slot;
    else
        list->oldest = slot;
    list->newest = slot;
    if (list->awake == SLOT_NONE)
        list->awake = slot;
}

void cart_touch(struct cart_pool *pool, uint32_t slot, int64_t wall_ms)
{
    pool->carts[slot].changed_wall_ms = wall_ms;
    unlink_cart(pool, slot);
    link_newest(pool, slot);
}

/* ---- slots ---- */

static uint64_t hash_of(const struct cart_pool *pool, const struct principal *principal)
{
    return hash_bytes(&pool->hash_key, principal->bytes, sizeof(principal->bytes));
}

uint32_t cart_find(const struct cart_pool *pool, const struct principal *principal)
{
    uint64_t hash = hash_of(pool, principal);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->index, hash, &cursor)) != SLOT_NONE)
        if (principal_equal(&pool->carts[slot].principal, principal))
            return slot;
    return SLOT_NONE;
}

uint32_t cart_add(struct cart_pool *pool, const struct principal *principal, bool by_customer,
                  int64_t wall_ms)
{
    uint32_t slot = pool->free;

    if (slot != SLOT_NONE)
        pool->free = pool->carts[slot].older;
    else if (pool->fresh < pool->carts_max)
        slot = pool->fresh++;
    else
        return SLOT_NONE;
    pool->carts[slot] = (struct cart){.principal = *principal,
                                      .created_wall_ms = wall_ms,
                                      .changed_wall_ms = wall_ms,
                                      .coupon_block = SLOT_NONE,
                                      .memory_block = SLOT_NONE,
                                      .by_customer = by_customer};
    index_table_add(&pool->index, hash_of(pool, principal), slot);
    link_newest(pool, slot);
    pool->count++;
    return slot;
}

void cart_remove(struct cart_pool *pool, uint32_t slot)
{
    struct cart *cart = &pool->carts[slot];

    while (cart->line_count > 0)
        cart_line_remove(pool, cart, cart_line_at(pool, cart, cart->line_count - 1u));
    cart_coupon_set(pool, cart, NULL, 0);
    if (cart->memory_block != SLOT_NONE)
        give_block(pool, cart->memory_block);
    index_table_remove(&pool->index, hash_of(pool, &cart->principal), slot);
    unlink_cart(pool, slot);
    cart->older = pool->free;
    pool->free = slot;
    pool->count--;
}

/* ---- what is in a cart ---- */

struct cart_line *cart_line_at(struct cart_pool *pool, struct cart *cart, uint32_t at)
{
    assert(at < cart->line_count);
    return &pool->blocks[cart->line_blocks[at / CART_BLOCK_LINES]].lines[at % CART_BLOCK_LINES];
}

struct cart_line *cart_line_find(struct cart_pool *pool, struct cart *cart, uint32_t sku_id)
{
    for (uint32_t i = 0; i < cart->line_count; i++)
        if (cart_line_at(pool, cart, i)->sku_id == sku_id)
            return cart_line_at(pool, cart, i);
    return NULL;
}

void cart_line_append(struct cart_pool *pool, struct cart *cart, const struct cart_line *line)
{
    assert(cart->line_count < CART_LINES_MAX);
    if (cart->line_count % CART_BLOCK_LINES == 0)
        cart->line_blocks[cart->line_count / CART_BLOCK_LINES] = take_block(pool);
    cart->line_count++;
    *cart_line_at(pool, cart, cart->line_count - 1u) = *line;
}

void cart_line_remove(struct cart_pool *pool, struct cart *cart, struct cart_line *line)
{
    uint32_t at = 0;

    while (cart_line_at(pool, cart, at) != line)
        at++;
    for (; at + 1 < cart->line_count; at++)
        *cart_line_at(pool, cart, at) = *cart_line_at(pool, cart, at + 1);
    cart->line_count--;
    if (cart->line_count % CART_BLOCK_LINES == 0)
        give_block(pool, cart->line_blocks[cart->line_count / CART_BLOCK_LINES]);
}

void cart_coupon_set(struct cart_pool *pool, struct cart *cart, const char *code, uint32_t length)
{
    assert(length <= COUPON_CODE_MAX);
    if (length > 0 && cart->coupon_block == SLOT_NONE)
        cart->coupon_block = take_block(pool);
    if (length == 0 && cart->coupon_block != SLOT_NONE) {
        give_block(pool, cart->coupon_block);
        cart->coupon_block = SLOT_NONE;
    }
    cart->coupon_length = (uint8_t)length;
    if (length > 0)
        memcpy(pool->blocks[cart->coupon_block].coupon, code, length);
}

const struct cart_memory *cart_memory(const struct cart_pool *pool, const struct cart *cart)
{
    return cart->memory_block == SLOT_NONE ? NULL : &pool->blocks[cart->memory_block].memory;
}

struct cart_memory *cart_memory_make(struct cart_pool *pool, struct cart *cart)
{
    if (cart->memory_block == SLOT_NONE)
        cart->memory_block = take_block(pool);
    return &pool->blocks[cart->memory_block].memory;
}

void cart_copy_content(const struct cart_pool *pool, const struct cart *cart,
                       struct cart_content *content_out)
{
    content_out->line_count = cart->line_count;
    content_out->coupon_length = cart->coupon_length;
    if (cart->line_count > 0)
        memcpy(content_out->currency, cart->currency, sizeof(cart->currency));
    if (cart->coupon_length > 0)
        memcpy(content_out->coupon, pool->blocks[cart->coupon_block].coupon, cart->coupon_length);
    for (uint32_t i = 0; i < cart->line_count; i += CART_BLOCK_LINES) {
        uint32_t count = cart->line_count - i;

        if (count > CART_BLOCK_LINES)
            count = CART_BLOCK_LINES;
        memcpy(&content_out->lines[i], pool->blocks[cart->line_blocks[i / CART_BLOCK_LINES]].lines,
               count * sizeof(struct cart_line));
    }
}

int64_t cart_ttl_ms(const struct cart_pool *pool, const struct cart *cart)
{
    return cart->by_customer ? pool->options->customer_ttl_ms : pool->options->guest_ttl_ms;
}

/* ---- loading ---- */

static void restore_memory(struct cart_pool *pool, struct cart *cart,
                           const struct cart_record *stored)
{
    bool has_any = stored->orders[0] != 0 || stored->merged[0] != 0;
    struct cart_memory *memory;

    if (!has_any)
        return;
    memory = cart_memory_make(pool, cart);
    memcpy(memory->orders, stored->orders, sizeof(memory->orders));
    if (!MUTANT(CART_MERGE_FORGOTTEN))
        memcpy(memory->merged, stored->merged, sizeof(memory->merged));
}

bool cart_restore(struct cart_pool *pool, const struct record *record)
{
    const struct cart_record *stored = &record->cart;
    struct record_place place = record_place_of(stored->principal.bytes, pool->options->partitions);
    struct cart *cart;
    uint32_t slot;

    if (place.partition != record->partition || place.subject != record->subject ||
        place.sequence != record->sequence || cart_find(pool, &stored->principal) != SLOT_NONE)
        return false;
    slot = cart_add(pool, &stored->principal, stored->by_customer, stored->created_wall_ms);
    if (slot == SLOT_NONE)
        return false;
    cart = &pool->carts[slot];
    cart->changed_wall_ms = stored->changed_wall_ms;
    memcpy(cart->currency, stored->content.currency, sizeof(cart->currency));
    for (uint32_t i = 0; i < stored->content.line_count; i++) {
        if (cart_line_find(pool, cart, stored->content.lines[i].sku_id) != NULL)
            return false;
        cart_line_append(pool, cart, &stored->content.lines[i]);
    }
    cart_coupon_set(pool, cart, stored->content.coupon, stored->content.coupon_length);
    restore_memory(pool, cart, stored);
    return true;
}

/* Two lists in ascending order of changes, linked by `newer`, become one. */
static uint32_t merge_lists(struct cart_pool *pool, uint32_t a, uint32_t b)
{
    uint32_t first = SLOT_NONE;
    uint32_t *link = &first;

    while (a != SLOT_NONE && b != SLOT_NONE) {
        bool takes_b = pool->carts[b].changed_wall_ms < pool->carts[a].changed_wall_ms;
        uint32_t *taken = takes_b ? &b : &a;

        *link = *taken;
        link = &pool->carts[*taken].newer;
        *taken = *link;
    }
    *link = a != SLOT_NONE ? a : b;
    return first;
}

/* Merge sort from below: `sorted[i]` is a list of 2^i carts, or none. */
static uint32_t sort_list(struct cart_pool *pool, uint32_t first)
{
    uint32_t sorted[32];
    uint32_t all = SLOT_NONE;

    for (unsigned i = 0; i < 32; i++)
        sorted[i] = SLOT_NONE;
    while (first != SLOT_NONE) {
        uint32_t one = first;
        unsigned i = 0;

        first = pool->carts[one].newer;
        pool->carts[one].newer = SLOT_NONE;
        for (; sorted[i] != SLOT_NONE; i++) {
            one = merge_lists(pool, sorted[i], one);
            sorted[i] = SLOT_NONE;
        }
        sorted[i] = one;
    }
    for (unsigned i = 0; i < 32; i++)
        all = merge_lists(pool, sorted[i], all);
    return all;
}

void cart_pool_restored(struct cart_pool *pool, const struct moment *moment)
{
    for (unsigned i = 0; i < CART_LISTS; i++) {
        struct cart_list *list = &pool->lists[i];
        uint32_t older = SLOT_NONE;
        bool is_idle;

        list->oldest = sort_list(pool, list->oldest);
        list->awake = SLOT_NONE;
        for (uint32_t slot = list->oldest; slot != SLOT_NONE; slot = pool->carts[slot].newer) {
            struct cart *cart = &pool->carts[slot];

            cart->older = older;
            older = slot;
            is_idle = moment->wall_ms - cart->changed_wall_ms >= pool->options->idle_ms;
            cart->was_abandoned = is_idle && cart->line_count > 0;
            pool->statistics.idle += cart->was_abandoned;
            pool->statistics.restored_idle += cart->was_abandoned;
            if (!is_idle && list->awake == SLOT_NONE)
                list->awake = slot;
        }
        list->newest = older;
    }
}

/* ---- looking at it ---- */

uint32_t cart_pool_count(const struct cart_pool *pool)
{
    return pool->count;
}

bool cart_pool_audit(const struct cart_pool *pool)
{
    const struct cart_statistics *statistics = &pool->statistics;
    uint64_t idle = 0;

    for (unsigned i = 0; i < CART_LISTS; i++)
        for (uint32_t slot = pool->lists[i].oldest; slot != SLOT_NONE;
             slot = pool->carts[slot].newer)
            idle += pool->carts[slot].was_abandoned;
    return idle == statistics->idle && statistics->abandoned + statistics->restored_idle ==
                                           statistics->recovered + statistics->expired_idle + idle;
}

const struct cart_statistics *cart_pool_statistics(const struct cart_pool *pool)
{
    return &pool->statistics;
}

uint64_t cart_pool_used_bytes(const struct cart_pool *pool)
{
    return (uint64_t)pool->count * (sizeof(struct cart) + 18) +
           (uint64_t)pool->blocks_used * sizeof(struct cart_block);
}

bool cart_pool_view(const struct cart_pool *pool, const struct principal *principal,
                    struct cart_view *view_out)
{
    uint32_t slot = cart_find(pool, principal);

    memset(view_out, 0, sizeof(*view_out));
    if (slot == SLOT_NONE)
        return false;
    view_out->principal = *principal;
    view_out->created_wall_ms = pool->carts[slot].created_wall_ms;
    view_out->changed_wall_ms = pool->carts[slot].changed_wall_ms;
    cart_copy_content(pool, &pool->carts[slot], &view_out->content);
    return true;
}

uint64_t cart_pool_digest(const struct cart_pool *pool)
{
    static const struct hash_key key = {{0x6361727473, 1}};
    uint64_t digest = 0;

    for (unsigned i = 0; i < CART_LISTS; i++) {
        for (uint32_t slot = pool->lists[i].oldest; slot != SLOT_NONE;
             slot = pool->carts[slot].newer) {
            const struct cart *cart = &pool->carts[slot];
            struct cart_content content = {0};

            cart_copy_content(pool, cart, &content);
            digest += hash_bytes(&key, &content, sizeof(content)) ^
                      hash_bytes(&key, cart->principal.bytes, sizeof(cart->principal.bytes)) ^
                      hash_word((uint64_t)cart->changed_wall_ms);
        }
    }
    return digest;
}

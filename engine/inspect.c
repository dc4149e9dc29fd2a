/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

#include "engine_private.h"

bool engine_inspect_stock(struct engine *engine, uint32_t sku_id, struct stock_view *out)
{
    return inventory_stock(&engine->inventories[sku_id_partition(sku_id)], sku_id, out);
}

bool engine_inspect_hold(struct engine *engine, const struct principal *principal,
                         const struct reservation_id *id, struct hold_view *out)
{
    const struct shard *shard = engine->shards[engine_shard_of(engine, id->partition)];
    struct list_body query = {
        .principal = *principal, .sku_id = UINT32_MAX, .state = -1, .limit = 1, .after = *id};
    bool more;

    query.after.sequence--; /* IDs sort by time, partition, sequence: the next one is this */
    return inventory_list(shard->pool, &shard->now, &query, out, 1, &more) == 1 &&
           out->id.created_ms == id->created_ms && out->id.partition == id->partition &&
           out->id.sequence == id->sequence;
}

bool engine_inspect_cart(struct engine *engine, const struct principal *principal,
                         struct cart_view *out)
{
    uint32_t partition = record_place_of(principal->bytes, engine->options.partitions).partition;

    return cart_pool_view(engine->shards[engine_shard_of(engine, partition)]->carts, principal,
                          out);
}

struct moment engine_inspect_now(const struct shard *shard)
{
    return shard->now;
}

/* What a product shows as sold is what its SKUs do. */
static bool units_sold_agree(const struct product_entry *product)
{
    uint64_t sold = 0;

    for (const struct sku_entry *sku = atomic_load(&product->skus); sku != NULL;
         sku = sku->next_of_product)
        sold += atomic_load(&sku->gate.sold);
    return sold == product_entry_sold(product);
}

uint32_t engine_inspect_audit(struct engine *engine)
{
    const struct directory *directory = engine_inspect_directory(engine);
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < engine->options.shards; i++) {
        const struct inventory_pool *pool = engine->shards[i]->pool;

        for (uint32_t number = 0; number < inventory_pool_skus(pool); number++) {
            struct stock_view view;
            bool agrees = inventory_pool_audit_sku(pool, number, UINT32_MAX, &view);
            const struct sku_entry *sku = directory_find_sku_id(directory, view.sku_id);
            const struct gate *gate = &sku->gate;

            if (!agrees || atomic_load(&gate->sold) != view.sold ||
                !units_sold_agree(sku->product) ||
                (uint64_t)gate_available(gate) + gate_claimed(gate) != view.available)
                wrong++;
        }
    }
    return wrong;
}

uint32_t engine_inspect_limits(const struct engine *engine)
{
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        wrong += inventory_pool_audit_limits(engine->shards[i]->pool);
    return wrong;
}

bool engine_inspect_coupon(struct engine *engine, const char *code, struct coupon_view *out)
{
    uint32_t partition =
        coupon_code_partition(code, &engine->ports.secrets.key_key, engine->options.partitions);
    const struct shard *shard = engine->shards[engine_shard_of(engine, partition)];

    return coupon_find(shard->coupons.pool, partition, code, out);
}

uint32_t engine_inspect_carts(const struct engine *engine)
{
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        wrong += !cart_pool_audit(engine->shards[i]->carts);
    return wrong;
}

uint32_t engine_inspect_coupons(const struct engine *engine)
{
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        wrong += coupon_pool_audit(engine->shards[i]->coupons.pool);
    return wrong;
}

/* As batch_open, after what has returned was taken. */
bool engine_inspect_can_serve(const struct engine *engine, uint32_t index)
{
    const struct shard *shard = engine->shards[index];
    const struct batch *waiting = atomic_load(&shard->ready);

    if (atomic_load(&engine->failed))
        return false;
    if (waiting != NULL)
        return batch_has_room(waiting);
    return shard->free_batches != NULL || atomic_load(&shard->returned) != NULL;
}

uint32_t engine_inspect_due(const struct engine *engine, uint32_t index)
{
    const struct shard *shard = engine->shards[index];
    int64_t now_ms = engine_now(engine).boot_ms;

    if (timers_wake_ms(&shard->timers) > now_ms)
        return 0;
    return timers_count_due(&shard->timers, now_ms);
}

uint64_t engine_inspect_digest(struct engine *engine)
{
    uint64_t digest = 0;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        digest += inventory_pool_digest(engine->shards[i]->pool) +
                  cart_pool_digest(engine->shards[i]->carts);
    for (uint32_t i = 0; i < engine->options.partitions; i++)
        digest += hash_word((uint64_t)(i + 1) << 32 | engine->next_account[i]);
    return digest;
}

const struct directory *engine_inspect_directory(struct engine *engine)
{
    return atomic_load(&engine->directory);
}

#ifdef STAMPEDE_MUTANTS
void engine_inspect_hold_back(struct engine *engine, uint32_t source, uint32_t target,
                              bool held_back)
{
    mailbox_hold_back(engine_mailbox(engine, source, target), held_back);
}

uint32_t engine_inspect_waiting(const struct engine *engine, uint32_t source, uint32_t target)
{
    return mailbox_depth(engine_mailbox(engine, source, target));
}
#endif

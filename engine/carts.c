/* SPDX-License-Identifier: Apache-2.0 */
#include "carts.h"

#include "engine_private.h"

/* A wall clock that has leapt is not believed for a while: it would empty the carts of all. */
static struct cart_circumstances circumstances(const struct shard *shard)
{
    const struct engine *engine = shard->engine;

    return (struct cart_circumstances){
        .may_expire = shard->now.boot_ms - shard->rounds.even_since_boot_ms >=
                      engine->options.retention_steady_ms,
        .takes_no_new = engine->ports.journal.is_full(engine->ports.journal.self),
    };
}

void carts_deliver(struct shard *shard, const struct message *message)
{
    struct cart_circumstances now = circumstances(shard);

    assert(engine_shard_of(shard->engine, message->partition) == shard->index);
    if (message->type == MESSAGE_CART)
        now.is_adopted = inventory_pool_has_adopted(shard->pool, &message->cart.principal);
    cart_receive(shard->carts, &now, &shard->now, message, &shard->effects);
}

void carts_tend(struct shard *shard)
{
    struct cart_circumstances now = circumstances(shard);

    if (batch_has_room(shard->open) &&
        !atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        cart_pool_tend(shard->carts, &now, &shard->now, &shard->effects);
}

bool carts_restore(struct shard *shard, const struct record *record)
{
    return cart_restore(shard->carts, record);
}

void carts_restored(struct shard *shard)
{
    cart_pool_restored(shard->carts, &shard->now);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's memory: one piece, of which each pool, table and ring has its part. Measured first,
 * then laid out, by the same code. */
#include "engine_private.h"

struct carver {
    uint8_t *base; /* NULL: only measure */
    size_t used;
};

static void *carve(struct carver *carver, size_t bytes)
{
    void *piece = carver->base == NULL ? NULL : carver->base + carver->used;

    carver->used += (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    return piece;
}

static struct inventory_sizes pool_sizes(const struct engine_options *options)
{
    return (struct inventory_sizes){
        .holds_max = options->holds_max,
        .lines_max = 2 * options->holds_max + RESERVATION_LINES_MAX,
        .skus_max = options->skus_max,
        .products_max = options->skus_max,
        .limit_rows_max = options->limit_rows_max,
    };
}

/* A batch takes what `batch_messages` single reservations need, and one receive of any kind. */
static uint32_t batch_record_bytes(const struct engine_options *options)
{
    return options->batch_messages * record_size(RECORD_HOLD, 2) + EFFECT_RECORD_BYTES_MAX;
}

static uint32_t batch_message_bytes(const struct engine_options *options)
{
    return options->batch_messages * message_size(MESSAGE_REPLY, 2) + EFFECT_MESSAGE_BYTES_MAX;
}

static void lay_out_batches(struct carver *carver, struct engine *engine, struct shard *shard)
{
    const struct engine_options *options = &engine->options;

    for (uint32_t i = 0; i < options->batches; i++) {
        struct batch *batch = carve(carver, sizeof(*batch));
        uint8_t *records = carve(carver, batch_record_bytes(options));
        uint8_t *messages = carve(carver, batch_message_bytes(options));

        if (carver->base == NULL)
            continue;
        batch->shard = shard;
        batch->records = (struct arena){records, 0, batch_record_bytes(options)};
        batch->messages = (struct arena){messages, 0, batch_message_bytes(options)};
        batch_recycle(shard, batch);
    }
}

static void lay_out_accounts(struct carver *carver, struct engine *engine, struct shard *shard)
{
    uint32_t count = engine->options.accounts_active_max;
    struct account_slot *slots = carve(carver, count * sizeof(*slots));
    struct index_bucket *index = carve(carver, index_table_buckets(count) * sizeof(*index));

    if (carver->base != NULL)
        accounts_init(&shard->accounts, slots, index, count);
}

static void lay_out_orders(struct carver *carver, const struct engine *engine, struct shard *shard)
{
    uint32_t count = engine->options.orders_live_max;
    uint32_t buckets = index_table_buckets(count);
    struct orders_memory memory = {0};

    memory.slots = carve(carver, count * sizeof(*memory.slots));
    memory.index = carve(carver, buckets * sizeof(*memory.index));
    memory.key_index = carve(carver, buckets * sizeof(*memory.key_index));
    memory.timers = carve(carver, count * sizeof(*memory.timers));
    memory.gateways = carve(carver, ORDER_GATEWAY_MAX * sizeof(*memory.gateways));
    memory.lookups = carve(carver, ORDER_LOOKUPS_MAX * sizeof(*memory.lookups));
    if (carver->base != NULL)
        orders_init(&shard->orders, &memory, count, shard->now.boot_ms);
}

static void lay_out_mails(struct carver *carver, const struct engine *engine, struct shard *shard,
                          const struct mails_source *source)
{
    const struct engine_options *options = &engine->options;
    uint32_t buckets = index_table_buckets(options->outbox_rows_max);
    struct mail_slot *slots = carve(carver, MAILS_UNDER_WAY_MAX * sizeof(*slots));
    struct outbox_row *rows = carve(carver, options->outbox_rows_max * sizeof(*rows));
    uint32_t *heap = carve(carver, options->outbox_rows_max * sizeof(*heap));
    struct index_bucket *index = carve(carver, buckets * sizeof(*index));

    if (carver->base == NULL)
        return;
    mails_init(source == &mails_of_orders ? &shard->order_mails : &shard->mails, shard, source,
               options, slots, rows, heap, index, &engine->table_key);
}

static void lay_out_webhooks(struct carver *carver, const struct engine *engine,
                             struct shard *shard)
{
    struct deliveries_sizes sizes = webhooks_sizes(&engine->options);
    uint32_t rows = WEBHOOK_ENDPOINTS_MAX * sizes.lane_rows_max;
    struct webhooks_memory memory;

    memory.slots = carve(carver, DELIVERIES_UNDER_WAY_MAX * sizeof(*memory.slots));
    memory.rows = carve(carver, rows * sizeof(*memory.rows));
    memory.heaps = carve(carver, rows * sizeof(*memory.heaps));
    memory.index = carve(carver, index_table_buckets(rows) * sizeof(*memory.index));
    if (carver->base != NULL)
        webhooks_init(shard, &memory);
}

static void lay_out_coupons(struct carver *carver, const struct engine *engine, struct shard *shard)
{
    struct coupon_sizes sizes = {.coupons_max = engine->options.coupons_max,
                                 .uses_max = engine->options.coupon_rows_max,
                                 .customers_max = engine->options.coupon_rows_max};
    void *pool = carve(carver, coupon_pool_bytes(&sizes));
    struct coupon_lookup *lookups = carve(carver, COUPON_LOOKUPS_MAX * sizeof(*lookups));

    if (carver->base != NULL)
        coupons_init(&shard->coupons, coupon_pool_init(pool, &sizes, &engine->table_key), lookups);
}

static void lay_out_shard(struct carver *carver, struct engine *engine, uint32_t index)
{
    const struct engine_options *options = &engine->options;
    struct inventory_sizes sizes = pool_sizes(options);
    struct shard *shard = carve(carver, sizeof(*shard));
    void *pool = carve(carver, inventory_pool_bytes(&sizes));
    struct timer_node *nodes = carve(carver, options->holds_max * sizeof(*nodes));
    void *carts = carve(carver, cart_pool_bytes(options->carts_max));
    struct ledger_sum *ledger_sums = carve(carver, options->skus_max * sizeof(*ledger_sums));

    if (carver->base != NULL) {
        engine->shards[index] = shard;
        shard->engine = engine;
        shard->index = index;
        shard->has_slept = true; /* recovery takes its time */
        shard->now = engine->ports.env.now(engine->ports.env.self);
        block_pool_init(&shard->blocks, &engine->ports.env);
        shard->pool = inventory_pool_init(pool, &sizes, &engine->table_key);
        shard->carts =
            cart_pool_init(carts, options->carts_max, &engine->cart_options, &engine->table_key);
        shard->audit_due_ms = shard->now.boot_ms + options->audit_period_ms;
        ledger_audit_init(&shard->ledger_audit, ledger_sums, shard->audit_due_ms);
        timers_init(&shard->timers, nodes, options->holds_max, shard->now.boot_ms);
        rounds_init(&shard->rounds, options, &shard->now);
        events_out_init(shard);
        erasures_init(&shard->erasures, &shard->now);
        atomic_store(&shard->vault_keys_previous, -1);
        atomic_store(&shard->vault_keys_unreadable, -1);
        atomic_store(&shard->idle, true);
    }
    lay_out_accounts(carver, engine, shard);
    lay_out_mails(carver, engine, shard, &mails_of_accounts);
    lay_out_mails(carver, engine, shard, &mails_of_orders);
    lay_out_webhooks(carver, engine, shard);
    lay_out_orders(carver, engine, shard);
    lay_out_coupons(carver, engine, shard);
    lay_out_batches(carver, engine, shard);
}

static void lay_out(struct carver *carver, struct engine *engine)
{
    const struct engine_options *options = &engine->options;
    uint32_t completions = options->requests_max + options->products_in_flight_max + ORDER_ASKS_MAX;
    uint32_t pairs = options->shards * options->shards;
    struct inventory *inventories = carve(carver, options->partitions * sizeof(*inventories));
    struct shard **shards = carve(carver, options->shards * sizeof(*shards));
    struct mailbox **mailboxes = carve(carver, pairs * sizeof(*mailboxes));
    struct committer *committer = carve(carver, sizeof(*committer));
    struct settings *settings = carve(carver, sizeof(*settings));
    struct session_marks *marks =
        carve(carver, sizeof(*marks) + options->session_marks * sizeof(marks->marks[0]));
    uint32_t *next_account = carve(carver, options->partitions * sizeof(*next_account));
    struct order_numbers *order_numbers =
        carve(carver, options->partitions * sizeof(*order_numbers));
    struct order_numbers *event_numbers =
        carve(carver, options->partitions * sizeof(*event_numbers));
    struct event_partition *event_partitions =
        carve(carver, options->partitions * sizeof(*event_partitions));
    uint32_t *next_coupon = carve(carver, options->partitions * sizeof(*next_coupon));
    struct audit_head_record *audit_heads =
        carve(carver, options->partitions * sizeof(*audit_heads));

    if (carver->base != NULL) {
        engine->settings = settings;
        settings_init(settings);
        engine->marks = marks;
        marks->key = engine->table_key;
        marks->count = options->session_marks;
        engine->next_account = next_account;
        engine->order_numbers = order_numbers;
        engine->event_numbers = event_numbers;
        engine->event_partitions = event_partitions;
        engine->next_coupon = next_coupon;
        engine->audit_heads = audit_heads;
        engine->inventories = inventories;
        engine->shards = shards;
        engine->mailboxes = mailboxes;
        engine->committer = committer;
    }
    for (uint32_t i = 0; i < pairs; i++) {
        void *memory = carve(carver, mailbox_bytes(options->mailbox_max, completions));

        if (carver->base != NULL)
            mailboxes[i] = mailbox_init(memory, options->mailbox_max, completions);
    }
    for (uint32_t i = 0; i < options->shards; i++)
        lay_out_shard(carver, engine, i);
    for (uint32_t i = 0; i < options->partitions && carver->base != NULL; i++) {
        inventory_init(&inventories[i], shards[engine_shard_of(engine, i)]->pool,
                       &engine->inventory_options, &event_numbers[i], i);
        next_account[i] = 1;
        order_numbers[i] = (struct order_numbers){.next = 1};
        event_numbers[i] = (struct order_numbers){.next = 1};
        next_coupon[i] = 1;
    }
}

size_t engine_lay_out(struct engine *engine, void *memory)
{
    struct carver carver = {.base = memory};

    lay_out(&carver, engine);
    return carver.used;
}

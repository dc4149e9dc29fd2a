/* SPDX-License-Identifier: Apache-2.0 */
/* Putting the parts together: memory, mailboxes, shards; and what is known of the whole. */
#include "engine_private.h"

#include <stdlib.h>
#include <string.h>

struct engine_options engine_options_default(uint32_t shards)
{
    return (struct engine_options){
        .shards = shards,
        .partitions = PARTITIONS_DEFAULT,
        .hold_ttl_ms = HOLD_TTL_MS_DEFAULT,
        .hold_cap_ms = HOLD_CAP_MS_DEFAULT,
        .hold_extensions_max = HOLD_EXTENSIONS_MAX,
        .hold_retention_ms = HOLD_RETENTION_MS,
        .holds_max = 2 * 1000 * 1000,
        .skus_max = 1000 * 1000,
        .limit_rows_max = 1000 * 1000,
        .requests_max = 4096,
        .mailbox_max = 3968, /* with completions a ring of 8,192 */
        .request_timeout_ms = 5000,
        .timers_per_step = 512,
        .batch_messages = 2048,
        .batches = 3,
        .audit_period_ms = 30 * 1000,
        .accounts_active_max = ACCOUNTS_ACTIVE_MAX,
        .orders_live_max = ORDERS_LIVE_MAX,
        .session_marks = 1 << 20,
        .outbox_rows_max = OUTBOX_ROWS_MAX,
        .mails_under_way_max = MAILS_UNDER_WAY_MAX,
        .carts_max = CARTS_MAX,
        .cart_guest_ttl_s = CART_GUEST_TTL_S,
        .cart_customer_ttl_s = CART_CUSTOMER_TTL_S,
        .cart_idle_ms = CART_IDLE_MS,
        .retention_period_ms = 24 * 3600 * 1000,
        .retention_steady_ms = 3600 * 1000,
        .deliveries_pending_max = DELIVERIES_PENDING_MAX,
        .webhook_schedule = delivery_schedule_default(),
        .coupons_max = COUPONS_MAX,
        .coupon_rows_max = COUPON_ROWS_MAX,
    };
}

/* ---- memory: measured first, then laid out in one piece ---- */

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
    uint32_t completions = options->requests_max + PRODUCTS_IN_FLIGHT_MAX + ORDER_ASKS_MAX;
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

struct engine *engine_create(const struct engine_options *options, const struct engine_ports *ports)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    struct carver carver = {0};

    assert(options->shards >= 1 && options->shards <= SHARDS_MAX);
    assert((options->partitions & (options->partitions - 1)) == 0 && options->partitions >= 1 &&
           options->partitions <= PARTITIONS_MAX);
    assert(options->timers_per_step >= 1 && options->accounts_active_max >= 1 &&
           options->session_marks >= 1 && options->carts_max >= 1);
    assert(options->coupons_max >= 1 && options->coupon_rows_max >= 1);
    assert(options->outbox_rows_max >= 2 && options->outbox_rows_max <= OUTBOX_ROWS_MAX &&
           options->mails_under_way_max >= 1 &&
           options->mails_under_way_max <= MAILS_UNDER_WAY_MAX);
    assert(options->deliveries_pending_max >= 1 && options->webhook_schedule.count >= 1 &&
           options->webhook_schedule.count <= DELIVERY_ATTEMPTS_MAX);
    assert(ports->secrets.mac != NULL && ports->secrets.digest != NULL);
    assert(options->batches >= 2 && options->requests_max >= 1 && options->mailbox_max >= 1);
    if (engine == NULL)
        return NULL;
    engine->options = *options;
    engine->ports = *ports;
    engine->inventory_options =
        (struct inventory_options){.hold_ttl_ms = options->hold_ttl_ms,
                                   .hold_cap_ms = options->hold_cap_ms,
                                   .hold_extensions_max = options->hold_extensions_max,
                                   .hold_retention_ms = options->hold_retention_ms,
                                   .adopted_guest_ms = options->request_timeout_ms +
                                                       INTENT_TIMEOUT_MS + ADOPTED_GUEST_SLACK_MS};
    engine->cart_options =
        (struct cart_options){.partitions = options->partitions,
                              .guest_ttl_ms = options->cart_guest_ttl_s * INT64_C(1000),
                              .customer_ttl_ms = options->cart_customer_ttl_s * INT64_C(1000),
                              .idle_ms = options->cart_idle_ms};
    ports->env.random(ports->env.self, &engine->table_key, sizeof(engine->table_key));
    lay_out(&carver, engine);
    engine->memory_bytes = carver.used;
    engine->memory = ports->env.reserve(ports->env.self, carver.used);
    if (engine->memory == NULL) {
        free(engine);
        return NULL;
    }
    carver = (struct carver){.base = engine->memory};
    lay_out(&carver, engine);
    assert(carver.used == engine->memory_bytes);
    engine->builder = directory_builder_create(options->partitions, &engine->table_key,
                                               &engine->shards[DIRECTORY_SHARD]->blocks);
    if (engine->builder == NULL || !settings_host_begin(engine)) {
        engine_destroy(engine);
        return NULL;
    }
    return engine;
}

static void free_coupon_envelope_of(const struct message *message)
{
    if (message->type == MESSAGE_COUPON_GET || message->type == MESSAGE_COUPON_PUT)
        envelope_free(message->coupon.envelope);
    else if (message->type == MESSAGE_REPLY && (message->reply.answers == MESSAGE_COUPON_GET ||
                                                message->reply.answers == MESSAGE_COUPON_PUT))
        envelope_free(message->reply.coupon);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_COUPON_LIST)
        envelope_free(message->reply.coupons);
}

static void free_envelope_of(const struct message *message)
{
    if (message->type == MESSAGE_PRODUCT_SUBMIT || message->type == MESSAGE_PRODUCT_PUT ||
        message->type == MESSAGE_PRODUCT_DONE)
        envelope_free(message->product.envelope);
    else if (message->type == MESSAGE_ACCOUNT)
        envelope_free(message->account.envelope);
    else if (message->type == MESSAGE_ORDER)
        envelope_free(message->order.envelope);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_ORDER)
        envelope_free(message->reply.order);
    else if (message->type == MESSAGE_SETTINGS)
        envelope_free(message->settings.envelope);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_SETTINGS)
        envelope_free(message->reply.settings);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_HOLD_LIST)
        envelope_free(message->reply.list);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_ACCOUNT)
        envelope_free(message->reply.account);
    else
        free_coupon_envelope_of(message);
}

static void free_envelopes_of_batch(const struct batch *batch)
{
    const struct arena *messages = &batch->messages;

    for (uint32_t at = 0; at < messages->used;) {
        const struct message *message =
            (const struct message *)(const void *)(messages->bytes + at);

        free_envelope_of(message);
        at += message->size;
    }
    free(batch->settings);
}

/* Envelopes still on their way, in mailboxes and batches, have no other owner. */
static void free_envelopes(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->options.shards * engine->options.shards; i++) {
        const struct message *message;

        while ((message = mailbox_pop(engine->mailboxes[i])) != NULL)
            free_envelope_of(message);
    }
    for (uint32_t i = 0; i < engine->committer->batch_count; i++)
        free_envelopes_of_batch(engine->committer->batches[i]);
    for (uint32_t i = 0; i < engine->options.shards; i++) {
        struct shard *shard = engine->shards[i];
        const struct batch *batch = atomic_load(&shard->ready);

        if (batch != NULL)
            free_envelopes_of_batch(batch);
        for (batch = atomic_load(&shard->returned); batch != NULL; batch = batch->next)
            free_envelopes_of_batch(batch);
        accounts_destroy(&shard->accounts);
        orders_destroy(&shard->orders);
        mails_destroy(&shard->mails);
        webhooks_destroy(&shard->webhooks);
        mails_destroy(&shard->order_mails);
        coupons_destroy(&shard->coupons);
        events_out_destroy(&shard->events_out);
        rounds_destroy(&shard->rounds);
        ledger_audit_destroy(&shard->ledger_audit);
        erasures_destroy(&shard->erasures);
        for (uint32_t n = 0; n < shard->unpublished_count; n++)
            envelope_free(shard->unpublished[n]);
        shard_free_retired(shard, true);
    }
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL)
        return;
    free_envelopes(engine);
    settings_host_destroy(engine);
    directory_free(atomic_load(&engine->directory));
    directory_builder_destroy(engine->builder);
    for (uint32_t i = 0; i < engine->options.shards; i++)
        block_pool_destroy(&engine->shards[i]->blocks);
    engine->ports.env.unreserve(engine->ports.env.self, engine->memory, engine->memory_bytes);
    free(engine);
}

/* ---- access ---- */

struct shard *engine_shard(struct engine *engine, uint32_t index)
{
    assert(index < engine->options.shards);
    return engine->shards[index];
}

uint32_t engine_shard_count(const struct engine *engine)
{
    return engine->options.shards;
}

uint32_t engine_partition_count(const struct engine *engine)
{
    return engine->options.partitions;
}

uint32_t engine_partition_shard(const struct engine *engine, uint32_t partition)
{
    return engine_shard_of(engine, partition);
}

uint32_t shard_index(const struct shard *shard)
{
    return shard->index;
}

struct engine *shard_engine(const struct shard *shard)
{
    return shard->engine;
}

void shard_set_reply(struct shard *shard, engine_reply reply, void *user)
{
    shard->reply = reply;
    shard->reply_user = user;
}

const struct directory *shard_directory(const struct shard *shard)
{
    return atomic_load_explicit(&shard->engine->directory, memory_order_acquire);
}

struct availability sku_availability(const struct sku_entry *sku)
{
    return (struct availability){
        .available = gate_available(&sku->gate),
        .stock = atomic_load_explicit(&sku->gate.stock, memory_order_relaxed),
        .reserved = atomic_load_explicit(&sku->gate.reserved, memory_order_relaxed),
    };
}

void shard_random(struct shard *shard, void *bytes, size_t length)
{
    shard->engine->ports.env.random(shard->engine->ports.env.self, bytes, length);
}

void engine_reservation_id(const struct engine *engine, const struct reservation_id *id,
                           char text_out[RESERVATION_ID_LENGTH + 1])
{
    reservation_id_format(id, &engine->ports.secrets.id_key, text_out);
}

void engine_cart_id(const struct engine *engine, const struct principal *principal,
                    int64_t created_wall_ms, char text_out[CART_ID_LENGTH + 1])
{
    cart_id_format(principal, created_wall_ms, engine->options.partitions,
                   &engine->ports.secrets.id_key, text_out);
}

const struct secrets_port *engine_secrets(const struct engine *engine)
{
    return &engine->ports.secrets;
}

uint32_t engine_mark(const struct engine *engine, const struct principal *principal)
{
    return session_mark_read(engine->marks, principal);
}

const struct gateway_port *engine_gateway(const struct engine *engine)
{
    return &engine->ports.gateway;
}

const struct vault_port *engine_vault(const struct engine *engine)
{
    return &engine->ports.vault;
}

struct moment engine_now(const struct engine *engine)
{
    return engine->ports.env.now(engine->ports.env.self);
}

/* ---- the whole ---- */

enum engine_mode engine_mode(const struct engine *engine)
{
    if (atomic_load_explicit(&engine->failed, memory_order_relaxed))
        return ENGINE_FAILED;
    if (atomic_load_explicit(&engine->draining, memory_order_relaxed))
        return ENGINE_DRAINING;
    if (engine->ports.journal.is_full(engine->ports.journal.self))
        return ENGINE_STORAGE_FULL;
    return ENGINE_SERVING;
}

void engine_drain(struct engine *engine)
{
    atomic_store(&engine->draining, true);
}

bool engine_is_idle(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->options.shards; i++)
        if (!atomic_load_explicit(&engine->shards[i]->idle, memory_order_acquire))
            return false;
    return true;
}

static int64_t oldest_webhook_seconds(const struct engine *engine)
{
    int64_t oldest_ms = INT64_MAX;
    int64_t age_ms;

    for (uint32_t i = 0; i < engine->options.shards; i++) {
        int64_t wall_ms =
            atomic_load_explicit(&engine->shards[i]->webhooks_oldest_wall_ms, memory_order_relaxed);

        oldest_ms = wall_ms < oldest_ms ? wall_ms : oldest_ms;
    }
    age_ms = oldest_ms == INT64_MAX ? 0 : engine_now(engine).wall_ms - oldest_ms;
    return age_ms > 0 ? age_ms / 1000 : 0;
}

static void take_older(int64_t *oldest_ms, const _Atomic int64_t *shown)
{
    int64_t wall_ms = atomic_load_explicit(shown, memory_order_relaxed);

    if (wall_ms < *oldest_ms)
        *oldest_ms = wall_ms;
}

static int64_t oldest_mail_seconds(const struct engine *engine)
{
    int64_t oldest_ms = INT64_MAX;
    int64_t age_ms;

    for (uint32_t i = 0; i < engine->options.shards; i++) {
        take_older(&oldest_ms, &engine->shards[i]->mails_oldest_wall_ms);
        take_older(&oldest_ms, &engine->shards[i]->order_mails_oldest_wall_ms);
    }
    if (oldest_ms == INT64_MAX)
        return 0;
    age_ms = engine_now(engine).wall_ms - oldest_ms;
    return age_ms > 0 ? age_ms / 1000 : 0;
}

/* Adds what a shard found; what one does not know yet, nobody knows. */
static void add_known(int64_t *sum, const _Atomic int64_t *found)
{
    int64_t value = atomic_load_explicit(found, memory_order_relaxed);

    *sum = *sum < 0 || value < 0 ? -1 : *sum + value;
}

void engine_vault_keys(const struct engine *engine, struct engine_vault_keys *keys_out)
{
    *keys_out = (struct engine_vault_keys){0};
    for (uint32_t i = 0; i < engine->options.shards; i++) {
        add_known(&keys_out->previous, &engine->shards[i]->vault_keys_previous);
        add_known(&keys_out->unreadable, &engine->shards[i]->vault_keys_unreadable);
    }
}

void engine_metrics(const struct engine *engine, struct engine_metrics *metrics_out)
{
    const struct committer *committer = engine->committer;
    const struct journal_port *journal = &engine->ports.journal;
    struct journal_scrub scrub = {0};

    if (journal->scrub_state != NULL)
        journal->scrub_state(journal->self, &scrub);
    *metrics_out = (struct engine_metrics){
        .commits = atomic_load_explicit(&committer->commits, memory_order_relaxed),
        .commit_records = atomic_load_explicit(&committer->records, memory_order_relaxed),
        .commit_ns = atomic_load_explicit(&committer->total_ns, memory_order_relaxed),
        .commit_max_ns = atomic_load_explicit(&committer->max_ns, memory_order_relaxed),
        .durable_commit = (int64_t)atomic_load_explicit(&committer->durable, memory_order_relaxed),
        .erasures_pending = (int64_t)scrub.pending,
        .scrub_last_ms = scrub.last_ms,
    };
    metrics_out->mails_oldest_seconds = oldest_mail_seconds(engine);
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++)
        metrics_out->events_oldest_seconds[i] = events_out_oldest_seconds(engine, i);
    metrics_out->webhooks_oldest_seconds = oldest_webhook_seconds(engine);
    for (uint32_t i = 0; i < engine->options.shards; i++) {
        const struct shard_metrics *metrics = &engine->shards[i]->metrics;

#define X(name, kind, help)                                                                        \
    metrics_out->name += atomic_load_explicit(&metrics->name, memory_order_relaxed);
        ENGINE_METRICS(X)
#undef X
    }
}

struct product_envelope *product_envelope_create(uint32_t document_length)
{
    struct product_envelope *envelope = calloc(1, sizeof(*envelope) + document_length);

    assert(document_length <= PRODUCT_DOCUMENT_BYTES_MAX);
    if (envelope != NULL)
        envelope->document_length = document_length;
    return envelope;
}

struct account_envelope *account_envelope_create(enum account_call call)
{
    struct account_envelope *envelope = calloc(1, sizeof(*envelope));

    if (envelope != NULL)
        envelope->call = (uint8_t)call;
    return envelope;
}

struct order_envelope *order_envelope_create(enum order_call call)
{
    struct order_envelope *envelope = malloc(sizeof(*envelope));

    if (envelope == NULL)
        return NULL;
    memset(envelope, 0,
           offsetof(struct order_envelope, text)); /* of which only what is set counts */
    envelope->call = (uint8_t)call;
    return envelope;
}

struct coupon_envelope *coupon_envelope_create(enum coupon_call call)
{
    struct coupon_envelope *envelope = calloc(1, sizeof(*envelope));

    if (envelope != NULL)
        envelope->call = (uint8_t)call;
    return envelope;
}

struct settings_envelope *settings_envelope_create(enum settings_call call, enum setting_kind kind)
{
    struct settings_envelope *envelope = calloc(1, sizeof(*envelope));

    if (envelope != NULL) {
        envelope->call = (uint8_t)call;
        envelope->kind = (uint8_t)kind;
    }
    return envelope;
}

void envelope_free(void *envelope)
{
    free(envelope);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Making and ending an engine, access to its parts, and what is known of the whole. */
#include "engine_private.h"

#include <stdlib.h>

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
        .products_in_flight_max = PRODUCTS_IN_FLIGHT_MAX,
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

struct engine *engine_create(const struct engine_options *options, const struct engine_ports *ports)
{
    struct engine *engine = calloc(1, sizeof(*engine));

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
    assert(options->products_in_flight_max >= 2 &&
           options->products_in_flight_max <= PRODUCTS_IN_FLIGHT_MAX);
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
    engine->memory_bytes = engine_lay_out(engine, NULL);
    engine->memory = ports->env.reserve(ports->env.self, engine->memory_bytes);
    if (engine->memory == NULL) {
        free(engine);
        return NULL;
    }
    size_t used = engine_lay_out(engine, engine->memory);

    assert(used == engine->memory_bytes);
    engine->builder = directory_builder_create(options->partitions, &engine->table_key,
                                               &engine->shards[DIRECTORY_SHARD]->blocks);
    if (engine->builder == NULL || !settings_host_begin(engine)) {
        engine_destroy(engine);
        return NULL;
    }
    return engine;
}

static void free_envelopes_of_batch(const struct batch *batch)
{
    const struct arena *messages = &batch->messages;

    for (uint32_t at = 0; at < messages->used;) {
        const struct message *message =
            (const struct message *)(const void *)(messages->bytes + at);

        envelope_free_of(message);
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
            envelope_free_of(message);
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

uint64_t engine_catalogue_generation(const struct engine *engine)
{
    return atomic_load_explicit(&engine->catalogue_generation, memory_order_acquire);
}

const struct search_port *engine_search(const struct engine *engine)
{
    return &engine->ports.search;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery: the watermark's comparison, then every partition's records through the actors' restore,
 * then what is derived: gates, key filters, the directory, deadlines. */
#include "engine_private.h"

#include <stdio.h>
#include <string.h>

struct recovery {
    struct engine *engine;
    struct shard *shard;
    struct inventory *inventory;
    struct moment now;
    bool contradiction;
};

/* Names go to the directory's master, in the numbers that they were given once. */
static bool restore_names(struct recovery *recovery, const struct record *record)
{
    struct directory_builder *builder = recovery->engine->builder;
    uint32_t partition = recovery->inventory->partition;
    struct product_entry *product;
    struct product_source source;
    struct sku_entry *sku;

    if (record->kind == RECORD_PRODUCT) {
        product =
            directory_builder_product(builder, record->product.id, partition, record->subject);
        if (product == NULL || product->number != record->subject)
            return false;
        source = (struct product_source){.id = product->id,
                                         .currency = record->product.currency,
                                         .document = record_document(record),
                                         .document_length = record->product.document_length,
                                         .updated_wall_ms = record->product.updated_wall_ms};
        atomic_store_explicit(&product->label,
                              product_label_make(&recovery->engine->shards[DIRECTORY_SHARD]->blocks,
                                                 directory_builder_terms(builder), &source),
                              memory_order_relaxed);
        if (!MUTANT(STATUS_NOT_RESTORED))
            atomic_store_explicit(&product->status, record->product.status, memory_order_relaxed);
        atomic_store_explicit(&product->recorded, true, memory_order_relaxed);
    } else if (record->kind == RECORD_SKU) {
        product = directory_builder_product_number(builder, partition, record->sku.product_number);
        sku = product == NULL
                  ? NULL
                  : directory_builder_sku(builder, record->sku.sku, product, record->subject);
        if (sku == NULL || sku->sku_id != record->subject)
            return false;
        atomic_store_explicit(&sku->price_minor, record->sku.price_minor, memory_order_relaxed);
        atomic_store_explicit(&sku->weight_grams, record->sku.weight_grams, memory_order_relaxed);
        sku->archived = record->sku.archived;
        atomic_store_explicit(&sku->state,
                              sku->archived || product_entry_status(product) != PRODUCT_ACTIVE
                                  ? SKU_WITHDRAWN
                                  : SKU_ON_SALE,
                              memory_order_relaxed);
        if (!MUTANT(PRICE_RANGE_NOT_RESTORED))
            product_entry_show_prices(product);
    }
    return true;
}

/* A kept hold's key must be found again, so that a repeat reaches its owner. */
static void restore_key(struct recovery *recovery, const struct record *record)
{
    const struct hold_record *hold = &record->hold;
    struct sku_entry *sku =
        directory_builder_find_sku_id(recovery->engine->builder, hold->lines[0].sku_id);

    if (hold->owner_partition != record->partition || hold->owner_sequence != record->sequence)
        return;
    key_filter_tend(&sku->product->filter, &recovery->shard->blocks, &hold->key, 0,
                    recovery->now.boot_ms, INT64_MAX);
}

/* What is not the inventory's: what accounts need to know before one of them is asked for, coupons,
 * settings. */
static bool restore_others(struct recovery *recovery, const struct record *record)
{
    struct engine *engine = recovery->engine;

    if (record->kind == RECORD_FLOOR && record->subject == FLOOR_ACCOUNTS) {
        if (record->floor.next_sequence < 1 || record->floor.next_sequence > UINT32_MAX)
            recovery->contradiction = true;
        else if (!MUTANT(ACCOUNT_NUMBER_REUSED))
            engine->next_account[record->partition] = (uint32_t)record->floor.next_sequence;
        return true;
    }
    if (record->kind == RECORD_COUPON || record->kind == RECORD_COUPON_COUNT ||
        record->kind == RECORD_COUPON_USE ||
        (record->kind == RECORD_FLOOR && record->subject == FLOOR_COUPONS)) {
        recovery->contradiction = !coupons_restore(recovery->shard, record);
        return true;
    }
    if (record->kind == RECORD_SETTING) {
        recovery->contradiction = !settings_restore(engine->settings, record);
        return true;
    }
    if (record->kind == RECORD_FLOOR &&
        (record->subject == FLOOR_ORDERS || record->subject == FLOOR_EVENTS)) {
        struct order_numbers *numbers =
            record->subject == FLOOR_ORDERS ? engine->order_numbers : engine->event_numbers;

        numbers[record->partition] = (struct order_numbers){.next = record->floor.next_sequence,
                                                            .floor = record->floor.next_sequence};
        return true;
    }
    if (record->kind == RECORD_CURSOR) {
        recovery->contradiction = !events_out_restore(recovery->shard, record);
        return true;
    }
    if (record->kind == RECORD_ORDER) {
        if (!orders_restore(recovery->shard, &recovery->now, record))
            recovery->contradiction = true;
        return true;
    }
    if (record->kind == RECORD_DELIVERY) {
        recovery->contradiction = !MUTANT(DELIVERY_FORGOTTEN) &&
                                  !webhooks_restore(recovery->shard, &recovery->now, record);
        return true;
    }
    if (record->kind == RECORD_ALIAS && !MUTANT(MARKS_NOT_RESTORED))
        session_mark_move(engine->marks, &record->alias.guest);
    if (record->kind == RECORD_MAIL && !MUTANT(MAIL_FORGOTTEN))
        mails_restore(recovery->shard, &recovery->now, record);
    if (record->kind == RECORD_ORDER_MAIL && !MUTANT(ORDER_MAIL_FORGOTTEN))
        mails_restore(recovery->shard, &recovery->now, record);
    if (record->kind == RECORD_ERASURE) {
        erasures_note(recovery->shard, 0);
        return true;
    }
    if (record->kind == RECORD_AUDIT_HEAD) {
        if (!audit_chain_restore(engine, record))
            recovery->contradiction = true;
        return true;
    }
    return record->kind == RECORD_ALIAS || record->kind == RECORD_MAIL ||
           record->kind == RECORD_ORDER_MAIL;
}

static bool visit(void *arg, const struct record *record)
{
    struct recovery *recovery = arg;
    struct shard *shard = recovery->shard;

    if (restore_others(recovery, record))
        return !recovery->contradiction;
    if (record->kind == RECORD_CART) {
        recovery->contradiction = !carts_restore(shard, record);
        return !recovery->contradiction;
    }
    if (!restore_names(recovery, record) ||
        !inventory_restore(recovery->inventory, &recovery->now, record, &shard->effects)) {
        recovery->contradiction = true;
        return false;
    }
    if (record->kind == RECORD_HOLD && !MUTANT(FILTER_NOT_RESTORED))
        restore_key(recovery, record);
    shard_apply_effects(shard);
    return true;
}

/* Gates hold what nobody holds or has bought. */
static void rebuild_gates(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->options.shards; i++) {
        struct shard *shard = engine->shards[i];
        const struct inventory_pool *pool = shard->pool;

        for (uint32_t number = 0; number < inventory_pool_skus(pool); number++) {
            struct stock_view view;
            struct sku_entry *sku;
            struct gate *gate;

            inventory_pool_audit_sku(pool, number, UINT32_MAX, &view);
            sku = directory_builder_find_sku_id(engine->builder, view.sku_id);
            gate = &sku->gate;
            key_filter_expect(&sku->product->filter, &shard->blocks, view.available);
            if (MUTANT(GATE_NOT_REBUILT))
                view.available += view.reserved;
            atomic_store_explicit(&gate->word, view.available, memory_order_relaxed);
            atomic_store_explicit(&gate->stock, view.stock, memory_order_relaxed);
            atomic_store_explicit(&gate->reserved, view.reserved, memory_order_relaxed);
            sku_entry_show_sold(sku, view.sold);
        }
    }
}

static int load_partitions(struct engine *engine, char *error, size_t error_size)
{
    struct journal_port *journal = &engine->ports.journal;

    for (uint32_t partition = 0; partition < engine->options.partitions; partition++) {
        struct recovery recovery = {
            .engine = engine,
            .shard = engine->shards[engine_shard_of(engine, partition)],
            .inventory = &engine->inventories[partition],
            .now = engine->ports.env.now(engine->ports.env.self),
        };
        bool loaded = journal->load(journal->self, partition, visit, &recovery);

        if (recovery.contradiction) {
            snprintf(error, error_size,
                     "partition %u can't be restored: its records contradict each other (see "
                     "`stampede check`), or are more than holds_max, carts_max, coupons_max or "
                     "coupon_rows_max allows: raise that",
                     partition);
            return -1;
        }
        if (!loaded) {
            snprintf(error, error_size,
                     "partition %u can't be read: its data are damaged; run `stampede check`",
                     partition);
            return -1;
        }
    }
    return 0;
}

int engine_recover(struct engine *engine, char *error, size_t error_size)
{
    struct engine_ports *ports = &engine->ports;
    uint64_t recovered = ports->journal.last_commit(ports->journal.self);
    uint64_t watermark = ports->watermark.read(ports->watermark.self);

    if (recovered < watermark && !MUTANT(WATERMARK_IGNORED)) {
        snprintf(error, error_size,
                 "the journal ends at commit %llu, but commit %llu was durable once: commits %llu "
                 "to %llu are missing; restore a backup, or see `stampede repair`",
                 (unsigned long long)recovered, (unsigned long long)watermark,
                 (unsigned long long)recovered + 1, (unsigned long long)watermark);
        return -1;
    }
    engine->committer->number = recovered;
    atomic_store(&engine->committer->durable, recovered);
    if (load_partitions(engine, error, error_size) != 0)
        return -1;
    for (uint32_t i = 0; i < engine->options.shards; i++)
        carts_restored(engine->shards[i]);
    for (uint32_t i = 0; i < engine->options.shards; i++)
        events_out_begin(engine->shards[i]);
    rebuild_gates(engine);
    atomic_store(&engine->directory, directory_builder_publish(engine->builder));
    if (atomic_load(&engine->directory) == NULL) {
        snprintf(error, error_size, "no memory for the directory");
        return -1;
    }
    if (!settings_host_begin(engine)) {
        snprintf(error, error_size, "no memory for the settings");
        return -1;
    }
    return 0;
}

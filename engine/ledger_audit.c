/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger_audit.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

enum {
    SKUS_PER_STEP = 64,  /* that need no read */
    PAUSE_SHORT_MS = 1,  /* behind a page that was nearly empty */
    PAUSE_FULL_MS = 4,   /* behind others: reading takes no more than a fifth of a core */
    PAUSE_WRITE_MS = 10, /* until what was looked at is durable */
    PAUSE_FAILED_MS = 1000,
    FULL_PAGE = LIST_PAGE_MAX / 4,
};

void ledger_audit_init(struct ledger_audit *audit, struct ledger_sum *sums, int64_t due_boot_ms)
{
    audit->sums = sums;
    audit->due_boot_ms = due_boot_ms;
}

void ledger_audit_destroy(struct ledger_audit *audit)
{
    if (audit->is_reading)
        free(audit->read.read.result.bytes);
}

/* ---- what was found ---- */

void audit_note(struct shard *shard, const struct stock_finding *finding)
{
    if (shard->finding_count < STOCK_FINDINGS_KEPT)
        shard->findings[shard->finding_count++] = *finding;
}

bool shard_stock_finding(struct shard *shard, struct stock_finding *finding_out)
{
    if (shard->finding_count == 0)
        return false;
    *finding_out = shard->findings[--shard->finding_count];
    return true;
}

/* The books of the SKU whose turn it is, against its ledger up to the same entry. */
static void compare(struct shard *shard)
{
    struct ledger_audit *audit = &shard->ledger_audit;
    struct ledger_sum *sum = &audit->sums[audit->number];
    const struct sku_books *books = &audit->books;
    bool was_wrong = sum->is_wrong;

    sum->is_wrong = (sum->sequence != books->ledger_sequence || sum->stock != books->stock ||
                     sum->sold != books->sold) &&
                    !MUTANT(AUDIT_BLIND);
    audit->has_books = false;
    audit->number++;
    audit->wrong += sum->is_wrong - was_wrong;
    if (!sum->is_wrong)
        return;
    audit_note(shard, &(struct stock_finding){.kind = STOCK_FINDING_LEDGER,
                                              .sku_id = books->sku_id,
                                              .found = books->stock,
                                              .expected = sum->stock,
                                              .found_sold = books->sold,
                                              .expected_sold = sum->sold});
    if (!was_wrong) /* at once; the other half's next round counts all anew */
        metric_add(&shard->metrics.inventory_mismatch_skus, 1);
}

/* ---- reading ---- */

static void add_entry(struct ledger_sum *sum, const struct record *record)
{
    int64_t quantity = record->ledger.quantity;

    switch ((enum ledger_entry)record->ledger.entry) {
    case LEDGER_RECEIPT:
        sum->stock += quantity;
        break;
    case LEDGER_WRITE_OFF:
        sum->stock -= quantity;
        break;
    case LEDGER_SOLD:
        sum->sold += quantity;
        break;
    case LEDGER_RESTOCK:
        sum->sold -= quantity;
        break;
    case LEDGER_ENTRY_COUNT:
        break;
    }
    sum->sequence = record->sequence;
}

static void on_page(struct engine_read *read)
{
    struct shard *shard = read->completion.shard;
    struct ledger_audit *audit = &shard->ledger_audit;
    struct ledger_sum *sum = &audit->sums[audit->number];
    const struct arena *page = &read->read.result;
    int64_t pause_ms = read->read.count < FULL_PAGE ? PAUSE_SHORT_MS : PAUSE_FULL_MS;

    audit->is_reading = false;
    for (uint32_t at = 0; at < page->used && !read->read.failed;) {
        const struct record *record = (const struct record *)(const void *)(page->bytes + at);

        add_entry(sum, record);
        at += record->size;
    }
    free(page->bytes);
    read->read.result.bytes = NULL;
    metric_add(&shard->metrics.ledger_entries_audited, read->read.count);
    if (read->read.failed)
        pause_ms = PAUSE_FAILED_MS;
    else if (sum->sequence >= audit->books.ledger_sequence ||
             (read->read.count < read->read.limit && audit->is_durable))
        compare(shard);
    else if (read->read.count < read->read.limit)
        pause_ms = PAUSE_WRITE_MS;
    audit->due_boot_ms = engine_now(shard->engine).boot_ms + pause_ms;
}

static bool is_durable(const struct shard *shard)
{
    return shard->serial_returned >= shard->ledger_audit.books_serial || shard->batches_out == 0;
}

static void read_page(struct shard *shard)
{
    struct ledger_audit *audit = &shard->ledger_audit;
    struct journal_read *page = &audit->read.read;
    uint32_t sku_id = audit->books.sku_id;

    memset(&audit->read, 0, sizeof(audit->read));
    page->kind = RECORD_LEDGER;
    page->from = (struct journal_key){.partition = sku_id_partition(sku_id),
                                      .subject = sku_id,
                                      .sequence = audit->sums[audit->number].sequence + 1};
    page->to = page->from;
    page->to.sequence = audit->books.ledger_sequence + 1;
    page->limit = LIST_PAGE_MAX;
    audit->read.done = on_page;
    audit->is_durable = is_durable(shard);
    if (engine_read_submit(shard, &audit->read) == OUTCOME_PENDING)
        audit->is_reading = true;
    else
        audit->due_boot_ms = shard->now.boot_ms + PAUSE_WRITE_MS;
}

/* ---- when ---- */

static void end_round(struct shard *shard)
{
    struct ledger_audit *audit = &shard->ledger_audit;

    audit->is_under_way = false;
    audit->number = 0;
    audit->due_boot_ms = shard->now.boot_ms + shard->engine->options.audit_period_ms;
    metric_add(&shard->metrics.ledger_audits, 1);
}

void ledger_audit_step(struct shard *shard)
{
    struct ledger_audit *audit = &shard->ledger_audit;

    if (audit->is_reading || shard->now.boot_ms < audit->due_boot_ms ||
        atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        return;
    audit->is_under_way = true;
    for (uint32_t i = 0; i < SKUS_PER_STEP; i++) {
        if (!audit->has_books && audit->number == inventory_pool_skus(shard->pool)) {
            end_round(shard);
            return;
        }
        if (!audit->has_books) {
            inventory_pool_books(shard->pool, audit->number, &audit->books);
            audit->books_serial = shard->serial;
            audit->has_books = true;
        }
        if (audit->sums[audit->number].sequence < audit->books.ledger_sequence) {
            read_page(shard);
            return;
        }
        compare(shard);
    }
}

int64_t ledger_audit_next_ms(const struct shard *shard)
{
    return shard->ledger_audit.is_reading ? INT64_MAX : shard->ledger_audit.due_boot_ms;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Healing: the ledger as it is stored, against the records in memory. */
#include <stdlib.h>

#include "heal.h"
#include "inspect.h"
#include "violation.h"
#include "world.h"

struct ledger_sums {
    int64_t stock;
    int64_t sold;
    uint64_t last;      /* sequence */
    uint32_t sold_outs; /* sales after which nothing was left */
};

static void sum_entry(struct ledger_sums *sums, const struct record *record)
{
    static const int stock_signs[LEDGER_ENTRY_COUNT] = {
        [LEDGER_RECEIPT] = 1, [LEDGER_WRITE_OFF] = -1};
    static const int sold_signs[LEDGER_ENTRY_COUNT] = {[LEDGER_SOLD] = 1, [LEDGER_RESTOCK] = -1};

    if (record->kind != RECORD_LEDGER || record->ledger.entry >= LEDGER_ENTRY_COUNT)
        violation("the ledger has an entry of no kind");
    if ((record->ledger.entry == LEDGER_SOLD) != (record->ledger.hold_sequence != 0))
        violation("a ledger entry names no hold that was sold, or one that was not");
    sums->stock += stock_signs[record->ledger.entry] * (int64_t)record->ledger.quantity;
    sums->sold += sold_signs[record->ledger.entry] * (int64_t)record->ledger.quantity;
    sums->last = record->sequence;
    if (record->ledger.entry == LEDGER_SOLD && sums->stock == sums->sold)
        sums->sold_outs++;
}

static void on_page(struct journal_read *read)
{
    (void)read; /* it is complete: sum_ledger goes on */
}

static void sum_ledger(struct world *world, uint32_t sku_id, struct ledger_sums *sums)
{
    struct journal_port journal = journal_memory_port(world->journal);
    uint32_t count;

    do {
        struct journal_read read = {
            .kind = RECORD_LEDGER,
            .from = {sku_id_partition(sku_id), sku_id, sums->last + 1},
            .to = {sku_id_partition(sku_id), sku_id, UINT64_MAX},
            .limit = LIST_PAGE_MAX,
            .done = on_page,
        };
        const uint8_t *at;

        if (!journal.read(journal.self, &read))
            violation("the journal takes no read");
        journal_memory_complete_read(world->journal);
        at = read.result.bytes;
        count = read.count;
        if (read.failed)
            violation("the ledger can't be read");
        for (uint32_t i = 0; i < count; i++) {
            sum_entry(sums, (const struct record *)(const void *)at);
            at += ((const struct record *)(const void *)at)->size;
        }
        free(read.result.bytes);
    } while (count == LIST_PAGE_MAX);
}

/* What is stored, added up from the beginning, is what the records in memory say. */
void heal_check_ledger(struct world *world, bool is_all_told)
{
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        const struct sku_entry *entry = world_sku_entry(world, i);
        struct ledger_sums sums = {0};
        struct stock_view view;

        if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view))
            continue;
        sum_ledger(world, entry->sku_id, &sums);
        if (sums.stock != view.stock || sums.sold != view.sold)
            violation("I1: the ledger of %s adds up to stock %lld, sold %lld; its record says %u, "
                      "%u",
                      world->books.skus[i].name, (long long)sums.stock, (long long)sums.sold,
                      view.stock, view.sold);
        if (is_all_told)
            sim_listeners_check_sold_out(world, entry->sku_id, sums.sold_outs);
    }
}

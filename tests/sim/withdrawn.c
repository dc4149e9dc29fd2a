/* SPDX-License-Identifier: Apache-2.0 */
#include "withdrawn.h"

#include <assert.h>

#include "violation.h"

static struct withdrawn_watch *watched;

static void note_product(const struct record *record)
{
    uint32_t at = 0;

    while (at < watched->product_count && (watched->products[at].partition != record->partition ||
                                           watched->products[at].number != record->subject))
        at++;
    if (at == SIM_WATCHED_MAX)
        return;
    watched->product_count += at == watched->product_count;
    watched->products[at].partition = record->partition;
    watched->products[at].number = record->subject;
    watched->products[at].status = record->product.status;
}

static void note_sku(const struct record *record)
{
    uint32_t at = 0;

    while (at < watched->sku_count && watched->skus[at].sku_id != record->subject)
        at++;
    if (at == SIM_WATCHED_MAX)
        return;
    watched->sku_count += at == watched->sku_count;
    watched->skus[at].sku_id = record->subject;
    watched->skus[at].product = record->sku.product_number;
    watched->skus[at].archived = record->sku.archived;
}

static bool is_withdrawn(uint32_t partition, uint32_t sku_id)
{
    uint32_t sku = 0;

    while (sku < watched->sku_count && watched->skus[sku].sku_id != sku_id)
        sku++;
    if (sku == watched->sku_count)
        return false;
    for (uint32_t i = 0; i < watched->product_count; i++)
        if (watched->products[i].partition == partition &&
            watched->products[i].number == watched->skus[sku].product)
            return watched->skus[sku].archived || watched->products[i].status != PRODUCT_ACTIVE;
    return false;
}

/* A hold that is written for the first time takes units: its own partition's. */
static void check_hold(const struct record *record)
{
    const struct hold_record *hold = &record->hold;

    assert(record->partition < SIM_PARTITIONS_MAX);
    if (record->sequence <= watched->newest[record->partition])
        return;
    watched->newest[record->partition] = record->sequence;
    for (uint32_t i = 0; i < hold->line_count; i++)
        if (sku_id_partition(hold->lines[i].sku_id) == record->partition &&
            is_withdrawn(record->partition, hold->lines[i].sku_id))
            violation("units of SKU %08x were held after it was archived", hold->lines[i].sku_id);
}

static void note(const struct record *record)
{
    if (record->operation != RECORD_PUT)
        return;
    if (record->kind == RECORD_PRODUCT)
        note_product(record);
    else if (record->kind == RECORD_SKU)
        note_sku(record);
}

static void commit(void *self, const struct journal_commit *commit, journal_commit_done done,
                   void *arg)
{
    for (uint32_t i = 0; i < commit->arena_count; i++) {
        const struct arena *arena = commit->arenas[i];

        for (uint32_t at = 0; at < arena->used;) {
            const struct record *record = (const struct record *)(const void *)(arena->bytes + at);

            note(record);
            if (record->kind == RECORD_HOLD && record->operation == RECORD_PUT)
                check_hold(record);
            at += record->size;
        }
    }
    watched->journal.commit(self, commit, done, arg);
}

struct visited {
    journal_visit visit;
    void *arg;
};

static bool visit(void *arg, const struct record *record)
{
    const struct visited *visited = arg;

    note(record);
    if (record->kind == RECORD_HOLD && record->sequence > watched->newest[record->partition])
        watched->newest[record->partition] = record->sequence;
    return visited->visit(visited->arg, record);
}

static bool load(void *self, uint32_t partition, journal_visit visit_record, void *arg)
{
    struct visited visited = {visit_record, arg};

    assert(partition < SIM_PARTITIONS_MAX);
    watched->newest[partition] = 0;
    return watched->journal.load(self, partition, visit, &visited);
}

struct journal_port withdrawn_port(struct withdrawn_watch *watch, struct journal_port journal)
{
    watched = watch;
    *watch = (struct withdrawn_watch){.journal = journal};
    journal.commit = commit;
    journal.load = load;
    return journal;
}

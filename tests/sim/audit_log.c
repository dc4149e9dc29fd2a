/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log as it is stored: each partition's chain leads from its first entry to its head, and
 * each adjustment in a ledger and each change of a setting was entered. */
#include <stdlib.h>
#include <string.h>

#include "secrets_file.h"
#include "violation.h"
#include "world.h"

struct log {
    struct world *world;
    uint32_t partition;
    uint64_t sequence;
    uint64_t adjustments;
    uint64_t settings;
    uint8_t hash[AUDIT_HASH_BYTES];
};

static void on_page(struct journal_read *read)
{
    (void)read; /* it is complete: walk goes on */
}

static void walk(struct log *log, enum record_kind kind,
                 void (*visit)(struct log *log, const struct record *record))
{
    struct journal_port journal = journal_memory_port(log->world->journal);
    struct journal_key from = {.partition = log->partition};
    uint32_t count;

    do {
        struct journal_read read = {.kind = kind,
                                    .from = from,
                                    .to = {log->partition, UINT32_MAX, UINT64_MAX},
                                    .limit = LIST_PAGE_MAX,
                                    .done = on_page};
        const uint8_t *at;

        if (!journal.read(journal.self, &read))
            violation("the journal takes no read");
        journal_memory_complete_read(log->world->journal);
        if (read.failed)
            violation("the audit log can't be read");
        at = read.result.bytes;
        count = read.count;
        for (uint32_t i = 0; i < count; i++) {
            const struct record *record = (const struct record *)(const void *)at;

            visit(log, record);
            from = (struct journal_key){log->partition, record->subject, record->sequence + 1};
            at += record->size;
        }
        free(read.result.bytes);
    } while (count == LIST_PAGE_MAX);
}

static void visit_entry(struct log *log, const struct record *record)
{
    uint8_t bytes[AUDIT_LINK_BYTES_MAX];
    uint8_t hash[AUDIT_HASH_BYTES];
    size_t length =
        audit_link_pack(&record->audit, log->partition, record->sequence, log->hash, bytes);

    secrets_digest(bytes, length, hash);
    if (record->sequence != ++log->sequence || memcmp(hash, record->audit.hash, sizeof(hash)) != 0)
        violation("the audit log of partition %u breaks at entry %llu", log->partition,
                  (unsigned long long)record->sequence);
    memcpy(log->hash, hash, sizeof(hash));
    log->adjustments += record->audit.act == AUDIT_STOCK_ADJUSTED;
    log->settings +=
        record->audit.act >= AUDIT_SETTING_CREATED && record->audit.act <= AUDIT_SETTING_REMOVED;
}

static void visit_head(struct log *log, const struct record *record)
{
    if (record->audit_head.sequence != log->sequence ||
        memcmp(record->audit_head.hash, log->hash, sizeof(log->hash)) != 0)
        violation("the audit log of partition %u does not end where its head says", log->partition);
    log->sequence = 0;
}

/* Products bring their own reasons. */
static void visit_ledger(struct log *log, const struct record *record)
{
    bool is_adjustment =
        (record->ledger.entry == LEDGER_RECEIPT || record->ledger.entry == LEDGER_WRITE_OFF) &&
        strcmp(record->ledger.reason, "initial") != 0 &&
        strcmp(record->ledger.reason, "import") != 0;

    log->adjustments -= is_adjustment;
}

void world_check_audit_log(struct world *world)
{
    for (uint32_t i = 0; i < world->profile.engine.partitions; i++) {
        struct log log = {.world = world, .partition = i};

        walk(&log, RECORD_AUDIT, visit_entry);
        walk(&log, RECORD_AUDIT_HEAD, visit_head);
        if (log.sequence != 0)
            violation("the audit log of partition %u has no head", i);
        walk(&log, RECORD_LEDGER, visit_ledger);
        if (log.adjustments != 0)
            violation("partition %u has %lld adjustments entered more than made", i,
                      (long long)log.adjustments);
        if (i == SETTINGS_PARTITION &&
            (log.settings < world->shop.changes || log.settings > world->shop.changes_sent))
            violation("%llu changes of settings are entered, %llu were acknowledged and %llu sent",
                      (unsigned long long)log.settings, (unsigned long long)world->shop.changes,
                      (unsigned long long)world->shop.changes_sent);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The online audit's other half: adds up each SKU's stored ledger and compares it with the record
 * that the shard works with (deliver.c compares that one with gate and holds).
 *
 * Exact while it sells. A SKU is looked at once: its stock, what is sold, and the number of its
 * newest ledger entry. Entries up to that number are read, as soon as they are durable, and must
 * add up to the same. What is read is added to what was read in earlier rounds, so that a round
 * costs what has changed since the last one, and the first one after a start the whole history:
 *
 *     due -> look at a SKU -> nothing new: compare -> the next SKU -> ... -> the round's end
 *                          -> else READING its entries, page by page, until the newest -> compare
 *
 * One page at a time, with a pause in proportion: a round of 27,000 SKUs without a new entry is
 * over at once; if each has some, in less than a minute. Private to engine/. */
#ifndef STAMPEDE_LEDGER_AUDIT_H
#define STAMPEDE_LEDGER_AUDIT_H

#include "engine.h"
#include "inventory.h"

/* Of a SKU: what its ledger says, up to `sequence`. */
struct ledger_sum {
    uint64_t sequence;
    int64_t stock;
    int64_t sold;
    bool is_wrong; /* when it was last compared */
};

struct ledger_audit {
    struct engine_read read;
    struct ledger_sum *sums; /* by the pool's number of the SKU; `skus_max` of the engine's */
    struct sku_books books;  /* READING: of the SKU whose turn it is */
    uint64_t books_serial;   /* all that the books reflect is durable behind this batch */
    uint32_t number;         /* of that SKU */
    int32_t wrong;           /* SKUs */
    bool is_under_way;
    bool is_reading;
    bool is_durable; /* it was so when the read was begun */
    bool has_books;  /* looked at, and not compared yet */
    int64_t due_boot_ms;
};

/* In zeroed memory; `sums`: likewise. */
void ledger_audit_init(struct ledger_audit *audit, struct ledger_sum *sums, int64_t due_boot_ms);
/* Frees what is being read. */
void ledger_audit_destroy(struct ledger_audit *audit);

/* In each turn, outside of a batch. */
void ledger_audit_step(struct shard *shard);
/* When a step has something to do by time alone. */
int64_t ledger_audit_next_ms(const struct shard *shard);

/* Notes a SKU about which the audit found something wrong, to be told (shard_stock_finding). */
void audit_note(struct shard *shard, const struct stock_finding *finding);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox: which mails of a shard's accounts are yet to go out, and when.
 *
 * The journal holds the mails (MAIL records, written by the account's actor in the batch of their
 * cause); this is what a shard knows of them, bounded. Pure: memory comes from the engine, time and
 * random numbers with the call.
 *
 *             effect                 durable             due                  delivered, recorded
 *     (none) -------> WRITTEN --------------> WAITING -------> UNDER_WAY ----> WRITTEN -> (none)
 *                        |                       ^                 |
 *                        |  durable, given up    +-----------------+  later (recorded: by WRITTEN)
 *                        v
 *                      DEAD -----> WRITTEN, by a replay
 *
 * Invariants:
 *   1. No mail is given out before the record that it is sent for is durable (`outbox_durable`).
 *   2. A mail is under way at most once, and at most `under_way_max` are at a time.
 *   3. A row goes only when what became of its mail is durable. What finds no room here stays in
 *      the journal, and `outbox_wants_scan` says that somebody is to look there.
 *   4. A restart knows all of it again from the records (outbox_restore).
 *
 * Deadlines count by the boot clock, from when the shard learns of the mail: a wall clock that is
 * set delays no mail by more than the longest backoff. */
#ifndef STAMPEDE_OUTBOX_H
#define STAMPEDE_OUTBOX_H

#include "effects.h"
#include "index_table.h"

enum outbox_state { OUTBOX_NONE, OUTBOX_WRITTEN, OUTBOX_WAITING, OUTBOX_UNDER_WAY, OUTBOX_DEAD };

struct outbox_row {
    struct principal account;
    uint64_t sequence;
    uint64_t serial; /* WRITTEN: of the batch that makes it durable */
    int64_t due_boot_ms;
    int64_t created_wall_ms;
    uint32_t heap_place; /* WAITING */
    uint32_t next;       /* WRITTEN: in order of serials; of a free row, the next free */
    uint8_t state;       /* enum outbox_state */
    uint8_t becomes;     /* WRITTEN: its state once that is durable; NONE: it goes */
};

struct outbox {
    struct outbox_row *rows;
    uint32_t *heap; /* rows that wait, the one that is due first on top */
    struct index_table index;
    struct hash_key key;
    uint32_t rows_max;
    uint32_t dead_max; /* of them; more dead letters are in the journal only */
    uint32_t under_way_max;
    uint32_t fresh;
    uint32_t free;
    uint32_t used;
    uint32_t waiting;   /* in the heap */
    uint32_t under_way; /* given out, and nothing recorded yet */
    uint32_t dead;
    uint32_t written_first;
    uint32_t written_last;
    bool missed;      /* some mail found no room since the last scan began */
    uint64_t removed; /* rows that went, ever: a scan's page may show them still */
};

struct outbox_sizes {
    uint32_t rows_max; /* at least 2 */
    uint32_t under_way_max;
};

/* Zeroed memory: rows_max rows and words, and index_table_buckets(rows_max) buckets. */
void outbox_init(struct outbox *outbox, const struct outbox_sizes *sizes, struct outbox_row *rows,
                 uint32_t *heap, struct index_bucket *buckets, const struct hash_key *key);

/* A mail was enqueued, changed or dropped by records of the batch `serial`. */
void outbox_apply(struct outbox *outbox, const struct moment *moment,
                  const struct mail_effect *effect, uint64_t serial);

/* A durable record was found, at start or by a scan. One that is known already stays as it is. */
void outbox_restore(struct outbox *outbox, const struct moment *moment,
                    const struct principal *account, uint64_t sequence,
                    const struct mail_record *mail);

/* All batches up to this serial are durable. */
void outbox_durable(struct outbox *outbox, uint64_t serial);

/* The next mail that is due: under way from now on; SLOT_NONE if there is none, or enough are. */
uint32_t outbox_take(struct outbox *outbox, int64_t boot_ms);

/* Of one under way. It waits again, and nothing was recorded of it; or it turned out not to be
 * there at all. */
void outbox_put_back(struct outbox *outbox, uint32_t row, int64_t due_boot_ms);
void outbox_forget(struct outbox *outbox, uint32_t row);

/* What is known of a mail. */
enum outbox_state outbox_find(const struct outbox *outbox, const struct principal *account,
                              uint64_t sequence);

/* When a mail is due that can be taken then; INT64_MAX: none. */
int64_t outbox_next_ms(const struct outbox *outbox);

/* Mails found no room, and now there is some: somebody is to restore what the journal has. Calls
 * outbox_scan_begin when it starts. */
bool outbox_wants_scan(const struct outbox *outbox);
void outbox_scan_begin(struct outbox *outbox);

/* When the oldest that is not dead was enqueued; INT64_MAX: none. Looks at all. */
int64_t outbox_oldest_wall_ms(const struct outbox *outbox);

/* How long to wait after a mail's `attempts`th attempt failed; 0: it is given up, after about three
 * days. A quarter of it is by chance (`random`: any bits), so that what failed together does not
 * come again together. */
int64_t outbox_backoff_ms(uint32_t attempts, uint32_t random);

#endif

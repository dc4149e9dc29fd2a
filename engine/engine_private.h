/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's own structures; included by the .c files of engine/ only. Fields are grouped by the
 * thread that writes them; what crosses threads is atomic, a mailbox, or the batch slot described
 * in commit.c. */
#ifndef STAMPEDE_ENGINE_PRIVATE_H
#define STAMPEDE_ENGINE_PRIVATE_H

#include "accounts.h"
#include "block_pool.h"
#include "carts.h"
#include "coupons.h"
#include "engine.h"
#include "erasures.h"
#include "events_out.h"
#include "inventory.h"
#include "ledger_audit.h"
#include "mailbox.h"
#include "mails.h"
#include "mutants.h"
#include "orders.h"
#include "rounds.h"
#include "session_marks.h"
#include "settings_host.h"
#include "timers.h"
#include "webhooks.h"

enum {
    /* Messages drained from one mailbox before the next has its turn. */
    DRAIN_PER_MAILBOX = 64,
    PREFETCH_AHEAD = 8,            /* messages: in half of that, memory has answered */
    PRODUCTS_IN_FLIGHT_MAX = 1088, /* that options.products_in_flight_max may be */
    PRODUCTS_RESERVED = 64,        /* of them: not for imports; at most a half */
    READS_IN_FLIGHT_MAX = 128,     /* journal reads, a shard */
    OUTBOUND_IN_FLIGHT_MAX = 256,  /* jobs at the outbound port, a shard */
    WORKS_IN_FLIGHT_MAX = 64,      /* pieces of work at a pool of workers, a shard */
    PINS_MAX = 16,                 /* of those: that read the directory */
    AUDIT_SKUS_PER_STEP = 16,
    AUDIT_LINES_MAX = 1024, /* of a SKU with more, only gate and record are compared */
    AUDIT_LINES_PER_STEP = 2048,
    AUDIT_QUIET_MS = 1000,
    DIRECTORY_SHARD = 0,
};

/* What a shard hands to the committer: records to make durable, and the messages that may leave
 * once they are. A batch belongs to its shard, to the slot, to the committer or to the way back. */
struct batch {
    struct shard *shard;
    struct arena records;
    struct arena messages;
    uint32_t record_count;
    uint32_t received; /* messages that went into it */
    uint64_t serial;   /* of its shard's batches, in the order in which they were begun */
    bool erases;       /* a data key: to be scrubbed once this is durable */
    /* The settings with the changes in this batch, to be published when it is durable; NULL: it has
     * none. */
    struct settings_view *settings;
    bool changes_settings;
    enum commit_outcome outcome;
    struct batch *next; /* of the same shard: free, or coming back */
};

struct shard {
    /* Constant after start. */
    struct engine *engine;
    uint32_t index;
    engine_reply reply;
    void *reply_user;

    /* Its own thread's. */
    struct inventory_pool *pool;
    struct block_pool blocks; /* the directory's shard: its entries too */
    struct timers timers;
    struct accounts accounts;
    struct mails mails;
    struct webhooks webhooks;
    struct mails order_mails;
    struct cart_pool *carts;
    struct rounds rounds;
    struct erasures erasures;
    struct orders orders;
    struct coupons coupons;
    struct settings_host settings;
    struct events_out events_out;
    uint64_t serial;          /* of the batch begun last */
    uint64_t serial_returned; /* all up to this one are durable */
    struct effects effects;
    struct moment now;
    bool has_slept;             /* since `now` was read */
    struct batch *open;         /* being filled, during a step */
    struct batch *free_batches; /* by `next` */
    bool handed_full;           /* the batch last put into the slot can take no more */
    uint32_t batches_out;       /* in the slot, at the committer, or on the way back */
    uint32_t in_flight;         /* commands submitted here and not answered */
    uint32_t reads;
    uint32_t outbound_jobs;
    uint32_t works;
    uint32_t finder_works; /* likewise, at the finders */
    uint32_t products;     /* directory's shard: PUTs under way */
    uint32_t audit_next;
    int32_t audit_wrong; /* whose ledger is right */
    int64_t audit_made;  /* claims made by all shards, when last looked at */
    int64_t audit_quiet_since_ms;
    int64_t audit_due_ms;
    struct ledger_audit ledger_audit;
    struct stock_finding findings[STOCK_FINDINGS_KEPT];
    uint32_t finding_count;
    struct retired retired[RETIRED_MAX];
    uint32_t retired_count;
    uint64_t pins[PINS_MAX]; /* ticks in which work that reads the directory was submitted */
    uint32_t pin_count;
    /* The directory's shard: PUTs that wait for their SKUs to be published. */
    struct product_envelope *unpublished[PRODUCTS_IN_FLIGHT_MAX];
    uint32_t unpublished_count;
    struct product_label *stale_labels; /* replaced, to be retired */

    /* Written by its thread, read by others. */
    _Alignas(CACHE_LINE) _Atomic uint64_t tick;
    _Atomic uint64_t pinned_tick; /* the lowest of its pins; 0: none */
    _Atomic bool idle;
    struct shard_metrics metrics;
    _Atomic int64_t events_oldest_wall_ms[EVENT_CONSUMER_COUNT]; /* INT64_MAX: none waits */
    _Atomic int64_t webhooks_oldest_wall_ms;                     /* likewise */
    _Atomic int64_t vault_keys_previous;                         /* engine_vault_keys */
    _Atomic int64_t mails_oldest_wall_ms;                        /* INT64_MAX: none waits */
    _Atomic int64_t order_mails_oldest_wall_ms;
    struct shard_order_metrics order_metrics;
    _Atomic int64_t vault_keys_unreadable;

    /* Shared. */
    _Alignas(CACHE_LINE) _Atomic bool asleep;              /* set by it, cleared by who wakes it */
    _Atomic(struct batch *) ready;                         /* the batch slot: see commit.c */
    _Alignas(CACHE_LINE) _Atomic(struct batch *) returned; /* pushed by the committer */
    _Atomic(struct shard_completion *) completed;          /* pushed by other threads */
};

struct committer {
    /* The committer's thread. */
    uint64_t number; /* of the last commit begun */
    struct batch *batches[SHARDS_MAX];
    const struct arena *arenas[SHARDS_MAX];
    uint32_t batch_count;
    struct journal_commit commit; /* under way */
    uint64_t started_ns;

    _Alignas(CACHE_LINE) _Atomic bool asleep;
    _Atomic bool busy; /* a commit is at the journal */
    _Atomic int64_t commits;
    _Atomic int64_t records;
    _Atomic int64_t total_ns;
    _Atomic int64_t max_ns;
    _Atomic uint64_t durable;
};

struct engine {
    struct engine_options options;
    struct engine_ports ports;
    struct inventory_options inventory_options;
    struct cart_options cart_options;
    struct inventory *inventories; /* by partition; each used by its shard alone */
    struct shard **shards;
    struct mailbox **mailboxes; /* [source * shards + target] */
    struct directory_builder *builder;
    struct committer *committer;
    void *memory;
    size_t memory_bytes;
    struct hash_key table_key;
    struct session_marks *marks;
    uint32_t *next_account;              /* by partition; used by its shard alone */
    uint32_t *next_coupon;               /* likewise */
    struct order_numbers *order_numbers; /* likewise */
    struct order_numbers *event_numbers;
    struct event_partition *event_partitions;
    struct audit_head_record *audit_heads; /* likewise: of what is durable or on its way there */

    struct settings *settings; /* used by their shard alone */

    _Atomic(const struct directory *) directory;
    _Atomic uint64_t catalogue_generation; /* written by the directory's shard */
    _Atomic(const struct settings_view *) settings_view;
    _Atomic bool failed;
    _Atomic bool draining;
};

static inline uint32_t engine_shard_of(const struct engine *engine, uint32_t partition)
{
    return partition % engine->options.shards; /* the table, while all partitions are local */
}

static inline struct mailbox *engine_mailbox(const struct engine *engine, uint32_t source,
                                             uint32_t target)
{
    return engine->mailboxes[source * engine->options.shards + target];
}

/* ---- memory.c ---- */

/* Lays out all that the engine's options ask for in `memory`, zeroed, and how many bytes that
 * takes; NULL: only measures. Before there are threads. */
size_t engine_lay_out(struct engine *engine, void *memory);

/* ---- envelopes.c ---- */

/* Room for so many SKUs that are left out; the envelope may be another then. NULL: no memory, and
 * it is as it was. */
struct product_envelope *product_envelope_grow(struct product_envelope *envelope,
                                               uint32_t left_out);
/* Frees what a message that nobody will receive carries. */
void envelope_free_of(const struct message *message);

/* ---- shard.c ---- */

/* Wakes a shard whose mailbox got something; the calling shard's own needs no wake. Any thread. */
void shard_notify(struct engine *engine, uint32_t target);

/* Gives back to its shard what was done for it: `take` is called in its next turn, on its
 * thread. Any thread; all have ended before the shard's memory goes. */
void shard_complete(struct shard_completion *completion);

/* ---- deliver.c: what a shard does with a message ---- */

/* Hints that this message is delivered soon, and then sooner. */
void shard_prefetch(struct shard *shard, const struct message *message);
void shard_prefetch_next(struct shard *shard, const struct message *message);
void shard_deliver(struct shard *shard, struct message *message);
void shard_fire_timer(struct shard *shard, uint32_t slot);
void shard_apply_effects(struct shard *shard);
/* Messages of a batch leave; `ok` or all answers become OUTCOME_UNKNOWN. */
void shard_release(struct shard *shard, struct arena *messages, bool ok);
void shard_audit(struct shard *shard);
/* Claims or returns units of several SKUs, all or none, counted in the shard's metrics. */
bool gates_claim(struct shard *shard, const struct line *lines, uint32_t count);
void gates_return(struct shard *shard, const struct line *lines, uint32_t count);
/* How lines that could not be claimed are refused, and why (submit.c). */
enum outcome gates_refusal(struct shard *shard, const struct line *lines, uint32_t line_count,
                           struct refusal *refusal_out);

/* ---- submit.c ---- */

/* Room for a request in the mailbox to a shard, zeroed, its head filled in; NULL, counted as
 * refused, if there is none. Filled in, it is sent: PENDING. */
struct message *begin_request(struct shard *shard, uint32_t target, enum message_type type,
                              uint32_t lines, uint64_t cookie);
enum outcome send_request(struct shard *shard, uint32_t target);

/* ---- submit_cart.c ---- */

enum outcome submit_cart(struct shard *shard, const struct command *command, uint64_t cookie);
enum outcome submit_cart_merge(struct shard *shard, const struct command *command, uint64_t cookie);
enum outcome submit_cart_clear(struct shard *shard, const struct command *command, uint64_t cookie);

/* ---- submit_coupon.c ---- */

enum outcome submit_coupon(struct shard *shard, const struct command *command, uint64_t cookie);
enum outcome submit_coupon_list(struct shard *shard, const struct command *command,
                                uint64_t cookie);

/* ---- submit_order.c ---- */

enum outcome submit_order(struct shard *shard, const struct command *command, uint64_t cookie);
enum outcome submit_restock(struct shard *shard, const struct command *command, uint64_t cookie);

/* ---- products.c: the directory's shard ---- */

void directory_submit(struct shard *shard, struct message *message);
void directory_done(struct shard *shard, struct message *message);
/* Publishes what this step added and forwards what waited for it. */
void directory_publish(struct shard *shard);

/* ---- audit_chain.c ---- */

/* What an actor of this partition has just written holds entries (effects->audit_count): they get
 * number and hash, and the chain's new head is added. */
void audit_chain_seal(struct shard *shard, uint32_t partition, uint32_t records_before);
/* Takes in a stored head; false if it was not made with this store's secret. Start-up thread. */
bool audit_chain_restore(struct engine *engine, const struct record *record);

/* ---- retire.c ---- */

/* Frees `memory` by `release` once no shard can see it any more; when too much waits, it is kept
 * until it can be added (false: the caller tries again later). */
bool shard_retire(struct shard *shard, void (*release)(void *), void *memory);
/* The same for what work that reads the directory may see. */
bool shard_retire_directory(struct shard *shard, void (*release)(void *), void *memory);
/* Nothing of the directory that is there now is freed before shard_unpin of that tick. False:
 * PINS_MAX are out. */
bool shard_pin(struct shard *shard, uint64_t *tick_out);
void shard_unpin(struct shard *shard, uint64_t tick);
/* The same for those with a list of their own: from when on, and whether nobody sees it any more.
 */
void retired_begin(const struct shard *shard, struct retired *retired);
bool retired_is_passed(const struct shard *shard, const struct retired *retired);
void shard_free_retired(struct shard *shard, bool all);

/* ---- commit.c ---- */

/* The shard takes its batch back from the slot, or a fresh one; NULL if all are under way. */
struct batch *batch_open(struct shard *shard);
bool batch_has_room(const struct batch *batch);
/* Puts the open batch into the slot and tells the committer. */
void batch_hand_over(struct shard *shard);
/* The batches that came back, oldest first; the caller gives each to batch_recycle. */
struct batch *batch_take_returned(struct shard *shard);
void batch_recycle(struct shard *shard, struct batch *batch);
/* The latch: nothing is acknowledged from now on. */
void engine_fail(struct engine *engine, const char *reason);

#endif

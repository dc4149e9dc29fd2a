/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as its users see it: net/api's handlers, the simulator's clients, the benchmarks.
 * They translate; what must be right happens behind engine_submit (submit.c): directory, key
 * filter, claim, replay, limits, and in the actors.
 *
 * Threads. Each shard belongs to one thread; a function that takes a `struct shard *` is called on
 * it and nowhere else. Functions on `struct engine *` say so where they are bound to a thread. */
#ifndef STAMPEDE_ENGINE_H
#define STAMPEDE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "cart.h"
#include "coupon.h"
#include "deliveries.h"
#include "directory.h"
#include "env.h"
#include "messages.h"
#include "metrics.h"
#include "order.h"
#include "ports.h"
#include "settings.h"

struct engine;
struct shard;

/* Called on the shard's thread when a pending command's answer may leave. `reply` is valid during
 * the call; an envelope in it becomes the callee's. */
typedef void (*engine_reply)(void *user, uint64_t cookie, const struct message *reply);

struct engine_options {
    uint32_t shards;
    uint32_t partitions; /* a power of two; fixed when the store is created */
    uint32_t hold_ttl_ms;
    uint32_t hold_cap_ms; /* from creation, over all extensions */
    uint32_t hold_extensions_max;
    uint32_t hold_retention_ms;
    uint32_t holds_max;              /* a shard, ended ones within retention included */
    uint32_t skus_max;               /* a shard */
    uint32_t limit_rows_max;         /* a shard */
    uint32_t requests_max;           /* in flight, a shard */
    uint32_t products_in_flight_max; /* PUTs, at the directory's shard, of some 11 KiB; 2 to 1088 */
    uint32_t mailbox_max;            /* requests and sagas that may wait in one mailbox */
    uint32_t request_timeout_ms;     /* a request older than this is dropped undone */
    uint32_t timers_per_step;        /* due timers in one turn at most */
    uint32_t batch_messages;         /* received into one batch at most */
    uint32_t batches;                /* a shard's batches under way at most */
    uint32_t audit_period_ms;
    uint32_t accounts_active_max; /* in memory, a shard */
    uint32_t orders_live_max;     /* in memory, a shard */
    uint32_t session_marks;       /* classes of principals: session_marks.h */
    uint32_t outbox_rows_max;     /* mails known to a shard; 2 to OUTBOX_ROWS_MAX */
    uint32_t mails_under_way_max; /* a shard; 1 to MAILS_UNDER_WAY_MAX */
    uint32_t carts_max;           /* a shard; live and expired ones */
    uint32_t cart_guest_ttl_s;    /* since a cart's last change */
    uint32_t cart_customer_ttl_s;
    uint32_t cart_idle_ms; /* then it counts as abandoned */
    /* Between two rounds that delete what is past its time; 0: none. They begin when the wall clock
     * has run evenly for so long. */
    uint32_t retention_period_ms;
    uint32_t retention_steady_ms;
    uint32_t deliveries_pending_max; /* webhooks of one endpoint; over all shards */
    struct delivery_schedule webhook_schedule;
    uint32_t coupons_max;     /* a shard */
    uint32_t coupon_rows_max; /* a shard: uses that are held; and customers of limited coupons */
};

/* The defaults of every option, for `shards` shards. */
struct engine_options engine_options_default(uint32_t shards);

struct engine_ports {
    struct env env;
    struct journal_port journal;
    struct watermark_port watermark;
    struct secrets_port secrets;
    struct outbound_port outbound; /* without `submit`: every job is refused (OVERLOADED) */
    struct vault_port vault;       /* may be empty where no private data is handled */
    struct worker_port workers;    /* may be empty: then engine_work_submit answers OVERLOADED */
    struct worker_port finders;    /* likewise, for what is found; may be the same */
    struct search_port search;     /* may be empty: then nothing is found by words */
    struct gateway_port gateway;   /* without `submit`: no order is taken */
    struct event_consumer_port events[EVENT_CONSUMER_COUNT];
};

/* Reserves all memory. NULL if memory is refused. Start-up thread. */
struct engine *engine_create(const struct engine_options *options,
                             const struct engine_ports *ports);

/* Recovers from the journal: compares the watermark, loads every partition, rebuilds gates, key
 * filters, directory and deadlines. 0, or -1 with a line for people in `error`. Start-up thread,
 * before any shard runs. */
int engine_recover(struct engine *engine, char *error, size_t error_size);

/* Frees everything; no shard or committer may run any more. */
void engine_destroy(struct engine *engine);

struct shard *engine_shard(struct engine *engine, uint32_t index);
uint32_t engine_shard_count(const struct engine *engine);
uint32_t shard_index(const struct shard *shard);
uint32_t engine_partition_count(const struct engine *engine);
/* The shard that owns a partition. */
uint32_t engine_partition_shard(const struct engine *engine, uint32_t partition);
struct engine *shard_engine(const struct shard *shard);

/* Who gets the answers of commands submitted at this shard. Before it runs. */
void shard_set_reply(struct shard *shard, engine_reply reply, void *user);

/* One turn of a shard: completions, mailboxes, timers, batch. Reads the clock once. Returns true if
 * more work is waiting (call again soon). `shard_next_ms` then tells how long it may sleep. */
bool shard_step(struct shard *shard);

/* Milliseconds until the next deadline; at most 1000. */
uint32_t shard_sleep_ms(const struct shard *shard);

/* Before blocking: declares the shard asleep. False if work came in between (do not block). */
bool shard_try_sleep(struct shard *shard);
void shard_wake_up(struct shard *shard);

/* One turn of the committer: takes what the shards handed over and writes it as one commit.
 * Returns false if there was nothing to do. The committer's thread. */
bool committer_step(struct engine *engine);
bool committer_try_sleep(struct engine *engine);
void committer_wake_up(struct engine *engine);

/* ---- commands ---- */

struct slice {
    const char *text;
    size_t length;
};

struct command_line {
    struct slice sku;
    uint32_t quantity; /* 1 to QUANTITY_MAX: the caller checks */
};

enum command_type {
    COMMAND_RESERVE,
    COMMAND_HOLD_GET,
    COMMAND_HOLD_RELEASE,
    COMMAND_HOLD_EXTEND,
    COMMAND_HOLD_CONVERT,
    COMMAND_HOLD_BIND, /* these three: an order's (orders.c) */
    COMMAND_HOLD_UNBIND,
    COMMAND_HOLD_PIN,
    COMMAND_STOCK_GET,
    COMMAND_STOCK_ADJUST,
    COMMAND_PRODUCT_PUT,
    COMMAND_HOLD_LIST,   /* asks this shard's own part; see engine_list */
    COMMAND_HOLDS_ADOPT, /* to every shard, until it says that there is no more */
    COMMAND_ACCOUNT,
    COMMAND_ORDER,
    COMMAND_STOCK_RESTOCK, /* an order's */
    COMMAND_COUPON,        /* by its code */
    COMMAND_COUPON_LIST,   /* asks one shard's own part */
    COMMAND_COUPON_HOLD,
    COMMAND_COUPON_COMMIT,
    COMMAND_COUPON_RELEASE,
    COMMAND_SETTINGS,
    COMMAND_CART,       /* the principal's */
    COMMAND_CART_MERGE, /* a guest's into that of the principal, who is a customer */
    COMMAND_CART_CLEAR, /* what the principal has ordered */
    COMMAND_DELIVERY,   /* a webhook is to be sent again, or for trial */
};

struct command {
    enum command_type type;
    struct principal principal;
    enum authority authority;
    struct origin origin; /* of whoever asks, for the audit log */
    struct slice key;     /* COMMAND_HOLD_EXTEND: the Idempotency-Key; empty: none */
    /* COMMAND_RESERVE: guests that the principal was, newest first: their keys are its keys. */
    const struct principal *aliases;
    uint32_t alias_count; /* at most ACCOUNT_ALIASES_MAX */
    union {
        struct {
            struct slice key;  /* the Idempotency-Key */
            struct slice body; /* its fingerprint is kept */
            const struct command_line *lines;
            uint32_t line_count; /* 1 to RESERVATION_LINES_MAX */
        } reserve;
        struct slice reservation_id; /* HOLD_* */
        struct {
            struct reservation_id id;
            uint64_t order; /* order_number */
        } hold;             /* HOLD_*, by AUTHORITY_ORDER */
        struct {
            struct slice sku;
            bool is_set;
            int64_t value;
            struct slice reason;
            struct slice key;               /* the Idempotency-Key; empty: none */
            struct slice body;              /* its fingerprint is kept with the key */
        } stock;                            /* STOCK_* */
        struct product_envelope *product;   /* ownership moves unless refused at once */
        struct account_envelope *account;   /* likewise; comes back with the reply */
        struct order_envelope *order;       /* likewise */
        struct settings_envelope *settings; /* likewise */
        struct {
            uint32_t sku_id;
            uint32_t quantity;
            struct hash128 key; /* of order, refund and line: it is done once */
        } restock;
        struct {
            uint32_t shard; /* asked */
            struct adopt_body body;
        } adopt;
        struct {
            uint32_t shard; /* asked */
            struct list_body body;
        } list;
        struct coupon_envelope *coupon; /* ownership as an account's */
        struct {
            uint32_t shard; /* asked */
            struct coupon_list_body body;
        } coupon_list;
        struct {
            uint32_t partition; /* the coupon's, as its view says */
            struct coupon_use_body body;
        } coupon_use; /* COUPON_HOLD, _COMMIT, _RELEASE */
        struct {
            uint32_t partition;
            struct delivery_body body; /* its origin is the command's */
        } delivery;
        struct {
            enum cart_operation operation;
            struct slice sku;    /* CART_ADD, CART_SET, CART_REMOVE */
            uint32_t quantity;   /* CART_ADD, CART_SET: 1 to QUANTITY_MAX: the caller checks */
            struct slice coupon; /* CART_COUPON_SET: 1 to COUPON_CODE_MAX bytes */
        } cart;
        struct {
            struct principal guest;
            const struct cart_content *content; /* the guest's cart */
            const uint64_t *orders; /* CART_ORDERS_MAX, that it was cleared for; NULL: none */
        } cart_merge;
        struct {
            uint64_t order; /* its number; not 0 */
            const struct line *lines;
            uint32_t line_count; /* at most RESERVATION_LINES_MAX */
        } cart_clear;
    };
};

/* Why a command was refused at once, for the parts of the answer that need it. */
struct refusal {
    uint32_t available; /* SOLD_OUT: units of the SKU */
    uint32_t reserved;
    bool final;          /* SOLD_OUT: no unit is only held or being claimed */
    uint32_t line;       /* NOT_FOUND: which line's SKU is unknown */
    uint32_t line_count; /* INSUFFICIENT_STOCK */
    uint32_t line_available[RESERVATION_LINES_MAX];
};

/* Submits a command at the caller's shard. PENDING: the answer comes by the shard's reply callback
 * with this cookie, whose highest bit is the engine's own and 0 here (never before this returns).
 * Anything else: refused, nothing happened, and `refusal_out` says more for some outcomes. Never
 * blocks, takes no lock and no heap. */
enum outcome engine_submit(struct shard *shard, const struct command *command, uint64_t cookie,
                           struct refusal *refusal_out);

/* Fills a refusal for a refused reservation's lines from the gates as they are now. */
void engine_refusal_describe(struct shard *shard, const struct line *lines, uint32_t line_count,
                             struct refusal *refusal_out);

/* ---- reads that need no message ---- */

/* The directory as this shard sees it now; valid until the caller returns to its loop. */
const struct directory *shard_directory(const struct shard *shard);

/* Grows after each change of a product that can be seen (its document, price, status), however
 * small. What was made of the catalogue is good as long as this is what it was before. Not: stock,
 * and units sold. Any thread. */
uint64_t engine_catalogue_generation(const struct engine *engine);
const struct search_port *engine_search(const struct engine *engine);

/* The shop's settings as this shard sees them now; valid until the caller returns to its loop. All
 * in it is durable, and what was acknowledged anywhere is in it. */
const struct settings_view *shard_settings(const struct shard *shard);

struct availability {
    uint32_t available;
    uint32_t stock;
    uint32_t reserved;
};

/* From the gate: may run ahead of what is durable (design.md, Visibility). Any thread. */
struct availability sku_availability(const struct sku_entry *sku);

/* What another thread does for a shard carries one of these, to come back by; the engine's. */
struct shard_completion {
    struct shard *shard;
    void (*take)(struct shard_completion *completion); /* on the shard's thread */
    struct shard_completion *next;
};

/* Starts a read of stored records on the journal's pool; `done` runs on this shard's thread.
 * The caller owns the struct until then. OVERLOADED or OUTCOME_UNKNOWN if refused. */
struct engine_read {
    struct journal_read read; /* kind, from, to, limit: the caller's; done: the engine's */
    void (*done)(struct engine_read *read);
    void *user;
    struct shard_completion completion; /* the engine's */
};
enum outcome engine_read_submit(struct shard *shard, struct engine_read *read);

/* ---- orders that change ---- */

/* Waits for an order's next change of status. It goes to the order with a GET (`watch` of the
 * envelope): if the answer says `is_watched`, the order's shard has it, and knows of every change
 * that is not in that answer. With the first one, once that is durable, it comes back: `told` runs
 * on the asking shard's thread, and a new GET says what has changed. An UNWATCH takes it back
 * before; where its answer does not say `is_watched`, `told` comes or has come. Of one shard's
 * orders at most ORDER_WATCHES_MAX, of one order ORDER_WATCHES_EACH; beyond, the GET is refused
 * (OVERLOADED). The owner keeps it until it is back, or the shards have stopped. */
struct order_watch {
    void (*told)(struct order_watch *watch);
    struct shard_completion completion; /* the engine's, all that follows */
    struct order_watch *next;
    uint64_t serial;
    uint64_t sequence;
    uint32_t partition;
};

/* For a watch of this shard's. */
void order_watch_init(struct order_watch *watch, struct shard *shard,
                      void (*told)(struct order_watch *watch));

/* ---- to other hosts ---- */

/* Gives a job to the outbound port; `done` runs on this shard's thread, also after the failure
 * latch fell (what was done outside was done). The caller owns the struct until then. PENDING;
 * OVERLOADED: refused, nothing happened. Until `done` the shard is not idle. */
struct engine_outbound {
    struct outbound_job job; /* `job.done` is the engine's */
    void (*done)(struct engine_outbound *outbound);
    void *user;
    struct shard_completion completion; /* the engine's */
};
enum outcome engine_outbound_submit(struct shard *shard, struct engine_outbound *outbound);

/* ---- mails ---- */

/* A mail that is due, and that nothing hides any more: what caused it is durable. Valid until
 * engine_mail_done; the key opens what is sealed. */
struct engine_mail {
    struct principal account;
    uint64_t sequence; /* its number: with the account, its identity; it is sealed for that */
    int64_t created_wall_ms;
    const struct account_key_record *key;
    const uint8_t *sealed;
    uint16_t sealed_length;
    uint8_t template;
    uint8_t attempts; /* so far */

    /* An order's mail: `account` and `sequence` are its identity, `template` an enum
     * order_mail_kind, nothing is sealed; and the order is as it is now, with body and person. It
     * is there until the courier returns. */
    const struct order_envelope *order;
    uint8_t refund; /* REFUNDED: which of the order's */
};

enum courier_result {
    COURIER_DELIVERED,
    COURIER_LATER,    /* counts as an attempt */
    COURIER_REFUSED,  /* for good: a dead letter */
    COURIER_NO_ROUTE, /* no mail server is configured: it waits, and that is no attempt */
    COURIER_BUSY,     /* could not be tried now: likewise */
};

/* Takes a mail to where it goes; called on the shard's thread, with at most mails_under_way_max at
 * a time. Calls engine_mail_done once, then or later, on the same thread. */
typedef void (*engine_courier)(void *user, struct shard *shard, struct engine_mail *mail);

/* Before the shard runs, or on its thread. Without a courier mails wait. */
void shard_set_courier(struct shard *shard, engine_courier courier, void *user);
/* The same for orders' mails. Without a courier none is owed for what happens meanwhile. */
void shard_set_order_courier(struct shard *shard, engine_courier courier, void *user);

/* What became of it: recorded, and durable before it is forgotten. A crash before that sends it
 * again. `reason`: for staff, without private data; its first 63 bytes are kept. */
void engine_mail_done(struct engine_mail *mail, enum courier_result result, const char *reason);

/* ---- webhooks ---- */

/* The consumer of events that makes webhooks of them: ports.events[CONSUMER_WEBHOOKS]. */
struct event_consumer_port engine_webhooks_consumer(void);

/* An attempt that is due at a webhook, and that nothing hides any more: what caused it is durable.
 * Valid until engine_delivery_done. */
struct engine_delivery {
    struct delivery_event event;
    uint64_t sequence; /* with the partition and the event's time, the event's identity */
    uint32_t partition;
    uint32_t endpoint; /* its number in the settings */
    uint8_t attempts;  /* so far */
};

/* Takes an event to an endpoint; called on the shard's thread. Calls engine_delivery_done once,
 * then or later, on the same thread. */
typedef void (*engine_webhook_courier)(void *user, struct shard *shard,
                                       struct engine_delivery *delivery);

/* Before the shard runs, or on its thread. Without a courier webhooks wait. */
void shard_set_webhook_courier(struct shard *shard, engine_webhook_courier courier, void *user);

/* What became of it: recorded, and durable before it is forgotten. A crash before that sends it
 * again. `answer->random` is the engine's. */
void engine_delivery_done(struct engine_delivery *delivery, const struct delivery_answer *answer);

/* ---- work for other threads ---- */

/* Runs `run` on a worker's thread, then `done` on this shard's. The caller owns the struct until
 * `done`. OVERLOADED if the pool's queue or the shard's share of it (WORKS_IN_FLIGHT_MAX) is full,
 * or (of those that read the directory) PINS_MAX are under way; OUTCOME_UNKNOWN when the latch has
 * fallen; PENDING otherwise. When the latch falls later, `done` is called all the same: ask
 * engine_mode there. */
struct engine_work {
    struct work work;                       /* the engine's */
    void (*run)(struct engine_work *work);  /* no shard, no engine: only what it carries */
    void (*done)(struct engine_work *work); /* the shard's thread */
    void *user;
    bool is_finding;                    /* goes to the finders, not to the workers */
    bool reads_directory;               /* the one of the step that submits it, until `done` */
    uint64_t pinned_tick;               /* the engine's */
    struct shard_completion completion; /* the engine's */
};
enum outcome engine_work_submit(struct shard *shard, struct engine_work *work);

/* ---- identity ---- */

/* The mark of a principal (session_marks.h). Whoever caches what was answered about its sessions
 * keeps `mark` with it: when it is another, the cached answer is good no more. 0: nothing was ever
 * said about this principal; of a guest, that it has not become a customer. Any thread. */
uint32_t engine_mark(const struct engine *engine, const struct principal *principal);

void shard_random(struct shard *shard, void *bytes, size_t length);
void engine_reservation_id(const struct engine *engine, const struct reservation_id *id,
                           char text_out[RESERVATION_ID_LENGTH + 1]);
/* The ID of a principal's cart that was begun then. */
void engine_cart_id(const struct engine *engine, const struct principal *principal,
                    int64_t created_wall_ms, char text_out[CART_ID_LENGTH + 1]);
const struct secrets_port *engine_secrets(const struct engine *engine);
const struct vault_port *engine_vault(const struct engine *engine);
const struct gateway_port *engine_gateway(const struct engine *engine);
struct moment engine_now(const struct engine *engine);

/* ---- state of the whole ---- */

enum engine_mode {
    ENGINE_SERVING,
    ENGINE_DRAINING,     /* new reservations are refused; what is under way ends */
    ENGINE_STORAGE_FULL, /* new holds are refused; releases and reads go on */
    ENGINE_FAILED,       /* the latch fell: nothing is acknowledged, nothing is read */
};

/* Any thread. */
enum engine_mode engine_mode(const struct engine *engine);

/* From now on refuses new work; engine_is_idle tells when all that was under way has been answered
 * and is durable. Any thread. */
void engine_drain(struct engine *engine);
bool engine_is_idle(const struct engine *engine);

/* Accounts' data keys by what they are wrapped by, as the newest count found them; -1: not counted
 * yet. `previous` is 0 only when all that is durable was seen. Any thread. */
struct engine_vault_keys {
    int64_t previous;   /* by the vault's previous key: it is needed still */
    int64_t unreadable; /* by a key that the vault was not given */
};
void engine_vault_keys(const struct engine *engine, struct engine_vault_keys *keys_out);

/* What the online audit found wrong with a SKU, for the log; in each round anew as long as it is.
 * Of a round a shard keeps the first few. */
enum { STOCK_FINDINGS_KEPT = 8 };

enum stock_finding_kind {
    STOCK_FINDING_GATE,   /* claimable and claimed units, against those that are available */
    STOCK_FINDING_HOLDS,  /* reserved units, against the holds that live */
    STOCK_FINDING_LEDGER, /* stock and sold, against the sum of the stored ledger */
};

struct stock_finding {
    uint8_t kind; /* enum stock_finding_kind */
    uint32_t sku_id;
    int64_t found;      /* available units; HOLDS: reserved ones; LEDGER: stock */
    int64_t expected;   /* of GATE and LEDGER */
    int64_t found_sold; /* LEDGER */
    int64_t expected_sold;
};

/* Takes one out; false: there is none. */
bool shard_stock_finding(struct shard *shard, struct stock_finding *finding_out);

/* Orders by what became of them since the start. Any thread. */
void engine_order_metrics(const struct engine *engine, struct order_metrics *metrics_out);

/* Sums over shards, for /metrics; racy by a few units between counters. Any thread. */
void engine_metrics(const struct engine *engine, struct engine_metrics *metrics_out);

/* Envelopes: plain allocations that travel in messages. Any thread. */
struct product_envelope *product_envelope_create(uint32_t document_length);
struct account_envelope *account_envelope_create(enum account_call call);
struct order_envelope *order_envelope_create(enum order_call call);
struct coupon_envelope *coupon_envelope_create(enum coupon_call call);
struct settings_envelope *settings_envelope_create(enum settings_call call, enum setting_kind kind);
void envelope_free(void *envelope);

#endif

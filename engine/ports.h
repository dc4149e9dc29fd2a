/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine needs from outer layers, as vtables that main.c fills: journal, watermark,
 * secrets, vault, search, workers, outbound. Ports are dumb: merging batches, commit numbers,
 * releasing answers, the failure latch and the watermark's comparison are the engine's (commit.c,
 * recovery.c), so that the simulator runs the real ones. */
#ifndef STAMPEDE_PORTS_H
#define STAMPEDE_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "effects.h"
#include "events.h"
#include "payment_state.h"

/* ---- journal: ordered records per kind, keys begin with the partition ---- */

enum commit_outcome {
    COMMIT_OK,      /* all of it is durable */
    COMMIT_FAILED,  /* the journal says no: it may be durable all the same */
    COMMIT_UNKNOWN, /* no word: it may be durable */
};

/* One batch: the records of several arenas, in this order, become durable all or none.
 * `number` is stored with them and grows by one from commit to commit. Arenas are read-only and
 * stay the engine's; they live until `done`. */
struct journal_commit {
    uint64_t number;
    const struct arena *const *arenas;
    uint32_t arena_count;
    uint32_t record_count;
};

typedef void (*journal_commit_done)(void *arg, enum commit_outcome outcome);

/* Sees one record; the pointer is valid during the call only. Returns false to stop. */
typedef bool (*journal_visit)(void *arg, const struct record *record);

/* A read on the journal's bounded pool: records of one kind with keys in [from, to), in ascending
 * order, decoded one after another into `result`. The caller owns the struct from submission until
 * `done` (on any thread), where `error` or `result` (bytes; malloc, to be freed by the caller) is
 * set. Only durable state is seen. */
struct journal_key {
    uint32_t partition;
    uint32_t subject;
    uint64_t sequence;
};

struct journal_read {
    enum record_kind kind;
    struct journal_key from;
    struct journal_key to; /* exclusive */
    uint32_t limit;        /* records, at most LIST_PAGE_MAX + 1 */
    void (*done)(struct journal_read *read);
    struct arena result;
    uint32_t count;
    bool failed;
    struct journal_read *next; /* the engine's, while queued */
};

/* How far erasing is. */
struct journal_scrub {
    uint64_t pending; /* asked for, and not yet done */
    uint64_t runs;    /* that did what was asked */
    uint64_t failures;
    int64_t last_ms; /* that the newest of `runs` took */
};

struct journal_port {
    void *self;
    /* Writes and syncs a batch and calls `done` exactly once: before it returns or later, on any
     * thread. At most one commit is under way. Called on the committer's thread. */
    void (*commit)(void *self, const struct journal_commit *commit, journal_commit_done done,
                   void *arg);
    /* The number of the newest durable commit; 0 in a fresh store. */
    uint64_t (*last_commit)(void *self);
    /* Visits all records of a partition but its LEDGER (a start must not cost its history), kinds
     * in the order of their enum, keys ascending.
     * Any thread; false if a record can't be read (the reason is logged by the journal). */
    bool (*load)(void *self, uint32_t partition, journal_visit visit, void *arg);
    /* Starts a read; false if the pool's queue is full (nothing was started). Any thread. */
    bool (*read)(void *self, struct journal_read *read);
    /* False only where no such record was durable when it was asked; true says little. For kinds
     * that are looked up by keys that mostly are not there (CHECKOUT, EVENT_IN). No I/O; any
     * thread. NULL: not known. */
    bool (*may_have)(void *self, enum record_kind kind, const struct journal_key *key);
    /* True below the low-water mark: what takes new obligations is refused (storage_full).
     * Cheap; any thread. */
    bool (*is_full)(void *self);
    /* Data keys were deleted, and that is durable: they are to vanish from every file. Returns at
     * once; done behind everybody's back, once for all that asked meanwhile, and at the next start
     * if it was not done by then. Any thread. NULL: nothing is left of what is deleted. */
    void (*scrub)(void *self);
    /* NULL likewise. Any thread. */
    void (*scrub_state)(void *self, struct journal_scrub *state_out);
};

/* ---- watermark: the newest commit known durable, kept apart from the journal ---- */

struct watermark_port {
    void *self;
    /* The number on file when the store was opened; 0 if there is none. */
    uint64_t (*read)(void *self);
    /* Tells that this commit is durable; written within 100 ms off this thread. Never blocks. */
    void (*advance)(void *self, uint64_t commit_number);
};

/* ---- secrets: keys of this store ---- */

enum { MAC_BYTES = 16 };

struct secrets_port {
    void *self;
    /* Keyed MAC of `bytes` for a purpose (a static string), 128 bits. Any thread. */
    void (*mac)(void *self, const char *purpose, const void *bytes, size_t length,
                uint8_t mac_out[MAC_BYTES]);
    /* SHA-256, for the audit log. Any thread. */
    void (*digest)(const void *bytes, size_t length, uint8_t digest_out[AUDIT_HASH_BYTES]);
    /* The keys of IDs and of idempotency keys; the same for the life of the store. */
    struct hash_key id_key;
    struct hash_key key_key;
};

/* ---- outbound: what goes to other hosts (mails, gateways, webhooks, captcha) ---- */

enum outbound_kind { OUTBOUND_MAIL, OUTBOUND_HTTP };

enum outbound_method { OUTBOUND_GET, OUTBOUND_POST, OUTBOUND_PUT, OUTBOUND_PATCH, OUTBOUND_DELETE };

enum outbound_result {
    /* MAIL: the server took it and is responsible now. HTTP: an answer came and fits, whatever its
     * status says. */
    OUTBOUND_DELIVERED,
    /* The same job would be refused again: the mail server said 5xx to this mail, the URL is none
     * that may be asked, the answer is larger than `answer_max`. */
    OUTBOUND_REFUSED,
    /* The network, a time-out, the mail server's 4xx, its refusal of our log-in, our own stop. */
    OUTBOUND_LATER,
    /* MAIL: no mail server is configured. Keep it; it is no failed attempt. */
    OUTBOUND_NO_ROUTE,
};

enum {
    OUTBOUND_BODY_MAX = 1 << 20, /* of a mail or a request */
    OUTBOUND_ANSWER_MAX = 1 << 20,
    OUTBOUND_URL_MAX = 2000,
    OUTBOUND_HEADERS_MAX = 16,
    OUTBOUND_HEADER_MAX = 2000, /* a whole line */
    OUTBOUND_ADDRESS_MAX = 254, /* of a mail (RFC 5321, 4.5.3.1.3, without its brackets) */
    OUTBOUND_NAME_MAX = 64,
    OUTBOUND_TIMEOUT_MS_MAX = 120 * 1000,
};

/* One mail to one recipient, or one request. The submitter owns the struct and all that it points
 * to, and keeps them unchanged, from submission until `done`. Texts end with 0. */
struct outbound_job {
    enum outbound_kind kind;
    uint32_t timeout_ms; /* from submission to the end, waiting included; at least 1 */
    const char *body;    /* MAIL: the whole message (RFC 5322), lines ended by CRLF */
    size_t body_length;
    /* MAIL */
    const char *sender; /* of the envelope; "": the null reverse path, no bounces */
    const char *recipient;
    const char *name; /* [A-Za-z0-9_-]: the mail's file, where mails are written to a folder */
    /* HTTP */
    enum outbound_method method;
    const char *url;            /* http:// or https://, without a user's name in it */
    const char *const *headers; /* "Name: value" */
    uint32_t header_count;
    char *answer; /* room for the body, without a terminator; NULL if answer_max is 0 */
    size_t answer_max;

    /* Called once, on the port's thread. */
    void (*done)(struct outbound_job *job);

    /* The result. `reason` is a static text without private data: for logs, metrics and staff. */
    enum outbound_result result;
    const char *reason;
    uint32_t status;        /* the HTTP status, or the last reply of the mail server; 0: none */
    uint32_t retry_after_s; /* HTTP: what the answer asked for; 0: nothing */
    size_t answer_length;
    /* False: the other side has certainly not seen this mail or request. True with LATER or
     * REFUSED: it may have acted on it. */
    bool reached;
    bool filed; /* MAIL: it stands in the mail folder */
};

struct outbound_port {
    void *self;
    /* Takes a job; false if the queue is full (`done` is not called). Any thread. */
    bool (*submit)(void *self, struct outbound_job *job);
};

/* ---- gateway: who moves the money ---- */

enum gateway_operation {
    GATEWAY_CREATE,  /* a payment of `amount_minor`, to be authorised first and captured later */
    GATEWAY_CONFIRM, /* with `method`; where it is not the customer's browser that does it */
    GATEWAY_CAPTURE, /* `amount_minor` of what is authorised */
    GATEWAY_CANCEL,  /* gives back what is authorised and not captured */
    GATEWAY_REFUND,  /* `amount_minor` of what was captured */
    GATEWAY_QUERY,   /* how it stands */
};

enum gateway_result {
    /* The payment is (by now, whoever caused it) where the operation wants it. QUERY: known. */
    GATEWAY_DONE,
    /* CONFIRM: by the card's bank. The payment is there still and can be tried again. */
    GATEWAY_DECLINED,
    /* Never like this: the payment is in another state (`state` says which, if it is not NONE),
     * or the gateway does not know it, or refuses what we sent. Nothing happened. */
    GATEWAY_REFUSED,
    GATEWAY_UNKNOWN,     /* it was sent and there is no word: repeat it under its key, or QUERY */
    GATEWAY_UNAVAILABLE, /* certainly nothing happened: later */
};

enum {
    GATEWAY_KEY_MAX = 80,
    GATEWAY_ORDER_ID_MAX = 64,
    GATEWAY_REASON_MAX = 64,
    GATEWAY_TIMEOUT_MS_MAX = 60 * 1000,
};

/* One call. The submitter owns the struct and keeps it unchanged until `done`. Repeating it under
 * its key has no second effect. */
struct gateway_job {
    uint8_t provider;  /* enum payment_provider */
    uint8_t operation; /* enum gateway_operation */
    uint32_t timeout_ms;
    int64_t amount_minor; /* CONFIRM, CANCEL, QUERY: what it is compared with; 0: with nothing */
    char currency[4];
    char key[GATEWAY_KEY_MAX + 1]; /* idempotency key: order, step and attempt */
    char order_id[GATEWAY_ORDER_ID_MAX + 1];
    char payment_id[PAYMENT_ID_MAX + 1]; /* in for all but CREATE; out of CREATE */
    char method[PAYMENT_METHOD_MAX + 1]; /* CONFIRM */

    /* Called once: before `submit` returns or later, on any thread. */
    void (*done)(struct gateway_job *job);

    /* The result. */
    uint8_t result; /* enum gateway_result */
    uint8_t state;  /* enum payment_state: as the gateway says; PAYMENT_NONE: it did not say */
    /* Of this payment in all, as the gateway says; with `state`. -1: it did not say. */
    int64_t captured_minor;
    int64_t refunded_minor;
    uint32_t retry_after_s;
    char client_secret[PAYMENT_SECRET_MAX + 1]; /* CREATE: what the customer's browser needs */
    char redirect_url[PAYMENT_URL_MAX + 1];     /* CREATE: or where it is to go; "": nowhere */
    char refund_id[PAYMENT_ID_MAX + 1];         /* REFUND */
    char reason[GATEWAY_REASON_MAX + 1];        /* static text or the gateway's code; not private */
};

struct gateway_port {
    void *self;
    /* Takes a job; false: refused (queue full, no such provider), `done` is not called. Any thread.
     */
    bool (*submit)(void *self, struct gateway_job *job);
    /* Whether a provider is configured, and whether it takes CONFIRM. Any thread. */
    bool (*has)(void *self, uint8_t provider);
    bool (*confirms)(void *self, uint8_t provider);
};

/* ---- events out: who is told what happened ---- */

struct shard;
struct order_envelope;

enum { EVENTS_PER_BATCH_MAX = 64 };

/* What happened, once. (wall_ms, sequence, partition) is its ID: event_id_format. */
struct event_out {
    uint64_t sequence;           /* in its partition; grows by one from event to event */
    int64_t wall_ms;             /* when it happened */
    struct reservation_id order; /* what it happened to; of none: sequence 0 */
    uint32_t sku_id;             /* INVENTORY_SOLD_OUT: what it happened to */
    int64_t amount_minor;        /* ORDER_REFUNDED: of this refund */
    uint8_t type;                /* enum event_type */
    uint8_t status;              /* enum order_status that the order came to by it, or NONE */
    /* The order as it is by now (the answer of ORDER_CALL_GET), where the consumer wants it and
     * there is one: what came to nothing is forgotten. Holds what is private, sealed. The engine's;
     * may be written to until `done`. NULL: none. */
    struct order_envelope *content;
};

/* Consecutive events of one partition, all of them durable. The engine's; the consumer has it from
 * `take` until it calls `done`. */
struct event_batch {
    uint32_t partition;
    uint32_t count; /* at least 1 */
    struct event_out events[EVENTS_PER_BATCH_MAX];
    /* Called once, from within `take` or later, on any thread; not under a lock of the engine's
     * caller. What `done_count` does not include is offered again, from the first such event on. */
    void (*done)(struct event_batch *batch);
    /* The consumer's. */
    uint32_t done_count; /* the first so many are done, and need never be offered again */
    uint32_t retry_ms;   /* if that is not all: nothing is offered for so long */
    void *user;
    struct event_batch *next;
};

/* A consumer of events gets those of each partition in order, one batch of a partition at a time,
 * batches of several partitions at once; each event at least once: again after a crash, for up to a
 * second of what was done before it is offered again then. */
struct event_consumer_port {
    void *self;
    bool wants_orders; /* `content` */
    /* The shard's thread, from within its turn: never blocks. False: not now, and `done` is not
     * called; it is offered again a moment later. NULL: nobody is told. */
    bool (*take)(void *self, struct shard *shard, struct event_batch *batch);
    /* False: just now nobody wants this shard's events, and those that are queued count as done
     * without being read. NULL: they are always wanted. The shard's thread. */
    bool (*wants)(void *self, const struct shard *shard);
};

/* ---- vault: private data under keys that can be destroyed ---- */

/* Private fields are sealed (AES-256-GCM) under a data key of their owner (a customer, a guest's
 * order). Data keys are stored wrapped by the vault's key, which stands outside of the store: a
 * wrapped key that is gone takes with it all that was sealed under its data key. Whoever stores and
 * moves wrapped keys and sealed values sees no private data. */
enum {
    VAULT_WRAPPED_KEY_BYTES = 1 + 4 + 8 + 12 + 32 + 16, /* always */
    VAULT_SEAL_OVERHEAD = 1 + 4 + 12 + 16,              /* sealed bytes above the plaintext's */
    VAULT_PLAINTEXT_MAX = 1 << 16,
    VAULT_INDEX_BYTES = 16,
};

/* A data key, wrapped: `version:8 | key id:32 | vault key id:64 | nonce:96 | sealed key:256 |
 * tag:128`. The key ID is random, the same for the life of the data key. */
struct vault_wrapped_key {
    uint8_t bytes[VAULT_WRAPPED_KEY_BYTES];
};

/* Where a sealed value belongs: it opens there and nowhere else. Numbers of tables and fields are
 * stored, so they never change their meaning. */
struct vault_place {
    struct principal owner; /* whose data key it is, and whose row */
    uint64_t row;           /* which of the owner's: what identifies it there */
    uint16_t table;
    uint16_t field;
};

enum vault_result {
    VAULT_OK,
    VAULT_MALFORMED, /* no sealed value or wrapped key of a known version, or too long */
    VAULT_OTHER_KEY, /* wrapped by a vault key, or sealed under a data key, that is not this one */
    VAULT_REFUSED,   /* not authentic: changed, or of another place or owner */
};

/* Which of the vault's keys a data key is wrapped by, by what it says of itself. */
enum vault_wrap { VAULT_WRAPPED_BY_CURRENT, VAULT_WRAPPED_BY_PREVIOUS, VAULT_WRAPPED_BY_ANOTHER };

/* Every function: any thread, no I/O, some microseconds at most. On any result but VAULT_OK the
 * output holds no plaintext. */
struct vault_port {
    void *self;
    bool has_previous; /* a rotation is under way: there is a key besides the current one */
    enum vault_wrap (*wrapped_by)(void *self, const struct vault_wrapped_key *wrapped);
    /* Makes an owner's data key. At most 2^20 values may be sealed under one. */
    void (*new_key)(void *self, const struct principal *owner,
                    struct vault_wrapped_key *wrapped_out);
    /* Wraps a data key by the vault's current key, when it is not yet (`changed_out`); what was
     * sealed under it stays as it is. */
    enum vault_result (*rewrap)(void *self, const struct principal *owner,
                                struct vault_wrapped_key *wrapped, bool *changed_out);
    /* Seals: writes `length + VAULT_SEAL_OVERHEAD` bytes. `plaintext` and `sealed_out` do not
     * overlap. Same plaintext, other bytes each time. */
    enum vault_result (*seal)(void *self, const struct vault_wrapped_key *wrapped,
                              const struct vault_place *place, const void *plaintext, size_t length,
                              uint8_t *sealed_out);
    /* Opens: writes `length - VAULT_SEAL_OVERHEAD` bytes; `length` is of `sealed`. */
    enum vault_result (*open)(void *self, const struct vault_wrapped_key *wrapped,
                              const struct vault_place *place, const uint8_t *sealed, size_t length,
                              uint8_t *plaintext_out);
    /* What a normalised e-mail is found by: a keyed hash that tells nothing without the key, and
     * that stays when the vault's key is changed. */
    void (*blind_index)(void *self, const void *email, size_t length,
                        uint8_t index_out[VAULT_INDEX_BYTES]);
};

/* ---- search: products by words ---- */

enum {
    SEARCH_TEXT_BYTES_MAX = 800, /* of a query; what follows is not looked at */
    SEARCH_SUGGESTIONS_MAX = 10,
};

/* Who builds an index reads the journal for it: nothing but places goes through here. */
struct search_place {
    uint32_t partition;
    uint32_t number; /* of the product, within the partition */
};

struct search_hit {
    struct search_place place;
    uint32_t rank; /* greater: nearer to what was asked for; equal: as good */
};

enum search_outcome {
    SEARCH_OK,
    SEARCH_NOT_READY, /* the index is being built: later */
    SEARCH_FAILED,    /* no memory, or the index is damaged: it is built anew */
};

/* In no order. */
struct search_result {
    struct search_hit *hits; /* malloc; the caller frees it */
    uint32_t count;
    bool is_partial; /* there are more than were looked at */
};

enum suggestion_kind { SUGGESTION_PRODUCT, SUGGESTION_BRAND, SUGGESTION_CATEGORY };

struct suggestion {
    uint8_t kind;              /* enum suggestion_kind */
    bool has_place;            /* PRODUCT: exactly one has this name */
    struct search_place place; /* where it is */
    uint16_t length;
    char text[SEARCH_TEXT_BYTES_MAX]; /* UTF-8, as the shop writes it */
};

struct search_state {
    bool is_ready;
    uint64_t products; /* in the index */
    uint64_t waiting;  /* changed, and not yet in it */
    int64_t behind_ms; /* since when the oldest of those waits; 0: none does */
    uint64_t building; /* of `building_of` products that a build has taken in; 0 of 0: none runs */
    uint64_t building_of;
    uint64_t builds; /* that were completed */
    uint64_t disk_bytes;
};

struct search_port {
    void *self; /* NULL: there is no search */
    /* What is recorded there has changed, and that is durable. Never blocks, never fails: what
     * cannot be noted is found by a new build. The directory's shard. */
    void (*changed)(void *self, struct search_place place);
    /* Both: a worker's thread, blocking for milliseconds; UTF-8 of any content. */
    enum search_outcome (*find)(void *self, const char *text, size_t length,
                                struct search_result *result_out);
    /* The best first. */
    enum search_outcome (*suggest)(void *self, const char *text, size_t length,
                                   struct suggestion suggestions_out[SEARCH_SUGGESTIONS_MAX],
                                   uint32_t *count_out);
    /* Any thread. */
    void (*state)(void *self, struct search_state *state_out);
    /* Builds a new index beside the one in use, which answers meanwhile. Any thread. */
    void (*rebuild)(void *self);
};

/* ---- workers: what takes too long for a shard's thread ---- */

/* One piece of work. The submitter owns the struct and keeps it in place until `done`. */
struct work {
    void (*run)(struct work *work);  /* a worker's thread */
    void (*done)(struct work *work); /* after `run`, the same thread */
    struct work *next;               /* the pool's, while queued */
};

/* Threads below the shards' priority. What has not begun when the process stops is never run. */
struct worker_port {
    void *self;
    /* False if the queue is full: nothing was started. Any thread; never blocks for long. */
    bool (*submit)(void *self, struct work *work);
};

#endif

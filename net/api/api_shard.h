/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of one shard share, and how a handler talks to the engine. Private to net/api.
 *
 * Everything of a `struct api_shard` belongs to its shard's thread, but for the counters, which any
 * thread reads.
 *
 * A command's answer comes back by a cookie that names an entry of the shard's table of pending
 * commands, which remembers who asked and what to do. The entry outlives the client: if that has
 * gone, the answer is still taken (what rides in it must be freed), with no exchange. */
#ifndef STAMPEDE_API_SHARD_H
#define STAMPEDE_API_SHARD_H

#include "api/api.h"
#include "api/counters.h"
#include "api/json.h"
#include "api/product_page.h"
#include "api/rate_limit.h"
#include "api/routes.h"
#include "api/validate.h"
#include "session_cache.h"

struct api_shard;
struct browse_request;
struct findings;
struct import;
struct catalogue_export;
struct order_export;
struct order_stream;
struct stock_stream;
struct stock_streams;
struct keyed_table;
struct keyed_entry;

enum {
    /* Of one answer that is not streamed: 100 reservations of 20 lines, or the documentation. */
    API_ANSWER_BYTES_MAX = 1024 * 1024,
    API_JSON_BODY_BYTES_MAX = 64 * 1024,
    /* A shard; of 96 bytes. As many as guests who come again during a sale, or each of their
     * requests costs a MAC. */
    SESSION_CACHE_GUESTS = 1 << 16,
    /* A shard; of some 360 bytes. Beyond, a request costs a message to the account's shard. */
    SESSION_CACHE_PEOPLE = 1 << 15,
    FLOWS_MAX = 1024, /* calls that work on accounts, under way on one shard */
    IMPORTS_MAX = 2,  /* under way on one shard, of 1.2 MiB and their products */
    /* Products of one import on their way to their partitions: so many that a disk that syncs a
     * few dozen times a second does not hold them up. */
    IMPORT_WINDOW = 1024,
    EXPORTS_MAX = 4, /* of the catalogue, under way on one shard */
    LIST_LIMIT_DEFAULT = 20,
    KEY_LENGTH_MAX = IDEMPOTENCY_KEY_LENGTH_MAX,
    PAGE_CACHE_CONTROL_MAX = 80,
};

struct api {
    struct engine *engine;
    struct api_options options;
    struct route routes[ROUTE_COUNT];
    struct router *router;
    struct router *redirect_router; /* without a route */
    uint8_t admin_mac[MAC_BYTES];   /* of the admin key */
    struct cached_page *openapi;    /* all codings made: every shard gives it */
    struct cached_page *docs;
    struct keyed_table *keyed;
    uint8_t challenge_modes[ROUTE_COUNT]; /* enum challenge_mode */
    uint8_t altcha_key[ALTCHA_KEY_BYTES];
    struct altcha_memory *altcha_memory; /* NULL: no route demands ALTCHA */
    struct rate_limiter *throttle;       /* of all shards, under its lock (throttle.h); NULL: off */
    uv_mutex_t throttle_lock;
    uint32_t run; /* another number at each start: of the IDs of events of stock */
    char page_cache_control[PAGE_CACHE_CONTROL_MAX]; /* of products, as a header's value */
    uint32_t shard_count;
    struct api_shard *shards;
};

/* ---- pending commands ---- */

/* Takes the answer of a command. `exchange` is NULL when the client has gone meanwhile. An envelope
 * in the reply is the callee's. */
typedef void (*pending_answer)(struct api_shard *shard, struct http_exchange *exchange,
                               const struct message *reply, void *user);

struct pending {
    pending_answer answer; /* NULL: free */
    void *user;
    uint64_t exchange_cookie;
    uint32_t generation;
    uint32_t next_free;
};

struct pending_table {
    struct pending *entries;
    uint32_t count;
    uint32_t first_free; /* count: none */
};

/* False without memory. */
bool pending_table_init(struct pending_table *table, uint32_t count);
void pending_table_free(struct pending_table *table);

/* The cookie to submit with; 0 if the table is full. */
uint64_t pending_open(struct pending_table *table, uint64_t exchange_cookie, pending_answer answer,
                      void *user);
/* The command was refused at once: nobody will answer. */
void pending_cancel(struct pending_table *table, uint64_t cookie);
/* Takes the entry out, for its answer. */
struct pending pending_take(struct pending_table *table, uint64_t cookie);

/* ---- the shard ---- */

/* What stays with an exchange while its request is deferred, and behind its handler's back. */
struct call_scratch {
    struct import *import;
    struct order_export *export;
    struct catalogue_export *catalogue;
    struct order_stream *stream;
    struct stock_stream *stock;
    /* Not charged again when the request is resumed. */
    struct rate_verdict address_verdict;
    struct rate_verdict network_verdict;
    struct rate_verdict caller_verdict;
    bool caller_is_charged;
    uint8_t challenge; /* enum challenge_result, once a service has said it */
    uint32_t asked;    /* how often its session was asked for */
};

/* What a reservation's handler works in. Here and not on the stack, because hardened builds clear
 * stack variables, and these are large. */
struct reserve_scratch {
    struct validation validation;
    struct command_line lines[RESERVATION_LINES_MAX];
    char fingerprint[RESERVATION_LINES_MAX * (SKU_LENGTH_MAX + RENDER_NUMBER_LENGTH_MAX)];
};

/* What the log has been told of the vault's keys. */
struct vault_watch {
    int64_t due_boot_ms;
    bool is_told;
    bool is_over;
};

struct api_shard {
    _Alignas(CACHE_LINE) struct api *api;
    struct shard *shard;
    uv_loop_t *loop;
    /* Readable by other threads for its counters until this shard stops. */
    struct http_server *_Atomic server;
    struct http_server *redirect; /* NULL: none */
    bool redirect_is_drained;
    struct pending_table pending;
    struct session_cache sessions;
    struct rate_limiter *limiter; /* NULL: off */
    struct json_memory json;
    struct reserve_scratch reserve;
    struct import *imports[IMPORTS_MAX];
    struct catalogue_export *exports[EXPORTS_MAX];
    uint32_t flows;                        /* under way */
    uint32_t captchas;                     /* asked for, unanswered */
    struct findings *findings;             /* finding.c */
    struct browse_request *browse_request; /* what is being read */
    struct moment now;                     /* as of this turn: at most a second old */
    uint64_t jitter;                       /* a state of a random sequence; not for secrets */
    bool is_drained;
    bool is_draining;
    struct order_stream *streams; /* order_stream.c */
    int64_t streams_due_ms;
    struct vault_watch vault_watch;
    struct product_pages pages;  /* product_page.c */
    struct stock_streams *stock; /* stock_stream.c; NULL: not begun */
    struct api_counters counters;
};

/* A number below `bound`, spread, not secret. */
uint32_t api_shard_jitter(struct api_shard *shard, uint32_t bound);

/* ---- a call ---- */

/* One request in its handler: on the stack, gone when the handler returns. */
struct api_call {
    struct api_shard *shard;
    struct http_exchange *exchange;
    const struct api_route *route;
    struct principal principal; /* of the session; nobody with the admin key or without either */
    enum authority authority;   /* STAFF on their routes only */
    /* Whose session it is, if it is an account's; in the shard's cache, for this call only. */
    const struct person *person;
    struct http_slice token; /* of the session, as it came */
    bool by_cookie;          /* it came as a cookie, which a browser sends by itself */
    /* The Idempotency-Key without its quotes; text NULL: none was given. Points to key_text. */
    struct slice key;
    char key_text[KEY_LENGTH_MAX + 1];
};

/* Enters every route (http_handler); `user` is the shard. */
void dispatch_exchange(struct http_exchange *exchange, void *user);

/* Takes the engine's answers (engine_reply); `user` is the shard. */
void dispatch_reply(void *user, uint64_t cookie, const struct message *reply);

/* Who makes this call, for the audit log; what goes to the engine later takes it along. */
struct origin call_origin(const struct api_call *call);

/* As what somebody of this role comes; enum audit_caller. */
uint8_t audit_caller_of(enum account_role role);

/* Submits with principal, authority and origin of the call. PENDING: `answer` will be called.
 * Otherwise nothing happened; `refusal_out` (may be NULL) says more. */
enum outcome call_submit(struct api_call *call, struct command *command, pending_answer answer,
                         void *user, struct refusal *refusal_out);

/* Answers with the problem that an outcome is told as. The exchange is over. */
void respond_outcome(struct http_exchange *exchange, enum outcome outcome);

/* Answers with JSON that a growing writer holds, and frees it; without memory: 503. */
void respond_json(struct http_exchange *exchange, int status, struct writer *writer);

/* Writes an entity tag of these bytes, with its quotes and a zero. */
void etag_format(const char *bytes, size_t length, char etag_out[20]);

/* Whether this tag is among those of an If-None-Match (RFC 9110, 13.1.2). */
bool etag_is_among(struct http_slice known, const char *etag);

#endif

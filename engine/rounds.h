/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard looks for among its stored accounts, at leisure and one at a time:
 *
 *   KEYS      data keys that the vault's previous key wraps: they are wrapped by the current one.
 *             From the start on: a round that counts; while it finds some, a round that wraps them
 *             and another that counts. What counts last saw all that is durable.
 *   GUESTS    entries of guests who became customers: those that are new, since a login may have
 * been broken off before the account knew of them; and those so long ago that no token of theirs is
 * good PENDING   accounts whose address nobody has verified for ACCOUNT_PENDING_S CHECKOUTS keys of
 * checkouts older than ORDER_KEY_KEPT_S whose orders have ended EVENTS    of gateways, older than
 * ORDER_EVENT_KEPT_S
 *
 *     due -> READING a page -> each candidate: ASKING (GET -> KEY_REWRAP; GUEST_NOTE ->
 *     GUEST_FORGET; LAPSE -> EMAIL_RELEASE; an order: GET -> REWRAP; KEY_FORGET; EVENT_FORGET) ->
 * the next page, the next kind (of keys: accounts', then orders'), the next partition -> the next
 * round
 *
 * The page says who is asked; what is done is decided by the actor, by what it is then. So nothing
 * that happens meanwhile is overtaken, and a round that a crash ends begins anew. The last two go
 * by the wall clock and the times in the records: they begin once it has run evenly for
 * retention_steady_ms since the start, then every retention_period_ms, and end when it leaps. So a
 * process that is started anew each day forgets all the same. A clock that is wrong from the start
 * on, and stays so, is believed. Private to engine/. */
#ifndef STAMPEDE_ROUNDS_H
#define STAMPEDE_ROUNDS_H

#include "engine.h"

enum {
    ROUND_CALL_PACE_MS = 5,  /* between two accounts: at most 200 a second */
    ROUND_PAGE_PACE_MS = 10, /* between two pages */
    /* Until keys are looked for again: where some were wrapped, and where none could be. */
    ROUND_AGAIN_MS = 1000,
    ROUND_STUCK_MS = 60 * 1000,
    ROUND_NEW_GUESTS_S = 7 * 24 * 3600, /* that a process takes for new, when it begins */
};

enum round_kind {
    ROUND_COUNT_KEYS,
    ROUND_WRAP_KEYS,
    ROUND_GUESTS,
    ROUND_PENDING,
    ROUND_CHECKOUTS,
    ROUND_EVENTS,
};

/* Of what is asked of orders from here. */
#define ROUNDS_COOKIE (UINT64_C(1) << 63 | UINT64_C(0x524f554e) << 32 | UINT32_MAX)

enum round_phase {
    ROUND_WAITING, /* for `due_boot_ms`: to begin, or to go on */
    ROUND_READING,
    ROUND_ASKING,
};

struct rounds {
    struct engine_read read;
    uint8_t kind;           /* enum round_kind: under way */
    uint8_t keys_kind;      /* the next one of keys */
    uint8_t retention_kind; /* and the next of the others */
    uint8_t phase;          /* enum round_phase */
    bool is_under_way;
    int64_t began_boot_ms;
    int64_t began_wall_ms;
    int64_t due_boot_ms;
    uint32_t partition;
    bool is_at_orders;       /* a round of keys: at those of orders, behind the accounts' */
    struct journal_key next; /* the next page begins here */
    /* The page in hand. */
    uint8_t *page; /* NULL: none */
    uint32_t page_bytes;
    uint32_t page_at;
    bool is_last_page; /* of its partition */
    struct principal asked;
    struct principal asked_customer;        /* GUESTS: who that guest became */
    bool asked_is_past;                     /* and whether it is to be forgotten */
    uint8_t asked_index[EMAIL_INDEX_BYTES]; /* PENDING: to be released */
    /* Of this round of keys. */
    int64_t previous;
    int64_t unreadable;
    int64_t wrapped;
    bool is_noted; /* of GUESTS: each account that was told has answered */
    bool is_torn;  /* a page could not be read: the round does not count */
    /* What is known of the whole. */
    bool keys_done;
    int64_t guests_wall_ms; /* those of before are known to their accounts */
    int64_t retention_due_boot_ms;
    int64_t keys_due_boot_ms;
    /* The wall clock. */
    int64_t drift_ms; /* wall clock less boot clock, when that was last uneven */
    int64_t even_since_boot_ms;
};

/* In zeroed memory. */
void rounds_init(struct rounds *rounds, const struct engine_options *options,
                 const struct moment *now);
/* Frees what was read and not taken. */
void rounds_destroy(struct rounds *rounds);

/* In each turn. */
void rounds_step(struct shard *shard);
/* When a step has something to do by time alone; INT64_MAX: none. */
int64_t rounds_next_ms(const struct shard *shard);
/* Takes an answer of an account that was asked from here. */
void rounds_take_reply(struct shard *shard, const struct message *reply);
/* Of an order. */
void rounds_take_order(struct shard *shard, const struct message *reply);
/* And of the settings' actor: the shop's own data key is wrapped anew with the accounts'. */
void rounds_take_settings(struct shard *shard, const struct message *reply);

#endif

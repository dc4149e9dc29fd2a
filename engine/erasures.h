/* SPDX-License-Identifier: Apache-2.0 */
/* What is left to do when an account was erased: its orders, and those of the guests that it was,
 * forget their persons, and its cart goes. That it is to be done is recorded with the erasure
 * (RECORD_ERASURE), and is until it is done; so a crash in the midst begins it anew, and forgetting
 * twice is forgetting once.
 *
 *     FIND an erasure -> CART of the account -> its ORDERS, a page at a time -> the next GUEST:
 *     its CART, its ORDERS -> ... -> END -> FIND the next one
 *
 * One call at a time. A checkout that was on its way at the erasure may make an order, or put into
 * the cart, after that was passed: so there is a second pass when all that was on its way has
 * ended, and only that one ends it. An order that lives forgets with its last step; that it is to
 * is recorded by then. Private to engine/. */
#ifndef STAMPEDE_ERASURES_H
#define STAMPEDE_ERASURES_H

#include "engine.h"

enum {
    ERASURE_CALL_PACE_MS = 5,
    ERASURE_AGAIN_MS = 1000,       /* what could not be done now */
    ERASURE_SETTLE_MS = 60 * 1000, /* longer than any request, with all that it begins, may take */
};

/* Of all that is asked from here. */
#define ERASURES_COOKIE (UINT64_C(1) << 63 | UINT64_C(0x45524153) << 32 | UINT32_MAX)

enum erasure_stage { ERASURE_FIND, ERASURE_CART, ERASURE_ORDERS, ERASURE_GUEST, ERASURE_END };
enum erasure_phase { ERASURE_WAITING, ERASURE_READING, ERASURE_ASKING };

struct erasures {
    struct engine_read read;
    uint8_t stage; /* enum erasure_stage */
    uint8_t phase; /* enum erasure_phase */
    bool is_wanted;
    bool is_under_way;
    bool is_left; /* this round leaves one for another pass */
    int64_t due_boot_ms;
    int64_t began_wall_ms;
    int64_t settled_wall_ms; /* what was asked for before has settled */
    int64_t passed_wall_ms;  /* what was asked for before had its first pass, which was over */
    int64_t passed_boot_ms;  /* then; INT64_MAX: none waits to settle */
    uint64_t
        write_serial; /* of the newest that was asked for: it can be read when that is durable */
    uint32_t partition;
    /* The one in hand. */
    uint32_t number; /* its account's */
    bool is_last;    /* pass */
    bool is_guest;   /* `who` */
    struct principal account;
    struct principal who;
    uint64_t next_guest;
    uint64_t next_order;
    uint8_t *page; /* orders of `who`; NULL: none in hand */
    uint32_t page_bytes;
    uint32_t page_at;
    bool is_last_page;
};

void erasures_init(struct erasures *erasures, const struct moment *now);
/* Frees what was read and not taken. */
void erasures_destroy(struct erasures *erasures);

/* One was just recorded, in the open batch; or, at the start, is on disk (serial 0). */
void erasures_note(struct shard *shard, uint64_t serial);

/* In each turn. */
void erasures_step(struct shard *shard);
/* When a step has something to do by time alone; INT64_MAX: none. */
int64_t erasures_next_ms(const struct shard *shard);
void erasures_take_reply(struct shard *shard, const struct message *reply);

#endif

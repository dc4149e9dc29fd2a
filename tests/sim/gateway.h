/* SPDX-License-Identifier: Apache-2.0 */
/* Who moves the money, outside of the process: its books, its customers' browsers and what it tells
 * by itself survive every crash, and so do calls that were on their way.
 *
 *   calls     are done, refused, done without a word, lost, or answered late; each key once
 *   payments  created -> (processing) -> authorised -> captured, or cancelled
 *   transfers double-entry: what is authorised, captured, voided and refunded of each payment
 *   events    one for each change, told until it is acknowledged, in any order, and again; some are
 *             of another amount or currency than the payment's
 *
 * What must be so here: a call is of an order whose durable record asks for it; what is captured by
 * a call is captured with the order's hold pinned, durably; one event has one effect. */
#ifndef STAMPEDE_SIM_GATEWAY_H
#define STAMPEDE_SIM_GATEWAY_H

#include "engine.h"

enum {
    SIM_PAYMENTS_MAX = 1536,
    SIM_GATEWAY_CALLS_MAX = 200,
    SIM_GATEWAY_KEYS = 1 << 14, /* a power of two */
    SIM_EVENTS_MAX = 3072,
    SIM_TRANSFERS_MAX = 6144,
};

struct sim_payment {
    char id[PAYMENT_ID_MAX + 1];
    struct reservation_id order;
    char currency[4];
    int64_t amount_minor;
    int64_t authorised_minor;
    int64_t captured_minor;
    int64_t voided_minor;
    int64_t refunded_minor;  /* in all */
    int64_t elsewhere_minor; /* of it, not asked for by the shop */
    uint8_t provider;
    uint8_t state;         /* enum payment_state */
    bool captures_at_once; /* what is authorised is captured */
    bool pays_less;        /* than is asked for is captured */
    bool is_race;          /* it was paid in the moment in which its order expired */
};

enum money_account { MONEY_CUSTOMERS, MONEY_AUTHORISED, MONEY_SHOP, MONEY_ACCOUNTS };

struct sim_transfer {
    int64_t amount_minor;
    uint32_t payment;
    uint8_t source; /* enum money_account */
    uint8_t target;
};

/* What a key was answered. */
struct sim_gateway_key {
    uint64_t hash; /* 0: free */
    int64_t captured_minor;
    int64_t refunded_minor;
    uint32_t payment;
    uint8_t result;
    uint8_t state;
};

enum sim_mischief {
    CALL_AS_IT_SHOULD,
    CALL_LOST,        /* it never comes, and there is no word */
    CALL_ANSWER_LOST, /* it is done, and there is no word */
    CALL_SILENT,      /* the same, and it takes until the caller's time is up to know */
    CALL_UNAVAILABLE, /* certainly not done */
    CALL_REFUSED,     /* this once */
    CALL_MISCHIEFS,
};

struct sim_gateway_call {
    struct gateway_job *job; /* NULL: who asked has died */
    struct gateway_job asked;
    struct gateway_job answer;
    int64_t sent_ms;
    uint8_t mischief;
    bool is_used;
    bool is_done;
};

struct sim_event {
    struct payment_event event;
    struct reservation_id order;
    uint32_t payment;
    uint32_t open; /* deliveries under way */
    bool is_false; /* of another amount or currency */
    bool is_acknowledged;
    bool is_of_nobody; /* there is no such order */
    bool is_replayed;  /* staff had it taken in again, perhaps */
    uint8_t effect;    /* as stored, when it was last answered */
    int64_t wall_ms;
};

struct sim_gateway {
    struct sim_payment payments[SIM_PAYMENTS_MAX];
    struct sim_gateway_key keys[SIM_GATEWAY_KEYS];
    struct sim_gateway_call calls[SIM_GATEWAY_CALLS_MAX];
    struct sim_event events[SIM_EVENTS_MAX];
    struct sim_transfer transfers[SIM_TRANSFERS_MAX];
    uint32_t payment_count;
    uint32_t key_count;
    uint32_t call_count; /* used */
    uint32_t event_count;
    uint32_t transfer_count;
    uint32_t next_false; /* of false events */
};

struct world;

struct gateway_port sim_gateway_port(struct world *world);
/* The process died: nobody waits for answers; calls under way may still be done. */
void sim_gateway_restart(struct world *world);
/* A call is done or answered, an event told, a payment moves by itself. */
void sim_gateway_act(struct world *world);
bool sim_gateway_is_busy(const struct world *world);

/* Whether the order's record names it: then its customer may have been told how to pay. */
bool sim_gateway_is_payable(struct world *world, uint32_t payment);
/* A customer's browser pays, if it is not paid. */
void sim_gateway_pay(struct world *world, uint32_t payment);
/* The newest payment of an order, or NONE. */
uint32_t sim_gateway_find(const struct world *world, const struct reservation_id *order);
/* What an order has in all payments: captured, refunded, and of that not by the shop. */
void sim_gateway_sum(const struct world *world, const struct reservation_id *order,
                     int64_t *captured_out, int64_t *refunded_out, int64_t *elsewhere_out);

/* ---- gateway_events.c ---- */

/* The payment has changed. */
void sim_events_add(struct world *world, uint32_t payment);
/* So much has gone back in all. */
void sim_events_add_refund(struct world *world, uint32_t payment);
/* One is told, if there is any. */
void sim_events_tell(struct world *world);
/* One that nobody should believe. */
void sim_events_add_false(struct world *world);
/* How many were not acknowledged yet. */
uint32_t sim_events_open(const struct world *world);
/* The process died. */
void sim_events_restart(struct world *world);
void sim_events_answered(struct world *world, uint32_t event, enum outcome outcome);
void sim_events_replayed(struct world *world, uint32_t event, enum outcome outcome,
                         const struct order_envelope *answer, bool was_applied);

/* ---- the end: gateway_check.c ---- */

/* Its books against the orders' records. */
void sim_gateway_check(struct world *world);

#endif

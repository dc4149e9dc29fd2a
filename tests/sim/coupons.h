/* SPDX-License-Identifier: Apache-2.0 */
/* Coupons, the staff who make and change them, and orders that use them as an order's saga does:
 * one pending step at a time, repeated until it is answered, also after a restart, and a little
 * after it as well. What must be so: never more uses than a coupon has, in all or for a customer
 * and the guests that the customer was; no refusal that need not be; a use ends once, and one that
 * was given back can be had again; after the last fault exactly as many are committed as there are.
 */
#ifndef STAMPEDE_SIM_COUPONS_H
#define STAMPEDE_SIM_COUPONS_H

#include "engine.h"

enum {
    SIM_COUPON_SLOTS_MAX = 3,
    SIM_COUPON_BOOKS_MAX = 64, /* coupons ever made */
    SIM_COUPON_ORDERS_MAX = 600,
    SIM_COUPON_ASKS_MAX = 64,
    SIM_COUPON_PEOPLE = 6, /* the last one is a customer who was the first two */
};

/* A coupon: what staff know of it. */
struct coupon_book {
    struct coupon_view view; /* as it was last told */
    uint32_t max_high;       /* uses that it may have by now */
    uint64_t version_high;   /* version that it may have by now */
    bool delete_sent;
    bool deleted;
};

/* A code. */
struct coupon_slot {
    char code[COUPON_CODE_MAX + 1];
    uint32_t book; /* SIM_COUPON_BOOKS_MAX: none is known */
    bool call_open;
};

enum use_state {
    USE_HOLDING,
    USE_HELD,
    USE_REFUSED,
    USE_COMMITTING,
    USE_COMMITTED,
    USE_RELEASING,
    USE_RELEASED,
};

struct coupon_order {
    struct reservation_id id;
    uint64_t version; /* that it was priced by */
    uint64_t held_step;
    uint64_t ended_step;
    int64_t ending_ms; /* when it was first asked to end */
    uint32_t ended_in; /* incarnation */
    uint32_t held_in;  /* the newest HOLD was sent in this one */
    uint32_t sent_in;  /* the newest step was first sent in this one */
    uint32_t book;
    uint32_t who;
    uint32_t holds; /* HOLDs sent */
    uint32_t open;
    uint8_t state; /* enum use_state */
};

struct coupon_ask {
    uint64_t step; /* when it was sent */
    uint32_t order;
    uint32_t slot;
    uint32_t max_acked; /* the least uses that the coupon then had */
    uint64_t version_acked;
    uint8_t command; /* enum command_type */
    uint8_t call;    /* enum coupon_call */
    bool is_open;
    bool is_first; /* HOLD */
};

struct coupons_model {
    struct coupon_slot slots[SIM_COUPON_SLOTS_MAX];
    struct coupon_book books[SIM_COUPON_BOOKS_MAX];
    struct coupon_order orders[SIM_COUPON_ORDERS_MAX];
    struct coupon_ask asks[SIM_COUPON_ASKS_MAX];
    uint32_t slot_count;
    uint32_t book_count;
    uint32_t order_count;
    uint32_t asks_open;
    uint32_t incarnation;
};

struct world;

void coupons_start(struct world *world);
/* The process died: nothing is answered. */
void coupons_restart(struct world *world);
/* Staff or an order do something. */
void coupons_act(struct world *world);
/* Nothing can happen before time passes: nobody may wait for an answer. */
void coupons_quiet(const struct world *world);

bool coupons_is_cookie(uint64_t cookie);
void coupons_take(struct world *world, uint64_t cookie, const struct message *message);

/* Uses of a coupon that are surely taken, told before that step; of those whom `who` was, unless
 * that is NONE. coupons_answers.c. */
uint32_t coupons_count_sure(const struct coupons_model *coupons, uint32_t book, uint32_t who,
                            uint64_t before_step);

/* No more faults: all orders end, and the coupons are used up. */
void coupons_heal(struct world *world, void (*settle)(struct world *));
/* What is stored is what was told. */
void coupons_check_end(struct world *world, void (*settle)(struct world *));

#endif

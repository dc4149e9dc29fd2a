/* SPDX-License-Identifier: Apache-2.0 */
/* Shoppers: they reserve what the shop has for them, check out with a coupon or without, pay or do
 * not, at the last moment as well, cancel and ask; staff ship and refund. All of it comes again
 * under the same keys. What must be so:
 *
 *   - a key makes one order, a hold one order, and what an order showed it shows for ever: its
 *     timeline only grows, along order_may_become, also after a restart
 *   - confirmed is what the gateway has captured exactly, and nothing else (I4)
 *   - after the last fault each order ends; then what is captured and not refunded is what was sold
 *     and not refunded, each hold of a confirmed order is converted and no other is, and as many
 *     uses of each coupon are committed as confirmed orders have it */
#ifndef STAMPEDE_SIM_SHOPPERS_H
#define STAMPEDE_SIM_SHOPPERS_H

#include "engine.h"

enum {
    SIM_SHOPPERS = 6,
    SIM_SHOP_SKUS = 3,
    SIM_SHOP_COUPONS = 2,
    SIM_SHOP_HOLDS_MAX = 1200,
    SIM_SHOP_ORDERS_MAX = 1000,
    SIM_SHOP_ASKS_MAX = 96,
    SIM_SHOP_REFUNDS_MAX = 6, /* keys of one order's */
};

struct shop_hold {
    struct reservation_id id;
    struct principal principal;
    int64_t deadline_wall_ms;
    uint32_t who;
    uint32_t order; /* that surely has it, or NONE */
    uint8_t line_count;
    struct line lines[2];
    uint32_t checkouts; /* orders that were asked for with it */
};

enum shop_order_state {
    SHOP_ASKED,  /* it may be there */
    SHOP_PLACED, /* an answer showed it */
    SHOP_NEVER,  /* it was refused, and nothing is on its way */
};

struct shop_refund {
    uint64_t key;
    int64_t amount_minor; /* 0: all that is left */
    bool was_done;
};

struct shop_order {
    struct reservation_id id; /* sequence 0: not known */
    struct hash128 key;
    struct order_totals totals;
    int64_t expires_wall_ms;
    uint32_t who;
    uint32_t hold;
    uint32_t coupon; /* NONE: without */
    uint32_t open;   /* CREATEs under way */
    uint8_t state;   /* enum shop_order_state */
    uint8_t provider;
    uint8_t from_cart;
    bool is_forgotten;    /* its person: that was acknowledged */
    bool is_acknowledged; /* that it was refunded elsewhere, when so much was: */
    int64_t acknowledged_minor;
    bool is_customers; /* its customer had an account whenever it was asked for */
    uint8_t refund_count;
    struct shop_refund refunds[SIM_SHOP_REFUNDS_MAX];
    int64_t asked_ms;     /* when a CREATE was first sent */
    uint64_t unsure_step; /* when a CREATE last ended without a word */
    uint32_t uses_before; /* of its coupon, that surely counted when it was first asked for */
    /* As it was last shown. */
    uint64_t seen_step;
    int64_t captured_minor;
    int64_t refunded_minor;
    uint8_t status;
    uint8_t timeline_count;
    struct order_moment timeline[ORDER_TIMELINE_MAX];
};

enum shop_act {
    SHOP_PRODUCT,
    SHOP_COUPON,
    SHOP_RESERVE,
    SHOP_HOLD_RELEASE,
    SHOP_ORDER, /* one of ORDER_CALLS */
    SHOP_EVENT,
    SHOP_EVENT_REPLAY,
    SHOP_MAIL_REPLAY,
};

struct shop_ask {
    uint64_t step;  /* when it was sent */
    uint32_t index; /* hold, order, event or coupon, as the act is */
    uint32_t refund;
    uint32_t watch; /* GET, UNWATCH: from 1; 0: without */
    uint8_t act;    /* enum shop_act */
    uint8_t call;   /* enum order_call */
    bool is_open;
    bool is_placed;   /* the order was known to be there */
    bool is_refunded; /* REFUND: it was known to be done */
    bool is_applied;  /* EVENT_REPLAY: the event was known to have had its effect */
    bool is_acknowledged;
    int64_t acknowledged_minor;
    /* Of the order, as it was then known. */
    uint8_t status;
    uint8_t timeline_count;
    int64_t captured_minor;
    int64_t refunded_minor;
};

struct shop_coupon {
    struct coupon_view view;
    bool is_known;
};

struct shoppers_model {
    struct shop_hold holds[SIM_SHOP_HOLDS_MAX];
    struct shop_order orders[SIM_SHOP_ORDERS_MAX];
    struct shop_ask asks[SIM_SHOP_ASKS_MAX];
    struct shop_coupon coupons[SIM_SHOP_COUPONS];
    char skus[SIM_SHOP_SKUS][SKU_LENGTH_MAX + 1];
    uint32_t sku_ids[SIM_SHOP_SKUS]; /* UINT32_MAX: not known yet */
    uint32_t stock[SIM_SHOP_SKUS];
    uint32_t hold_count;
    uint32_t order_count;
    uint32_t asks_open;
    uint32_t next_refund;
    bool is_on_sale;
    bool product_open;
    struct record record; /* for whoever looks one up */
};

struct world;

void shoppers_start(struct world *world);
/* The process died: nothing is answered. */
void shoppers_restart(struct world *world);
/* It has recovered. */
void shoppers_check_restarted(struct world *world);
/* Somebody does something. */
void shoppers_act(struct world *world);

bool shoppers_is_cookie(uint64_t cookie);
void shoppers_take(struct world *world, uint64_t cookie, const struct message *message);

/* The gateway's. */
void shoppers_tell_event(struct world *world, uint32_t event);
/* Staff has it taken in once more. */
void shoppers_replay_event(struct world *world, uint32_t event);
/* Nobody knows this order. */
void shoppers_not_found(const struct world *world, const struct reservation_id *order);
/* It waits for its payment, and its time is over about now. */
bool shoppers_is_expiring(struct world *world, const struct reservation_id *order);

/* What only shoppers buy: some of them are customers, whose other holds are in the books. */
bool shoppers_is_sku(const struct world *world, uint32_t sku_id);
/* Units of the shoppers' SKUs that are claimed at their gates. */
uint64_t shoppers_claimed(const struct world *world);
/* How many uses of coupons confirmed orders have. */
uint32_t shoppers_committed_uses(const struct world *world);

/* No more faults: all orders end. `settle` lets everything under way end. */
void shoppers_heal(struct world *world, void (*settle)(struct world *));
/* After a restart: the vault's previous key is needed for none of their orders any more. */
void shoppers_rotate(struct world *world, void (*settle)(struct world *));
/* Until no order has yet to forget an erased account. */
void shoppers_let_forget(struct world *world, void (*settle)(struct world *));
/* What is stored is what was told. */
void shoppers_check_end(struct world *world);

/* ---- among each other ---- */

struct shop_ask *shoppers_take_ask(struct world *world, enum shop_act act, uint32_t index,
                                   uint64_t *cookie_out);
enum outcome shoppers_submit(struct world *world, uint32_t shard, const struct command *command,
                             struct shop_ask *ask, uint64_t cookie);
struct principal shoppers_person(uint32_t who);
bool shoppers_is_account(const struct world *world, const struct principal *principal);
uint32_t shoppers_find(const struct world *world, const struct reservation_id *order);
/* Asks for an order, and again under the same key. */
void shoppers_checkout(struct world *world, uint32_t order);
/* A checkout's key may have been forgotten: asked again, it would be another checkout. */
bool shoppers_key_is_old(const struct world *world, const struct shop_order *order);
/* The order is there, under this number. */
void shoppers_place(struct world *world, uint32_t order, const struct reservation_id *id);
/* Checks a hold out as an order of its own, if it can be. */
void shoppers_order_anew(struct world *world, uint32_t hold);
void shoppers_call(struct world *world, uint32_t order, enum order_call call, uint32_t refund);
void shoppers_reserve(struct world *world, uint32_t who);
/* What an answer, or the store, shows of an order. */
void shoppers_see(struct world *world, uint32_t index, const struct order_record *order,
                  const struct shop_ask *ask);

/* ---- shoppers_coupons.c ---- */

/* Guests that the order's customer was; room for ACCOUNT_ALIASES_MAX. */
uint32_t shoppers_guests(const struct world *world, const struct shop_order *order,
                         struct principal *guests_out);
/* Uses of its coupon that count for its customer, surely; without its own. */
uint32_t shoppers_uses_sure(const struct world *world, const struct shop_order *order);
/* It has a use of its coupon. */
void shoppers_check_use(const struct world *world, uint32_t order);
/* It was refused one, as COUPON_EXHAUSTED. */
void shoppers_check_used_up(struct world *world, uint32_t order);

#endif

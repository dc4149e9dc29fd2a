/* SPDX-License-Identifier: Apache-2.0 */
/* The courier of orders' mails, and what must be so: every order that was confirmed is told of so,
 * at least once and, as long as the process lives, once; likewise each refund that was made, and
 * that it was shipped or cancelled. None tells of what was not paid for, none leaves before its
 * cause is durable, and none after its person was forgotten. What the courier refuses for good is
 * kept. */
#ifndef STAMPEDE_SIM_ORDER_MAILS_H
#define STAMPEDE_SIM_ORDER_MAILS_H

#include "shoppers.h"

enum {
    SIM_ORDER_LETTERS = ORDER_MAIL_REFUNDED + ORDER_REFUNDS_MAX, /* of one order */
    SIM_ORDER_CARRIED_MAX = 3 * MAILS_UNDER_WAY_MAX,
};

struct order_letter {
    uint32_t incarnation;  /* of the process that last ended an attempt */
    int64_t not_before_ms; /* in this incarnation */
    uint16_t delivered;
    bool is_carried;
    bool is_settled; /* delivered or given up: it must not come again */
    bool is_given_up;
    bool replay_maybe; /* staff wanted it sent again */
};

struct order_carried {
    struct engine_mail *mail;
    uint32_t shard;
    struct order_letter *letter;
};

struct order_mails_model {
    struct order_letter letters[SIM_SHOP_ORDERS_MAX][SIM_ORDER_LETTERS];
    bool is_forgotten[SIM_SHOP_ORDERS_MAX]; /* that was acknowledged */
    struct order_carried carried[SIM_ORDER_CARRIED_MAX];
    uint32_t carried_count;
    uint32_t incarnation;
};

struct world;

/* The engine was created again: the courier waits at each shard. */
void order_mails_engine_started(struct world *world);
/* The process died: nobody brings anything back. */
void order_mails_restart(struct world *world);
/* The courier comes back; some are under way. */
void order_mails_come_back(struct world *world);
/* An order's person was forgotten, and that was acknowledged. */
void order_mails_forgotten(struct world *world, uint32_t order);
/* A mail of the order that is stored, for staff to send again; false: there is none. */
bool order_mails_draw(struct world *world, uint32_t order, struct record *record_out);
void order_mails_replayed(struct world *world, uint32_t order, enum outcome outcome);
/* No more faults: everything goes out. */
void order_mails_heal(struct world *world, void (*settle)(struct world *));
/* Of an order that has ended, as it is stored. */
void order_mails_check(struct world *world, uint32_t index, const struct record *record);

#endif

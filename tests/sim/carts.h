/* SPDX-License-Identifier: Apache-2.0 */
/* Shoppers with carts, guests and customers, and what must be so: what was acknowledged is in the
 * cart, also after a crash; a guest's cart is in its customer's once, whatever was begun anew and
 * however often; an order clears once, and no more than it ordered.
 *
 * What a cart has of a SKU is known as a range: a change without an answer widens it, an answer or
 * a look at the cart, with nothing else under way, closes it again. */
#ifndef STAMPEDE_SIM_CARTS_H
#define STAMPEDE_SIM_CARTS_H

#include "engine.h"

enum {
    SIM_CART_CUSTOMERS = 3,
    SIM_CART_GUESTS = 6, /* at a time; whoever has logged in makes way for another */
    SIM_CARTS = SIM_CART_CUSTOMERS + SIM_CART_GUESTS,
    SIM_CART_SKUS = 8, /* the first of the books' */
    SIM_CART_REQUESTS = 32,
};

struct cart_range {
    uint32_t least;
    uint32_t most;
};

/* A guest's way to its customer. */
enum cart_login { LOGIN_NONE, LOGIN_ADOPTS, LOGIN_TAKES, LOGIN_MERGES, LOGIN_DROPS };

struct shopper_cart {
    struct principal principal;
    struct cart_range skus[SIM_CART_SKUS];
    uint32_t open;      /* requests under way */
    uint32_t exclusive; /* one of them decides what is in it */
    uint64_t order;     /* that it was cleared for last; 0: none */
    bool clear_open;    /* that has no answer yet: it is asked for again, before all else */
    uint32_t ordered[SIM_CART_SKUS];
    uint32_t cleared[SIM_CART_SKUS]; /* what is left then */
    /* A guest's. */
    uint8_t login; /* enum cart_login */
    uint32_t customer;
    uint32_t adopt_shard;
    uint32_t adopt_product;
    bool was_taken;
    bool was_sent;   /* a merge: the customer's cart may have it */
    bool was_merged; /* and has it */
    bool was_dropped_maybe;
    struct cart_content taken;
    uint32_t taken_skus[SIM_CART_SKUS];
};

struct cart_request {
    bool open;
    uint64_t sent_step;
    uint8_t kind; /* enum cart_act */
    uint32_t cart;
    uint32_t sku;
    uint32_t quantity;
    struct principal principal;
    struct cart_range before[SIM_CART_SKUS];
};

struct carts_model {
    struct shopper_cart carts[SIM_CARTS];
    struct cart_request requests[SIM_CART_REQUESTS];
    uint32_t shoppers; /* 0: nobody has a cart in this world */
    uint32_t open;
    uint32_t next_guest;
    uint64_t next_order;
};

struct world;

void carts_start(struct world *world);
/* The process died: nobody is answered. */
void carts_restart(struct world *world);
/* It is there again: what was acknowledged is in the carts. */
void carts_restarted(struct world *world);
void carts_act(struct world *world);
/* Nothing can happen before time passes: nobody may wait for an answer. */
void carts_quiet(const struct world *world);
bool carts_is_cookie(uint64_t cookie);
void carts_take(struct world *world, uint64_t cookie, const struct message *reply);
/* No more faults: every login comes to its end. `settle` lets everything under way end. */
void carts_heal(struct world *world, void (*settle)(struct world *));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a shard keeps the orders that live, and does for each what its step says: asks the hold's
 * or the coupon's partition, or the gateway, once the record that says so is durable, and gives the
 * answer to the order. Past orders are loaded when they are asked for, and leave again, least
 * recently used first. Private to engine/. */
#ifndef STAMPEDE_ORDERS_H
#define STAMPEDE_ORDERS_H

#include "engine.h"
#include "index_table.h"
#include "order.h"
#include "timers.h"

enum {
    ORDER_LOOKUPS_MAX = 128, /* under way, a shard */
    ORDER_GATEWAY_MAX = 256, /* calls at the gateway, a shard */
    ORDER_EVENTS_KEPT = 8,   /* an order's */
    ORDER_ASKS_MAX = 256,    /* calls at partitions, a shard */
    ORDER_PARTS = 3,         /* an order, its body, its person */
};

enum order_slot_state { ORDER_SLOT_FREE, ORDER_SLOT_LOADING, ORDER_SLOT_LOADED };

/* Slots wait in one of the lists at a time. */
enum order_slot_queue { ORDER_UNQUEUED, ORDER_TO_SERVE, ORDER_TO_ASK };

/* Who made the order; of a guest, whether it has become a customer since; that customer. */
enum order_cart { ORDER_CART_OWN, ORDER_CART_WHOSE, ORDER_CART_CUSTOMERS };

struct order_slot {
    struct order_subject subject;
    struct order_envelope *waiting_first; /* for the load */
    struct order_envelope *waiting_last;
    struct order_envelope *parked; /* whose answer is not there yet */
    uint64_t write_serial;         /* of the batch that holds what it wrote last */
    /* The newest events that it took in: no record may tell of them yet. */
    struct record_place events[ORDER_EVENTS_KEPT];
    uint64_t dropped_serial; /* what it had written when it last dropped one of them */
    uint32_t event_count;    /* ever; a ring */
    uint32_t older;          /* by use, of those that may leave */
    uint32_t newer;
    uint32_t next;         /* in its queue, or of the free */
    uint32_t turns;        /* of its life: answers of an earlier one are not heard */
    uint8_t state;         /* enum order_slot_state */
    uint8_t queue;         /* enum order_slot_queue */
    uint8_t reads;         /* under way */
    uint8_t timeline_seen; /* so many of its changes have been counted and told */
    bool failed;
    bool is_linked; /* by use: it may leave once all that it wrote is durable */
    bool has_key;   /* in the index of those that live */
    bool is_asking; /* its step is under way */
    bool is_answered;
    uint8_t asked_step;
    uint8_t cart;                  /* CART_CLEAR: enum order_cart, that is asked */
    uint8_t attention;             /* of the order's, that was counted */
    bool had_cart;                 /* CART_CLEAR: the guest has one still */
    uint8_t outcome;               /* the answer: see struct order_answer */
    struct order_gateway *gateway; /* the answer, if a gateway gave it */
    struct order_load *load;       /* LOADING */
};

struct order_load {
    struct engine_read read[ORDER_PARTS];
};

/* A call at the gateway, and its way back. */
struct order_gateway {
    struct gateway_job job; /* first: found by its address */
    struct shard_completion completion;
    uint32_t slot;
    uint32_t turns;
    struct order_gateway *next; /* of the free */
};

/* A call that a record decides about before its order is asked: a new order's key, an event. */
struct order_lookup {
    struct engine_read read;         /* first */
    struct order_envelope *envelope; /* NULL: free */
    struct order_lookup *next;       /* of those that are ready */
};

enum { ORDER_WATCH_BUCKETS = 1024 };

/* Who waits for which order, and those that are to be told once the change is durable. They need
 * no slot: an order can only change in one. */
struct order_watches {
    struct order_watch *buckets[ORDER_WATCH_BUCKETS]; /* by the order */
    struct order_watch *told_first;                   /* in the order of their writing */
    struct order_watch *told_last;
    uint32_t count; /* in the buckets */
};

struct order_list {
    uint32_t first;
    uint32_t last;
};

struct orders {
    struct order_slot *slots;     /* `count` */
    struct index_table index;     /* by partition and sequence */
    struct index_table key_index; /* of those that live, by checkout key */
    struct timers timers;
    struct order_gateway *gateways;
    struct order_gateway *free_gateways;
    struct order_lookup *lookups; /* ORDER_LOOKUPS_MAX */
    struct order_lookup *ready;
    uint32_t count;
    uint32_t fresh;
    uint32_t free;
    uint32_t used;
    uint32_t oldest;
    uint32_t newest;
    uint32_t asking;            /* steps under way */
    uint32_t in_flight;         /* of them, asked of partitions */
    uint64_t left_serial;       /* the newest that a slot had written that is not here any more */
    struct order_list to_serve; /* loaded, or answered */
    struct order_list to_ask;
    bool was_refused; /* somebody in to_ask, in the last turn */
    struct order_watches watches;
};

struct orders_memory {
    struct order_slot *slots;
    struct index_bucket *index;
    struct index_bucket *key_index;
    struct timer_node *timers;
    struct order_gateway *gateways;
    struct order_lookup *lookups;
};

/* In zeroed memory of the engine's: `count` slots, timers, and buckets for as many. */
void orders_init(struct orders *orders, const struct orders_memory *memory, uint32_t count,
                 int64_t now_ms);
/* Frees what waits. */
void orders_destroy(struct orders *orders);

/* A MESSAGE_ORDER for a partition of this shard: served at once, or when it is loaded. */
void orders_deliver(struct shard *shard, struct message *message);
/* A reply to what an order's step asked for. */
bool orders_is_own_cookie(uint64_t cookie);
void orders_take_reply(struct shard *shard, const struct message *reply);

/* Serves what has come, as long as the open batch has room. */
void orders_run(struct shard *shard);
/* Does what the orders' steps ask for; outside of a batch. */
void orders_ask(struct shard *shard);
bool orders_have_work(const struct shard *shard);
/* When it has something to do by itself, by the boot clock. */
int64_t orders_next_ms(const struct shard *shard);

/* Takes in ORDER records at the start; false: no room. */
bool orders_restore(struct shard *shard, const struct moment *now, const struct record *record);

#endif

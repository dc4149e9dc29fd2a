/* SPDX-License-Identifier: Apache-2.0 */
/* What one seed's world is like: sizes shrunk until edges are common, and a random subset of
 * behaviours and faults (swarm testing), all drawn from the seed. */
#ifndef STAMPEDE_SIM_PROFILE_H
#define STAMPEDE_SIM_PROFILE_H

#include "coupons.h"
#include "engine.h"
#include "mails.h"
#include "shoppers.h"
#include "sim_random.h"

enum {
    SIM_SHARDS_MAX = 3,
    SIM_PARTITIONS_BITS_MAX = 4,
    SIM_PARTITIONS_MAX = 1 << SIM_PARTITIONS_BITS_MAX,
    SIM_PRODUCTS_MAX = 10,
    SIM_VARIANTS_MAX = 3,
    SIM_SKUS_MAX = SIM_PRODUCTS_MAX * SIM_VARIANTS_MAX,
    SIM_CLIENTS_MAX = 60,
    SIM_LINES_MAX = 5,
    SIM_CRASH_PERCENT = 70,      /* of worlds */
    SIM_FIRST_CRASH_MAX = 20000, /* step */
    SIM_OTHER_BODY_UNITS_MAX = 5,
    SIM_THIEVES = 4,
    SIM_CONTESTS = 6,
    SIM_DEVICES_MAX = 10,  /* the first clients are people's devices */
    SIM_ADDRESSES_MAX = 8, /* e-mail addresses that people have */
};

/* What the scheduler may do in a step: exactly one. */
#define STEPS(X)                                                                                   \
    X(SHARD)     /* one turn of a shard that is awake */                                           \
    X(COMMITTER) /* one turn of the committer */                                                   \
    X(COMPLETE)  /* the pending commit ends */                                                     \
    X(READ_DONE) /* a pending read ends */                                                         \
    X(CLOCK)     /* time passes */                                                                 \
    X(WALL)      /* the wall clock is set */                                                       \
    X(CLIENT)    /* a client acts */                                                               \
    X(CRASH)     /* the process dies and recovers */                                               \
    X(DISK)      /* the disk fills up, or has room again */                                        \
    X(DRAIN)     /* a planned restart begins: nothing new is taken */                              \
    X(STALL)     /* a shard is not scheduled for a while */                                        \
    X(HOLD_BACK) /* messages from one shard to another are not seen for a while */                 \
    X(SLOW)      /* the disk is slow for a while */                                                \
    X(WORK_DONE) /* a worker ends a piece of work */                                               \
    X(PERSON)    /* somebody with an account causes a mail */                                      \
    X(COURIER)   /* the courier comes back from a mail */                                          \
    X(COUPON)    /* staff or an order do something with a coupon */                                \
    X(CART)      /* somebody does something with a cart */                                         \
    X(SHOPPER)   /* somebody orders, pays, cancels, ships or refunds */                            \
    X(GATEWAY)   /* a call at the gateway goes on, or it does something by itself */               \
    X(LISTENER)  /* who is told of events ends a batch, or is busy from now on */                  \
    X(HOOK)      /* a webhook that is under way ends, or staff send one again */

enum step_kind {
#define X(name) STEP_##name,
    STEPS(X)
#undef X
        STEP_KIND_COUNT
};

/* What a client may do. */
#define ACTS(X)                                                                                    \
    X(RESERVE)                                                                                     \
    X(RETRY)                                                                                       \
    X(OTHER_BODY)                                                                                  \
    X(UNKNOWN_SKU)                                                                                 \
    X(GET)                                                                                         \
    X(GET_FOREIGN)                                                                                 \
    X(RELEASE)                                                                                     \
    X(EXTEND)                                                                                      \
    X(CONVERT)                                                                                     \
    X(LIST)                                                                                        \
    X(STOCK_GET)                                                                                   \
    X(ADJUST)                                                                                      \
    X(PRODUCT)                                                                                     \
    X(PERSON)                                                                                      \
    X(LEDGER)                                                                                      \
    X(SETTING)

enum act {
#define X(name) ACT_##name,
    ACTS(X)
#undef X
        ACT_COUNT
};

struct profile {
    struct engine_options engine;
    uint32_t step_weights[STEP_KIND_COUNT];
    uint32_t act_weights[ACT_COUNT];
    uint32_t people; /* who get mails */
    uint32_t coupons;
    uint32_t shoppers; /* 0: nobody has a cart */
    uint32_t orders;   /* 0: nobody orders */
    uint32_t hooks;    /* endpoints of webhooks; 0: nobody listens */
    uint32_t clients;
    uint32_t devices;   /* the first of them are people's, who have accounts */
    uint32_t addresses; /* of e-mail */
    uint32_t products;
    uint32_t products_late; /* of them, created during the sale */
    uint32_t stock_max;     /* initial units of a SKU */
    uint32_t quantity_max;
    uint32_t skew; /* percent of reservations that go to the first product */
    uint32_t limit_percent;
    uint32_t lines_percent;       /* reservations of several lines */
    uint32_t duplicate_percent;   /* lines that repeat the SKU before */
    uint32_t double_percent;      /* requests that are sent twice at once */
    uint32_t lost_answer_percent; /* the client gives up and never sees the answer */
    uint32_t tick_max_ms;
    uint32_t jump_parts; /* of a million clock steps, how many jump far */
    int64_t jump_max_ms;
    uint32_t wall_parts;         /* of a million steps, in how many the wall clock is set */
    uint32_t commit_delay_steps; /* a commit stays pending for at least 0 to so many steps */
    uint32_t commit_fault_parts; /* of a million commits */
    uint32_t no_space_parts;     /* of a million commits on a full disk, how many fail */
    uint32_t slow_steps_max;     /* for how long the disk may become slow */
    uint64_t crash_first_step;   /* the first crash; 0: none ever */
    uint32_t crash_parts;        /* of a million steps */
    uint32_t damage_percent;     /* of restarts, how many find something */
    uint32_t drain_parts;        /* of a million steps */
    uint32_t crash_again_percent;
    uint32_t reboot_percent;
    uint32_t reshard_percent; /* of restarts that have another number of shards */
    uint32_t watermark_lag_ms;
    uint32_t stall_steps_max;
    uint32_t hold_back_steps_max;
    bool is_racing; /* orders are paid about when they expire, and little else happens */
};

void profile_draw(struct profile *profile, struct sim_random *random);

/* Draws anew how much of it is people who log in. */
void profile_people(struct profile *profile, struct sim_random *random);

/* And holds, many of several lines, that last, among restarts. */
void profile_lasting(struct profile *profile, struct sim_random *random);

/* The same world, of one shard whose mailbox has room for one request, and with orders. */
void profile_crowd(struct profile *profile, struct sim_random *random);

/* The same world, for little but orders that are paid in the moment in which they expire. */
void profile_race(struct profile *profile, struct sim_random *random);

/* The same world without faults, in which everything that is under way can end. */
void profile_heal(struct profile *profile);

#endif

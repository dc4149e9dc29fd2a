/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buyers on the whole journey: cart, checkout, payment, and a look at the order that came of it.
 *
 * A journey is four calls, one after the other, by a guest of its own: no buyer is on two journeys
 * at once, as they would share a cart. Each call may leave by any connection.
 *
 * Open loop: journeys begin by schedule. The first call's latency runs from the moment the journey
 * was to begin, every other's from the answer before it, and all of them to the final answer:
 * waiting for a connection and trying again are in it. Closed loop: as many journeys are under way
 * as there are places on the connections.
 *
 * A call whose answer was lost, or was a 503 or `idempotency_in_flight`, is made again, a bounded
 * number of times: the checkout with the same key, the payment as it is (paying a paid order says
 * that it is paid), the cart's by setting the quantity rather than adding to it. One thread.
 */
#ifndef LOAD_JOURNEY_H
#define LOAD_JOURNEY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "load_answers.h"
#include "load_client.h"
#include "load_histogram.h"
#include "load_options.h"
#include "load_random.h"
#include "load_run.h"
#include "load_schedule.h"
#include "load_timers.h"

enum {
    LOAD_JOURNEYS_MAX = 8 * 1024 * 1024, /* a run ends when it has begun that many */
    LOAD_JOURNEY_CODES_MAX = 16,         /* of a call; more share the last row */
};

enum load_journey_call {
    LOAD_JOURNEY_CART,     /* POST /v1/cart/items */
    LOAD_JOURNEY_CHECKOUT, /* POST /v1/checkout */
    LOAD_JOURNEY_PAY,      /* POST /v1/payments/confirm */
    LOAD_JOURNEY_LOOK,     /* GET /v1/orders/{id} */
    LOAD_JOURNEY_CALLS
};

const char *load_journey_call_name(enum load_journey_call call);

enum load_journey_state {
    LOAD_JOURNEY_OPEN,      /* no end yet */
    LOAD_JOURNEY_CONFIRMED, /* its order was seen confirmed, all captured; or it ended by --until */
    LOAD_JOURNEY_REFUSED,   /* 409 or 402: there was nothing for this buyer */
    LOAD_JOURNEY_FAILED,    /* an answer that a buyer cannot expect */
    LOAD_JOURNEY_UNKNOWN,   /* gave up waiting; what came of it is open */
    LOAD_JOURNEY_UNSENT,    /* never left this tool */
};

struct load_journey {
    uint64_t intended_ns; /* since the start of the run */
    uint64_t call_ns;     /* when the call was to be made that is under way */
    int64_t total_minor;
    uint32_t buyer;
    uint32_t sku;
    uint16_t tries; /* of this call */
    uint8_t call;   /* enum load_journey_call */
    uint8_t state;  /* enum load_journey_state */
    bool in_books;
    char order_id[LOAD_ID_BYTES_MAX + 1];
};

struct load_journey_figures {
    uint64_t requests; /* sent, tries among them */
    uint64_t done;     /* final answers, as they should be */
    uint64_t lost;
    uint64_t waits; /* of LOOK: not confirmed yet */
    uint32_t codes_count;
    struct load_code codes[LOAD_JOURNEY_CODES_MAX]; /* answers that were errors */
    struct load_histogram latency;                  /* to the final answer */
    struct load_histogram service;                  /* of each answer, from its send */
};

struct load_journeys {
    const struct load_options *options;
    struct load_buyers *buyers;
    struct load_skus *skus;
    const volatile sig_atomic_t *stop; /* set: no more journeys begin */
    struct load_client *client;
    struct load_schedule schedule;
    struct load_random random;
    struct load_timers timers;
    uint32_t nonce;
    enum load_journey_call last; /* of a journey */

    struct load_journey *rows;
    uint32_t rows_count;
    uint32_t rows_max;
    uint32_t *free_buyers; /* a ring of those that are on no journey */
    uint32_t free_head;
    uint32_t free_count;
    uint32_t *carts; /* by buyer: 1 + the SKU that may still lie in the cart; 0: nothing does */
    uint64_t *ready; /* a ring of tags that can be sent */
    uint32_t ready_head;
    uint32_t ready_count;
    uint32_t ready_max;
    uint32_t under_way; /* journeys begun, without an end */

    uint64_t epoch_ns;
    uint64_t connected_ns;
    uint64_t next_arrival_ns; /* since the epoch */
    uint64_t last_end_ns;     /* since the epoch: the last journey's */
    bool arriving;

    uint64_t arrivals;
    uint64_t not_sent;  /* of them, those that found the backlog full, or were never sent */
    uint64_t confirmed; /* and the other ends, as the states say */
    uint64_t refused;
    uint64_t failed;
    uint64_t unknown;
    uint64_t malformed; /* answers that lack what they must have */
    int64_t revenue_minor;
    struct load_journey_figures calls[LOAD_JOURNEY_CALLS];
    struct load_histogram whole;    /* of confirmed journeys, from the intended start */
    struct load_histogram interval; /* the same, since it was last reset */
    char address[384];              /* what every checkout's body has in common */
    size_t address_length;
};

/* NULL when memory is short. Begins to connect. What it is given must outlive it; the buyers are
 * there. */
struct load_journeys *load_journeys_create(const struct load_options *options,
                                           const struct load_address *address,
                                           struct load_buyers *buyers, struct load_skus *skus,
                                           uint32_t nonce, const volatile sig_atomic_t *stop);
void load_journeys_destroy(struct load_journeys *journeys);

/* Waits until the connections are open, at least one of them; false when none opens in time. */
bool load_journeys_start(struct load_journeys *journeys, uint32_t wait_ms);

/* One turn of the loop; back by `until_ns` (of load_clock_ns) at the latest. */
void load_journeys_step(struct load_journeys *journeys, uint64_t until_ns);

/* True when no connection has been open for LOAD_DOWN_SECONDS_MAX. */
bool load_journeys_target_is_gone(const struct load_journeys *journeys);

/* At the end: journeys without an end become unknown or not sent. */
void load_journeys_settle(struct load_journeys *journeys);

/* The request of a tag, as struct load_client_handler wants it; `context` are the journeys. */
size_t load_journey_render(void *context, uint64_t tag, char *target);

uint64_t load_journeys_elapsed_ns(const struct load_journeys *journeys);

/* The value of `"name_minor":N`, first found in the object `"object":{` of the body, anywhere. */
bool load_journey_find_minor(const char *body, size_t length, const char *object, const char *name,
                             int64_t *value_out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of reservation attempts against a target.
 *
 * Open loop: attempts arrive by schedule, whatever the server does. One that finds no free
 * connection waits in a backlog of a fixed size; one that finds the backlog full is counted as not
 * sent. Latency runs from the intended time to the final answer, so neither waiting nor retrying
 * is hidden. Closed loop: a connection that is free is an attempt that begins.
 *
 * A buyer whose answer was lost, or was a 503 or `idempotency_in_flight`, tries again with the
 * same key, a bounded number of times.
 *
 * A driver (the standard scenarios, the sale) turns the loop by load_run_step; the sale adds
 * requests of its own kinds by hooks. One thread.
 */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "load_answers.h"
#include "load_client.h"
#include "load_histogram.h"
#include "load_options.h"
#include "load_random.h"
#include "load_schedule.h"
#include "load_timers.h"

enum {
    LOAD_STATUS_MAX = 600,
    LOAD_CODES_MAX = 32, /* error codes told apart; more share the last row */
    LOAD_CODE_BYTES_MAX = 39,
    LOAD_RETRIES_WAITING_MAX = 65536, /* beyond what can be lost at once */
    LOAD_DOWN_SECONDS_MAX = 30,       /* without any connection: the target does not come back */
};

/* A tag is a kind of request and a row number: an attempt for reservations. */
enum load_tag_kind {
    LOAD_TAG_RESERVE,
    LOAD_TAG_REPEAT, /* a hold: its attempt's request once more */
    LOAD_TAG_BUY,    /* a hold; the sale's */
};

static inline uint64_t load_tag(enum load_tag_kind kind, uint32_t row)
{
    return ((uint64_t)kind << 32) | row;
}

static inline enum load_tag_kind load_tag_kind(uint64_t tag)
{
    return (enum load_tag_kind)(tag >> 32);
}

static inline uint32_t load_tag_row(uint64_t tag)
{
    return (uint32_t)tag;
}

/* Any may be NULL where the driver sends no requests of its own. */
struct load_run_hooks {
    void *context;
    void (*held)(void *context, uint32_t hold, uint64_t now_ns);
    size_t (*render)(void *context, uint64_t tag, char *target);
    void (*answered)(void *context, uint64_t tag, const struct load_response *response,
                     uint64_t now_ns);
    void (*lost)(void *context, uint64_t tag, uint64_t now_ns);
};

struct load_run_config {
    const struct load_options *options;
    const struct load_address *address;
    const struct load_buyers *buyers;
    struct load_skus *skus;
    bool closed;
    struct load_schedule_plan plan; /* of an open loop */
    double duration_seconds;        /* 0: until `attempts` have been made */
    uint64_t attempts;              /* 0: until the duration is over */
    uint64_t seed;
    uint32_t nonce; /* begins every key: no two runs may share one */
    struct load_run_hooks hooks;
    const volatile sig_atomic_t *stop; /* set: no more arrivals */
};

struct load_code {
    char name[LOAD_CODE_BYTES_MAX + 1];
    int status;
    uint64_t count;
};

struct load_counters {
    uint64_t arrivals;       /* attempts that the schedule brought */
    uint64_t not_sent;       /* of them, those that found the backlog full, or were never sent */
    uint64_t sent;           /* requests sent, retries among them */
    uint64_t retried;        /* of them, those with a key that had been sent before */
    uint64_t answers;        /* answers received */
    uint64_t lost;           /* requests whose connection ended before their answer */
    uint64_t held;           /* final answers: 201 */
    uint64_t replayed;       /* of them, those marked Idempotent-Replayed */
    uint64_t refused;        /* final answers: 409 */
    uint64_t other;          /* other final answers, and attempts that gave up */
    uint64_t unknown;        /* of `other`: the effect is open */
    uint64_t malformed;      /* answers of 201 without an ID that can be read */
    uint64_t repeats;        /* winners asked to send their key again */
    uint64_t repeats_open;   /* of them, those without an answer */
    uint64_t repeats_right;  /* of them, those that got the same reservation, marked as replayed */
    uint64_t holds_overflow; /* holds beyond LOAD_HOLDS_MAX: the run cannot be proved */
    uint64_t by_status[LOAD_STATUS_MAX];
};

struct load_run {
    struct load_run_config config;
    struct load_client *client;
    FILE *acknowledged; /* of --acknowledged; NULL without */
    struct load_answers answers;
    struct load_schedule schedule;
    struct load_random random; /* SKUs and back-off */
    struct load_timers timers;
    uint32_t *backlog; /* a ring of attempts that wait for a connection */
    uint32_t backlog_head;
    uint32_t backlog_count;
    uint64_t epoch_ns;
    uint64_t connected_ns;    /* of load_clock_ns: when a connection was last seen open */
    uint64_t schedule_ns;     /* where the schedule begins, since the epoch */
    uint64_t next_arrival_ns; /* since the epoch */
    uint64_t last_answer_ns;  /* since the epoch */
    uint64_t last_trouble_ns; /* the last answer lost, or 503; 0: none */
    uint64_t unsettled;       /* attempts without a final answer */
    bool arriving;
    struct load_counters counters;
    struct load_code codes[LOAD_CODES_MAX];
    uint32_t codes_count;
    struct load_histogram accepted;
    struct load_histogram refused;
    struct load_histogram other;
    struct load_histogram interval; /* all of these since the driver last reset it */
    struct load_histogram service;  /* from the actual send, every answer */
    char prefix[512];               /* the constant head of a reservation request */
    size_t prefix_length;
};

/* NULL when memory is short, or --acknowledged cannot be written. Begins to connect. What the
 * configuration points to must outlive it.
 */
struct load_run *load_run_create(const struct load_run_config *config);
void load_run_destroy(struct load_run *run);

/* Waits until the connections are open, at least one of them; false when none opens in time. The
 * schedule starts when it returns. */
bool load_run_start(struct load_run *run, uint32_t wait_ms);

/* One turn: arrivals that are due, requests that can leave, events; back by `until_ns` (of
 * load_clock_ns) at the latest. */
void load_run_step(struct load_run *run, uint64_t until_ns);

/* An open loop goes on by another plan, from now, for that long. */
void load_run_reschedule(struct load_run *run, const struct load_schedule_plan *plan,
                         double duration_seconds);

/* No more arrivals. */
void load_run_stop_arrivals(struct load_run *run);

/* True when no connection has been open for LOAD_DOWN_SECONDS_MAX. */
bool load_run_target_is_gone(const struct load_run *run);

/* At the end: `count` holds, spread over all of them, send their request again with the same key;
 * counters.repeats_open falls as the answers come. */
void load_run_repeat(struct load_run *run, uint32_t count);

/* At the end: attempts still without an answer become unknown or not sent. */
void load_run_settle(struct load_run *run);

/* Sends `tag` when `delay_ns` have passed and a connection is free. False when
 * LOAD_RETRIES_WAITING_MAX wait already. */
bool load_run_send_later(struct load_run *run, uint64_t tag, uint64_t delay_ns, uint64_t now_ns);

/* How long to wait before try number `tries`, jitter included. */
uint64_t load_run_backoff_ns(struct load_run *run, uint32_t tries,
                             const struct load_response *response);

uint64_t load_run_elapsed_ns(const struct load_run *run);

#endif

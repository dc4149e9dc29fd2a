/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that does one thing, off everybody's way, when it is asked to: at most once at a time,
 * for all who asked before it began, at most a tenth of the time, and not again before a pause.
 * What fails is tried again. */
#ifndef STAMPEDE_SCRUBBER_H
#define STAMPEDE_SCRUBBER_H

#include <stdbool.h>
#include <stdint.h>

#include "ports.h"

struct scrubber_options {
    bool (*run)(void *arg); /* on the thread; false: it is to be tried again */
    void *arg;
    uint32_t pause_ms; /* after a run that did it */
    uint32_t retry_ms; /* after one that did not */
    bool is_pending;   /* asked for from the start */
};

struct scrubber;

/* NULL without memory or a thread. */
struct scrubber *scrubber_start(const struct scrubber_options *options);

/* Any thread; never waits for a run. */
void scrubber_ask(struct scrubber *scrubber);
void scrubber_state(struct scrubber *scrubber, struct journal_scrub *state_out);

/* Joins the thread, after the run that is under way; frees. */
void scrubber_stop(struct scrubber *scrubber);

#endif

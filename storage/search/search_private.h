/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a search share: the port (search.c), the thread that follows what changes
 * (search_follow.c), the thread that builds (search_build.c).
 *
 *   changed(place) -> both sets of changes -> follower: those of the index that is searched
 *                                          -> builder: those of the one that it makes
 *
 * The builder empties its set, reads every product, then what its set has by then, and puts its
 * index in the place of the other: with its set, so that nothing is missed and nothing is older
 * than before. The follower is between two turns then. */
#ifndef STAMPEDE_SEARCH_PRIVATE_H
#define STAMPEDE_SEARCH_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "search/change_feed.h"
#include "search/change_set.h"
#include "search/generation.h"
#include "search/index_life.h"
#include "search/search.h"
#include "search/synonyms.h"

enum {
    /* So many that wait, and more than a part of what there is: it is faster to build. */
    SEARCH_BEHIND_MAX = 50000,
    SEARCH_BEHIND_PART = 2,
    SEARCH_WAKE_MS = 200,
    FOLLOWER_NICE = 5, /* a shard has three times as much */
    BUILDER_NICE = 10, /* ten times */
};

struct search {
    struct search_options options;
    char folder[GENERATION_PATH_BYTES];
    struct synonyms *synonyms;
    struct change_set *sets[2];
    uint64_t opened_commit; /* the journal's, when it was opened */

    /* ---- any thread ---- */
    sem_t changed; /* posted once until the follower has looked */
    _Atomic bool is_signalled;
    _Atomic bool is_closing;
    _Atomic int64_t close_by_ms;
    _Atomic uint32_t searching; /* finds and suggestions under way, or waiting for the lock */
    _Atomic uint64_t broken;    /* the generation that failed last */
    _Atomic uint64_t faulted;   /* of these, the one that is not to be touched any more */
    _Atomic uint64_t products;
    _Atomic uint64_t building;
    _Atomic uint64_t building_of;
    _Atomic uint64_t builds;
    _Atomic uint64_t disk_bytes;
    _Atomic bool is_ready;
    _Atomic bool has_lost; /* something of Groonga's was left as it was: search_guard */
    _Atomic unsigned set;  /* of sets: what the current index follows; the other is the builder's */

    /* ---- what is searched: the read side to look, the write side to change it or any of it ----
     */
    pthread_rwlock_t lock;
    struct search_index *current; /* NULL: there is none */
    uint64_t generation;          /* of it; 0: there is none */

    /* ---- the follower's turn: nobody changes what is current meanwhile ---- */
    pthread_mutex_t turn;
    struct change_feed *follow_feed;
    pthread_t follower;

    /* ---- the builder ---- */
    pthread_mutex_t build_lock;
    pthread_cond_t build_changed;
    const char *build_reason; /* NULL: none is wanted; a static text */
    bool is_building;         /* what is wrong with the current index is mended by that */
    struct change_feed *build_feed;
    uint64_t last_generation; /* that was tried: a number names one only */
    pthread_t builder;
};

int64_t search_now_ms(void); /* CLOCK_MONOTONIC */

void search_log(struct search *search, bool is_failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Below the shards, as much as who must not starve behind them can be: searches wait for the lock
 * of the follower, and nobody finds anything before the first index is built. The thread's own. */
void search_lower_priority(int nice);

/* fault_guard_run, of what uses Groonga; any thread. */
bool search_guard(struct search *search, void (*run)(void *arg), void *arg);

/* Whether the disk has room for more. Any thread. */
bool search_has_space(const struct search *search);

/* Asks for a build; `reason` is a static text. `is_new`: another than the one that runs, if one
 * does. Any thread. */
void search_ask_build(struct search *search, bool is_new, const char *reason);

/* A generation failed: once, it is told, and one is asked for in its place. `has_faulted`: it
 * cannot even be looked into. Any thread. */
void search_break(struct search *search, uint64_t generation, bool has_faulted, const char *why);

void *search_follow_run(void *search);
void *search_build_run(void *search);

/* Closes what may have failed; guarded. */
void search_close_index(struct search *search, struct search_index *index);

#endif

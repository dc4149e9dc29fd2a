/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that follows what changes: into the index that is searched, in slices under the write
 * side of the lock, with gaps for who wants to look. */
#include <errno.h>
#include <time.h>

#include "search/search_private.h"

enum {
    SLICE_MAX = 20, /* products under one lock */
    SLICE_US = 2000,
    GAP_US = 500, /* between two slices, if somebody looks */
    LATER_MS = 20,
    FIGURES_MS = 1000, /* between two looks at the disk */
};

struct slice {
    struct search_index *index;
    const struct feed_change *changes;
    uint32_t count;
    uint32_t done;
    bool is_good;
};

struct follow {
    struct search *search;
    struct search_index *index;
    uint64_t generation;
};

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void pause_us(int64_t us)
{
    struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    nanosleep(&pause, NULL);
}

static void apply(void *arg)
{
    struct slice *slice = arg;
    int64_t end_us = now_us() + SLICE_US;

    do {
        const struct feed_change *change = &slice->changes[slice->done];

        slice->is_good = change->record != NULL ? index_put(slice->index, change->record)
                                                : index_remove(slice->index, change->place);
    } while (slice->is_good && ++slice->done < slice->count && slice->done < SLICE_MAX &&
             now_us() < end_us);
}

/* One slice; how many it did, 0 if the index failed. */
static uint32_t apply_slice(struct follow *follow, const struct feed_change *changes,
                            uint32_t count)
{
    struct search *search = follow->search;
    struct slice slice = {.index = follow->index, .changes = changes, .count = count};
    bool has_faulted;

    pthread_rwlock_wrlock(&search->lock);
    has_faulted = !search_guard(search, apply, &slice);
    atomic_store_explicit(&search->products, follow->index->product_count, memory_order_relaxed);
    pthread_rwlock_unlock(&search->lock);
    if (!has_faulted && slice.is_good)
        return slice.done;
    search_break(search, follow->generation, has_faulted,
                 has_faulted ? "a page of its files could not be had" : follow->index->error);
    return 0;
}

static bool take(void *arg, const struct feed_change *changes, uint32_t count)
{
    struct follow *follow = arg;
    struct search *search = follow->search;

    while (count > 0) {
        uint32_t done = apply_slice(follow, changes, count);

        if (done == 0)
            return false;
        changes += done;
        count -= done;
        if (atomic_load_explicit(&search->searching, memory_order_relaxed) > 0)
            pause_us(GAP_US);
    }
    return true;
}

/* What waits is more than it is worth to take in one by one. */
static bool is_far_behind(struct search *search, const struct change_set *set)
{
    uint64_t count = change_set_count(set);

    return count > SEARCH_BEHIND_MAX &&
           count >
               atomic_load_explicit(&search->products, memory_order_relaxed) / SEARCH_BEHIND_PART;
}

static enum change_feed_result follow_turn(struct search *search)
{
    struct follow follow = {.search = search};
    struct change_set *set;
    enum change_feed_result result = CHANGE_FEED_NOTHING;

    pthread_mutex_lock(&search->turn);
    follow.index = search->current; /* nobody changes it within a turn */
    follow.generation = search->generation;
    set = search->sets[atomic_load_explicit(&search->set, memory_order_relaxed)];
    if (follow.index == NULL ||
        atomic_load_explicit(&search->broken, memory_order_relaxed) == follow.generation) {
        result = CHANGE_FEED_NOTHING;
    } else if (!change_set_is_whole(set)) {
        search_break(search, follow.generation, false, "changes were lost for want of memory");
    } else if (is_far_behind(search, set)) {
        search_ask_build(search, false, "much has changed");
    } else if (change_set_count(set) > 0 && !search_has_space(search)) {
        result = CHANGE_FEED_LATER;
    } else {
        result = change_feed_turn(search->follow_feed, set, take, &follow);
    }
    pthread_mutex_unlock(&search->turn);
    return result;
}

static void look_at_disk(struct search *search, int64_t *next_ms)
{
    int64_t now_ms = search_now_ms();
    uint64_t generation;

    if (now_ms < *next_ms)
        return;
    *next_ms = now_ms + FIGURES_MS;
    pthread_mutex_lock(&search->turn);
    generation = search->generation;
    pthread_mutex_unlock(&search->turn);
    atomic_store_explicit(&search->disk_bytes,
                          generation == 0 ? 0 : generation_disk_bytes(search->folder, generation),
                          memory_order_relaxed);
}

static void wait_for_changes(struct search *search)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SEARCH_WAKE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (sem_clockwait(&search->changed, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
        continue;
    atomic_store_explicit(&search->is_signalled, false, memory_order_seq_cst);
}

void *search_follow_run(void *arg)
{
    struct search *search = arg;
    int64_t disk_ms = 0;

    search_lower_priority(FOLLOWER_NICE);
    for (;;) {
        bool is_closing = atomic_load_explicit(&search->is_closing, memory_order_acquire);
        enum change_feed_result result = follow_turn(search);

        if (is_closing &&
            (result == CHANGE_FEED_NOTHING || result == CHANGE_FEED_STOPPED ||
             search_now_ms() >= atomic_load_explicit(&search->close_by_ms, memory_order_relaxed)))
            return NULL;
        if (result == CHANGE_FEED_LATER)
            pause_us(LATER_MS * 1000);
        if (result == CHANGE_FEED_NOTHING)
            wait_for_changes(search);
        look_at_disk(search, &disk_ms);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that builds: opens what was closed well, or makes a new index of all products beside
 * the one that is searched, and puts it in its place. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "search/search_private.h"

enum {
    AGAIN_MS = 1000, /* after a build that failed; doubled each time */
    AGAIN_MS_MAX = 60 * 1000,
    /* What changed meanwhile is taken in before words are made, while it is more than this: a
     * product costs half as much then. */
    EARLY_MIN = 10000,
    EARLY_TURNS_MAX = 100000,
    LATE_MIN = 1000, /* and after: the follower does the rest */
    LATE_TURNS_MAX = 100000,
};

struct build {
    struct search *search;
    uint64_t generation;
    struct search_index *index; /* NULL: not yet */
    struct change_set *set;
    char folder[GENERATION_PATH_BYTES];
    char error[INDEX_ERROR_BYTES];
    /* Of the first reading. */
    struct product_pages *pages;
    const struct journal_read *page;
    uint32_t partition; /* the next to ask for */
    uint32_t ended;     /* partitions */
    uint64_t taken;     /* products */
    /* For a step that takes changes. */
    const struct feed_change *changes;
    uint32_t change_count;
};

static bool is_closing(const struct build *build)
{
    return atomic_load_explicit(&build->search->is_closing, memory_order_acquire);
}

/* ---- steps, each guarded ---- */

struct step {
    struct build *build;
    bool (*run)(struct build *build);
    bool is_good;
};

static void run_step(void *arg)
{
    struct step *step = arg;

    step->is_good = step->run(step->build);
}

static bool guarded(struct build *build, bool (*run)(struct build *build))
{
    struct step step = {.build = build, .run = run};

    if (!search_guard(build->search, run_step, &step)) {
        snprintf(build->error, sizeof(build->error),
                 "a page of its files could not be had: the disk is full, or fails");
        return false;
    }
    if (!step.is_good && build->error[0] == '\0')
        snprintf(build->error, sizeof(build->error), "%s",
                 build->index == NULL ? "not enough memory" : build->index->error);
    return step.is_good;
}

static bool step_create(struct build *build)
{
    build->index =
        index_create(build->folder, build->search->synonyms, build->error, sizeof(build->error));
    return build->index != NULL;
}

static bool step_open(struct build *build)
{
    build->index =
        index_open(build->folder, build->search->synonyms, build->error, sizeof(build->error));
    return build->index != NULL;
}

static bool step_page(struct build *build)
{
    for (const struct record *record = product_pages_record(build->page, NULL); record != NULL;
         record = product_pages_record(build->page, record)) {
        if (!change_feed_is_found(record))
            continue;
        if (!index_put(build->index, record))
            return false;
        build->taken++;
    }
    return true;
}

static bool step_changes(struct build *build)
{
    for (uint32_t i = 0; i < build->change_count; i++) {
        const struct feed_change *change = &build->changes[i];

        if (!(change->record != NULL ? index_put(build->index, change->record)
                                     : index_remove(build->index, change->place)))
            return false;
    }
    return true;
}

/* Reading is one half of the work, words are the other. */
static bool on_words(void *arg, unsigned permille)
{
    struct build *build = arg;
    uint64_t count = build->index->product_count;

    atomic_store_explicit(&build->search->building_of, count, memory_order_relaxed);
    atomic_store_explicit(&build->search->building,
                          count / 2 + (count - count / 2) * permille / 1000, memory_order_relaxed);
    return !is_closing(build) && search_has_space(build->search);
}

static bool step_words(struct build *build)
{
    return index_add_words(build->index, on_words, build);
}

static bool step_readers(struct build *build)
{
    return index_add_readers(build->index, build->search->options.readers);
}

/* ---- putting it in the place of the other ---- */

static void step_close(void *arg)
{
    index_close(arg);
}

void search_close_index(struct search *search, struct search_index *index)
{
    if (index != NULL && !search_guard(search, step_close, index))
        search_log(search, true, "the search index: what is left of a broken one stays in memory");
}

/* NULL: there is none from now on. */
static void publish(struct build *build, unsigned set)
{
    struct search *search = build->search;
    struct search_index *old_index;
    uint64_t old_generation;

    pthread_mutex_lock(&search->turn);
    pthread_rwlock_wrlock(&search->lock);
    old_index = search->current;
    old_generation = search->generation;
    search->current = build->index;
    search->generation = build->index == NULL ? 0 : build->generation;
    atomic_store_explicit(&search->products, build->index == NULL ? 0 : build->index->product_count,
                          memory_order_relaxed);
    atomic_store_explicit(&search->set, set, memory_order_relaxed);
    atomic_store_explicit(&search->is_ready, build->index != NULL, memory_order_relaxed);
    pthread_rwlock_unlock(&search->lock);
    pthread_mutex_unlock(&search->turn);
    build->index = NULL; /* the search's */
    if (old_generation != 0) {
        search_close_index(search, old_index);
        generation_remove(search->folder, old_generation);
    }
}

/* ---- building ---- */

static void show_progress(struct build *build)
{
    uint32_t ended = build->ended > 0 ? build->ended : 1;

    /* Products are spread over partitions by a hash: some tell how many there are. */
    atomic_store_explicit(&build->search->building_of,
                          build->taken * build->search->options.partitions / ended,
                          memory_order_relaxed);
    atomic_store_explicit(&build->search->building, build->taken / 2, memory_order_relaxed);
}

static void ask_pages(struct build *build)
{
    while (build->partition < build->search->options.partitions &&
           product_pages_count(build->pages) < PRODUCT_PAGES_MAX)
        product_pages_ask(build->pages, build->partition++, 0, SKUS_PER_PARTITION_MAX - 1);
}

/* What is behind a full page, before the page goes. */
static bool next_of(const struct build *build, struct search_place *next_out)
{
    const struct record *last = NULL;
    const struct record *record = NULL;

    if (build->page->failed || build->page->count < PRODUCT_PAGE_MAX)
        return false;
    while ((record = product_pages_record(build->page, record)) != NULL)
        last = record;
    *next_out = (struct search_place){.partition = last->partition, .number = last->subject + 1};
    return true;
}

/* Takes in the page that was asked for first, and asks for the one behind it. */
static bool take_page(struct build *build)
{
    struct search_place next;
    bool has_next;
    bool is_good;

    build->page = product_pages_wait(build->pages);
    if (build->page->failed)
        snprintf(build->error, sizeof(build->error), "products could not be read");
    is_good = !build->page->failed && guarded(build, step_page);
    has_next = next_of(build, &next);
    product_pages_done(build->pages);
    if (is_good && has_next)
        product_pages_ask(build->pages, next.partition, next.number, SKUS_PER_PARTITION_MAX - 1);
    else
        build->ended++;
    return is_good;
}

static bool goes_on(struct build *build)
{
    if (is_closing(build))
        snprintf(build->error, sizeof(build->error), "the server stops");
    else if (!search_has_space(build->search))
        snprintf(build->error, sizeof(build->error), "there is too little space on the disk");
    else
        return true;
    return false;
}

static bool read_all(struct build *build)
{
    bool is_good = true;

    build->pages = product_pages_create(&build->search->options.journal);
    if (build->pages == NULL)
        return false;
    ask_pages(build);
    while (is_good && product_pages_count(build->pages) > 0) {
        is_good = goes_on(build) && take_page(build);
        show_progress(build);
        if (is_good)
            ask_pages(build);
    }
    product_pages_destroy(build->pages);
    return is_good;
}

static bool take_changes(void *arg, const struct feed_change *changes, uint32_t count)
{
    struct build *build = arg;

    build->changes = changes;
    build->change_count = count;
    return guarded(build, step_changes);
}

/* What has changed since; until no more than `rest` is left of it. */
static bool catch_up(struct build *build, uint64_t rest, uint32_t turns_max)
{
    enum change_feed_result result = CHANGE_FEED_DONE;

    for (uint32_t i = 0; i < turns_max && change_set_count(build->set) > rest; i++) {
        if (!goes_on(build))
            return false;
        atomic_store_explicit(&build->search->building_of,
                              build->index->product_count + change_set_count(build->set),
                              memory_order_relaxed);
        atomic_store_explicit(&build->search->building, build->index->product_count / 2,
                              memory_order_relaxed);
        result = change_feed_turn(build->search->build_feed, build->set, take_changes, build);
        if (result == CHANGE_FEED_STOPPED)
            return false;
        if (result == CHANGE_FEED_LATER)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (change_set_is_whole(build->set))
        return true;
    snprintf(build->error, sizeof(build->error), "changes were lost for want of memory");
    return false;
}

static bool fill(struct build *build)
{
    change_set_clear(build->set);
    return guarded(build, step_create) && read_all(build) &&
           catch_up(build, EARLY_MIN, EARLY_TURNS_MAX) && guarded(build, step_words) &&
           catch_up(build, LATE_MIN, LATE_TURNS_MAX) && guarded(build, step_readers);
}

static bool build_one(struct search *search, const char *reason)
{
    unsigned set = 1 - atomic_load_explicit(&search->set, memory_order_relaxed);
    struct build build = {.search = search, .set = search->sets[set]};
    int64_t begun_ms = search_now_ms();
    bool is_built;

    search_log(search, false, "a search index is built: %s", reason);
    generation_remove_others(search->folder, search->generation);
    build.generation =
        generation_make(search->folder, search->last_generation, build.error, sizeof(build.error));
    if (build.generation != 0)
        search->last_generation = build.generation;
    generation_path(search->folder, build.generation, build.folder);
    is_built = build.generation != 0 && fill(&build);
    atomic_store_explicit(&search->building, 0, memory_order_relaxed);
    atomic_store_explicit(&search->building_of, 0, memory_order_relaxed);
    if (is_built) {
        uint32_t count = build.index->product_count;

        publish(&build, set);
        atomic_fetch_add_explicit(&search->builds, 1, memory_order_relaxed);
        search_log(search, false, "the search index is ready: %u products in %lld ms", count,
                   (long long)(search_now_ms() - begun_ms));
        return true;
    }
    if (!is_closing(&build))
        search_log(search, true, "no search index could be built: %s", build.error);
    search_close_index(search, build.index);
    if (build.generation != 0)
        generation_remove(search->folder, build.generation);
    return false;
}

/* ---- the thread ---- */

/* The index that was closed well, if there is one. */
static bool open_clean(struct search *search)
{
    struct build build = {.search = search};
    const struct generation_source source = {.store_id = search->options.store_id,
                                             .incarnation = search->options.incarnation,
                                             .last_commit = search->opened_commit};

    build.generation =
        generation_take_clean(search->folder, &source, build.error, sizeof(build.error));
    if (build.generation != 0) {
        search->last_generation = build.generation;
        generation_path(search->folder, build.generation, build.folder);
        if (guarded(&build, step_open) && guarded(&build, step_readers)) {
            search_log(search, false, "the search index is ready: %u products, as it was closed",
                       build.index->product_count);
            publish(&build, 0);
            generation_remove_others(search->folder, search->generation);
            return true;
        }
        search_close_index(search, build.index);
    }
    search_log(search, false, "the search index cannot be used: %s", build.error);
    return false;
}

/* One that cannot be looked into any more. */
static void drop_faulted(struct search *search)
{
    struct build nothing = {.search = search};

    if (search->generation != 0 &&
        atomic_load_explicit(&search->faulted, memory_order_relaxed) == search->generation)
        publish(&nothing, atomic_load_explicit(&search->set, memory_order_relaxed));
}

/* Waits until one is wanted, but so long at most (-1: for ever); why, or NULL. */
static const char *wait_for_reason(struct search *search, int64_t wait_ms)
{
    struct timespec until;
    const char *reason;
    int waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    pthread_mutex_lock(&search->build_lock);
    while (search->build_reason == NULL && waited == 0 &&
           !atomic_load_explicit(&search->is_closing, memory_order_acquire))
        waited = wait_ms < 0 ? pthread_cond_wait(&search->build_changed, &search->build_lock)
                             : pthread_cond_clockwait(&search->build_changed, &search->build_lock,
                                                      CLOCK_MONOTONIC, &until);
    reason = search->build_reason;
    search->build_reason = NULL;
    search->is_building = true;
    pthread_mutex_unlock(&search->build_lock);
    return reason;
}

/* From here on what fails needs another; so does what failed already, since it is current. */
static void end_build(struct search *search, bool is_built)
{
    pthread_mutex_lock(&search->build_lock);
    search->is_building = false;
    if (is_built && search->build_reason == NULL &&
        atomic_load_explicit(&search->broken, memory_order_relaxed) == search->generation)
        search->build_reason = "the one that was there failed";
    pthread_mutex_unlock(&search->build_lock);
}

void *search_build_run(void *arg)
{
    struct search *search = arg;
    const char *reason = NULL;
    int64_t again_ms = 0;
    bool is_built;

    search_lower_priority(BUILDER_NICE);
    if (!open_clean(search))
        reason = "there is none";
    else
        end_build(search, true);
    for (;;) {
        if (reason == NULL)
            reason = wait_for_reason(search, again_ms == 0 ? -1 : again_ms);
        if (atomic_load_explicit(&search->is_closing, memory_order_acquire))
            return NULL;
        if (reason == NULL)
            reason = "the last build failed";
        drop_faulted(search);
        is_built = build_one(search, reason);
        end_build(search, is_built);
        if (is_built)
            again_ms = 0;
        else
            again_ms = again_ms == 0                 ? AGAIN_MS
                       : again_ms * 2 < AGAIN_MS_MAX ? again_ms * 2
                                                     : AGAIN_MS_MAX;
        reason = NULL;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The port: what others call, and the beginning and end of it all. */
#include "search/search.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "search/fault_guard.h"
#include "search/query.h"
#include "search/search_private.h"
#include "search/suggest.h"

enum {
    FOLDER_MODE = 0700,
    LINE_BYTES = 1024,
};

int64_t search_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1; /* 0 is never */
}

void search_log(struct search *search, bool is_failure, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (search->options.log != NULL)
        search->options.log(search->options.log_arg, is_failure, line);
}

void search_lower_priority(int nice)
{
    const struct sched_param none = {0};
    pid_t thread = (pid_t)syscall(SYS_gettid);

    (void)sched_setscheduler(thread, SCHED_BATCH, &none);
    (void)setpriority(PRIO_PROCESS, (id_t)thread, nice);
}

bool search_guard(struct search *search, void (*run)(void *arg), void *arg)
{
    if (fault_guard_run(run, arg))
        return true;
    atomic_store_explicit(&search->has_lost, true, memory_order_relaxed);
    return false;
}

bool search_has_space(const struct search *search)
{
    const struct journal_port *journal = &search->options.journal;

    return !journal->is_full(journal->self);
}

void search_ask_build(struct search *search, bool is_new, const char *reason)
{
    pthread_mutex_lock(&search->build_lock);
    if (is_new || !search->is_building)
        search->build_reason = reason;
    pthread_cond_signal(&search->build_changed);
    pthread_mutex_unlock(&search->build_lock);
}

void search_break(struct search *search, uint64_t generation, bool has_faulted, const char *why)
{
    if (has_faulted)
        atomic_store_explicit(&search->faulted, generation, memory_order_relaxed);
    if (atomic_exchange_explicit(&search->broken, generation, memory_order_relaxed) == generation)
        return;
    search_log(search, true, "the search index failed: %s", why);
    search_ask_build(search, false, "the one that was there failed");
}

/* ---- the port ---- */

static void port_changed(void *self, struct search_place place)
{
    struct search *search = self;
    int64_t now_ms = search_now_ms();

    /* What a set cannot take makes it partial, and that is found. */
    for (unsigned i = 0; i < 2; i++)
        change_set_add(search->sets[i], place, now_ms);
    if (!atomic_exchange_explicit(&search->is_signalled, true, memory_order_seq_cst))
        sem_post(&search->changed);
}

/* A search or a suggestion, as it runs guarded. */
struct look {
    struct index_reader *reader;
    const char *text;
    size_t length;
    struct search_result *result;
    struct suggestion *suggestions;
    uint32_t *count;
    enum search_outcome outcome;
};

static void run_look(void *arg)
{
    struct look *look = arg;

    look->outcome =
        look->result != NULL
            ? query_run(look->reader, look->text, look->length, look->result)
            : suggest_run(look->reader, look->text, look->length, look->suggestions, look->count);
}

/* Groonga failed, and not only for want of memory: who comes next would fare no better. */
static void blame(struct search *search, uint64_t generation, struct look *look, bool has_faulted)
{
    grn_ctx *context = &look->reader->context;
    char why[INDEX_ERROR_BYTES] = "a page of its files could not be had";

    if (!has_faulted && context->rc == GRN_SUCCESS)
        return;
    if (!has_faulted)
        snprintf(why, sizeof(why), "a search: %s", context->errbuf);
    if (has_faulted || context->rc != GRN_NO_MEMORY_AVAILABLE)
        search_break(search, generation, has_faulted, why);
    context->rc = GRN_SUCCESS;
}

static enum search_outcome look_up(struct search *search, struct look *look)
{
    uint64_t generation;
    bool has_faulted = false;

    look->outcome = SEARCH_NOT_READY;
    atomic_fetch_add_explicit(&search->searching, 1, memory_order_relaxed);
    pthread_rwlock_rdlock(&search->lock);
    generation = search->generation;
    if (search->current != NULL &&
        atomic_load_explicit(&search->faulted, memory_order_relaxed) != generation) {
        look->reader = index_reader_take(search->current);
        has_faulted = !search_guard(search, run_look, look);
        if (has_faulted || look->outcome == SEARCH_FAILED) {
            look->outcome = SEARCH_FAILED;
            blame(search, generation, look, has_faulted);
        }
        index_reader_give(look->reader);
    }
    pthread_rwlock_unlock(&search->lock);
    atomic_fetch_sub_explicit(&search->searching, 1, memory_order_relaxed);
    return look->outcome;
}

static enum search_outcome port_find(void *self, const char *text, size_t length,
                                     struct search_result *result_out)
{
    struct look look = {.text = text, .length = length, .result = result_out};

    *result_out = (struct search_result){0};
    return look_up(self, &look);
}

static enum search_outcome port_suggest(void *self, const char *text, size_t length,
                                        struct suggestion suggestions_out[SEARCH_SUGGESTIONS_MAX],
                                        uint32_t *count_out)
{
    struct look look = {
        .text = text, .length = length, .suggestions = suggestions_out, .count = count_out};

    *count_out = 0;
    return look_up(self, &look);
}

static void port_state(void *self, struct search_state *state_out)
{
    struct search *search = self;
    const struct change_set *set =
        search->sets[atomic_load_explicit(&search->set, memory_order_relaxed)];
    int64_t taken_ms = change_feed_oldest_ms(search->follow_feed);
    int64_t added_ms = change_set_oldest_ms(set);
    uint64_t waiting = change_set_count(set);
    int64_t oldest_ms = waiting > 0 ? added_ms : 0;

    if (taken_ms != 0 && (oldest_ms == 0 || taken_ms < oldest_ms))
        oldest_ms = taken_ms;
    *state_out = (struct search_state){
        .is_ready = atomic_load_explicit(&search->is_ready, memory_order_relaxed),
        .products = atomic_load_explicit(&search->products, memory_order_relaxed),
        .waiting = waiting + change_feed_waiting(search->follow_feed),
        .behind_ms = oldest_ms == 0 ? 0 : search_now_ms() - oldest_ms,
        .building = atomic_load_explicit(&search->building, memory_order_relaxed),
        .building_of = atomic_load_explicit(&search->building_of, memory_order_relaxed),
        .builds = atomic_load_explicit(&search->builds, memory_order_relaxed),
        .disk_bytes = atomic_load_explicit(&search->disk_bytes, memory_order_relaxed),
    };
}

static void port_rebuild(void *self)
{
    search_ask_build(self, true, "it was asked for");
}

struct search_port search_port_get(struct search *search)
{
    return (struct search_port){
        .self = search,
        .changed = port_changed,
        .find = port_find,
        .suggest = port_suggest,
        .state = port_state,
        .rebuild = port_rebuild,
    };
}

/* ---- begin ---- */

static void make_locks(struct search *search)
{
    pthread_rwlockattr_t writer_first;

    /* Readers that come without end would keep it out. */
    pthread_rwlockattr_init(&writer_first);
    pthread_rwlockattr_setkind_np(&writer_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&search->lock, &writer_first);
    pthread_rwlockattr_destroy(&writer_first);
    pthread_mutex_init(&search->turn, NULL);
    pthread_mutex_init(&search->build_lock, NULL);
    pthread_cond_init(&search->build_changed, NULL);
    sem_init(&search->changed, 0, 0);
}

static void free_search(struct search *search)
{
    for (unsigned i = 0; i < 2; i++)
        change_set_destroy(search->sets[i]);
    change_feed_destroy(search->follow_feed);
    change_feed_destroy(search->build_feed);
    synonyms_close(search->synonyms);
    pthread_rwlock_destroy(&search->lock);
    pthread_mutex_destroy(&search->turn);
    pthread_mutex_destroy(&search->build_lock);
    pthread_cond_destroy(&search->build_changed);
    sem_destroy(&search->changed);
    free(search);
}

static bool make_parts(struct search *search, char *error, size_t error_size)
{
    const struct search_options *options = &search->options;

    if (mkdir(search->folder, FOLDER_MODE) != 0 && errno != EEXIST) {
        files_error(error, error_size, "cannot make %s: %s", search->folder, files_reason(errno));
        return false;
    }
    search->synonyms = synonyms_open(options->synonyms, error, error_size);
    if (search->synonyms == NULL)
        return false;
    for (unsigned i = 0; i < 2; i++)
        search->sets[i] = change_set_create(options->partitions);
    search->follow_feed = change_feed_create(&options->journal);
    search->build_feed = change_feed_create(&options->journal);
    if (search->sets[0] != NULL && search->sets[1] != NULL && search->follow_feed != NULL &&
        search->build_feed != NULL)
        return true;
    files_error(error, error_size, "not enough memory for the search");
    return false;
}

static bool start_threads(struct search *search, char *error, size_t error_size)
{
    if (pthread_create(&search->follower, NULL, search_follow_run, search) == 0) {
        if (pthread_create(&search->builder, NULL, search_build_run, search) == 0)
            return true;
        atomic_store(&search->is_closing, true);
        sem_post(&search->changed);
        pthread_join(search->follower, NULL);
    }
    files_error(error, error_size, "not enough resources for the threads of the search");
    return false;
}

struct search *search_open(const struct search_options *options, char *error, size_t error_size)
{
    struct search *search = calloc(1, sizeof(*search));

    assert(options->readers >= 1 && options->readers <= SEARCH_READERS_MAX);
    assert(options->partitions >= 1 && options->partitions <= PARTITIONS_MAX);
    if (search == NULL) {
        files_error(error, error_size, "not enough memory for the search");
        return NULL;
    }
    make_locks(search);
    search->options = *options;
    search->is_building = true; /* the builder begins at once */
    search->opened_commit = options->journal.last_commit(options->journal.self);
    snprintf(search->folder, sizeof(search->folder), "%s", options->folder);
    if (!make_parts(search, error, error_size))
        goto free_parts;
    if (!index_library_open(search->folder, error, error_size))
        goto free_parts;
    fault_guard_open();
    if (start_threads(search, error, error_size))
        return search;
    fault_guard_close();
    index_library_close(true);
free_parts:
    free_search(search);
    return NULL;
}

/* ---- end ---- */

static void step_flush(void *arg)
{
    struct search_index **index = arg;

    if (!index_flush(*index))
        *index = NULL;
}

/* Whether the index that is closed can be opened again as it is. */
static bool flush(struct search *search)
{
    const struct change_set *set = search->sets[search->set];
    struct search_index *index = search->current;

    return index != NULL && search->broken != search->generation && change_set_count(set) == 0 &&
           change_set_is_whole(set) && search_guard(search, step_flush, &index) && index != NULL;
}

static void close_current(struct search *search, bool was_told_all)
{
    const struct journal_port *journal = &search->options.journal;
    const struct generation_source source = {.store_id = search->options.store_id,
                                             .incarnation = search->options.incarnation,
                                             .last_commit = journal->last_commit(journal->self)};
    char error[SEARCH_ERROR_BYTES];
    bool is_clean = flush(search) && was_told_all;

    search_close_index(search, search->current);
    search->current = NULL;
    if (is_clean &&
        !generation_put_clean(search->folder, search->generation, &source, error, sizeof(error)))
        search_log(search, true, "the search index will be built at the next start: %s", error);
}

void search_close(struct search *search, bool was_told_all)
{
    if (search == NULL)
        return;
    atomic_store_explicit(&search->close_by_ms, search_now_ms() + SEARCH_CLOSE_MS,
                          memory_order_relaxed);
    pthread_mutex_lock(&search->build_lock);
    atomic_store_explicit(&search->is_closing, true, memory_order_release);
    pthread_cond_signal(&search->build_changed);
    pthread_mutex_unlock(&search->build_lock);
    sem_post(&search->changed);
    pthread_join(search->builder, NULL);
    pthread_join(search->follower, NULL);
    close_current(search, was_told_all);
    fault_guard_close();
    index_library_close(search->broken == 0 && !search->has_lost);
    free_search(search);
}

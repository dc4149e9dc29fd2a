/* SPDX-License-Identifier: Apache-2.0 */
/* The stock gate and the key filter on one hot SKU, by one thread and by two at once, beside a
 * counter (and the same filter's bits) under a mutex.
 *
 *   gate/KIND/claim/N    a claim and its return: two atomic steps, or two turns of the lock
 *   gate/KIND/refuse/N   a claim that finds nothing left
 *   key_filter/KIND/set/N, key_filter/KIND/test/N   fresh keys; keys of which half were set
 *
 * The figures are of all threads together. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "env_real.h"
#include "gate.h"
#include "key_filter.h"

enum {
    THREADS_MAX = 2,
    KEYS = 1 << 20,
};

struct locked_counter {
    pthread_mutex_t mutex;
    uint32_t available;
    uint32_t claimed;
};

/* A set of bits as large as the filter's, two bits a key. */
struct locked_filter {
    pthread_mutex_t mutex;
    uint64_t words[KEYS * KEY_FILTER_BITS_PER_KEY / 64];
};

struct shared {
    struct gate gate;
    struct locked_counter counter;
    struct block_pool pool;
    struct key_filter filter;
    struct locked_filter *locked_filter;
    struct hash128 *keys; /* twice KEYS */
};

struct contest {
    struct shared *shared;
    void (*work)(struct shared *shared, uint32_t thread, uint64_t operations);
    uint32_t threads;
    bool clears_filter;
    uint32_t units;
};

/* One operation, both ways. */
struct pair {
    const char *what;
    const char *operation;
    void (*ours)(struct shared *shared, uint32_t thread, uint64_t operations);
    void (*theirs)(struct shared *shared, uint32_t thread, uint64_t operations);
    uint32_t units;
    bool clears_filter;
    uint64_t operations; /* of one round of ours; both take some 20 ms */
    uint64_t operations_theirs;
};

struct contender {
    struct contest *contest;
    pthread_barrier_t *start;
    uint32_t index;
    uint64_t operations;
    uint64_t started_ns;
    uint64_t ended_ns;
};

/* ---- what is done ---- */

static void gate_work(struct shared *shared, uint32_t thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++)
        if (gate_claim(&shared->gate, 1))
            gate_return(&shared->gate, 1);
}

static bool counter_claim(struct locked_counter *counter, uint32_t quantity)
{
    bool claimed;

    pthread_mutex_lock(&counter->mutex);
    claimed = counter->available >= quantity;
    if (claimed) {
        counter->available -= quantity;
        counter->claimed += quantity;
    }
    pthread_mutex_unlock(&counter->mutex);
    return claimed;
}

static void counter_work(struct shared *shared, uint32_t thread, uint64_t operations)
{
    struct locked_counter *counter = &shared->counter;

    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        if (!counter_claim(counter, 1))
            continue;
        pthread_mutex_lock(&counter->mutex);
        counter->available++;
        counter->claimed--;
        pthread_mutex_unlock(&counter->mutex);
    }
}

static void filter_set_work(struct shared *shared, uint32_t thread, uint64_t operations)
{
    uint64_t known = 0;
    uint16_t generation;

    for (uint64_t i = 0; i < operations; i++)
        known += key_filter_set(&shared->filter, &shared->keys[(i * THREADS_MAX + thread) % KEYS],
                                &generation);
    bench_keep(known);
}

static void filter_test_work(struct shared *shared, uint32_t thread, uint64_t operations)
{
    uint64_t known = 0;

    for (uint64_t i = 0; i < operations; i++)
        known += key_filter_test(&shared->filter,
                                 &shared->keys[(i * THREADS_MAX + thread) % (2 * KEYS)]);
    bench_keep(known);
}

static bool locked_touch(struct locked_filter *filter, const struct hash128 *key, bool sets)
{
    uint64_t mask = sizeof(filter->words) * 8 - 1;
    uint64_t one = key->word[0] & mask;
    uint64_t other = key->word[1] & mask;
    bool known;

    pthread_mutex_lock(&filter->mutex);
    known = (filter->words[one / 64] >> one % 64 & 1) != 0 &&
            (filter->words[other / 64] >> other % 64 & 1) != 0;
    if (sets) {
        filter->words[one / 64] |= 1ull << one % 64;
        filter->words[other / 64] |= 1ull << other % 64;
    }
    pthread_mutex_unlock(&filter->mutex);
    return known;
}

static void locked_set_work(struct shared *shared, uint32_t thread, uint64_t operations)
{
    uint64_t known = 0;

    for (uint64_t i = 0; i < operations; i++)
        known += locked_touch(shared->locked_filter,
                              &shared->keys[(i * THREADS_MAX + thread) % KEYS], true);
    bench_keep(known);
}

static void locked_test_work(struct shared *shared, uint32_t thread, uint64_t operations)
{
    uint64_t known = 0;

    for (uint64_t i = 0; i < operations; i++)
        known += locked_touch(shared->locked_filter,
                              &shared->keys[(i * THREADS_MAX + thread) % (2 * KEYS)], false);
    bench_keep(known);
}

/* ---- by so many threads ---- */

static void *contend(void *arg)
{
    struct contender *contender = arg;

    bench_pin(contender->index);
    pthread_barrier_wait(contender->start);
    contender->started_ns = bench_now_ns();
    contender->contest->work(contender->contest->shared, contender->index, contender->operations);
    contender->ended_ns = bench_now_ns();
    return NULL;
}

static void shared_reset(struct contest *contest)
{
    struct shared *shared = contest->shared;

    shared->gate = (struct gate){0};
    shared->counter.available = contest->units;
    shared->counter.claimed = 0;
    gate_credit(&shared->gate, contest->units);
    if (!contest->clears_filter)
        return;
    block_pool_destroy(&shared->pool);
    if (!key_filter_init(&shared->filter, &shared->pool, KEYS))
        bench_fail("not enough memory for a filter");
    for (size_t i = 0; i < sizeof(shared->locked_filter->words) / sizeof(uint64_t); i++)
        shared->locked_filter->words[i] = 0;
}

/* From the first one's start to the last one's end. */
static uint64_t run_contest(void *arg, uint64_t operations)
{
    struct contest *contest = arg;
    struct contender contenders[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    pthread_barrier_t start;
    uint64_t started_ns = UINT64_MAX;
    uint64_t ended_ns = 0;

    shared_reset(contest);
    pthread_barrier_init(&start, NULL, contest->threads);
    for (uint32_t i = 0; i < contest->threads; i++) {
        contenders[i] = (struct contender){
            .contest = contest,
            .start = &start,
            .index = i,
            .operations = operations / contest->threads,
        };
        if (pthread_create(&threads[i], NULL, contend, &contenders[i]) != 0)
            bench_fail("no thread for a contender");
    }
    for (uint32_t i = 0; i < contest->threads; i++) {
        pthread_join(threads[i], NULL);
        if (contenders[i].started_ns < started_ns)
            started_ns = contenders[i].started_ns;
        if (contenders[i].ended_ns > ended_ns)
            ended_ns = contenders[i].ended_ns;
    }
    pthread_barrier_destroy(&start);
    return ended_ns - started_ns;
}

/* Ours and theirs of one kind, by so many threads. */
static void run_pair(struct shared *shared, const struct pair *pair, uint32_t threads)
{
    struct contest ours = {.shared = shared,
                           .work = pair->ours,
                           .threads = threads,
                           .clears_filter = pair->clears_filter,
                           .units = pair->units};
    struct contest theirs = ours;
    char our_name[64];
    char their_name[64];

    theirs.work = pair->theirs;
    snprintf(our_name, sizeof(our_name), "%s/ours/%s/%u", pair->what, pair->operation, threads);
    snprintf(their_name, sizeof(their_name), "%s/mutex/%s/%u", pair->what, pair->operation,
             threads);
    struct bench_entry entries[] = {
        {our_name, .body = run_contest, .arg = &ours, .operations = bench_scale(pair->operations),
         .is_parallel = threads > 1},
        {their_name, .body = run_contest, .arg = &theirs,
         .operations = bench_scale(pair->operations_theirs)},
    };
    if (threads > 1) {
        /* What two threads pay for a mutex that both want is up to five times as much in one round
         * as in another of the same run: both rates are told, no ratio. */
        bench_contest(&entries[0], 1, BENCH_ROUNDS_MANY);
        bench_contest(&entries[1], 1, BENCH_ROUNDS_MANY);
        return;
    }
    bench_contest(entries, 2, BENCH_ROUNDS);
}

int main(int argc, char **argv)
{
    static const struct pair pairs[] = {
        {"gate", "claim", gate_work, counter_work, 1000, false, 1000000, 400000},
        {"gate", "refuse", gate_work, counter_work, 0, false, 100000000, 600000},
        {"key_filter", "set", filter_set_work, locked_set_work, 0, true, KEYS / 2, KEYS / 2},
        {"key_filter", "test", filter_test_work, locked_test_work, 0, false, 3000000, 600000},
    };
    static struct shared shared = {.counter = {.mutex = PTHREAD_MUTEX_INITIALIZER}};
    struct hash_key seed = {{1, 2}};
    struct env_real *real = env_real_create(1);
    struct env env;

    bench_begin(&argc, argv);
    if (real == NULL)
        bench_fail("no environment");
    env = env_real_port(real);
    block_pool_init(&shared.pool, &env);
    shared.keys = malloc(2 * KEYS * sizeof(*shared.keys));
    shared.locked_filter = calloc(1, sizeof(*shared.locked_filter));
    if (shared.keys == NULL || shared.locked_filter == NULL ||
        !key_filter_init(&shared.filter, &shared.pool, KEYS))
        bench_fail("not enough memory for %d keys", 2 * KEYS);
    pthread_mutex_init(&shared.locked_filter->mutex, NULL);
    for (uint32_t i = 0; i < 2 * KEYS; i++)
        shared.keys[i] = hash_bytes_128(&seed, &i, sizeof(i));
    for (uint32_t threads = 1; threads <= THREADS_MAX; threads++)
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
            run_pair(&shared, &pairs[i], threads);
    block_pool_destroy(&shared.pool);
    env_real_destroy(real);
    free(shared.locked_filter);
    free(shared.keys);
    return 0;
}

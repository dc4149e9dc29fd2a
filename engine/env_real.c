/* SPDX-License-Identifier: Apache-2.0 */
#include "env_real.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "env_real_wake.h"
#include "env_real_workers.h"

enum {
    DRAIN_POLL_MS = 5,
    FAILED_EXIT_STATUS = 3,
    FAILED_LINGER_MS = 50, /* for the last 503s to leave */
    WORKER_POOLS_MAX = 2,
};

struct shard_thread {
    struct env_real *env;
    struct shard *shard;
    uv_thread_t thread;
    uv_loop_t loop;
    struct env_real_wake wake; /* a message came in */
    uv_check_t check;          /* after the loop looked for I/O: the shard's turn */
    uv_prepare_t prepare;      /* before it blocks */
    uv_idle_t busy;            /* active while there is more to do: the loop does not block */
    uv_timer_t deadline;
    bool drain_seen;
    bool stop_seen;
    _Atomic bool drained;
    int start_result;
};

struct env_real {
    uint32_t shards;
    bool populates;
    struct engine *engine;
    struct env_real_hooks hooks;
    struct shard_thread *threads;
    struct env_real_workers *workers[WORKER_POOLS_MAX]; /* NULL: none */
    uv_thread_t committer;
    uv_sem_t committer_wake;
    uv_sem_t started;
    bool committer_runs;
    _Atomic bool draining;
    _Atomic bool stopping;
    _Atomic bool committer_stopping;
};

/* ---- the port ---- */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static struct moment now(void *self)
{
    (void)self;
    return (struct moment){.boot_ms = clock_ms(CLOCK_BOOTTIME),
                           .wall_ms = clock_ms(CLOCK_REALTIME)};
}

static uint64_t ticks_ns(void *self)
{
    (void)self;
    return uv_hrtime();
}

static void random_bytes(void *self, void *bytes, size_t length)
{
    uint8_t *at = bytes;

    (void)self;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);

        if (got < 0 && errno == EINTR)
            continue;
        assert(got > 0); /* without randomness nothing here is safe */
        at += got;
        length -= (size_t)got;
    }
}

static void wake_shard(void *self, uint32_t index)
{
    struct env_real *env = self;

    env_real_wake_send(&env->threads[index].wake);
}

static void wake_committer(void *self)
{
    struct env_real *env = self;

    uv_sem_post(&env->committer_wake);
}

/* In large pages where there are any: tables are looked up at random, and a small page costs a
 * translation for each. A kernel that knows neither wish serves all the same. */
static void *reserve(void *self, size_t bytes)
{
    const struct env_real *env = self;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    if (env->populates)
        (void)madvise(memory, bytes, MADV_POPULATE_WRITE);
#endif
    return memory;
}

static void unreserve(void *self, void *memory, size_t bytes)
{
    (void)self;
    munmap(memory, bytes);
}

/* Answers that were held leave as `outcome_unknown` meanwhile; then the process must go, because
 * only a restart finds out what is durable. */
static void exit_soon(void *reason)
{
    struct timespec linger = {.tv_nsec = FAILED_LINGER_MS * 1000000L};

    (void)reason;
    nanosleep(&linger, NULL);
    _exit(FAILED_EXIT_STATUS);
}

static void failed(void *self, const char *reason)
{
    uv_thread_t thread;

    (void)self;
    fprintf(stderr, "stampede: stopping, as nothing may be acknowledged any more: %s\n", reason);
    if (uv_thread_create(&thread, exit_soon, NULL) != 0)
        _exit(FAILED_EXIT_STATUS);
}

struct env env_real_port(struct env_real *env)
{
    return (struct env){.self = env,
                        .now = now,
                        .ticks_ns = ticks_ns,
                        .random = random_bytes,
                        .wake_shard = wake_shard,
                        .wake_committer = wake_committer,
                        .reserve = reserve,
                        .unreserve = unreserve,
                        .failed = failed};
}

struct env_real *env_real_create(uint32_t shards)
{
    struct env_real *env = calloc(1, sizeof(*env));

    if (env == NULL)
        return NULL;
    env->shards = shards;
    env->threads = calloc(shards, sizeof(*env->threads));
    if (env->threads == NULL || uv_sem_init(&env->committer_wake, 0) != 0) {
        free(env->threads);
        free(env);
        return NULL;
    }
    uv_sem_init(&env->started, 0);
    return env;
}

void env_real_populate(struct env_real *env)
{
    env->populates = true;
}

void env_real_attach_workers(struct env_real *env, struct env_real_workers *workers)
{
    uint32_t i = 0;

    while (i < WORKER_POOLS_MAX && env->workers[i] != NULL)
        i++;
    assert(i < WORKER_POOLS_MAX);
    env->workers[i] = workers;
}

void env_real_destroy(struct env_real *env)
{
    uv_sem_destroy(&env->committer_wake);
    uv_sem_destroy(&env->started);
    free(env->threads);
    free(env);
}

/* ---- the committer's thread ---- */

static void run_committer(void *arg)
{
    struct env_real *env = arg;

    while (!atomic_load(&env->committer_stopping)) {
        if (committer_step(env->engine))
            continue;
        if (committer_try_sleep(env->engine))
            uv_sem_wait(&env->committer_wake);
        committer_wake_up(env->engine);
    }
}

/* ---- a shard's thread ---- */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is what keeps the loop from blocking */
}

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void look_at_shutdown(struct shard_thread *thread)
{
    struct env_real *env = thread->env;

    if (atomic_load(&env->draining) && !thread->drain_seen) {
        thread->drain_seen = true;
        env->hooks.on_drain(env->hooks.user, thread->shard);
    }
    if (thread->drain_seen)
        atomic_store(&thread->drained, env->hooks.is_drained(env->hooks.user, thread->shard));
    if (atomic_load(&env->stopping) && !thread->stop_seen) {
        thread->stop_seen = true;
        env->hooks.on_stop(env->hooks.user, thread->shard);
        close_handle((uv_handle_t *)&thread->wake.poll, NULL);
        close_handle((uv_handle_t *)&thread->check, NULL);
        close_handle((uv_handle_t *)&thread->prepare, NULL);
        close_handle((uv_handle_t *)&thread->busy, NULL);
        close_handle((uv_handle_t *)&thread->deadline, NULL);
    }
}

static void take_turn(struct shard_thread *thread)
{
    struct env_real *env = thread->env;

    shard_wake_up(thread->shard);
    if (shard_step(thread->shard))
        uv_idle_start(&thread->busy, on_idle);
    else
        uv_idle_stop(&thread->busy);
    env->hooks.on_turn(env->hooks.user, thread->shard);
    look_at_shutdown(thread);
}

static void on_check(uv_check_t *check)
{
    take_turn(check->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct shard_thread *thread = prepare->data;
    uint32_t sleep_ms;

    if (uv_is_active((uv_handle_t *)&thread->busy))
        return;
    sleep_ms = shard_sleep_ms(thread->shard);
    if (thread->drain_seen && sleep_ms > DRAIN_POLL_MS)
        sleep_ms = DRAIN_POLL_MS;
    if (sleep_ms == 0 || !shard_try_sleep(thread->shard)) {
        uv_idle_start(&thread->busy, on_idle);
        return;
    }
    uv_timer_start(&thread->deadline, on_deadline, sleep_ms, 0);
}

static void init_handles(struct shard_thread *thread)
{
    uv_check_init(&thread->loop, &thread->check);
    uv_prepare_init(&thread->loop, &thread->prepare);
    uv_idle_init(&thread->loop, &thread->busy);
    uv_timer_init(&thread->loop, &thread->deadline);
    thread->check.data = thread;
    thread->prepare.data = thread;
    uv_check_start(&thread->check, on_check);
    uv_prepare_start(&thread->prepare, on_prepare);
}

static void run_shard(void *arg)
{
    struct shard_thread *thread = arg;
    struct env_real *env = thread->env;

    init_handles(thread);
    thread->start_result = env->hooks.on_start(env->hooks.user, thread->shard, &thread->loop);
    uv_sem_post(&env->started);
    uv_run(&thread->loop, UV_RUN_DEFAULT);
}

static int start_shard(struct env_real *env, uint32_t index)
{
    struct shard_thread *thread = &env->threads[index];

    thread->env = env;
    thread->shard = engine_shard(env->engine, index);
    if (uv_loop_init(&thread->loop) != 0)
        return -1;
    /* Before any thread runs: another shard may wake this one at once. The turn is taken after the
     * loop looked for I/O, of which this is a part. */
    if (env_real_wake_begin(&thread->wake, &thread->loop, NULL, NULL) != 0)
        return -1;
    return 0;
}

int env_real_start(struct env_real *env, struct engine *engine, const struct env_real_hooks *hooks,
                   char *error, size_t error_size)
{
    uint32_t running = 0;
    int result = 0;

    env->engine = engine;
    env->hooks = *hooks;
    for (uint32_t i = 0; i < env->shards; i++)
        if (start_shard(env, i) != 0) {
            snprintf(error, error_size, "no event loop for shard %u", i);
            return -1;
        }
    if (uv_thread_create(&env->committer, run_committer, env) != 0) {
        snprintf(error, error_size, "no thread for the committer");
        return -1;
    }
    env->committer_runs = true;
    for (; running < env->shards; running++)
        if (uv_thread_create(&env->threads[running].thread, run_shard, &env->threads[running]) != 0)
            break;
    for (uint32_t i = 0; i < running; i++)
        uv_sem_wait(&env->started);
    if (running < env->shards) {
        snprintf(error, error_size, "no thread for shard %u", running);
        env->shards = running;
        result = -1;
    }
    for (uint32_t i = 0; i < running && result == 0; i++)
        if (env->threads[i].start_result != 0) {
            snprintf(error, error_size, "shard %u could not start to listen: %s", i,
                     uv_strerror(env->threads[i].start_result));
            result = -1;
        }
    if (result != 0)
        env_real_stop(env, 0);
    return result;
}

/* ---- shutting down ---- */

static bool is_drained(const struct env_real *env)
{
    for (uint32_t i = 0; i < env->shards; i++)
        if (!atomic_load(&env->threads[i].drained))
            return false;
    return engine_is_idle(env->engine);
}

static void wake_all(struct env_real *env)
{
    for (uint32_t i = 0; i < env->shards; i++)
        env_real_wake_send(&env->threads[i].wake);
}

bool env_real_stop(struct env_real *env, uint32_t deadline_ms)
{
    struct timespec pause = {.tv_nsec = DRAIN_POLL_MS * 1000000L};
    int64_t end_ms = clock_ms(CLOCK_BOOTTIME) + deadline_ms;
    bool was_idle;

    if (deadline_ms > 0) {
        engine_drain(env->engine);
        atomic_store(&env->draining, true);
        wake_all(env);
        while (!is_drained(env) && clock_ms(CLOCK_BOOTTIME) < end_ms)
            nanosleep(&pause, NULL);
    }
    was_idle = engine_is_idle(env->engine);
    /* Who wakes others goes first; loops close last, when nobody can write to them any more. */
    if (env->committer_runs) {
        atomic_store(&env->committer_stopping, true);
        uv_sem_post(&env->committer_wake);
        uv_thread_join(&env->committer);
    }
    for (uint32_t i = 0; i < WORKER_POOLS_MAX && env->workers[i] != NULL; i++)
        env_real_workers_stop(env->workers[i]);
    atomic_store(&env->stopping, true);
    wake_all(env);
    for (uint32_t i = 0; i < env->shards; i++)
        uv_thread_join(&env->threads[i].thread);
    for (uint32_t i = 0; i < env->shards; i++) {
        uv_loop_close(&env->threads[i].loop);
        env_real_wake_end(&env->threads[i].wake);
    }
    return was_idle;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "env_real_workers.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

/* A queue under one lock: work takes milliseconds, so nobody waits for it long. */
struct env_real_workers {
    uv_mutex_t lock;
    uv_cond_t wake;
    struct work *first; /* by `next`, in the order of submission */
    struct work *last;
    uint32_t queued;
    uint32_t queue_max;
    bool stopping;
    uint32_t running; /* threads that were started */
    uv_thread_t threads[WORKERS_MAX];
};

/* The thread's own priority: only where nobody else has anything to do. A shard that wakes up takes
 * the core at once: beside a thread that is merely nicer (SCHED_OTHER) it would wait for the rest
 * of that one's slice, 3 ms and more, at each step of a reservation. Where that is refused, they
 * share, and this thread gets less. */
static void lower_priority(void)
{
    const struct sched_param none = {0};
    pid_t thread = (pid_t)syscall(SYS_gettid);

    if (sched_setscheduler(thread, SCHED_IDLE, &none) != 0)
        (void)setpriority(PRIO_PROCESS, (id_t)thread, WORKERS_NICE);
}

/* The next piece of work, waiting for one; NULL at the end. */
static struct work *take(struct env_real_workers *workers)
{
    struct work *work = NULL;

    uv_mutex_lock(&workers->lock);
    while (workers->first == NULL && !workers->stopping)
        uv_cond_wait(&workers->wake, &workers->lock);
    if (!workers->stopping) {
        work = workers->first;
        workers->first = work->next;
        if (workers->first == NULL)
            workers->last = NULL;
        workers->queued--;
    }
    uv_mutex_unlock(&workers->lock);
    return work;
}

static void run_worker(void *arg)
{
    struct env_real_workers *workers = arg;
    struct work *work;

    lower_priority();
    while ((work = take(workers)) != NULL) {
        work->run(work);
        work->done(work); /* it may be gone after this */
    }
}

static bool submit(void *self, struct work *work)
{
    struct env_real_workers *workers = self;
    bool is_taken = false;

    work->next = NULL;
    uv_mutex_lock(&workers->lock);
    if (!workers->stopping && workers->queued < workers->queue_max) {
        if (workers->last != NULL)
            workers->last->next = work;
        else
            workers->first = work;
        workers->last = work;
        workers->queued++;
        is_taken = true;
    }
    uv_mutex_unlock(&workers->lock);
    if (is_taken)
        uv_cond_signal(&workers->wake);
    return is_taken;
}

struct worker_port env_real_workers_port(struct env_real_workers *workers)
{
    return (struct worker_port){.self = workers, .submit = submit};
}

uint32_t env_real_workers_default(void)
{
    cpu_set_t cores;
    int count = 1;

    if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
        count = CPU_COUNT(&cores);
    count /= 2;
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (uint32_t)count;
}

uint32_t env_real_workers_queued(struct env_real_workers *workers)
{
    uv_mutex_lock(&workers->lock);
    uint32_t queued = workers->queued;
    uv_mutex_unlock(&workers->lock);
    return queued;
}

bool env_real_workers_are_stopping(struct env_real_workers *workers)
{
    uv_mutex_lock(&workers->lock);
    bool is_stopping = workers->stopping;
    uv_mutex_unlock(&workers->lock);
    return is_stopping;
}

struct env_real_workers *env_real_workers_create(uint32_t threads, uint32_t queue_max)
{
    struct env_real_workers *workers = calloc(1, sizeof(*workers));

    assert(threads > 0 && threads <= WORKERS_MAX);
    assert(queue_max > 0 && queue_max <= WORKERS_QUEUE_MAX);
    if (workers == NULL)
        return NULL;
    workers->queue_max = queue_max;
    if (uv_mutex_init(&workers->lock) != 0) {
        free(workers);
        return NULL;
    }
    if (uv_cond_init(&workers->wake) != 0) {
        uv_mutex_destroy(&workers->lock);
        free(workers);
        return NULL;
    }
    while (workers->running < threads &&
           uv_thread_create(&workers->threads[workers->running], run_worker, workers) == 0)
        workers->running++;
    if (workers->running == threads)
        return workers;
    env_real_workers_destroy(workers);
    return NULL;
}

void env_real_workers_stop(struct env_real_workers *workers)
{
    uv_mutex_lock(&workers->lock);
    workers->stopping = true;
    uv_mutex_unlock(&workers->lock);
    uv_cond_broadcast(&workers->wake);
    while (workers->running > 0)
        uv_thread_join(&workers->threads[--workers->running]);
}

void env_real_workers_destroy(struct env_real_workers *workers)
{
    env_real_workers_stop(workers);
    uv_cond_destroy(&workers->wake);
    uv_mutex_destroy(&workers->lock);
    free(workers);
}

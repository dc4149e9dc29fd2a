/* SPDX-License-Identifier: Apache-2.0 */
#include "env_real_workers.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

/* A shard never waits for a worker: that one runs only where nobody else has anything to do, and
 * may be preempted for long wherever it is. So shards push without a lock, and what is there is
 * told by a semaphore, whose post waits for nobody (a condition's signal waits for threads that it
 * woke before and that have not run yet). The lock is between workers. */
struct env_real_workers {
    struct work *_Atomic pushed; /* by `next`, the last first */
    uv_sem_t ready;              /* as often as there is work, pushed or in line */
    uv_mutex_t lock;
    struct work *first; /* in line: by `next`, in the order of submission */
    _Atomic uint32_t queued;
    uint32_t queue_max;
    enum workers_priority priority;
    _Atomic bool stopping;
    uint32_t running; /* threads that were started */
    uv_thread_t threads[WORKERS_MAX];
};

/* The thread's own priority. Idle: a shard that wakes up takes the core at once, where beside a
 * thread that is merely nicer (SCHED_OTHER) it would wait for the rest of that one's slice, 3 ms
 * and more, at each step of a reservation. Where that is refused, they share, and this thread gets
 * less. But under a sale that takes all cores an idle thread never runs: whoever people wait for
 * shares them, for the milliseconds that it takes. */
static void lower_priority(enum workers_priority priority)
{
    const struct sched_param none = {0};
    pid_t thread = (pid_t)syscall(SYS_gettid);
    int nice = priority == WORKERS_IDLE ? WORKERS_NICE : FINDERS_NICE;

    if (priority != WORKERS_IDLE || sched_setscheduler(thread, SCHED_IDLE, &none) != 0)
        (void)setpriority(PRIO_PROCESS, (id_t)thread, nice);
}

/* All that was pushed, the first first. */
static struct work *take_pushed(struct env_real_workers *workers)
{
    /* Acquire: with the release in submit. All at once, so no ABA. */
    struct work *pushed = atomic_exchange_explicit(&workers->pushed, NULL, memory_order_acquire);
    struct work *first = NULL;

    while (pushed != NULL) {
        struct work *next = pushed->next;

        pushed->next = first;
        first = pushed;
        pushed = next;
    }
    return first;
}

/* The next piece of work, waiting for one; NULL at the end. */
static struct work *take(struct env_real_workers *workers)
{
    struct work *work = NULL;

    uv_sem_wait(&workers->ready);
    if (atomic_load(&workers->stopping))
        return NULL;
    uv_mutex_lock(&workers->lock);
    if (workers->first == NULL)
        workers->first = take_pushed(workers);
    work = workers->first;
    assert(work != NULL); /* pushed before the semaphore was posted */
    workers->first = work->next;
    uv_mutex_unlock(&workers->lock);
    atomic_fetch_sub(&workers->queued, 1);
    return work;
}

static void run_worker(void *arg)
{
    struct env_real_workers *workers = arg;
    struct work *work;

    lower_priority(workers->priority);
    while ((work = take(workers)) != NULL) {
        work->run(work);
        work->done(work); /* it may be gone after this */
    }
}

static bool submit(void *self, struct work *work)
{
    struct env_real_workers *workers = self;

    if (atomic_load(&workers->stopping))
        return false;
    if (atomic_fetch_add(&workers->queued, 1) >= workers->queue_max) {
        atomic_fetch_sub(&workers->queued, 1);
        return false;
    }
    work->next = atomic_load_explicit(&workers->pushed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&workers->pushed, &work->next, work,
                                                  memory_order_release, memory_order_relaxed))
        ;
    uv_sem_post(&workers->ready);
    return true;
}

struct worker_port env_real_workers_port(struct env_real_workers *workers)
{
    return (struct worker_port){.self = workers, .submit = submit};
}

static uint32_t at_least_one(int count)
{
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (uint32_t)count;
}

static int count_cores(void)
{
    cpu_set_t cores;

    return sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

uint32_t env_real_workers_default(void)
{
    return at_least_one(count_cores() / 2);
}

uint32_t env_real_finders_default(void)
{
    return at_least_one(count_cores());
}

uint32_t env_real_workers_queued(struct env_real_workers *workers)
{
    return atomic_load(&workers->queued);
}

bool env_real_workers_are_stopping(struct env_real_workers *workers)
{
    return atomic_load(&workers->stopping);
}

struct env_real_workers *env_real_workers_create(uint32_t threads, uint32_t queue_max,
                                                 enum workers_priority priority)
{
    struct env_real_workers *workers = calloc(1, sizeof(*workers));

    assert(threads > 0 && threads <= WORKERS_MAX);
    assert(queue_max > 0 && queue_max <= WORKERS_QUEUE_MAX);
    if (workers == NULL)
        return NULL;
    workers->queue_max = queue_max;
    workers->priority = priority;
    if (uv_mutex_init(&workers->lock) != 0) {
        free(workers);
        return NULL;
    }
    if (uv_sem_init(&workers->ready, 0) != 0) {
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
    atomic_store(&workers->stopping, true);
    for (uint32_t i = 0; i < workers->running; i++)
        uv_sem_post(&workers->ready);
    while (workers->running > 0)
        uv_thread_join(&workers->threads[--workers->running]);
}

void env_real_workers_destroy(struct env_real_workers *workers)
{
    env_real_workers_stop(workers);
    uv_sem_destroy(&workers->ready);
    uv_mutex_destroy(&workers->lock);
    free(workers);
}

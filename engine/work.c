/* SPDX-License-Identifier: Apache-2.0 */
/* Work of a shard on the workers' threads, and its way back: as with reads, whoever ran it pushes
 * it to the shard, which takes all at once in its turn. */
#include "engine_private.h"

_Static_assert(offsetof(struct engine_work, work) == 0, "the port's work finds its owner");

static void on_run(struct work *work)
{
    struct engine_work *engine_work = (struct engine_work *)(void *)work;

    engine_work->run(engine_work);
}

static void on_done(struct work *work)
{
    struct engine_work *engine_work = (struct engine_work *)(void *)work;
    struct shard *shard = engine_work->shard;

    /* Many push, the shard takes all at once: no ABA. Release: what `run` wrote is read over there.
     */
    work->next = atomic_load_explicit(&shard->work_done, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&shard->work_done, &work->next, work,
                                                  memory_order_release, memory_order_relaxed))
        ;
    shard_notify(shard->engine, shard->index);
}

enum outcome engine_work_submit(struct shard *shard, struct engine_work *work)
{
    const struct worker_port *workers = &shard->engine->ports.workers;

    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        return OUTCOME_OUTCOME_UNKNOWN;
    if (workers->submit == NULL || shard->works == WORKS_IN_FLIGHT_MAX)
        return OUTCOME_OVERLOADED;
    work->shard = shard;
    work->work = (struct work){.run = on_run, .done = on_done};
    if (!workers->submit(workers->self, &work->work))
        return OUTCOME_OVERLOADED;
    shard->works++;
    return OUTCOME_PENDING;
}

void shard_take_works(struct shard *shard)
{
    struct work *work = atomic_exchange_explicit(&shard->work_done, NULL, memory_order_acquire);

    while (work != NULL) {
        struct engine_work *done = (struct engine_work *)(void *)work;

        work = work->next;
        shard->works--;
        done->done(done);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Work of a shard on the workers' threads, and its way back. */
#include "engine_private.h"

_Static_assert(offsetof(struct engine_work, work) == 0, "the port's work finds its owner");

static void on_run(struct work *work)
{
    struct engine_work *engine_work = (struct engine_work *)(void *)work;

    engine_work->run(engine_work);
}

static void on_done(struct work *work)
{
    shard_complete(&((struct engine_work *)(void *)work)->completion);
}

static void take_work(struct shard_completion *completion)
{
    struct engine_work *work =
        (struct engine_work *)(void *)((char *)completion -
                                       offsetof(struct engine_work, completion));

    if (work->is_finding)
        completion->shard->finder_works--;
    else
        completion->shard->works--;
    if (work->reads_directory)
        shard_unpin(completion->shard, work->pinned_tick);
    work->done(work);
}

enum outcome engine_work_submit(struct shard *shard, struct engine_work *work)
{
    const struct engine_ports *ports = &shard->engine->ports;
    const struct worker_port *workers = work->is_finding ? &ports->finders : &ports->workers;
    uint32_t *in_flight = work->is_finding ? &shard->finder_works : &shard->works;

    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        return OUTCOME_OUTCOME_UNKNOWN;
    if (workers->submit == NULL || *in_flight == WORKS_IN_FLIGHT_MAX)
        return OUTCOME_OVERLOADED;
    work->completion = (struct shard_completion){.shard = shard, .take = take_work};
    work->work = (struct work){.run = on_run, .done = on_done};
    if (work->reads_directory && !shard_pin(shard, &work->pinned_tick))
        return OUTCOME_OVERLOADED;
    if (!workers->submit(workers->self, &work->work)) {
        if (work->reads_directory)
            shard_unpin(shard, work->pinned_tick);
        return OUTCOME_OVERLOADED;
    }
    ++*in_flight;
    return OUTCOME_PENDING;
}

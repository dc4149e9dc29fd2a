/* SPDX-License-Identifier: Apache-2.0 */
/* The commit path.
 *
 *   shard: step -> open batch -> [slot] -> committer: merge all shards' -> journal.commit
 *                     ^                                                        |
 *                     +--------------- returned (answers may leave) <----------+
 *
 * The slot of a shard holds the batch that is next to be written, and belongs to whoever exchanges
 * it out. While a commit is at the journal, the shard takes its batch back each step and adds to
 * it; when the journal is free, the committer takes what is there. So commits grow with load, none
 * waits for more, and a shard's batches keep their order, as at most one waits.
 *
 * Outcomes. On anything but COMMIT_OK the latch falls: what the batches held is answered
 * `outcome_unknown`, nothing is acknowledged or read any more, and the process ends. */
#include "engine_private.h"

#include <string.h>

bool batch_has_room(const struct batch *batch)
{
    return batch->received < batch->shard->engine->options.batch_messages &&
           batch->records.capacity - batch->records.used >= EFFECT_RECORD_BYTES_MAX &&
           batch->messages.capacity - batch->messages.used >= EFFECT_MESSAGE_BYTES_MAX;
}

struct batch *batch_open(struct shard *shard)
{
    struct batch *batch = atomic_exchange_explicit(&shard->ready, NULL, memory_order_acq_rel);

    if (batch != NULL) {
        shard->batches_out--;
        return batch;
    }
    batch = shard->free_batches;
    if (batch != NULL) {
        shard->free_batches = batch->next;
        batch->serial = ++shard->serial;
    }
    return batch;
}

void batch_hand_over(struct shard *shard)
{
    struct committer *committer = shard->engine->committer;
    struct batch *batch = shard->open;
    struct batch *before;

    shard->open = NULL;
    shard->batches_out++;
    shard->handed_full = !batch_has_room(batch);
    before = atomic_exchange_explicit(&shard->ready, batch, memory_order_acq_rel);
    assert(before == NULL);
    (void)before;
    /* Pairs with the fence in committer_try_sleep: it sees the batch, or we see it asleep. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&committer->asleep, memory_order_relaxed) &&
        atomic_exchange_explicit(&committer->asleep, false, memory_order_relaxed))
        shard->engine->ports.env.wake_committer(shard->engine->ports.env.self);
}

void batch_recycle(struct shard *shard, struct batch *batch)
{
    batch->records.used = 0;
    batch->messages.used = 0;
    batch->record_count = 0;
    batch->received = 0;
    batch->erases = false;
    batch->next = shard->free_batches;
    shard->free_batches = batch;
}

struct batch *batch_take_returned(struct shard *shard)
{
    struct batch *newest = atomic_exchange_explicit(&shard->returned, NULL, memory_order_acquire);
    struct batch *oldest = NULL;

    if (MUTANT(ANSWERS_OUT_OF_ORDER))
        return newest;
    while (newest != NULL) { /* pushed newest first */
        struct batch *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* ---- the committer ---- */

void engine_fail(struct engine *engine, const char *reason)
{
    if (!atomic_exchange(&engine->failed, true))
        engine->ports.env.failed(engine->ports.env.self, reason);
}

/* What was erased is to leave every file, now that nothing can bring it back. */
static void scrub(const struct engine *engine)
{
    const struct committer *committer = engine->committer;
    bool erases = false;

    for (uint32_t i = 0; i < committer->batch_count; i++)
        erases = erases || committer->batches[i]->erases;
    if (erases && engine->ports.journal.scrub != NULL)
        engine->ports.journal.scrub(engine->ports.journal.self);
}

static void give_back(struct engine *engine, enum commit_outcome outcome)
{
    struct committer *committer = engine->committer;

    if (outcome == COMMIT_OK)
        scrub(engine);
    for (uint32_t i = 0; i < committer->batch_count; i++) {
        struct batch *batch = committer->batches[i];
        struct shard *shard = batch->shard;

        batch->outcome = outcome;
        /* Only the committer pushes and the shard takes all at once: no ABA. */
        batch->next = atomic_load_explicit(&shard->returned, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&shard->returned, &batch->next, batch,
                                                      memory_order_release, memory_order_relaxed))
            ;
        shard_notify(engine, shard->index);
    }
    committer->batch_count = 0;
}

static void on_committed(void *arg, enum commit_outcome outcome)
{
    struct engine *engine = arg;
    struct committer *committer = engine->committer;
    int64_t took_ns =
        (int64_t)(engine->ports.env.ticks_ns(engine->ports.env.self) - committer->started_ns);

    metric_add(&committer->commits, 1);
    metric_add(&committer->total_ns, took_ns);
    if (took_ns > atomic_load_explicit(&committer->max_ns, memory_order_relaxed))
        atomic_store_explicit(&committer->max_ns, took_ns, memory_order_relaxed);
    if (outcome == COMMIT_OK || (MUTANT(LATCH_NOT_SET) && outcome == COMMIT_UNKNOWN)) {
        atomic_store_explicit(&committer->durable, committer->number, memory_order_release);
        if (!MUTANT(WATERMARK_NOT_ADVANCED))
            engine->ports.watermark.advance(engine->ports.watermark.self, committer->number);
    } else {
        engine_fail(engine, outcome == COMMIT_FAILED
                                ? "the journal refused a commit; it may be durable all the same"
                                : "the journal did not say whether a commit is durable");
    }
    give_back(engine, outcome);
    atomic_store_explicit(&committer->busy, false, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* as in batch_hand_over */
    if (!MUTANT(COMMIT_END_WAKES_NOBODY) &&
        atomic_exchange_explicit(&committer->asleep, false, memory_order_relaxed))
        engine->ports.env.wake_committer(engine->ports.env.self);
}

static uint32_t gather(struct engine *engine)
{
    struct committer *committer = engine->committer;
    uint32_t records = 0;

    assert(committer->batch_count == 0);
    for (uint32_t i = 0; i < engine->options.shards; i++) {
        struct batch *batch =
            MUTANT(BATCH_TAKEN_BACK)
                ? atomic_load(&engine->shards[i]->ready)
                : atomic_exchange_explicit(&engine->shards[i]->ready, NULL, memory_order_acq_rel);

        if (batch == NULL)
            continue;
        if (!batch_has_room(batch) &&
            !MUTANT(FULL_BATCH_WAKES_NOBODY)) /* its shard waits for the slot */
            shard_notify(engine, i);
        committer->arenas[committer->batch_count] = &batch->records;
        committer->batches[committer->batch_count++] = batch;
        records += batch->record_count;
    }
    return records;
}

bool committer_step(struct engine *engine)
{
    struct committer *committer = engine->committer;
    uint32_t records;

    if (atomic_load_explicit(&committer->busy, memory_order_acquire))
        return false;
    records = gather(engine);
    if (committer->batch_count == 0)
        return false;
    if (atomic_load_explicit(&engine->failed, memory_order_relaxed)) {
        give_back(engine, COMMIT_UNKNOWN);
        return true;
    }
    if (records == 0) { /* only reads, ordered behind the commits that they reflect */
        give_back(engine, COMMIT_OK);
        return true;
    }
    committer->commit = (struct journal_commit){.number = ++committer->number,
                                                .arenas = committer->arenas,
                                                .arena_count = committer->batch_count,
                                                .record_count = records};
    metric_add(&committer->records, records);
    committer->started_ns = engine->ports.env.ticks_ns(engine->ports.env.self);
    atomic_store_explicit(&committer->busy, true, memory_order_relaxed);
    engine->ports.journal.commit(engine->ports.journal.self, &committer->commit, on_committed,
                                 engine);
    return true;
}

bool committer_try_sleep(struct engine *engine)
{
    struct committer *committer = engine->committer;

    atomic_store_explicit(&committer->asleep, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&committer->busy, memory_order_acquire))
        return true; /* whoever finishes it wakes */
    for (uint32_t i = 0; i < engine->options.shards; i++)
        if (atomic_load_explicit(&engine->shards[i]->ready, memory_order_relaxed) != NULL &&
            !MUTANT(COMMITTER_SLEEPS_ON)) {
            atomic_store_explicit(&committer->asleep, false, memory_order_relaxed);
            return false;
        }
    return true;
}

void committer_wake_up(struct engine *engine)
{
    atomic_store_explicit(&engine->committer->asleep, false, memory_order_relaxed);
}

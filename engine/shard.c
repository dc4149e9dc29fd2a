/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's turn. It reads the clock once, lets go what became durable, drains its mailboxes and
 * due timers into one batch, and hands that over. The same code runs on a thread a shard and, in
 * the simulator, with all shards on one. */
#include "engine_private.h"

#include <stdlib.h>

/* ---- sleeping and waking ---- */

void shard_notify(struct engine *engine, uint32_t target)
{
    struct shard *shard = engine->shards[target];

    /* Pairs with the fence in shard_try_sleep: either the sleeper sees what was put there before,
     * or we see it asleep. Whoever clears the flag wakes, so that it is woken once. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&shard->asleep, memory_order_relaxed) &&
        atomic_exchange_explicit(&shard->asleep, false, memory_order_relaxed))
        engine->ports.env.wake_shard(engine->ports.env.self, target);
}

/* As shard_notify, for threads that may be preempted for long before they have woken anybody, as
 * workers are where others have something to do: the mark stays, so that whoever notifies meanwhile
 * wakes as well. The shard may be woken more than once. */
static void notify_unclaimed(struct shard *shard)
{
    struct engine *engine = shard->engine;

    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&shard->asleep, memory_order_relaxed))
        engine->ports.env.wake_shard(engine->ports.env.self, shard->index);
}

static bool has_work(const struct shard *shard)
{
    const struct engine *engine = shard->engine;

    if (atomic_load_explicit(&shard->returned, memory_order_relaxed) != NULL ||
        atomic_load_explicit(&shard->completed, memory_order_relaxed) != NULL)
        return true;
    if (orders_have_work(shard) || accounts_have_ready(&shard->accounts) ||
        coupons_have_ready(&shard->coupons) || webhooks_have_work(shard))
        return true;
    for (uint32_t i = 0; i < engine->options.shards; i++)
        if (mailbox_depth(engine_mailbox(engine, i, shard->index)) > 0)
            return true;
    return false;
}

/* What waits in the mailboxes has to wait: the batch in the slot is full, until the committer takes
 * it, or there is none to be had, until one returns. Both wake the shard. */
static bool is_stalled(const struct shard *shard)
{
    if (atomic_load_explicit(&shard->returned, memory_order_relaxed) != NULL ||
        atomic_load_explicit(&shard->completed, memory_order_relaxed) != NULL)
        return false;
    if (atomic_load_explicit(&shard->ready, memory_order_relaxed) != NULL)
        return shard->handed_full;
    return shard->free_batches == NULL;
}

bool shard_try_sleep(struct shard *shard)
{
    atomic_store_explicit(&shard->asleep, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (has_work(shard) && !is_stalled(shard) && !MUTANT(LOST_WAKE_UP)) {
        atomic_store_explicit(&shard->asleep, false, memory_order_relaxed);
        return false;
    }
    shard->has_slept = true;
    return true;
}

void shard_wake_up(struct shard *shard)
{
    atomic_store_explicit(&shard->asleep, false, memory_order_relaxed);
}

uint32_t shard_sleep_ms(const struct shard *shard)
{
    const struct env *env = &shard->engine->ports.env;
    int64_t wake_ms = timers_wake_ms(&shard->timers);
    int64_t left_ms;

    if (is_stalled(shard))
        return 1000; /* whoever ends that wakes it */
    if (shard->audit_due_ms < wake_ms)
        wake_ms = shard->audit_due_ms;
    if (mails_next_ms(shard) < wake_ms)
        wake_ms = mails_next_ms(shard);
    if (orders_next_ms(shard) < wake_ms)
        wake_ms = orders_next_ms(shard);
    if (rounds_next_ms(shard) < wake_ms)
        wake_ms = rounds_next_ms(shard);
    if (events_out_next_ms(shard) < wake_ms)
        wake_ms = events_out_next_ms(shard);
    if (webhooks_next_ms(shard) < wake_ms)
        wake_ms = webhooks_next_ms(shard);
    if (ledger_audit_next_ms(shard) < wake_ms)
        wake_ms = ledger_audit_next_ms(shard);
    if (erasures_next_ms(shard) < wake_ms)
        wake_ms = erasures_next_ms(shard);
    left_ms = wake_ms - env->now(env->self).boot_ms;
    if (left_ms < 0)
        return 0;
    return left_ms > 1000 ? 1000 : (uint32_t)left_ms;
}

/* ---- what other threads do for a shard ---- */

void shard_complete(struct shard_completion *completion)
{
    struct shard *shard = completion->shard;

    /* Many push, the shard takes all at once: no ABA. Release: the result is read over there. */
    completion->next = atomic_load_explicit(&shard->completed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&shard->completed, &completion->next, completion,
                                                  memory_order_release, memory_order_relaxed))
        ;
    notify_unclaimed(shard);
}

static void take_completed(struct shard *shard)
{
    struct shard_completion *completion =
        atomic_exchange_explicit(&shard->completed, NULL, memory_order_acquire);

    while (completion != NULL) {
        struct shard_completion *next = completion->next;

        completion->take(completion); /* whose memory may be gone after that */
        completion = next;
    }
}

/* ---- reads of stored records ---- */

static void on_read(struct journal_read *read)
{
    shard_complete(&((struct engine_read *)(void *)read)->completion);
}

_Static_assert(offsetof(struct engine_read, read) == 0, "on_read finds its owner by address");

static void take_read(struct shard_completion *completion)
{
    struct engine_read *done =
        (struct engine_read *)(void *)((char *)completion -
                                       offsetof(struct engine_read, completion));
    struct shard *shard = completion->shard;

    shard->reads--;
    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        done->read.failed = done->read.failed ||
                            !MUTANT(READ_AFTER_LATCH); /* when the latch falls, reads stop too */
    done->done(done);
}

enum outcome engine_read_submit(struct shard *shard, struct engine_read *read)
{
    struct journal_port *journal = &shard->engine->ports.journal;

    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        return OUTCOME_OUTCOME_UNKNOWN;
    if (shard->reads == READS_IN_FLIGHT_MAX)
        return OUTCOME_OVERLOADED;
    read->completion = (struct shard_completion){.shard = shard, .take = take_read};
    read->read.done = on_read;
    if (!journal->read(journal->self, &read->read))
        return OUTCOME_OVERLOADED;
    shard->reads++;
    return OUTCOME_PENDING;
}

/* ---- jobs for other hosts ---- */

static void on_outbound(struct outbound_job *job)
{
    shard_complete(&((struct engine_outbound *)(void *)job)->completion);
}

_Static_assert(offsetof(struct engine_outbound, job) == 0,
               "on_outbound finds its owner by address");

static void take_outbound(struct shard_completion *completion)
{
    struct engine_outbound *outbound =
        (struct engine_outbound *)(void *)((char *)completion -
                                           offsetof(struct engine_outbound, completion));

    completion->shard->outbound_jobs--;
    outbound->done(outbound);
}

enum outcome engine_outbound_submit(struct shard *shard, struct engine_outbound *outbound)
{
    struct outbound_port *port = &shard->engine->ports.outbound;

    if (port->submit == NULL || shard->outbound_jobs == OUTBOUND_IN_FLIGHT_MAX)
        return OUTCOME_OVERLOADED;
    outbound->completion = (struct shard_completion){.shard = shard, .take = take_outbound};
    outbound->job.done = on_outbound;
    if (!port->submit(port->self, &outbound->job))
        return OUTCOME_OVERLOADED;
    shard->outbound_jobs++;
    return OUTCOME_PENDING;
}

/* ---- the turn ---- */

static void take_returned(struct shard *shard)
{
    struct batch *batch = batch_take_returned(shard);

    while (batch != NULL) {
        struct batch *next = batch->next;

        assert(shard->batches_out > 0);
        shard->batches_out--;
        shard->serial_returned = batch->serial;
        settings_host_take(shard, batch); /* before its answers leave */
        shard_release(shard, &batch->messages,
                      batch->outcome == COMMIT_OK || MUTANT(ANSWER_AFTER_LATCH));
        batch_recycle(shard, batch);
        batch = next;
    }
}

/* A few messages; false if there was none, or the batch is full. What one of them will look up is
 * fetched while those before it are served. */
static bool drain(struct shard *shard, struct mailbox *mailbox)
{
    uint32_t ready = mailbox_ready(mailbox);

    if (ready > DRAIN_PER_MAILBOX)
        ready = DRAIN_PER_MAILBOX;
    for (uint32_t n = 0; n < ready && n < PREFETCH_AHEAD; n++)
        shard_prefetch(shard, mailbox_peek(mailbox, n));
    for (uint32_t n = 0; n < ready; n++) {
        if (!batch_has_room(shard->open))
            return false;
        if (n + PREFETCH_AHEAD < ready)
            shard_prefetch(shard, mailbox_peek(mailbox, PREFETCH_AHEAD));
        if (n + PREFETCH_AHEAD / 2 < ready)
            shard_prefetch_next(shard, mailbox_peek(mailbox, PREFETCH_AHEAD / 2));
        shard_deliver(shard, mailbox_pop(mailbox));
    }
    return ready > 0;
}

/* Each mailbox a few messages in turn, until all are empty or the batch is full. */
static void drain_mailboxes(struct shard *shard)
{
    struct engine *engine = shard->engine;
    uint32_t shards = engine->options.shards;
    bool found = true;

    while (found) {
        found = false;
        for (uint32_t i = 0; i < shards; i++) {
            /* A shard's own mailbox last: it may have filled it a moment ago. */
            uint32_t source = (shard->index + 1 + i) % shards;

            found = drain(shard, engine_mailbox(engine, source, shard->index)) || found;
        }
        if (!batch_has_room(shard->open))
            return;
        if (shard->unpublished_count > 0)
            return; /* publish first */
    }
}

static void run_timers(struct shard *shard)
{
    uint32_t slot;

    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        return;
    for (uint32_t n = 0; n < shard->engine->options.timers_per_step && batch_has_room(shard->open);
         n++) {
        if (!timers_next_due(&shard->timers, shard->now.boot_ms, &slot))
            return;
        shard_fire_timer(shard, slot);
    }
}

static uint32_t count_records(const struct arena *records)
{
    uint32_t count = 0;

    for (uint32_t at = 0; at < records->used; count++)
        at += ((const struct record *)(const void *)(records->bytes + at))->size;
    return count;
}

static void close_batch(struct shard *shard)
{
    struct batch *batch = shard->open;
    bool failed = atomic_load_explicit(&shard->engine->failed, memory_order_relaxed);

    batch->record_count = count_records(&batch->records);
    settings_host_close(shard, batch);
    if (MUTANT(ACK_BEFORE_SYNC))
        shard_release(shard, &batch->messages, true);
    if (batch->record_count > 0 ||
        (batch->messages.used > 0 && shard->batches_out > 0 && !MUTANT(READ_BEFORE_DURABLE))) {
        batch_hand_over(shard);
        return;
    }
    /* Nothing to store and nothing under way: what was read is durable. */
    shard->open = NULL;
    shard_release(shard, &batch->messages, !failed);
    batch_recycle(shard, batch);
}

static void fill_batch(struct shard *shard)
{
    shard->open = batch_open(shard);
    if (shard->open == NULL)
        return;
    shard->effects.records = &shard->open->records;
    shard->effects.messages = &shard->open->messages;
    /* Lapsed holds first, so that their units can be had in this very turn, and that no load keeps
     * them from lapsing. */
    if (!MUTANT(LAPSES_LAST))
        run_timers(shard);
    accounts_run_ready(shard);
    orders_run(shard);
    coupons_run_ready(shard);
    carts_tend(shard);
    events_out_record(shard);
    webhooks_record(shard);
    drain_mailboxes(shard);
    if (MUTANT(LAPSES_LAST))
        run_timers(shard);
    close_batch(shard);
    directory_publish(shard);
}

static void show_metrics(struct shard *shard)
{
    const struct inventory_statistics *statistics = inventory_pool_statistics(shard->pool);
    const struct coupon_statistics *uses = coupon_pool_statistics(shard->coupons.pool);
    const struct cart_statistics *carts = cart_pool_statistics(shard->carts);
    struct shard_metrics *metrics = &shard->metrics;
    uint32_t depth = 0;

    for (uint32_t i = 0; i < shard->engine->options.shards; i++)
        depth += mailbox_depth(engine_mailbox(shard->engine, i, shard->index));
#define SHOW(name, value)                                                                          \
    atomic_store_explicit(&metrics->name, (int64_t)(value), memory_order_relaxed)
    SHOW(mailbox_depth, depth);
    SHOW(holds_active, inventory_pool_active(shard->pool));
    SHOW(holds_kept, inventory_pool_kept(shard->pool));
    SHOW(holds_created, statistics->created);
    SHOW(holds_replayed, statistics->replayed);
    SHOW(holds_released, statistics->released);
    SHOW(holds_expired, statistics->expired);
    SHOW(holds_converted, statistics->converted);
    SHOW(coupon_uses_held, uses->held);
    SHOW(coupon_uses_committed, uses->committed);
    SHOW(coupon_uses_released, uses->released);
    SHOW(coupon_uses_refused, uses->refused);
    SHOW(carts_live, cart_pool_count(shard->carts));
    SHOW(carts_created, carts->created);
    SHOW(carts_merged, carts->merged);
    SHOW(carts_converted, carts->converted);
    SHOW(carts_abandoned, carts->abandoned);
    SHOW(carts_expired, carts->expired);
    SHOW(carts_recovered, carts->recovered);
    SHOW(carts_idle, carts->idle);
    SHOW(order_watches, shard->orders.watches.count);
#undef SHOW
    atomic_store_explicit(&shard->idle,
                          depth == 0 && shard->in_flight == 0 && shard->batches_out == 0 &&
                              shard->reads == 0 && shard->works == 0 && shard->finder_works == 0 &&
                              shard->outbound_jobs == 0 && shard->products == 0 &&
                              shard->mails.busy == 0 && shard->order_mails.busy == 0 &&
                              shard->webhooks.busy == 0 && shard->webhooks.batch_count == 0 &&
                              shard->orders.asking == 0 && events_out_is_idle(shard) &&
                              inventory_pool_aborting(shard->pool) == 0,
                          memory_order_release);
}

bool shard_step(struct shard *shard)
{
    const struct env *env = &shard->engine->ports.env;

    shard->now = env->now(env->self);
    shard->has_slept = false;
    atomic_store_explicit(&shard->tick,
                          atomic_load_explicit(&shard->tick, memory_order_relaxed) + 1,
                          memory_order_release);
    take_returned(shard);
    take_completed(shard);
    mails_step(shard);
    webhooks_step(shard);
    rounds_step(shard);
    erasures_step(shard);
    orders_ask(shard);
    events_out_step(shard);
    fill_batch(shard);
    if (shard->now.boot_ms >= shard->audit_due_ms - 2 * AUDIT_QUIET_MS)
        shard_audit(shard);
    ledger_audit_step(shard);
    if (shard->retired_count > 0)
        shard_free_retired(shard, false);
    if (shard->settings.retired_count > 0)
        settings_host_free_retired(shard);
    show_metrics(shard);
    return !is_stalled(shard) &&
           (has_work(shard) || timers_wake_ms(&shard->timers) <= shard->now.boot_ms ||
            timers_wake_ms(&shard->orders.timers) <= shard->now.boot_ms);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler: one thread, one drawn event a step. What the real environment does with threads,
 * loops and the disk, happens here one at a time and in any order that could really occur:
 *
 *   - A shard or the committer runs a turn when it is runnable. When a turn found no more work it
 *     tries to sleep in a later step, so that work may come in between. Asleep it runs only when it
 *     was woken, when its deadline has come, or when a client's request arrives on its loop.
 *   - A commit stays pending until it is drawn; its end runs on the committer's thread. */
#include "world.h"

#include "inspect.h"
#include "violation.h"

enum {
    AUDIT_STEPS = 256,
    DIGEST_STEPS = 1024,
    WATERMARK_FLUSH_PARTS = 100000,
    SUFFIX_PERCENT = 30,    /* of crashes, before how many an older state is kept */
    SUFFIX_STEPS_MAX = 150, /* before the crash */
};

/* ---- threads ---- */

static bool shard_is_ready(const struct world *world, uint32_t shard)
{
    const struct sim_thread *thread = &world->shards[shard];

    if (world->step < thread->stalled_until)
        return false;
    return thread->state != THREAD_ASLEEP || world->env.shard_woken[shard] ||
           world->env.now_ms >= thread->wake_at_ms;
}

static bool committer_is_ready(const struct world *world)
{
    return world->committer.state != THREAD_ASLEEP || world->env.committer_woken;
}

/* It reads the clock now. */
static void note_turn(struct world *world, uint32_t index)
{
    struct turn *newest = &world->turns[index][world->turn_count[index] % SIM_TURNS_MAX];

    world->shards[index].clock_ms = world_now(world);
    world->shards[index].has_slept = false;
    if (world->turn_count[index] == 0 || newest->at_ms != world_now(world)) {
        newest = &world->turns[index][++world->turn_count[index] % SIM_TURNS_MAX];
        newest->at_ms = world_now(world);
    }
    newest->last_step = world->step;
}

static void run_shard(struct world *world, uint32_t index)
{
    struct sim_thread *thread = &world->shards[index];
    struct shard *shard = engine_shard(world->engine, index);
    uint32_t due;

    if (thread->state == THREAD_DROWSY && !world->env.shard_woken[index]) {
        thread->state = shard_try_sleep(shard) ? THREAD_ASLEEP : THREAD_RUNNABLE;
        thread->has_slept = thread->state == THREAD_ASLEEP;
        return;
    }
    if (thread->state == THREAD_ASLEEP) {
        if (world->env.shard_woken[index])
            world_mark(world, MARK_SLEPT);
        shard_wake_up(shard);
    }
    world->env.shard_woken[index] = false;
    note_turn(world, index);
    due = engine_inspect_can_serve(world->engine, index) ? engine_inspect_due(world->engine, index)
                                                         : 0;
    (void)journal_memory_refuse_reads(world->journal, world->step < world->busy_until);
    thread->state = shard_step(shard) ? THREAD_RUNNABLE : THREAD_DROWSY;
    if (journal_memory_refuse_reads(world->journal, false) > 0)
        world_mark(world, MARK_READ_REFUSED);
    oracles_check_lapses(world, index, due);
    thread->wake_at_ms = world->env.now_ms + shard_sleep_ms(shard);
}

static void run_committer(struct world *world)
{
    if (world->committer.state == THREAD_DROWSY && !world->env.committer_woken) {
        world->committer.state =
            committer_try_sleep(world->engine) ? THREAD_ASLEEP : THREAD_RUNNABLE;
        return;
    }
    if (world->committer.state == THREAD_ASLEEP)
        committer_wake_up(world->engine);
    world->env.committer_woken = false;
    world->committer.state = committer_step(world->engine) ? THREAD_RUNNABLE : THREAD_DROWSY;
}

/* ---- the disk ---- */

static bool commit_is_ready(struct world *world)
{
    uint64_t pending = journal_memory_pending(world->journal);

    if (pending == 0)
        return false;
    if (pending != world->commit_seen) {
        world->commit_seen = pending;
        world->commit_ready_step =
            world->step + sim_random_below(&world->random, world->profile.commit_delay_steps + 1);
        if (world->step < world->slow_until) {
            world->commit_ready_step =
                world->step + sim_random_range(&world->random, 50, world->profile.slow_steps_max);
            world_mark(world, MARK_DISK_SLOW);
        }
    }
    return world->step >= world->commit_ready_step;
}

static void complete_commit(struct world *world)
{
    enum commit_outcome outcome = COMMIT_OK;
    bool durable = true;
    uint64_t number;

    if (world->disk_full && !world->commit_failed &&
        sim_random_chance(&world->random, world->profile.no_space_parts)) {
        outcome = COMMIT_FAILED;
        durable = false;
        world_mark(world, MARK_COMMIT_NO_SPACE);
    } else if (sim_random_chance(&world->random, world->profile.commit_fault_parts)) {
        outcome = sim_random_chance(&world->random, 500000) ? COMMIT_FAILED : COMMIT_UNKNOWN;
        durable = sim_random_chance(&world->random, 500000);
        world_mark(world, outcome == COMMIT_UNKNOWN ? MARK_COMMIT_UNKNOWN_END
                          : durable                 ? MARK_COMMIT_FAILED_DURABLE
                                                    : MARK_COMMIT_FAILED_LOST);
    }
    if (outcome != COMMIT_OK) {
        world->commit_failed = true;
        world->dies_at_step = world->step + sim_random_range(&world->random, 1, 80);
    }
    number = journal_memory_pending(world->journal);
    journal_memory_complete(world->journal, outcome, durable);
    if (outcome == COMMIT_OK && world->watermark.told != number)
        violation("the watermark was not told of a durable commit");
    if (world->commit_failed && !world->env.failed)
        violation("a commit that was not ok did not end the engine");
    trace_add(&world->trace, TRACE_JOURNAL, outcome, journal_memory_state_hash(world->journal));
}

/* ---- time ---- */

void world_advance_clock(struct world *world, int64_t ms)
{
    world->env.now_ms += ms;
    if (world->profile.watermark_lag_ms == 0 || ms >= world->profile.watermark_lag_ms ||
        sim_random_chance(&world->random, WATERMARK_FLUSH_PARTS))
        world->watermark.on_file = world->watermark.told;
    trace_add(&world->trace, TRACE_CLOCK, (uint64_t)world->env.now_ms, 0);
}

/* To just before, at or just after a hold's deadline; 0 if there is none ahead. */
static int64_t to_some_deadline(struct world *world)
{
    const struct book_hold *hold;
    int64_t ms;

    if (world->books.hold_count == 0)
        return 0;
    hold =
        &world->books
             .holds[world->books.hold_count - 1 -
                    sim_random_below(&world->random,
                                     world->books.hold_count < 16 ? world->books.hold_count : 16)];
    ms = hold->deadline_ms - world->env.now_ms + sim_random_below(&world->random, 3) - 1;
    return ms > 0 ? ms : 0;
}

static void pass_time(struct world *world)
{
    int64_t ms = sim_random_range(&world->random, 1, world->profile.tick_max_ms);

    if (sim_random_chance(&world->random, world->profile.jump_parts)) {
        if (sim_random_chance(&world->random, 700000))
            ms += to_some_deadline(world);
        else
            ms = 1 +
                 (int64_t)(sim_random_next(&world->random) % (uint64_t)world->profile.jump_max_ms);
    }
    if (ms > world->profile.engine.request_timeout_ms &&
        world->free_request_count < SIM_REQUESTS_MAX)
        world_mark(world, MARK_PAUSED);
    world_advance_clock(world, ms);
}

static void stall_a_shard(struct world *world)
{
    uint32_t shard = sim_random_below(&world->random, world->profile.engine.shards);

    world->shards[shard].stalled_until =
        world->step + sim_random_range(&world->random, 1, world->profile.stall_steps_max);
    world_mark(world, MARK_STALLED);
}

/* What one shard sends another is seen later than what others send it. */
static void hold_back(struct world *world)
{
    uint32_t shards = world->profile.engine.shards;

    if (world->holds_back || shards < 2)
        return;
    world->holds_back = true;
    world->held_source = sim_random_below(&world->random, shards);
    world->held_target =
        (world->held_source + sim_random_range(&world->random, 1, shards - 1)) % shards;
    world->held_until =
        world->step + sim_random_range(&world->random, 1, world->profile.hold_back_steps_max);
    engine_inspect_hold_back(world->engine, world->held_source, world->held_target, true);
}

void world_release_held(struct world *world)
{
    if (!world->holds_back)
        return;
    if (engine_inspect_waiting(world->engine, world->held_source, world->held_target) > 0)
        world_mark(world, MARK_HELD_BACK);
    engine_inspect_hold_back(world->engine, world->held_source, world->held_target, false);
    world->holds_back = false;
}

static void change_disk(struct world *world)
{
    if (world->disk_full)
        world->disk_full_step = world->step;
    world->disk_full = !world->disk_full && sim_random_chance(&world->random, 100000);
    journal_memory_set_full(world->journal, world->disk_full);
}

/* An idle engine may be stopped at any moment without loss. */
static void restart_drained(struct world *world)
{
    if (world->free_request_count != SIM_REQUESTS_MAX)
        violation("a drained engine calls itself idle with %u requests under way",
                  SIM_REQUESTS_MAX - world->free_request_count);
    if (journal_memory_pending(world->journal) != 0)
        violation("a drained engine calls itself idle with a commit under way");
    world_mark(world, MARK_DRAINED);
    world_crash(world, false, false);
}

/* ---- the step ---- */

/* Of accounts' mails and orders'. */
static uint32_t mails_carried(const struct world *world)
{
    return world->mails.carried_count + world->order_mails.carried_count;
}

static void come_back(struct world *world)
{
    uint32_t orders = world->order_mails.carried_count;

    if (orders > 0 && (world->mails.carried_count == 0 ||
                       sim_random_below(&world->random, mails_carried(world)) < orders))
        order_mails_come_back(world);
    else
        mails_come_back(world);
}

bool world_is_busy(const struct world *world)
{
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        if (world->shards[i].stalled_until > world->step || shard_is_ready(world, i))
            return true;
    return committer_is_ready(world) || journal_memory_pending(world->journal) != 0 ||
           mails_carried(world) > 0 || sim_gateway_is_busy(world) || world->hooks.trip_count > 0 ||
           journal_memory_reads_pending(world->journal) != 0 || world->workers.count > 0 ||
           sim_listeners_hold(world);
}

/* A crash that is drawn may come a little later: what becomes durable until then may be lost. */
static bool crash_is_due(struct world *world)
{
    bool first = world->phase == PHASE_SALE && world->step == world->profile.crash_first_step &&
                 world->profile.crash_first_step != 0;

    if (!first && !sim_random_chance(&world->random, world->profile.crash_parts))
        return false;
    if (world->profile.damage_percent == 0 || world->older != NULL || world->dies_at_step != 0 ||
        sim_random_below(&world->random, 100) >= SUFFIX_PERCENT)
        return true;
    damage_keep_suffix(world);
    world->dies_at_step = world->step + sim_random_range(&world->random, 1, SUFFIX_STEPS_MAX);
    return false;
}

/* In healing it does what it is asked, and nothing by itself. */
static bool may_act_at_gateway(const struct world *world)
{
    return sim_gateway_is_busy(world) ||
           (world->phase == PHASE_SALE && world->gateway.payment_count > 0);
}

static enum step_kind draw_step(struct world *world, uint32_t *shard_out)
{
    const uint32_t *base = world->profile.step_weights;
    uint32_t weights[STEP_KIND_COUNT] = {
        [STEP_COMMITTER] = committer_is_ready(world) ? base[STEP_COMMITTER] : 0,
        [STEP_COMPLETE] = commit_is_ready(world) ? base[STEP_COMPLETE] : 0,
        [STEP_READ_DONE] =
            journal_memory_reads_pending(world->journal) > 0 ? base[STEP_READ_DONE] : 0,
        [STEP_WORK_DONE] = world->workers.count > 0 ? base[STEP_WORK_DONE] : 0,
        [STEP_CLOCK] = base[STEP_CLOCK],
        [STEP_CLIENT] = base[STEP_CLIENT],
        [STEP_DISK] = base[STEP_DISK],
        [STEP_PERSON] = world->mails.people_count > 0 ? base[STEP_PERSON] : 0,
        [STEP_COUPON] = world->coupons.slot_count > 0 ? base[STEP_COUPON] : 0,
        [STEP_SHOPPER] = world->profile.orders > 0 ? base[STEP_SHOPPER] : 0,
        [STEP_GATEWAY] = may_act_at_gateway(world) ? base[STEP_GATEWAY] : 0,
        [STEP_LISTENER] = sim_listeners_hold(world) ? base[STEP_LISTENER] : 0,
        [STEP_HOOK] = world->hooks.trip_count > 0 ||
                              (world->phase == PHASE_SALE && world->hooks.told_count > 0)
                          ? base[STEP_HOOK]
                          : 0,
        [STEP_COURIER] = mails_carried(world) > 0 ? base[STEP_COURIER] : 0,
        [STEP_CART] = base[STEP_CART],
        [STEP_STALL] = world->profile.stall_steps_max > 0 ? 1 : 0,
        [STEP_HOLD_BACK] = world->profile.hold_back_steps_max > 0 ? 1 : 0,
    };
    uint32_t ready[SIM_SHARDS_MAX];
    uint32_t ready_count = 0;

    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        if (shard_is_ready(world, i))
            ready[ready_count++] = i;
    weights[STEP_SHARD] = ready_count * base[STEP_SHARD];
    if (ready_count > 0)
        *shard_out = ready[sim_random_below(&world->random, ready_count)];
    if (world->dies_at_step != 0 && world->step >= world->dies_at_step)
        return STEP_CRASH;
    if (crash_is_due(world))
        return STEP_CRASH;
    if (sim_random_chance(&world->random, world->profile.wall_parts))
        return STEP_WALL;
    if (world->profile.slow_steps_max > 0 && sim_random_chance(&world->random, 300))
        return STEP_SLOW;
    if (sim_random_chance(&world->random, world->profile.drain_parts) && !world->draining)
        return STEP_DRAIN;
    return (enum step_kind)sim_random_weighted(&world->random, weights, STEP_KIND_COUNT);
}

static void die(struct world *world)
{
    bool keep_pending = sim_random_chance(&world->random, 500000) && !world->env.failed;
    bool reboot = sim_random_below(&world->random, 100) < world->profile.reboot_percent;

    world->crashes++;
    world_crash(world, keep_pending, reboot);
}

static void take_step(struct world *world, enum step_kind kind, uint32_t shard)
{
    switch (kind) {
    case STEP_SHARD:
        run_shard(world, shard);
        break;
    case STEP_COMMITTER:
        run_committer(world);
        break;
    case STEP_COMPLETE:
        complete_commit(world);
        break;
    case STEP_READ_DONE:
        journal_memory_complete_read(world->journal);
        break;
    case STEP_WORK_DONE:
        sim_workers_run(&world->workers, &world->random);
        break;
    case STEP_CLOCK:
        pass_time(world);
        break;
    case STEP_WALL:
        wall_draw(world);
        break;
    case STEP_CLIENT:
        clients_act(world);
        break;
    case STEP_CRASH:
        die(world);
        break;
    case STEP_DRAIN:
        engine_drain(world->engine);
        world->draining = true;
        break;
    case STEP_DISK:
        change_disk(world);
        break;
    case STEP_STALL:
        stall_a_shard(world);
        break;
    case STEP_HOLD_BACK:
        hold_back(world);
        break;
    case STEP_SLOW:
        world->slow_until =
            world->step + sim_random_range(&world->random, 1, world->profile.slow_steps_max);
        if (sim_random_chance(&world->random, 500000))
            world->busy_until = world->slow_until;
        break;
    case STEP_PERSON:
        mails_act(world);
        break;
    case STEP_COUPON:
        coupons_act(world);
        break;
    case STEP_SHOPPER:
        shoppers_act(world);
        break;
    case STEP_GATEWAY:
        sim_gateway_act(world);
        break;
    case STEP_LISTENER:
        sim_listeners_act(world);
        break;
    case STEP_HOOK:
        hooks_act(world);
        break;
    case STEP_COURIER:
        come_back(world);
        break;
    case STEP_CART:
        carts_act(world);
        break;
    case STEP_KIND_COUNT:
    default:
        assert(false && "a step has a kind");
    }
}

bool world_step(struct world *world)
{
    uint32_t shard = 0;
    enum step_kind kind;
    bool busy;

    if (world->holds_back && world->step >= world->held_until)
        world_release_held(world);
    kind = draw_step(world, &shard);

    world->step++;
    trace_add(&world->trace, TRACE_STEP, kind, shard);
    take_step(world, kind, shard);
    oracles_step(world);
    sim_listeners_check_cursor(world);
    hooks_scan(world);
    if (world->draining && world->phase == PHASE_SALE && engine_is_idle(world->engine))
        restart_drained(world);
    if (world->step % AUDIT_STEPS == 0)
        oracles_audit(world);
    if (world->step % DIGEST_STEPS == 0)
        trace_add(&world->trace, TRACE_DIGEST, engine_inspect_digest(world->engine), 0);
    busy = world_is_busy(world);
    if (!busy)
        oracles_quiet(world);
    return busy;
}

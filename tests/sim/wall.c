/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock, which anybody may set while the process runs or is down, and what it may change:
 * nothing while the process runs (deadlines run on the boot clock); after a restart what remains of
 * a hold is the smaller of the wall clock's word and the TTL (design.md, deadlines), and likewise
 * of what is kept of an ended one. So the books count in the world's time, and know of every
 * setting and every restart. */
#include "world.h"

#include "violation.h"

int64_t world_wall_ms(const struct world *world)
{
    return SIM_WALL_START_MS + world_now(world) + world->env.wall_ahead_ms;
}

static int64_t set_ends_ms(const struct wall *wall, uint32_t index)
{
    return index + 1 < wall->set_count ? wall->sets[index + 1].at_ms : INT64_MAX;
}

void wall_start(struct world *world)
{
    world->wall = (struct wall){.set_count = 1};
}

void wall_set(struct world *world, int64_t ahead_ms)
{
    struct wall *wall = &world->wall;

    if (wall->set_count == SIM_WALL_SETS_MAX || ahead_ms == world->env.wall_ahead_ms)
        return;
    world_mark(world, ahead_ms > world->env.wall_ahead_ms ? MARK_WALL_FORWARD : MARK_WALL_BACK);
    world_log(world, "the wall clock is set by %lld ms",
              (long long)(ahead_ms - world->env.wall_ahead_ms));
    world->env.wall_ahead_ms = ahead_ms;
    wall->sets[wall->set_count++] =
        (struct wall_setting){.at_ms = world_now(world), .ahead_ms = ahead_ms};
}

/* By a little, as a daemon does; by hours or days, as people do; or right again. */
void wall_draw(struct world *world)
{
    static const uint32_t sizes_ms[] = {20, 5000, 3600 * 1000, 24 * 3600 * 1000};
    uint32_t size_ms = sizes_ms[sim_random_below(&world->random, 4)];
    int64_t by_ms = (int64_t)sim_random_below(&world->random, 2 * size_ms + 1) - (int64_t)size_ms;
    int64_t ahead_ms =
        sim_random_chance(&world->random, 200000) ? 0 : world->env.wall_ahead_ms + by_ms;

    if (world->wall.set_count < SIM_WALL_SETS_MAX - SIM_WALL_SETS_KEPT &&
        ahead_ms <= SIM_WALL_AHEAD_MAX_MS && ahead_ms >= -SIM_WALL_AHEAD_MAX_MS)
        wall_set(world, ahead_ms);
}

/* When, between two moments, the wall clock may have shown this. False: never. */
static bool find_moment(const struct wall *wall, int64_t wall_ms, int64_t from_ms, int64_t to_ms,
                        struct span *found_out)
{
    bool found = false;

    for (uint32_t i = 0; i < wall->set_count; i++) {
        int64_t at_ms = wall_ms - SIM_WALL_START_MS - wall->sets[i].ahead_ms;

        if (at_ms < wall->sets[i].at_ms || at_ms > set_ends_ms(wall, i) || at_ms < from_ms ||
            at_ms > to_ms)
            continue;
        if (!found || at_ms < found_out->first_ms)
            found_out->first_ms = at_ms;
        if (!found || at_ms > found_out->last_ms)
            found_out->last_ms = at_ms;
        found = true;
    }
    return found;
}

/* The least that it showed from then on. */
int64_t wall_lowest_since(const struct world *world, int64_t from_ms)
{
    const struct wall *wall = &world->wall;
    int64_t lowest_ms = world_wall_ms(world);

    for (uint32_t i = 0; i < wall->set_count; i++) {
        int64_t begins_ms = wall->sets[i].at_ms > from_ms ? wall->sets[i].at_ms : from_ms;
        int64_t shown_ms = SIM_WALL_START_MS + begins_ms + wall->sets[i].ahead_ms;

        if (set_ends_ms(wall, i) >= from_ms && shown_ms < lowest_ms)
            lowest_ms = shown_ms;
    }
    return lowest_ms;
}

int64_t wall_highest_since(const struct world *world, int64_t from_ms)
{
    const struct wall *wall = &world->wall;
    int64_t highest_ms = world_wall_ms(world);

    for (uint32_t i = 0; i + 1 < wall->set_count; i++) {
        int64_t ends_ms = set_ends_ms(wall, i);
        int64_t shown_ms = SIM_WALL_START_MS + ends_ms + wall->sets[i].ahead_ms;

        if (ends_ms >= from_ms && shown_ms > highest_ms)
            highest_ms = shown_ms;
    }
    return highest_ms;
}

static int64_t within(int64_t value, int64_t top)
{
    return value < 0 ? 0 : value > top ? top : value;
}

/* ---- restarts ---- */

/* What recovery makes of a hold's deadline. One that had lapsed, and of which no record says so,
 * may live on if the wall clock was set back. */
static void restart_deadline(const struct world *world, struct book_hold *hold,
                             const struct wall_restart *restart)
{
    int64_t ttl_ms = world->profile.engine.hold_ttl_ms;
    int64_t left_ms = hold->deadline_wall_ms - restart->wall_ms;
    int64_t again_ms = restart->at_ms + within(left_ms, ttl_ms);
    int64_t more_ms = world->profile.engine.hold_cap_ms -
                      (hold->deadline_wall_ms - hold->id.created_ms); /* by extensions */

    if (hold->deadline_ms > restart->at_ms)
        hold->deadline_ms = hold->deadline_late_ms = again_ms;
    else
        hold->deadline_late_ms = again_ms;
    /* If an extension may have been made: exact only if neither bound could have cut it off. */
    hold->deadline_exact = !hold->extend_maybe || (left_ms > 0 && left_ms + more_ms <= ttl_ms);
    hold->wall_lead_ms = hold->deadline_wall_ms - again_ms;
}

static void restart_retention(const struct world *world, struct book_hold *hold)
{
    int64_t keep_ms = world->profile.engine.hold_retention_ms;
    int64_t ended_ms =
        hold->deadline_ms < hold->ended_earliest_ms ? hold->deadline_ms : hold->ended_earliest_ms;
    int64_t forget_ms;

    if (world->wall.set_count == 1 || ended_ms > world_now(world))
        return;
    forget_ms = wall_lowest_since(world, ended_ms) + keep_ms - world_wall_ms(world);
    forget_ms = world_now(world) + within(forget_ms, keep_ms);
    if (forget_ms < hold->forget_earliest_ms)
        hold->forget_earliest_ms = forget_ms;
}

void wall_restart(struct world *world)
{
    struct books *books = &world->books;
    struct wall_restart restart = {.at_ms = world_now(world), .wall_ms = world_wall_ms(world)};

    assert(world->wall.restart_count < SIM_RESTARTS_MAX);
    world->wall.restarts[world->wall.restart_count++] = restart;
    for (uint32_t i = 0; i < books->hold_count; i++) {
        restart_retention(world, &books->holds[i]);
        if (books->holds[i].state == HOLD_HELD)
            restart_deadline(world, &books->holds[i], &restart);
    }
    for (uint32_t i = 0; i < SIM_ADJUSTMENTS_MAX; i++) {
        struct keyed_adjustment *adjustment = &books->adjustments[i];

        if (restart.wall_ms - wall_lowest_since(world, adjustment->sent_ms) >=
            ADJUST_KEY_RETENTION_MS / 2)
            adjustment->key = 0; /* it may be forgotten, and is not sent again */
    }
}

/* ---- what answers say ---- */

/* A hold that the books did not know may have ended before a restart, and its retention may have
 * been cut short there. */
static int64_t forget_earliest(const struct wall *wall, int64_t made_ms)
{
    if (wall->set_count == 1 || wall->restart_count == 0 ||
        wall->restarts[wall->restart_count - 1].at_ms < made_ms)
        return INT64_MAX;
    return 0;
}

/* The hold's first view: it was made between these moments, by the wall clock of then. Since then
 * the process may have been restarted. */
void wall_enter_hold(struct world *world, struct book_hold *hold, const struct hold_view *view,
                     int64_t from_ms, bool replayed)
{
    const struct wall *wall = &world->wall;
    struct span made = {0};
    bool exact;

    if (!find_moment(wall, view->id.created_ms, from_ms, world_now(world), &made))
        violation("a reservation was not made between question and answer");
    exact = made.first_ms == made.last_ms;
    hold->created_ms = made.last_ms;
    hold->forget_earliest_ms = replayed ? forget_earliest(wall, made.first_ms) : INT64_MAX;
    hold->ended_earliest_ms = INT64_MAX;
    hold->deadline_wall_ms = view->deadline_wall_ms;
    hold->deadline_ms = made.first_ms + view->ttl_ms;
    hold->deadline_late_ms = made.last_ms + view->ttl_ms;
    hold->wall_lead_ms = hold->deadline_wall_ms - hold->deadline_ms;
    hold->deadline_exact = exact;
    for (uint32_t i = 0; replayed && exact && i < wall->restart_count; i++) {
        if (wall->restarts[i].at_ms == made.first_ms && wall->set_count > 1)
            exact = false; /* before or after it? */
        else if (wall->restarts[i].at_ms >= made.first_ms)
            restart_deadline(world, hold, &wall->restarts[i]);
    }
    if (exact)
        return;
    hold->deadline_ms = made.first_ms;
    hold->deadline_late_ms = world_now(world) + view->ttl_ms;
    hold->deadline_exact = false;
}

/* A view of a hold that nobody was told of: how it was extended is not known. */
void wall_explain_hold(struct world *world, struct book_hold *hold, const struct hold_view *view,
                       const struct request *request)
{
    const struct wall *wall = &world->wall;
    struct span made = {0};

    if (!find_moment(wall, view->id.created_ms, 0, world_now(world), &made))
        violation("a hold shows a time of creation that never was");
    hold->created_ms = made.last_ms;
    hold->forget_earliest_ms = forget_earliest(wall, made.first_ms);
    hold->ended_earliest_ms = INT64_MAX;
    hold->deadline_wall_ms = view->deadline_wall_ms;
    if (wall->set_count == 1) {
        hold->deadline_exact = true;
        hold->wall_lead_ms = SIM_WALL_START_MS;
        hold->deadline_ms = hold->deadline_late_ms = view->deadline_wall_ms - SIM_WALL_START_MS;
    } else if (view->ttl_ms > 0) {
        hold->deadline_ms = request->submitted_ms + view->ttl_ms;
        hold->deadline_late_ms = world_now(world) + view->ttl_ms;
    } else {
        hold->deadline_ms = 0; /* it may have lapsed at any time */
        hold->deadline_late_ms = request->submitted_ms;
    }
}

/* A live view as of now: the deadline that it was told is the newest if its wall time is. */
void wall_see_deadline(struct world *world, struct book_hold *hold, const struct hold_view *view,
                       const struct request *request)
{
    bool newer = view->deadline_wall_ms > hold->deadline_wall_ms;
    int64_t first_ms = request->submitted_ms + view->ttl_ms;
    int64_t last_ms = world_now(world) + view->ttl_ms;

    if (view->deadline_wall_ms < hold->deadline_wall_ms)
        return; /* overtaken */
    hold->deadline_wall_ms = view->deadline_wall_ms;
    if (hold->deadline_exact) {
        hold->deadline_ms = hold->deadline_late_ms = view->deadline_wall_ms - hold->wall_lead_ms;
        return;
    }
    if (view->ttl_ms == 0)
        return;
    if (newer || first_ms > hold->deadline_ms)
        hold->deadline_ms = first_ms;
    if (newer || last_ms < hold->deadline_late_ms)
        hold->deadline_late_ms = last_ms;
    hold->deadline_exact = hold->deadline_ms == hold->deadline_late_ms;
    hold->wall_lead_ms = hold->deadline_wall_ms - hold->deadline_ms;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The very end: more than a month passes, in which the process is started anew each day and never
 * lives for as long as a round of retention is apart from the next. Guests who became customers and
 * accounts that nobody verified are forgotten all the same, and so are checkouts' keys and
 * gateways' events; whoever is a customer stays (I7). */
#include "session.h"
#include "violation.h"
#include "world.h"

enum {
    DAY_MS = 24 * 3600 * 1000,
    STARTS_MAX = 64, /* what is refused for want of room is for the next */
    UPTIME_MS = 4000,
    STEADY_MS = 50,
};

static enum account_state state_of(const struct world *world, uint32_t index, bool *customer_out)
{
    const struct account_model *account = &world->people.accounts[index];
    struct record record;

    *customer_out = false;
    if (principal_is_nobody(&account->principal) ||
        !journal_memory_find(world->journal, RECORD_ACCOUNT, account->partition, account->number, 0,
                             &record))
        return ACCOUNT_NONE;
    *customer_out = record.account.role == ROLE_CUSTOMER;
    return (enum account_state)record.account.state;
}

static uint32_t count_pending(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->people.account_count; i++) {
        bool is_customer;

        count += state_of(world, i, &is_customer) == ACCOUNT_PENDING && is_customer;
    }
    return count;
}

static uint64_t count_kept(const struct world *world)
{
    return journal_memory_count(world->journal, RECORD_ALIAS) + count_pending(world) +
           journal_memory_count(world->journal, RECORD_EVENT_OUT) +
           journal_memory_count(world->journal, RECORD_CHECKOUT) +
           journal_memory_count(world->journal, RECORD_EVENT_IN);
}

/* One day: the machine is on for a little of it. */
static void live_a_day(struct world *world, void (*settle)(struct world *))
{
    int64_t started_ms;

    world_crash(world, false, false);
    started_ms = world_now(world);
    while (count_kept(world) > 0 && world_now(world) - started_ms < UPTIME_MS) {
        world_advance_clock(world, 5);
        settle(world);
    }
}

static void check_standing(const struct world *world, const enum account_state *before)
{
    for (uint32_t i = 0; i < world->people.account_count; i++) {
        bool is_customer;

        if (before[i] == ACCOUNT_ACTIVE && state_of(world, i, &is_customer) != ACCOUNT_ACTIVE)
            violation("account %u, which somebody had verified, is gone with the pending ones", i);
    }
}

void world_retain(struct world *world, void (*settle)(struct world *))
{
    enum account_state before[SIM_ACCOUNTS_MAX];

    if (journal_memory_count(world->journal, RECORD_ALIAS) > 0)
        world_mark(world, MARK_GUESTS_FORGOTTEN);
    if (count_pending(world) > 0)
        world_mark(world, MARK_ACCOUNTS_LAPSED);
    for (uint32_t i = 0; i < world->people.account_count; i++) {
        bool is_customer;

        before[i] = state_of(world, i, &is_customer);
    }
    world->profile.engine.retention_period_ms = DAY_MS;
    world->profile.engine.retention_steady_ms = STEADY_MS;
    wall_set(world, SIM_WALL_AHEAD_MAX_MS + GUEST_KEPT_S * 1000LL + DAY_MS);
    for (uint32_t starts = 0; starts < STARTS_MAX && (starts == 0 || count_kept(world) > 0);
         starts++)
        live_a_day(world, settle);
    if (count_kept(world) > 0)
        violation("I7: %llu former guests, accounts that nobody verified, checkouts' keys and "
                  "events are kept long past their time by a process that is started anew each day",
                  (unsigned long long)count_kept(world));
    check_standing(world, before);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The last of healing: what has ended and is past its retention is forgotten, in memory and in the
 * journal. Memory follows what lives, not history (I7). */
#include "inspect.h"
#include "violation.h"
#include "world.h"

enum { PATIENCE_ROUNDS = 100 }; /* in which nothing more is forgotten */

/* In memory and in the journal. */
static uint64_t count_kept(struct world *world)
{
    struct engine_metrics metrics;

    engine_metrics(world->engine, &metrics);
    return (uint64_t)metrics.holds_kept + journal_memory_count(world->journal, RECORD_HOLD);
}

void world_forget(struct world *world, void (*settle)(struct world *))
{
    const struct engine_options *options = &world->profile.engine;
    uint32_t rounds = 0;
    uint64_t least;
    uint64_t kept;

    settle(world);
    world_advance_clock(world, (int64_t)options->hold_retention_ms + LINE_RETENTION_MS);
    settle(world);
    least = count_kept(world);
    /* What several partitions have to agree on takes more messages, and mailboxes may be small. */
    for (kept = least; kept > 0 && rounds < PATIENCE_ROUNDS; rounds++) {
        world_advance_clock(world, 10 * SAGA_RETRY_MS);
        settle(world);
        kept = count_kept(world);
        if (kept < least) {
            least = kept;
            rounds = 0;
        }
    }
    if (kept > 0)
        violation("I7: long after everything ended %llu holds and records of them are kept",
                  (unsigned long long)kept);
    for (uint32_t i = 0; i < world->books.hold_count; i++)
        books_forget_hold(&world->books, i);
    world_mark(world, MARK_ALL_FORGOTTEN);
}

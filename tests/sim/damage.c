/* SPDX-License-Identifier: Apache-2.0 */
/* What a process may find when it starts: a store that lost something, or rotted, or that it cannot
 * read to the end because it dies again. A damaged store must be refused by name; one that is whole
 * must be recovered, however often. Damage is done to copies: afterwards the world goes on with
 * what really is durable. */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"

enum {
    ERROR_BYTES = 256,
    BLOCK_BYTES = 4096,
    NESTED_CRASHES_MAX = 4,
};

#define DAMAGES(X)                                                                                 \
    X(BEHIND)     /* the watermark is ahead of the journal */                                      \
    X(EMPTIED)    /* nothing is left, as when a log was deleted */                                 \
    X(UNREADABLE) /* a read fails */                                                               \
    X(ROT_BIT)                                                                                     \
    X(ROT_BYTE)                                                                                    \
    X(ROT_BLOCK)                                                                                   \
    X(ROT_FILE)                                                                                    \
    X(DIES)  /* no damage: the process dies at some record that it reads, several times */         \
    X(TWICE) /* no damage: it dies when it has just recovered */

enum damage {
#define X(name) DAMAGE_##name,
    DAMAGES(X)
#undef X
        DAMAGE_COUNT
};

/* The outcome of a recovery that is not kept. */
struct attempt_to_recover {
    bool refused;
    char error[ERROR_BYTES];
    uint64_t digest; /* if it was not refused */
};

static void try_to_recover(struct world *world, struct journal_memory *journal,
                           struct attempt_to_recover *result_out)
{
    struct sim_random before = world->env.random;
    struct engine *engine = world_create_engine(world, journal);

    *result_out = (struct attempt_to_recover){0};
    result_out->refused = engine_recover(engine, result_out->error, ERROR_BYTES) != 0;
    if (result_out->refused && result_out->error[0] == '\0')
        violation("a store was refused without a word");
    if (!result_out->refused) {
        if (engine_inspect_audit(engine) != 0)
            violation("I1: a store was recovered in which SKUs disagree with their holds");
        result_out->digest = engine_inspect_digest(engine);
    }
    engine_destroy(engine);
    env_controlled_restart(&world->env, false);
    world->env.random = before; /* so that digests of several can be compared */
}

static void must_name(const struct attempt_to_recover *result, const char *what, const char *name)
{
    if (!result->refused)
        violation("I2: %s was not refused", what);
    if (strstr(result->error, name) == NULL)
        violation("%s was refused without naming '%s': %s", what, name, result->error);
}

/* ---- what is missing ---- */

static void find_behind(struct world *world)
{
    uint64_t last = journal_memory_port(world->journal).last_commit(world->journal);
    struct attempt_to_recover result;
    char name[80];

    world->watermark.on_file_at_open = last + sim_random_range(&world->random, 1, 100);
    try_to_recover(world, world->journal, &result);
    snprintf(name, sizeof(name), "commits %" PRIu64 " to %" PRIu64 " are missing", last + 1,
             world->watermark.on_file_at_open);
    must_name(&result, "a store behind its watermark", name);
    sim_watermark_open(&world->watermark);
    world_mark(world, MARK_WATERMARK_REFUSED);
}

/* An older state of the journal: refused if an acknowledged batch is missing that the watermark has
 * on file; what came within its lag may be lost, and then what is left must be sound (I2). */
static void find_older(struct world *world, struct journal_memory *older, bool emptied)
{
    uint64_t last = journal_memory_port(older).last_commit(older);
    struct attempt_to_recover result;
    char name[80];

    try_to_recover(world, older, &result);
    if (last >= world->watermark.on_file_at_open) {
        if (result.refused)
            violation("a store that has all that the watermark asks for was refused: %s",
                      result.error);
        if (last < journal_memory_port(world->journal).last_commit(world->journal))
            world_mark(world, MARK_LOST_IN_LAG);
        return;
    }
    snprintf(name, sizeof(name), "commits %" PRIu64 " to %" PRIu64 " are missing", last + 1,
             world->watermark.on_file_at_open);
    must_name(&result, "a store without its last commits", name);
    world_mark(world, emptied ? MARK_LOST_ALL : MARK_LOST_SUFFIX);
}

static void find_emptied(struct world *world)
{
    struct journal_memory *empty = journal_memory_create(
        &(struct journal_memory_options){.partitions = world->profile.engine.partitions});

    assert(empty != NULL);
    find_older(world, empty, true);
    journal_memory_destroy(empty);
}

static void find_unreadable(struct world *world)
{
    struct attempt_to_recover result;

    journal_memory_fail_reads(world->journal, 1);
    try_to_recover(world, world->journal, &result);
    journal_memory_fail_reads(world->journal, 0);
    must_name(&result, "a store that can't be read", "partition 0 ");
}

/* ---- rot ---- */

static void on_page(struct journal_read *read)
{
    (void)read; /* it is complete: ledger_is_read goes on */
}

/* Whether a kind of records of a partition can be read from end to end, page by page. */
static bool history_is_read(struct journal_memory *journal, enum record_kind kind,
                            uint32_t partition)
{
    struct journal_port port = journal_memory_port(journal);
    struct journal_key from = {.partition = partition};
    uint32_t count;

    do {
        struct journal_read read = {.kind = kind,
                                    .from = from,
                                    .to = {partition, UINT32_MAX, UINT64_MAX},
                                    .limit = LIST_PAGE_MAX,
                                    .done = on_page};
        const uint8_t *at;

        if (!port.read(port.self, &read))
            violation("the journal takes no read");
        journal_memory_complete_read(journal);
        if (read.failed)
            return false;
        count = read.count;
        at = read.result.bytes;
        for (uint32_t i = 0; i < count; i++) {
            const struct record *record = (const struct record *)(const void *)at;

            from = (struct journal_key){partition, record->subject, record->sequence + 1};
            at += record->size;
        }
        free(read.result.bytes);
    } while (count == LIST_PAGE_MAX);
    return true;
}

/* No recovery reads history: whoever does must be told. */
static void find_rot(struct world *world, enum damage damage)
{
    static const enum mark marks[] = {
        [DAMAGE_ROT_BIT] = MARK_ROT_BIT,
        [DAMAGE_ROT_BYTE] = MARK_ROT_BYTE,
        [DAMAGE_ROT_BLOCK] = MARK_ROT_BLOCK,
        [DAMAGE_ROT_FILE] = MARK_ROT_FILE,
    };
    struct journal_memory *copy = journal_memory_copy(world->journal);
    uint64_t record = sim_random_next(&world->random);
    uint64_t offset = sim_random_below(&world->random, BLOCK_BYTES);
    uint8_t mask = (uint8_t)sim_random_range(&world->random, 1, 255);
    uint64_t bytes = 1;
    struct journal_memory_place place;
    struct attempt_to_recover result;
    char name[32];

    assert(copy != NULL);
    if (damage == DAMAGE_ROT_BIT)
        mask = (uint8_t)(1u << sim_random_below(&world->random, 8));
    else if (damage == DAMAGE_ROT_BLOCK)
        bytes = sim_random_range(&world->random, 2, BLOCK_BYTES);
    else if (damage == DAMAGE_ROT_FILE)
        bytes = UINT64_MAX;
    if (journal_memory_garble(copy, record, offset, bytes, mask, &place)) {
        try_to_recover(world, copy, &result);
        snprintf(name, sizeof(name), "partition %u ", place.partition);
        if (!record_is_history(place.kind)) {
            must_name(&result, "a rotten record", name);
            world_mark(world, marks[damage]);
        } else if (result.refused) {
            violation("a record that no start reads was refused: %s", result.error);
        } else if (history_is_read(copy, place.kind, place.partition)) {
            violation("I2: a rotten record was read as if it were whole");
        } else {
            world_mark(world, place.kind == RECORD_LEDGER ? MARK_ROT_LEDGER : MARK_ROT_ACCOUNT);
        }
    }
    journal_memory_destroy(copy);
}

/* ---- dying again ---- */

static uint64_t records_loaded(const struct world *world)
{
    uint64_t count = 0;

    for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++)
        if (!record_is_history((enum record_kind)kind))
            count += journal_memory_count(world->journal, (enum record_kind)kind);
    return count;
}

static void die_in_recovery(struct world *world)
{
    uint32_t times = sim_random_range(&world->random, 1, NESTED_CRASHES_MAX);
    uint64_t records = records_loaded(world);

    for (uint32_t i = 0; records > 0 && i < times; i++) {
        struct attempt_to_recover result;

        journal_memory_fail_load_after(world->journal, sim_random_next(&world->random) % records);
        try_to_recover(world, world->journal, &result);
        journal_memory_fail_load_after(world->journal, UINT64_MAX);
        if (!result.refused)
            violation("a store was served of which not all could be read");
        world_mark(world, MARK_CRASH_IN_RECOVERY);
    }
}

static void recover_twice(struct world *world)
{
    struct attempt_to_recover first;
    struct attempt_to_recover second;

    try_to_recover(world, world->journal, &first);
    try_to_recover(world, world->journal, &second);
    if (first.refused || second.refused)
        violation("recovery refused an undamaged store: %s",
                  first.refused ? first.error : second.error);
    if (first.digest != second.digest)
        violation("two recoveries of one store came to different states");
    world_mark(world, MARK_CRASH_AFTER_RECOVERY);
}

/* ---- the start ---- */

void damage_keep_suffix(struct world *world)
{
    journal_memory_destroy(world->older);
    world->older = journal_memory_copy(world->journal);
    assert(world->older != NULL);
}

void damage_before_start(struct world *world)
{
    uint64_t before = journal_memory_state_hash(world->journal);
    enum damage damage = (enum damage)sim_random_below(&world->random, DAMAGE_COUNT);

    if (world->older != NULL) {
        find_older(world, world->older, false);
        journal_memory_destroy(world->older);
        world->older = NULL;
    }
    switch (damage) {
    case DAMAGE_BEHIND:
        find_behind(world);
        break;
    case DAMAGE_EMPTIED:
        find_emptied(world);
        break;
    case DAMAGE_UNREADABLE:
        find_unreadable(world);
        break;
    case DAMAGE_ROT_BIT:
    case DAMAGE_ROT_BYTE:
    case DAMAGE_ROT_BLOCK:
    case DAMAGE_ROT_FILE:
        find_rot(world, damage);
        break;
    case DAMAGE_DIES:
        die_in_recovery(world);
        break;
    case DAMAGE_TWICE:
        recover_twice(world);
        break;
    case DAMAGE_COUNT:
    default:
        assert(false && "a damage has a kind");
    }
    if (journal_memory_state_hash(world->journal) != before)
        violation("a recovery that was given up changed the store");
}

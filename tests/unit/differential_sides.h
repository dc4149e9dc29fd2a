/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides of the differential test: an engine over the journal in memory, and one over that
 * on disk, with the same ports; what each has answered and stored, compared. */
#ifndef STAMPEDE_TEST_DIFFERENTIAL_SIDES_H
#define STAMPEDE_TEST_DIFFERENTIAL_SIDES_H

#include "test_storage_support.h"

#include <inttypes.h>

#include "differential_accounts.h"
#include "engine.h"
#include "inspect.h"
#include "journal_memory.h"
#include "journal_rocksdb.h"
#include "secrets_file.h"
#include "storage.h"

static struct secrets no_secrets; /* all zero */

enum {
    SHARDS = 3,
    PARTITIONS = 8,
    PRODUCTS = 10,
    VARIANTS = 2,
    CUSTOMERS = 12,
    HOLDS = 64, /* that the clients remember */
    MEMORY = 0,
    DISK = 1,
    SIDES = 2,
};

struct side {
    struct stream *stream;
    struct engine *engine;
    struct journal_port journal;
    struct watermark_port watermark;
    uint64_t random;
    uint64_t answers; /* their number */
    uint64_t digest;  /* of all answers, in order */
};

struct stream {
    uint64_t seed;
    uint64_t random;
    struct moment now;
    struct engine_options options;
    struct side sides[SIDES];
    struct journal_memory *memory;
    uint64_t memory_watermark;
    struct test_folder folder;
    struct storage *storage;
    struct reservation_id holds[HOLDS]; /* by slot; sequence 0: none */
    uint64_t granted;
    uint64_t replayed;
    uint64_t ended;
    uint64_t cookies;
    uint32_t restarts;
    struct people people;
};

/* ---- the shared ports ---- */

static inline struct moment port_now(void *self)
{
    return ((struct side *)self)->stream->now;
}

static inline uint64_t port_ticks(void *self)
{
    return (uint64_t)((struct side *)self)->stream->now.boot_ms * 1000000;
}

static inline void port_random(void *self, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)test_random(&((struct side *)self)->random);
}

static inline void port_wake_shard(void *self, uint32_t shard)
{
    (void)self;
    (void)shard; /* all shards have their turns anyway */
}

static inline void port_wake_committer(void *self)
{
    (void)self;
}

static inline void *port_reserve(void *self, size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

    (void)self;
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

static inline void port_unreserve(void *self, void *memory, size_t bytes)
{
    (void)self;
    (void)bytes;
    free(memory);
}

static inline void port_failed(void *self, const char *reason)
{
    (void)self;
    fail_msg("a commit failed: %s", reason);
}

static inline uint64_t memory_watermark_read(void *self)
{
    return ((struct stream *)self)->memory_watermark;
}

static inline void memory_watermark_advance(void *self, uint64_t number)
{
    ((struct stream *)self)->memory_watermark = number;
}

static inline void keep_quiet(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

/* ---- engines ---- */

static inline void take_account(struct side *side, uint64_t cookie, const struct message *reply)
{
    struct account_envelope *answer = reply->reply.account;
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    side->digest = hash_word(side->digest ^ cookie) + people_digest(answer, outcome);
    if (side == &side->stream->sides[MEMORY])
        people_learn(&side->stream->people, answer, outcome);
    envelope_free(answer);
}

static inline void take_answer(void *user, uint64_t cookie, const struct message *reply)
{
    static const struct hash_key key = {{1, 2}};
    struct side *side = user;
    struct stream *stream = side->stream;
    const struct hold_view *view = &reply->reply.hold;

    side->answers++;
    if (reply->reply.answers == MESSAGE_ACCOUNT) {
        take_account(side, cookie, reply);
        return;
    }
    side->digest = hash_word(side->digest ^ cookie) + hash_bytes(&key, reply, reply->size);
    if (side != &stream->sides[MEMORY])
        return;
    stream->replayed += reply->reply.replayed;
    stream->ended += reply->reply.outcome == OUTCOME_HOLD_ENDED;
    if (reply->reply.answers != MESSAGE_RESERVE || reply->reply.outcome != OUTCOME_OK)
        return;
    stream->granted++;
    stream->holds[view->id.sequence % HOLDS] = view->id;
}

static inline void start_engine(struct side *side)
{
    struct engine_ports ports = {
        .env = {.self = side,
                .now = port_now,
                .ticks_ns = port_ticks,
                .random = port_random,
                .wake_shard = port_wake_shard,
                .wake_committer = port_wake_committer,
                .reserve = port_reserve,
                .unreserve = port_unreserve,
                .failed = port_failed},
        .journal = side->journal,
        .watermark = side->watermark,
        .secrets = {.self = &no_secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
    };
    char error[256] = "";

    side->engine = engine_create(&side->stream->options, &ports);
    assert_non_null(side->engine);
    for (uint32_t i = 0; i < SHARDS; i++)
        shard_set_reply(engine_shard(side->engine, i), take_answer, side);
    if (engine_recover(side->engine, error, sizeof(error)) != 0)
        fail_msg("seed %" PRIu64 ": recovery: %s", side->stream->seed, error);
}

static inline void start(struct stream *stream)
{
    struct storage_options options = storage_options_default(stream->folder.path);
    struct secrets_port unused;
    char error[STORAGE_ERROR_BYTES];

    options.partitions = PARTITIONS;
    options.write_buffer_bytes = 1 << 20;
    options.ballast_bytes = 4096;
    options.low_water_bytes = 4096;
    options.log = keep_quiet;
    if (storage_open(&options, &stream->storage, error, sizeof(error)) != 0)
        fail_msg("seed %" PRIu64 ": %s", stream->seed, error);
    storage_ports_get(stream->storage, &stream->sides[DISK].journal, &stream->sides[DISK].watermark,
                      &unused);
    read_at_once_from(&stream->sides[DISK].journal);
    stream->sides[MEMORY].journal = journal_memory_port(stream->memory);
    stream->sides[MEMORY].watermark = (struct watermark_port){
        .self = stream, .read = memory_watermark_read, .advance = memory_watermark_advance};
    for (uint32_t i = 0; i < SIDES; i++)
        start_engine(&stream->sides[i]);
}

static inline uint64_t disk_hash(struct stream *stream)
{
    struct journal_rocksdb_options options = {.path = test_path(&stream->folder, "journal"),
                                              .mode = JOURNAL_READ_ONLY,
                                              .log = keep_quiet};
    struct journal_rocksdb *journal;
    char error[256];
    uint64_t hash = 0;

    assert_int_equal(journal_rocksdb_open(&options, &journal, error, sizeof(error)),
                     JOURNAL_OPENED);
    assert_true(journal_rocksdb_state_hash(journal, &hash));
    journal_rocksdb_close(journal);
    return hash;
}

static inline void compare(struct stream *stream, const char *when)
{
    const struct side *memory = &stream->sides[MEMORY];
    const struct side *disk = &stream->sides[DISK];

    if (memory->answers != disk->answers || memory->digest != disk->digest)
        fail_msg("seed %" PRIu64 ", %s: the answers differ", stream->seed, when);
    if (engine_inspect_digest(memory->engine) != engine_inspect_digest(disk->engine))
        fail_msg("seed %" PRIu64 ", %s: the states in memory differ", stream->seed, when);
    assert_int_equal(engine_inspect_audit(memory->engine), 0);
    assert_int_equal(engine_inspect_audit(disk->engine), 0);
}

static inline void stop(struct stream *stream)
{
    uint64_t memory = journal_memory_state_hash(stream->memory);
    uint64_t disk;

    storage_stop_reads(stream->storage);
    for (uint32_t i = 0; i < SIDES; i++)
        engine_destroy(stream->sides[i].engine);
    journal_memory_crash(stream->memory, false);
    storage_close(stream->storage);
    disk = disk_hash(stream);
    if (memory != disk)
        fail_msg("seed %" PRIu64 ", restart %u: the stored state is %016" PRIx64
                 " in memory, %016" PRIx64 " on disk",
                 stream->seed, stream->restarts, memory, disk);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine sees of a store: its ports, each a thin call of the part that does the work. */
#include "storage_private.h"

struct vault_port storage_vault_get(struct storage *storage)
{
    return vault_port_of(storage->vault);
}

static void port_commit(void *self, const struct journal_commit *commit, journal_commit_done done,
                        void *arg)
{
    struct storage *storage = self;

    if (watermark_file_has_failed(storage->watermark)) {
        /* Losing the end of the journal would no longer be noticed: stop acknowledging. */
        if (!atomic_flag_test_and_set(&storage->watermark_failure_logged))
            storage_log(storage, "storage: the watermark cannot be written: no commit is tried");
        done(arg, COMMIT_FAILED);
        return;
    }
    journal_rocksdb_commit(storage->journal, commit, done, arg);
}

static uint64_t port_last_commit(void *self)
{
    const struct storage *storage = self;

    return journal_rocksdb_last_commit(storage->journal);
}

static bool port_load(void *self, uint32_t partition, journal_visit visit, void *arg)
{
    struct storage *storage = self;

    return journal_rocksdb_load(storage->journal, partition, visit, arg);
}

static bool port_read(void *self, struct journal_read *read)
{
    struct storage *storage = self;

    return journal_rocksdb_read(storage->journal, read);
}

static bool port_may_have(void *self, enum record_kind kind, const struct journal_key *key)
{
    struct storage *storage = self;

    return journal_rocksdb_may_have(storage->journal, kind, key);
}

static bool port_is_full(void *self)
{
    struct storage *storage = self;

    return ballast_is_full(&storage->ballast);
}

static void port_scrub(void *self)
{
    struct storage *storage = self;

    scrubber_ask(storage->scrubber);
}

static void port_scrub_state(void *self, struct journal_scrub *state_out)
{
    struct storage *storage = self;

    scrubber_state(storage->scrubber, state_out);
}

static uint64_t port_watermark_read(void *self)
{
    const struct storage *storage = self;

    return watermark_file_read(storage->watermark);
}

static void port_watermark_advance(void *self, uint64_t commit_number)
{
    struct storage *storage = self;

    watermark_file_advance(storage->watermark, commit_number);
}

void storage_ports_get(struct storage *storage, struct journal_port *journal_out,
                       struct watermark_port *watermark_out, struct secrets_port *secrets_out)
{
    *journal_out = (struct journal_port){
        .self = storage,
        .commit = port_commit,
        .last_commit = port_last_commit,
        .load = port_load,
        .read = port_read,
        .may_have = port_may_have,
        .is_full = port_is_full,
        .scrub = port_scrub,
        .scrub_state = port_scrub_state,
    };
    *watermark_out = (struct watermark_port){
        .self = storage,
        .read = port_watermark_read,
        .advance = port_watermark_advance,
    };
    *secrets_out = secrets_port_of(&storage->secrets);
}

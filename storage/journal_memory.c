/* SPDX-License-Identifier: Apache-2.0 */
#include "journal_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "journal_result.h"
#include "memory_table.h"
#include "mutants.h"

/* What one record was before a commit that a lying disk may forget. */
struct undo {
    struct undo *next; /* older */
    uint8_t *value;    /* NULL: there was none */
    size_t value_length;
    size_t key_length;
    enum record_kind kind;
    uint8_t key[CODEC_KEY_BYTES_MAX];
};

struct journal_memory {
    struct memory_table table;
    uint64_t last_commit;
    struct undo *undo; /* since the last real sync, newest first */
    uint64_t synced_commit;
    bool sync_immediately;
    bool lie;
    bool is_full;
    bool is_stuck;
    uint64_t commits_when_stuck;

    const struct journal_commit *pending;
    journal_commit_done pending_done;
    void *pending_arg;

    struct journal_read *reads[JOURNAL_MEMORY_READS_MAX];
    uint32_t read_first;
    uint32_t read_count;
    uint32_t reads_to_fail;
    bool refuses_reads;
    uint64_t reads_refused;
    uint64_t loads_left; /* records until loads fail */
    uint64_t scrubs;

    uint8_t value[CODEC_VALUE_BYTES_MAX];
    _Alignas(struct record) uint8_t record[CODEC_RECORD_BYTES_MAX];
};

struct journal_memory *journal_memory_create(const struct journal_memory_options *options)
{
    struct journal_memory *journal = calloc(1, sizeof(*journal));
    uint32_t partitions = options->partitions > 0 ? options->partitions : PARTITIONS_DEFAULT;

    if (journal == NULL)
        return NULL;
    if (!memory_table_create(&journal->table, partitions)) {
        free(journal);
        return NULL;
    }
    journal->sync_immediately = options->sync_immediately;
    journal->lie = options->lie;
    journal->loads_left = UINT64_MAX;
    return journal;
}

struct journal_memory *journal_memory_copy(const struct journal_memory *journal)
{
    struct journal_memory_options options = {.partitions = journal->table.partitions};
    struct journal_memory *copy = journal_memory_create(&options);

    if (copy == NULL)
        return NULL;
    copy->last_commit = journal->last_commit;
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
        for (uint32_t partition = 0; partition < options.partitions; partition++) {
            const struct memory_entry *entry =
                memory_table_chain(&journal->table, (enum record_kind)kind, partition)->first;

            for (; entry != NULL; entry = entry->next)
                memory_table_put(&copy->table, (enum record_kind)kind, entry->bytes,
                                 entry->key_length, memory_entry_value(entry), entry->value_length);
        }
    }
    return copy;
}

void journal_memory_destroy(struct journal_memory *journal)
{
    if (journal == NULL)
        return;
    journal_memory_sync(journal);
    memory_table_destroy(&journal->table);
    free(journal);
}

/* ---- commits ---- */

static void undo_push(struct journal_memory *journal, enum record_kind kind, const uint8_t *key,
                      size_t key_length)
{
    const struct memory_entry *entry = memory_table_find(&journal->table, kind, key, key_length);
    struct undo *undo = calloc(1, sizeof(*undo));

    if (undo == NULL)
        abort();
    undo->kind = kind;
    undo->key_length = key_length;
    memcpy(undo->key, key, key_length);
    if (entry != NULL) {
        undo->value_length = entry->value_length;
        undo->value = malloc(entry->value_length);
        if (undo->value == NULL)
            abort();
        memcpy(undo->value, memory_entry_value(entry), entry->value_length);
    }
    undo->next = journal->undo;
    journal->undo = undo;
}

static void record_apply(struct journal_memory *journal, const struct record *record)
{
    enum record_kind kind = (enum record_kind)record->kind;
    uint8_t key[CODEC_KEY_BYTES_MAX];
    size_t key_length = codec_encode_key(record, key);

    if (journal->lie)
        undo_push(journal, kind, key, key_length);
    if (record->operation == RECORD_DELETE) {
        memory_table_remove(&journal->table, kind, key, key_length);
    } else {
        size_t length =
            codec_encode_value(record, key, key_length, journal->value, sizeof(journal->value));

        memory_table_put(&journal->table, kind, key, key_length, journal->value, length);
    }
}

static void commit_apply(struct journal_memory *journal, const struct journal_commit *commit)
{
    uint32_t records = 0;

    assert(commit->number > journal->last_commit);
    for (uint32_t i = 0; i < commit->arena_count; i++) {
        const struct arena *arena = commit->arenas[i];

        for (uint32_t at = 0; at < arena->used; records++) {
            const struct record *record = (const struct record *)(void *)(arena->bytes + at);

            assert(record->size > 0 && record->size % 8 == 0 && record->size <= arena->used - at);
            record_apply(journal, record);
            at += record->size;
        }
    }
    assert(records == commit->record_count);
    journal->last_commit = commit->number;
}

static void port_commit(void *self, const struct journal_commit *commit, journal_commit_done done,
                        void *arg)
{
    struct journal_memory *journal = self;

    assert(journal->pending == NULL && "at most one commit is under way");
    if (journal->is_stuck)
        journal->commits_when_stuck++;
    journal->pending = commit;
    journal->pending_done = done;
    journal->pending_arg = arg;
    if (journal->sync_immediately)
        journal_memory_complete(journal, COMMIT_OK, true);
}

uint64_t journal_memory_pending(const struct journal_memory *journal)
{
    return journal->pending != NULL ? journal->pending->number : 0;
}

void journal_memory_complete(struct journal_memory *journal, enum commit_outcome outcome,
                             bool durable)
{
    const struct journal_commit *commit = journal->pending;

    assert(commit != NULL);
    assert(outcome != COMMIT_OK || durable);
    if (journal->is_stuck) {
        outcome = COMMIT_FAILED;
        durable = false;
    }
    if (durable)
        commit_apply(journal, commit);
    journal->is_stuck = outcome != COMMIT_OK;
    journal->pending = NULL;
    journal->pending_done(journal->pending_arg, outcome);
}

uint64_t journal_memory_commits_when_stuck(const struct journal_memory *journal)
{
    return journal->commits_when_stuck;
}

static uint64_t port_last_commit(void *self)
{
    const struct journal_memory *journal = self;

    return journal->last_commit;
}

/* ---- the disk as such ---- */

static void undo_pop(struct journal_memory *journal)
{
    struct undo *undo = journal->undo;

    journal->undo = undo->next;
    free(undo->value);
    free(undo);
}

void journal_memory_sync(struct journal_memory *journal)
{
    while (journal->undo != NULL)
        undo_pop(journal);
    journal->synced_commit = journal->last_commit;
}

static void forget_unsynced(struct journal_memory *journal)
{
    for (const struct undo *undo = journal->undo; undo != NULL; undo = journal->undo) {
        if (undo->value != NULL)
            memory_table_put(&journal->table, undo->kind, undo->key, undo->key_length, undo->value,
                             undo->value_length);
        else
            memory_table_remove(&journal->table, undo->kind, undo->key, undo->key_length);
        undo_pop(journal);
    }
    journal->last_commit = journal->synced_commit;
}

void journal_memory_crash(struct journal_memory *journal, bool keep_pending)
{
    if (journal->lie)
        forget_unsynced(journal);
    else if (keep_pending && journal->pending != NULL && !journal->is_stuck)
        commit_apply(journal, journal->pending);
    journal->pending = NULL;
    journal->is_stuck = false;
    journal->read_count = 0;
    journal->reads_to_fail = 0;
    journal->loads_left = UINT64_MAX;
}

/* ---- loads and reads ---- */

static bool take_planned_failure(struct journal_memory *journal)
{
    if (journal->reads_to_fail == 0)
        return false;
    journal->reads_to_fail--;
    return true;
}

/* Visits the records of one kind; false if one is damaged. `go_on` falls when the visitor stops. */
static bool kind_load(struct journal_memory *journal, enum record_kind kind, uint32_t partition,
                      journal_visit visit, void *arg, bool *go_on)
{
    struct record *record = (struct record *)(void *)journal->record;
    size_t count;
    struct memory_entry **entries = memory_table_sorted(&journal->table, kind, partition, &count);
    bool is_intact = true;

    for (size_t i = 0; i + MUTANT(RECOVERY_STOPS_EARLY) < count && is_intact && *go_on; i++) {
        const struct memory_entry *entry = entries[i];

        if (journal->loads_left == 0) {
            is_intact = false;
            break;
        }
        journal->loads_left -= journal->loads_left != UINT64_MAX;
        is_intact = codec_decode(kind, entry->bytes, entry->key_length, memory_entry_value(entry),
                                 entry->value_length, record) == CODEC_OK;
        if (is_intact)
            *go_on = visit(arg, record);
    }
    free(entries);
    return is_intact;
}

static bool port_load(void *self, uint32_t partition, journal_visit visit, void *arg)
{
    struct journal_memory *journal = self;
    bool go_on = true;

    if (take_planned_failure(journal))
        return false;
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT && go_on; kind++) {
        if (record_is_history((enum record_kind)kind))
            continue;
        if (!kind_load(journal, (enum record_kind)kind, partition, visit, arg, &go_on))
            return false;
    }
    return true;
}

/* Adds what lies in [from, to) of one partition; false when the read is over. */
static bool partition_read(struct journal_memory *journal, struct journal_read *read,
                           uint32_t partition, const uint8_t *from, const uint8_t *to)
{
    size_t count;
    struct memory_entry **entries =
        memory_table_sorted(&journal->table, read->kind, partition, &count);
    bool go_on = true;

    for (size_t i = 0; i < count && go_on; i++) {
        const struct memory_entry *entry = entries[i];

        if (memcmp(entry->bytes, from, CODEC_KEY_BYTES) < 0)
            continue;
        go_on = memcmp(entry->bytes, to, CODEC_KEY_BYTES) < 0 && read->count < read->limit &&
                journal_result_add(read, entry->bytes, entry->key_length, memory_entry_value(entry),
                                   entry->value_length);
    }
    free(entries);
    return go_on;
}

static void read_perform(struct journal_memory *journal, struct journal_read *read)
{
    uint8_t from[CODEC_KEY_BYTES];
    uint8_t to[CODEC_KEY_BYTES];
    bool go_on = true;

    journal_result_begin(read);
    if (take_planned_failure(journal)) {
        journal_result_fail(read);
        return;
    }
    codec_encode_key_prefix(read->from.partition, read->from.subject, read->from.sequence, from);
    codec_encode_key_prefix(read->to.partition, read->to.subject, read->to.sequence, to);
    for (uint32_t partition = read->from.partition;
         go_on && partition < journal->table.partitions && partition <= read->to.partition;
         partition++)
        go_on = partition_read(journal, read, partition, from, to);
}

static bool port_read(void *self, struct journal_read *read)
{
    struct journal_memory *journal = self;

    if (journal->sync_immediately) {
        read_perform(journal, read);
        read->done(read);
        return true;
    }
    if (journal->read_count == JOURNAL_MEMORY_READS_MAX || journal->refuses_reads) {
        journal->reads_refused++;
        return false;
    }
    journal->reads[(journal->read_first + journal->read_count++) % JOURNAL_MEMORY_READS_MAX] = read;
    return true;
}

/* As filters do, it takes one key in four that is not there for one that may be. */
static bool port_may_have(void *self, enum record_kind kind, const struct journal_key *key)
{
    const struct journal_memory *journal = self;
    uint8_t bytes[CODEC_KEY_BYTES];

    codec_encode_key_prefix(key->partition, key->subject, key->sequence, bytes);
    return (key->sequence & 3) == 0 ||
           memory_table_find(&journal->table, kind, bytes, sizeof(bytes)) != NULL;
}

uint32_t journal_memory_reads_pending(const struct journal_memory *journal)
{
    return journal->read_count;
}

void journal_memory_complete_read(struct journal_memory *journal)
{
    assert(journal->read_count > 0);
    struct journal_read *read = journal->reads[journal->read_first];
    journal->read_first = (journal->read_first + 1) % JOURNAL_MEMORY_READS_MAX;
    journal->read_count--;
    read_perform(journal, read);
    read->done(read);
}

/* ---- faults ---- */

static bool port_is_full(void *self)
{
    const struct journal_memory *journal = self;

    return journal->is_full;
}

void journal_memory_set_full(struct journal_memory *journal, bool is_full)
{
    journal->is_full = is_full;
}

void journal_memory_fail_reads(struct journal_memory *journal, uint32_t count)
{
    journal->reads_to_fail = count;
}

uint64_t journal_memory_refuse_reads(struct journal_memory *journal, bool refuses)
{
    uint64_t refused = journal->reads_refused;

    journal->refuses_reads = refuses;
    journal->reads_refused = 0;
    return refused;
}

void journal_memory_fail_load_after(struct journal_memory *journal, uint64_t records)
{
    journal->loads_left = records;
}

/* Damages the values of one kind and partition from a place in key order on; what is left of
 * `bytes`. */
static uint64_t garble_chain(struct journal_memory *journal, const struct journal_memory_place *at,
                             uint64_t place, uint64_t offset, uint64_t bytes, uint8_t mask)
{
    size_t count;
    struct memory_entry **entries =
        memory_table_sorted(&journal->table, at->kind, at->partition, &count);

    for (size_t i = place; i < count && bytes > 0; i++, offset = 0) {
        struct memory_entry *entry = entries[i];

        for (uint64_t n = offset % entry->value_length; n < entry->value_length && bytes > 0;
             n++, bytes--)
            entry->bytes[entry->key_length + n] ^= mask;
        memory_table_rehash(&journal->table, entry);
    }
    free(entries);
    return bytes;
}

bool journal_memory_garble(struct journal_memory *journal, uint64_t record, uint64_t offset,
                           uint64_t bytes, uint8_t mask, struct journal_memory_place *first_out)
{
    const struct memory_table *table = &journal->table;
    struct journal_memory_place at = {0};
    uint64_t place;

    assert(bytes > 0 && mask != 0);
    if (table->entry_count == 0)
        return false;
    place = record % table->entry_count;
    while (place >= memory_table_chain(table, at.kind, at.partition)->count) {
        place -= memory_table_chain(table, at.kind, at.partition)->count;
        at.partition = (at.partition + 1) % table->partitions;
        at.kind += at.partition == 0;
    }
    *first_out = at;
    for (; at.partition < table->partitions && bytes > 0; at.partition++, place = 0, offset = 0)
        bytes = garble_chain(journal, &at, place, offset, bytes, mask);
    return true;
}

/* ---- what is in it ---- */

bool journal_memory_find(const struct journal_memory *journal, enum record_kind kind,
                         uint32_t partition, uint32_t subject, uint64_t sequence,
                         struct record *record_out)
{
    const struct memory_entry *entry;
    uint8_t key[CODEC_KEY_BYTES];

    codec_encode_key_prefix(partition, subject, sequence, key);
    entry = memory_table_find(&journal->table, kind, key, sizeof(key));
    return entry != NULL &&
           codec_decode(kind, entry->bytes, entry->key_length, memory_entry_value(entry),
                        entry->value_length, record_out) == CODEC_OK;
}

uint64_t journal_memory_count(const struct journal_memory *journal, enum record_kind kind)
{
    uint64_t count = 0;

    for (uint32_t partition = 0; partition < journal->table.partitions; partition++)
        count += memory_table_chain(&journal->table, kind, partition)->count;
    return count;
}

uint64_t journal_memory_state_hash(const struct journal_memory *journal)
{
    return journal->table.state_hash + codec_state_hash_commit(journal->last_commit);
}

static void port_scrub(void *self)
{
    struct journal_memory *journal = self;

    journal->scrubs++;
}

uint64_t journal_memory_scrubs(const struct journal_memory *journal)
{
    return journal->scrubs;
}

struct journal_port journal_memory_port(struct journal_memory *journal)
{
    return (struct journal_port){
        .self = journal,
        .commit = port_commit,
        .last_commit = port_last_commit,
        .load = port_load,
        .read = port_read,
        .may_have = port_may_have,
        .is_full = port_is_full,
        .scrub = port_scrub,
    };
}

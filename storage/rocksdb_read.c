/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: the pool of reader threads, loading partitions, scans. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_result.h"
#include "rocksdb_private.h"

/* About what a partition has in one table: more is read for nothing. */
enum { LOAD_READAHEAD_BYTES = 128 << 10 };

/* ---- a range of one family ---- */

struct range {
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *iterator;
    uint8_t to[CODEC_KEY_BYTES]; /* the iterator refers to it */
};

static void range_open(struct journal_rocksdb *journal, struct range *range, enum record_kind kind,
                       const struct journal_key *from, const struct journal_key *to,
                       size_t readahead_bytes)
{
    uint8_t begin[CODEC_KEY_BYTES];

    codec_encode_key_prefix(from->partition, from->subject, from->sequence, begin);
    codec_encode_key_prefix(to->partition, to->subject, to->sequence, range->to);
    range->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(range->options, 1);
    rocksdb_readoptions_set_verify_checksums(range->options, 1);
    rocksdb_readoptions_set_iterate_upper_bound(range->options, (const char *)range->to,
                                                sizeof(range->to));
    if (readahead_bytes > 0) {
        rocksdb_readoptions_set_readahead_size(range->options, readahead_bytes);
        rocksdb_readoptions_set_fill_cache(range->options, 0);
    }
    range->iterator =
        rocksdb_create_iterator_cf(journal->database, range->options, journal->families[kind]);
    rocksdb_iter_seek(range->iterator, (const char *)begin, sizeof(begin));
}

/* False if the iteration ended by an error. */
static bool range_close(struct journal_rocksdb *journal, struct range *range)
{
    char *reason = NULL;

    rocksdb_iter_get_error(range->iterator, &reason);
    rocksdb_iter_destroy(range->iterator);
    rocksdb_readoptions_destroy(range->options);
    if (reason == NULL)
        return true;
    rocksdb_log(journal, "reading records", reason);
    rocksdb_free(reason);
    return false;
}

/* ---- scans ---- */

static void damage_describe(enum record_kind kind, const uint8_t *key, size_t key_length,
                            enum codec_error error, char *line_out, size_t line_size)
{
    char hex[2 * CODEC_KEY_BYTES_MAX + 1] = {0};

    for (size_t i = 0; i < key_length && i < CODEC_KEY_BYTES_MAX; i++)
        snprintf(hex + 2 * i, 3, "%02x", key[i]);
    snprintf(line_out, line_size, "the %s record with key %s is damaged: %s", codec_kind_name(kind),
             hex, codec_error_text(error));
}

struct scan {
    enum record_kind kind;
    journal_visit visit;
    void (*damaged)(void *arg, const char *line);
    void *arg;
    struct record *record; /* room for any */
    bool is_stopped;       /* by the visitor */
};

/* One record; false ends the scan by damage. */
static bool scan_visit(struct journal_rocksdb *journal, struct scan *scan, rocksdb_iterator_t *at)
{
    size_t key_length;
    size_t value_length;
    const uint8_t *key = (const uint8_t *)rocksdb_iter_key(at, &key_length);
    const uint8_t *value = (const uint8_t *)rocksdb_iter_value(at, &value_length);
    enum codec_error error =
        codec_decode(scan->kind, key, key_length, value, value_length, scan->record);

    if (error == CODEC_OK) {
        scan->is_stopped = !scan->visit(scan->arg, scan->record);
        return true;
    }
    char line[256];
    damage_describe(scan->kind, key, key_length, error, line, sizeof(line));
    if (scan->damaged == NULL) {
        journal->log(journal->log_arg, line);
        return false;
    }
    scan->damaged(scan->arg, line);
    return true;
}

static bool scan_run(struct journal_rocksdb *journal, struct scan *scan, uint32_t partition)
{
    struct journal_key from = {.partition = partition};
    struct journal_key to = {.partition = partition + 1};
    struct range range;
    bool is_intact = true;

    rocksdb_count_nothing();
    range_open(journal, &range, scan->kind, &from, &to, LOAD_READAHEAD_BYTES);
    while (is_intact && !scan->is_stopped && rocksdb_iter_valid(range.iterator)) {
        is_intact = scan_visit(journal, scan, range.iterator);
        rocksdb_iter_next(range.iterator);
    }
    return range_close(journal, &range) && is_intact;
}

bool journal_rocksdb_scan(struct journal_rocksdb *journal, enum record_kind kind,
                          uint32_t partition, journal_visit visit,
                          void (*damaged)(void *arg, const char *line), void *arg)
{
    struct scan scan = {.kind = kind, .visit = visit, .damaged = damaged, .arg = arg};

    scan.record = malloc(CODEC_RECORD_BYTES_MAX);
    if (scan.record == NULL)
        return false;
    bool is_intact = scan_run(journal, &scan, partition);
    free(scan.record);
    return is_intact;
}

bool journal_rocksdb_load(struct journal_rocksdb *journal, uint32_t partition, journal_visit visit,
                          void *arg)
{
    struct scan scan = {.visit = visit, .arg = arg};
    bool is_intact = true;

    scan.record = malloc(CODEC_RECORD_BYTES_MAX);
    if (scan.record == NULL)
        return false;
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT && is_intact && !scan.is_stopped; kind++) {
        if (record_is_history((enum record_kind)kind))
            continue;
        scan.kind = (enum record_kind)kind;
        is_intact = scan_run(journal, &scan, partition);
    }
    free(scan.record);
    return is_intact;
}

/* Adds the share of every record of a kind. False if something cannot be read. */
static bool hash_kind(struct journal_rocksdb *journal, enum record_kind kind, uint64_t *hash)
{
    struct journal_key from = {0};
    struct journal_key to = {.partition = UINT16_MAX};
    struct range range;

    range_open(journal, &range, kind, &from, &to, LOAD_READAHEAD_BYTES);
    for (; rocksdb_iter_valid(range.iterator); rocksdb_iter_next(range.iterator)) {
        size_t key_length;
        size_t value_length;
        const char *key = rocksdb_iter_key(range.iterator, &key_length);
        const char *value = rocksdb_iter_value(range.iterator, &value_length);

        *hash += codec_state_hash(kind, (const uint8_t *)key, key_length, (const uint8_t *)value,
                                  value_length);
    }
    return range_close(journal, &range);
}

bool journal_rocksdb_content_hash(struct journal_rocksdb *journal, uint64_t *hash_out)
{
    bool is_intact = true;

    rocksdb_count_nothing();
    *hash_out = 0;
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT && is_intact; kind++) {
        if (kind != RECORD_FLOOR)
            is_intact = hash_kind(journal, (enum record_kind)kind, hash_out);
    }
    return is_intact;
}

bool journal_rocksdb_state_hash(struct journal_rocksdb *journal, uint64_t *hash_out)
{
    bool is_intact = journal_rocksdb_content_hash(journal, hash_out);

    *hash_out += codec_state_hash_commit(journal_rocksdb_last_commit(journal));
    return is_intact && hash_kind(journal, RECORD_FLOOR, hash_out);
}

/* ---- looking without reading ---- */

bool journal_rocksdb_may_have(const struct journal_rocksdb *journal, enum record_kind kind,
                              const struct journal_key *key)
{
    static _Thread_local bool counts_nothing;
    uint8_t bytes[CODEC_KEY_BYTES];

    if (!counts_nothing) {
        rocksdb_count_nothing();
        counts_nothing = true;
    }
    codec_encode_key_prefix(key->partition, key->subject, key->sequence, bytes);
    /* Memtables, then each table's filter, from memory alone. */
    return rocksdb_key_may_exist_cf(journal->database, journal->looks, journal->families[kind],
                                    (const char *)bytes, sizeof(bytes), NULL, NULL, NULL, 0,
                                    NULL) != 0;
}

/* ---- the pool ---- */

static void read_perform(struct journal_rocksdb *journal, struct journal_read *read)
{
    struct range range;

    journal_result_begin(read);
    range_open(journal, &range, read->kind, &read->from, &read->to, 0);
    while (read->count < read->limit && rocksdb_iter_valid(range.iterator)) {
        size_t key_length;
        size_t value_length;
        const char *key = rocksdb_iter_key(range.iterator, &key_length);
        const char *value = rocksdb_iter_value(range.iterator, &value_length);

        if (!journal_result_add(read, (const uint8_t *)key, key_length, (const uint8_t *)value,
                                value_length)) {
            rocksdb_log(journal, "a read", "a record is damaged, or memory is out");
            break;
        }
        rocksdb_iter_next(range.iterator);
    }
    if (!range_close(journal, &range))
        journal_result_fail(read);
    read->done(read);
}

/* Waits for a read; NULL when the pool closes. */
static struct journal_read *read_take(struct reader_pool *pool)
{
    struct journal_read *read = NULL;

    pthread_mutex_lock(&pool->lock);
    while (pool->count == 0 && !pool->is_closing)
        pthread_cond_wait(&pool->changed, &pool->lock);
    if (!pool->is_closing) {
        read = pool->queue[pool->first];
        pool->first = (pool->first + 1) % JOURNAL_READS_MAX;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return read;
}

static void *reader_run(void *arg)
{
    struct journal_rocksdb *journal = arg;
    struct journal_read *read;

    rocksdb_count_nothing();
    while ((read = read_take(&journal->pool)) != NULL)
        read_perform(journal, read);
    return NULL;
}

bool rocksdb_readers_start(struct journal_rocksdb *journal)
{
    struct reader_pool *pool = &journal->pool;

    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    while (pool->thread_count < JOURNAL_READERS) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, reader_run, journal) != 0) {
            journal_rocksdb_stop_reads(journal);
            return false;
        }
        pool->thread_count++;
    }
    return true;
}

void journal_rocksdb_stop_reads(struct journal_rocksdb *journal)
{
    struct reader_pool *pool = &journal->pool;

    if (pool->thread_count == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (; pool->thread_count > 0; pool->thread_count--)
        pthread_join(pool->threads[pool->thread_count - 1], NULL);
    for (; pool->count > 0; pool->count--) {
        struct journal_read *read = pool->queue[pool->first];

        pool->first = (pool->first + 1) % JOURNAL_READS_MAX;
        journal_result_fail(read);
        read->done(read);
    }
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
}

bool journal_rocksdb_read(struct journal_rocksdb *journal, struct journal_read *read)
{
    struct reader_pool *pool = &journal->pool;
    bool has_room;

    assert(pool->thread_count > 0 && read->limit <= LIST_PAGE_MAX + 1);
    pthread_mutex_lock(&pool->lock);
    has_room = pool->count < JOURNAL_READS_MAX && !pool->is_closing;
    if (has_room) {
        pool->queue[(pool->first + pool->count++) % JOURNAL_READS_MAX] = read;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return has_room;
}

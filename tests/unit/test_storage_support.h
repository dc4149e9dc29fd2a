/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of storage/ share: batches of records, folders that go away, damage to files. */
#ifndef STAMPEDE_TEST_STORAGE_SUPPORT_H
#define STAMPEDE_TEST_STORAGE_SUPPORT_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ports.h"

enum { TEST_WALL_MS = 1000000, BATCH_BYTES = 4 << 20 };

/* ---- randomness with a seed ---- */

static inline uint64_t test_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return hash_word(*state);
}

/* ---- folders ---- */

struct test_folder {
    char path[64];
};

static inline void test_folder_make_in(struct test_folder *folder, const char *parent)
{
    snprintf(folder->path, sizeof(folder->path), "%s/stampede-test-XXXXXX", parent);
    assert_non_null(mkdtemp(folder->path));
}

/* In memory where that can be: these tests sync thousands of times, and pull no plug. */
static inline void test_folder_make(struct test_folder *folder)
{
    test_folder_make_in(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int test_folder_remove_entry(const char *path, const struct stat *status, int type,
                                           struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void test_folder_remove(const struct test_folder *folder)
{
    nftw(folder->path, test_folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *test_path(const struct test_folder *folder, const char *name)
{
    static char path[2][256];
    static unsigned turn;

    turn ^= 1;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder->path, name);
    return path[turn];
}

/* The newest file of a folder whose name ends so (RocksDB numbers them); false if there is none. */
static inline bool test_newest(const char *folder, const char *end, char path_out[512])
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    char newest[256] = "";

    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        size_t length = strlen(entry->d_name);

        if (length > strlen(end) && strcmp(entry->d_name + length - strlen(end), end) == 0 &&
            strcmp(entry->d_name, newest) > 0)
            snprintf(newest, sizeof(newest), "%s", entry->d_name);
    }
    if (entries != NULL)
        closedir(entries);
    snprintf(path_out, 512, "%s/%s", folder, newest);
    return newest[0] != '\0';
}

/* ---- damage ---- */

static inline off_t test_file_size(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : -1;
}

static inline void test_flip_bit(const char *path, off_t offset, unsigned bit)
{
    int file = open(path, O_RDWR);
    uint8_t byte;

    assert_true(file >= 0);
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte = (uint8_t)(byte ^ 1u << bit);
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    close(file);
}

/* ---- batches ---- */

struct test_batch {
    struct arena arena;
    const struct arena *arenas[1];
    struct journal_commit commit;
};

static inline void test_batch_make(struct test_batch *batch)
{
    memset(batch, 0, sizeof(*batch));
    batch->arena.bytes = aligned_alloc(16, BATCH_BYTES);
    assert_non_null(batch->arena.bytes);
    batch->arena.capacity = BATCH_BYTES;
}

static inline void test_batch_free(struct test_batch *batch)
{
    free(batch->arena.bytes);
}

static inline struct record *test_record(struct test_batch *batch, enum record_kind kind,
                                         uint32_t partition, uint32_t lines, uint32_t tail)
{
    uint32_t size = (record_size(kind, lines) + tail + 7) & ~7u;
    struct record *record = (struct record *)(void *)(batch->arena.bytes + batch->arena.used);

    assert_true(batch->arena.capacity - batch->arena.used >= size);
    memset(record, 0, size);
    record->size = size;
    record->kind = (uint8_t)kind;
    record->partition = (uint16_t)partition;
    batch->arena.used += size;
    batch->commit.record_count++;
    return record;
}

static inline const struct journal_commit *test_batch_close(struct test_batch *batch,
                                                            uint64_t number)
{
    batch->arenas[0] = &batch->arena;
    batch->commit.arenas = batch->arenas;
    batch->commit.arena_count = 1;
    batch->commit.number = number;
    return &batch->commit;
}

static inline void test_batch_empty(struct test_batch *batch)
{
    batch->arena.used = 0;
    batch->commit.record_count = 0;
}

static inline struct record *test_product(struct test_batch *batch, uint32_t partition,
                                          uint32_t number, uint32_t limit)
{
    struct record *record = test_record(batch, RECORD_PRODUCT, partition, 0, 2);

    record->subject = number;
    snprintf(record->product.id, sizeof(record->product.id), "product-%u-%u", partition, number);
    memcpy(record->product.currency, "EUR", 4);
    record->product.limit_per_customer = limit;
    record->product.variant_count = 1;
    record->product.updated_wall_ms = TEST_WALL_MS;
    record->product.document_length = 2;
    memcpy((char *)record + record_size(RECORD_PRODUCT, 0), "{}", 2);
    return record;
}

static inline struct record *test_sku(struct test_batch *batch, uint32_t sku_id, uint32_t product)
{
    struct record *record = test_record(batch, RECORD_SKU, sku_id_partition(sku_id), 0, 0);

    record->subject = sku_id;
    snprintf(record->sku.sku, sizeof(record->sku.sku), "sku-%u", sku_id);
    record->sku.product_number = product;
    record->sku.price_minor = 1999;
    return record;
}

static inline struct record *test_counter(struct test_batch *batch, uint32_t sku_id, uint32_t stock,
                                          uint32_t sold, uint64_t entry)
{
    struct record *record = test_record(batch, RECORD_COUNTER, sku_id_partition(sku_id), 0, 0);

    record->subject = sku_id;
    record->counter.stock = stock;
    record->counter.sold = sold;
    record->counter.ledger_sequence = entry;
    return record;
}

static inline struct record *test_entry(struct test_batch *batch, uint32_t sku_id,
                                        uint64_t sequence, enum ledger_entry entry,
                                        uint32_t quantity, uint64_t hold_sequence)
{
    struct record *record = test_record(batch, RECORD_LEDGER, sku_id_partition(sku_id), 0, 0);

    record->subject = sku_id;
    record->sequence = sequence;
    record->ledger.entry = (uint8_t)entry;
    record->ledger.quantity = quantity;
    record->ledger.hold_sequence = hold_sequence;
    record->ledger.wall_ms = TEST_WALL_MS;
    snprintf(record->ledger.reason, sizeof(record->ledger.reason), "test");
    return record;
}

/* An owner's hold of one line. */
static inline struct record *test_hold(struct test_batch *batch, uint32_t partition,
                                       uint64_t sequence, enum hold_state state, uint32_t sku_id,
                                       uint32_t quantity)
{
    struct record *record = test_record(batch, RECORD_HOLD, partition, 1, 0);
    struct hold_record *hold = &record->hold;

    record->sequence = sequence;
    hold->key.word[0] = hash_word(sequence + 1);
    hold->key.word[1] = hash_word(sequence + 2);
    hold->fingerprint = hash_word(sequence + 3);
    memset(hold->principal.bytes, (int)(sequence % 250) + 1, sizeof(hold->principal.bytes));
    hold->created_wall_ms = TEST_WALL_MS + 10;
    hold->deadline_wall_ms = TEST_WALL_MS + 600010;
    hold->ended_wall_ms = state == HOLD_HELD || state == HOLD_INTENT || state == HOLD_PREPARED
                              ? 0
                              : TEST_WALL_MS + 500;
    hold->ttl_ms = 600000;
    hold->owner_partition = partition;
    hold->owner_sequence = sequence;
    hold->state = (uint8_t)state;
    hold->line_count = 1;
    hold->lines[0] = (struct line){.sku_id = sku_id, .quantity = quantity};
    return record;
}

/* ---- completions ---- */

struct test_outcome {
    int count;
    enum commit_outcome outcome;
};

static inline void test_done(void *arg, enum commit_outcome outcome)
{
    struct test_outcome *seen = arg;

    seen->count++;
    seen->outcome = outcome;
}

static inline double test_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Figures are printed with STAMPEDE_BENCH=1; the tests themselves measure nothing. */
static inline bool test_is_bench(void)
{
    return getenv("STAMPEDE_BENCH") != NULL;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of audit and repair: a sound store, put together by hand, and what the audit says
 * of it. */
#ifndef STAMPEDE_TEST_STORAGE_SOUND_H
#define STAMPEDE_TEST_STORAGE_SOUND_H

#include "test_sample.h"
#include "test_storage_support.h"

#include "check.h"
#include "storage.h"

/* Partition 1 owns product 0 (limit 3) with SKUs A and B; partition 2 owns product 0 with SKU C. */
enum { PARTITIONS = 4, HOME = 1, AWAY = 2 };

static const uint32_t sku_a = HOME << 20 | 0;
static const uint32_t sku_b = HOME << 20 | 1;
static const uint32_t sku_c = AWAY << 20 | 0;

struct fixture {
    struct test_folder folder;
    struct test_batch batch;
    struct storage *storage;
    struct journal_port journal;
    struct watermark_port watermark;
    uint64_t number;
    char error[STORAGE_ERROR_BYTES];
    char output[16384];
};

static struct fixture fixture;

static inline void open_store(void)
{
    struct storage_options options = storage_options_default(fixture.folder.path);
    struct secrets_port secrets;

    options.partitions = PARTITIONS;
    options.write_buffer_bytes = 1 << 20;
    options.ballast_bytes = 0;
    options.low_water_bytes = 0;
    if (storage_open(&options, &fixture.storage, fixture.error, sizeof(fixture.error)) != 0)
        fail_msg("%s", fixture.error);
    storage_ports_get(fixture.storage, &fixture.journal, &fixture.watermark, &secrets);
    fixture.number = fixture.journal.last_commit(fixture.journal.self);
}

static inline void commit_batch(void)
{
    struct test_outcome seen = {0};

    fixture.number++;
    fixture.journal.commit(fixture.journal.self, test_batch_close(&fixture.batch, fixture.number),
                           test_done, &seen);
    assert_int_equal(seen.outcome, COMMIT_OK);
    fixture.watermark.advance(fixture.watermark.self, fixture.number);
    test_batch_empty(&fixture.batch);
}

static inline enum check_result run_check(void)
{
    FILE *out = fmemopen(fixture.output, sizeof(fixture.output), "w");
    enum check_result result;

    assert_non_null(out);
    memset(fixture.output, 0, sizeof(fixture.output));
    fixture.error[0] = '\0';
    result = check_store(fixture.folder.path, out, fixture.error, sizeof(fixture.error));
    fclose(out);
    return result;
}

static inline void assert_output_has(const char *text)
{
    if (strstr(fixture.output, text) == NULL)
        fail_msg("the output does not say '%s': %s%s", text, fixture.output, fixture.error);
}

/* ---- a sound store, put together by hand ---- */

/* A participant's record of the one line of SKU C in an owner's reservation. */
static inline struct record *participant(uint64_t sequence, uint64_t owner_sequence,
                                         enum hold_state state)
{
    struct record *record = test_hold(&fixture.batch, AWAY, sequence, state, sku_c, 1);
    struct hold_record *hold = &record->hold;

    memset(&hold->key, 0, sizeof(hold->key));
    hold->owner_partition = HOME;
    hold->owner_sequence = owner_sequence;
    memset(hold->principal.bytes, (int)(owner_sequence % 250) + 1, sizeof(hold->principal.bytes));
    return record;
}

/* An owner's reservation of one unit each of SKU A and of SKU C, elsewhere. */
static inline struct record *spanning(uint64_t sequence, enum hold_state state)
{
    struct record *record = test_record(&fixture.batch, RECORD_HOLD, HOME, 2, 0);
    struct record *single = test_hold(&fixture.batch, HOME, sequence, state, sku_a, 1);

    memcpy(&record->hold, &single->hold, offsetof(struct hold_record, lines));
    fixture.batch.arena.used -= single->size;
    fixture.batch.commit.record_count--;
    record->sequence = sequence;
    record->hold.line_count = 2;
    record->hold.lines[0] = (struct line){.sku_id = sku_a, .quantity = 1};
    record->hold.lines[1] = (struct line){.sku_id = sku_c, .quantity = 1};
    return record;
}

static inline struct record *limit_of(uint64_t hold_sequence, uint32_t sold)
{
    struct record *record = test_record(&fixture.batch, RECORD_LIMIT, HOME, 0, 0);

    memset(record->limit.principal.bytes, (int)(hold_sequence % 250) + 1, 16);
    record->limit.sold = sold;
    return record;
}

/* The kept key of an adjustment. */
static inline struct record *adjustment_key(uint32_t sku_id, uint64_t entry, uint64_t key)
{
    struct record *record = test_record(&fixture.batch, RECORD_KEY, sku_id_partition(sku_id), 0, 0);

    record->subject = sku_id;
    record->sequence = entry;
    record->key.key.word[0] = key;
    record->key.wall_ms = TEST_WALL_MS;
    return record;
}

static inline struct record *floor_of(uint32_t partition, uint64_t next)
{
    struct record *record = test_record(&fixture.batch, RECORD_FLOOR, partition, 0, 0);

    record->floor.next_sequence = next;
    return record;
}

/*   A: 10 received; 1 held (4), 2 sold (5), 1 held with C (7)
 *   B: 5 received, 1 written off; 3 sold, 1 restocked; a released hold (6)
 *   C: 4 received; 1 prepared for (7), 1 prepared for an owner that never was held (unfinished) */
static inline void build_sound_store(void)
{
    test_folder_make(&fixture.folder);
    test_batch_make(&fixture.batch);
    open_store();
    test_product(&fixture.batch, HOME, 0, 3)->product.variant_count = 2;
    test_product(&fixture.batch, AWAY, 0, 0);
    test_sku(&fixture.batch, sku_a, 0);
    test_sku(&fixture.batch, sku_b, 0);
    test_sku(&fixture.batch, sku_c, 0);
    test_entry(&fixture.batch, sku_a, 1, LEDGER_RECEIPT, 10, 0);
    test_entry(&fixture.batch, sku_b, 2, LEDGER_RECEIPT, 5, 0);
    test_entry(&fixture.batch, sku_b, 3, LEDGER_WRITE_OFF, 1, 0);
    test_entry(&fixture.batch, sku_c, 1, LEDGER_RECEIPT, 4, 0);
    test_hold(&fixture.batch, HOME, 4, HOLD_HELD, sku_a, 1);
    test_hold(&fixture.batch, HOME, 5, HOLD_CONVERTED, sku_a, 2);
    test_entry(&fixture.batch, sku_a, 8, LEDGER_SOLD, 2, 5);
    limit_of(5, 2);
    test_hold(&fixture.batch, HOME, 6, HOLD_RELEASED, sku_b, 1);
    test_entry(&fixture.batch, sku_b, 10, LEDGER_SOLD, 3, 9); /* by a hold no longer kept */
    limit_of(9, 3);
    test_entry(&fixture.batch, sku_b, 11, LEDGER_RESTOCK, 1, 0);
    spanning(7, HOLD_HELD);
    participant(2, 7, HOLD_PREPARED);
    participant(3, 12, HOLD_PREPARED);
    test_counter(&fixture.batch, sku_a, 10, 2, 8);
    test_counter(&fixture.batch, sku_b, 4, 2, 11);
    test_counter(&fixture.batch, sku_c, 4, 0, 1);
    floor_of(HOME, 13);
    adjustment_key(sku_a, 1, 71);
    adjustment_key(sku_b, 3, 71); /* another scope */
    commit_batch();
}

static inline void close_store(void)
{
    storage_close(fixture.storage);
}

static inline void remove_store(void)
{
    test_batch_free(&fixture.batch);
    test_folder_remove(&fixture.folder);
}

/* ---- what is planted in it ---- */

struct planted {
    void (*plant)(void); /* one more batch */
    enum check_result result;
    const char *line; /* which the audit then prints */
};

/* Each in a store of its own, made by `build`. */
static inline void check_planted(void (*build)(void), const struct planted *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!test_takes(i, 6))
            continue;
        build();
        cases[i].plant();
        commit_batch();
        close_store();
        if (run_check() != cases[i].result)
            fail_msg("%zu: %s", i, fixture.output);
        assert_output_has(cases[i].line);
        remove_store();
    }
}

#endif

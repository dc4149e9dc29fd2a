/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is done to the audit log's records, with checksums put right, the audit names the first
 * entry that is wrong. */
#include "test_sample.h"
#include "test_storage_support.h"

#include "check.h"
#include "codec.h"
#include "storage.h"

enum { CHAINS = 64, ENTRIES = 12 };

struct fixture {
    struct test_folder folder;
    struct test_batch batch;
    struct storage *storage;
    struct journal_port journal;
    struct watermark_port watermark;
    struct secrets_port secrets;
    uint64_t number;
    char error[STORAGE_ERROR_BYTES];
    char output[65536];
    struct audit_record entries[CHAINS][ENTRIES + 1]; /* by number, from 1 */
    struct audit_head_record heads[CHAINS];
};

static struct fixture fixture;

static void open_store(void)
{
    struct storage_options options = storage_options_default(fixture.folder.path);

    options.partitions = CHAINS;
    options.write_buffer_bytes = 1 << 20;
    options.ballast_bytes = 0;
    options.low_water_bytes = 0;
    if (storage_open(&options, &fixture.storage, fixture.error, sizeof(fixture.error)) != 0)
        fail_msg("%s", fixture.error);
    storage_ports_get(fixture.storage, &fixture.journal, &fixture.watermark, &fixture.secrets);
    fixture.number = fixture.journal.last_commit(fixture.journal.self);
}

static void commit_batch(void)
{
    struct test_outcome seen = {0};

    fixture.number++;
    fixture.journal.commit(fixture.journal.self, test_batch_close(&fixture.batch, fixture.number),
                           test_done, &seen);
    assert_int_equal(seen.outcome, COMMIT_OK);
    fixture.watermark.advance(fixture.watermark.self, fixture.number);
    test_batch_empty(&fixture.batch);
}

/* Closes the store and audits it. */
static enum check_result run_check(void)
{
    FILE *out = fmemopen(fixture.output, sizeof(fixture.output), "w");
    enum check_result result;

    assert_non_null(out);
    storage_close(fixture.storage);
    memset(fixture.output, 0, sizeof(fixture.output));
    result = check_store(fixture.folder.path, out, fixture.error, sizeof(fixture.error));
    fclose(out);
    return result;
}

static void assert_output_has(const char *text)
{
    if (strstr(fixture.output, text) == NULL)
        fail_msg("the output does not say '%s': %s%s", text, fixture.output, fixture.error);
}

/* ---- chains ---- */

static void put_entry(uint32_t partition, uint64_t sequence, const struct audit_record *entry)
{
    struct record *record = test_record(&fixture.batch, RECORD_AUDIT, partition, 0, 0);

    record->sequence = sequence;
    record->audit = *entry;
}

static void drop_entry(uint32_t partition, uint64_t sequence)
{
    struct record *record = test_record(&fixture.batch, RECORD_AUDIT, partition, 0, 0);

    record->sequence = sequence;
    record->operation = RECORD_DELETE;
}

static struct record *put_head(uint32_t partition)
{
    struct record *record = test_record(&fixture.batch, RECORD_AUDIT_HEAD, partition, 0, 0);

    record->audit_head = fixture.heads[partition];
    return record;
}

/* The hash as it should be for an entry in this place, after `before`. */
static void link_entry(uint32_t partition, uint64_t sequence, const uint8_t *before,
                       struct audit_record *entry)
{
    uint8_t bytes[AUDIT_LINK_BYTES_MAX];

    fixture.secrets.digest(bytes, audit_link_pack(entry, partition, sequence, before, bytes),
                           entry->hash);
}

static void sign_head(uint32_t partition)
{
    uint8_t bytes[AUDIT_HEAD_PACKED_BYTES];

    audit_head_pack(&fixture.heads[partition], partition, bytes);
    fixture.secrets.mac(fixture.secrets.self, AUDIT_HEAD_PURPOSE, bytes, sizeof(bytes),
                        fixture.heads[partition].mac);
}

static void make_entry(uint64_t sequence, struct audit_record *entry)
{
    *entry = (struct audit_record){.wall_ms = TEST_WALL_MS + (int64_t)sequence,
                                   .origin = {.caller = AUDIT_BY_OWNER, .network = {4, 192, 0, 2}},
                                   .act = AUDIT_STOCK_ADJUSTED,
                                   .subject = AUDIT_OF_SKU,
                                   .name_length = 4,
                                   .name = {0, 0, 0, (uint8_t)sequence}};
    audit_set_number(&entry->before, (int64_t)sequence);
    audit_set_number(&entry->after, -(int64_t)sequence);
}

/* A chain in each partition. */
static void build_chains(void)
{
    memset(fixture.entries, 0, sizeof(fixture.entries));
    memset(fixture.heads, 0, sizeof(fixture.heads));
    test_folder_make(&fixture.folder);
    test_batch_make(&fixture.batch);
    open_store();
    for (uint32_t partition = 0; partition < CHAINS; partition++) {
        struct audit_record *entries = fixture.entries[partition];

        for (uint64_t i = 1; i <= ENTRIES; i++) {
            make_entry(i, &entries[i]);
            link_entry(partition, i, entries[i - 1].hash, &entries[i]);
            put_entry(partition, i, &entries[i]);
        }
        fixture.heads[partition].sequence = ENTRIES;
        memcpy(fixture.heads[partition].hash, entries[ENTRIES].hash, AUDIT_HASH_BYTES);
        sign_head(partition);
        put_head(partition);
    }
    commit_batch();
}

static void remove_store(void)
{
    test_batch_free(&fixture.batch);
    test_folder_remove(&fixture.folder);
}

static void test_sound_chains_are_ok_and_digested(void **state)
{
    char digest[2][65] = {"", ""};

    (void)state;
    build_chains();
    assert_int_equal(run_check(), CHECK_OK);
    assert_output_has("check: audit log of 768 entries, digest ");
    assert_int_equal(sscanf(strstr(fixture.output, "digest "), "digest %64s", digest[0]), 1);
    /* A chain that goes on has another. */
    open_store();
    struct audit_record next;
    make_entry(ENTRIES + 1, &next);
    link_entry(7, ENTRIES + 1, fixture.entries[7][ENTRIES].hash, &next);
    put_entry(7, ENTRIES + 1, &next);
    fixture.heads[7].sequence = ENTRIES + 1;
    memcpy(fixture.heads[7].hash, next.hash, AUDIT_HASH_BYTES);
    sign_head(7);
    put_head(7);
    commit_batch();
    assert_int_equal(run_check(), CHECK_OK);
    assert_output_has("check: audit log of 769 entries, digest ");
    assert_int_equal(sscanf(strstr(fixture.output, "digest "), "digest %64s", digest[1]), 1);
    assert_string_not_equal(digest[0], digest[1]);
    remove_store();
}

/* ---- forgeries, of partition 3 ---- */

enum { CHAIN = 3 };

static struct audit_record *chain(void)
{
    return fixture.entries[CHAIN];
}

/* Entries from `first` on are linked anew: as a forger without the secret can. */
static void rewrite_from(uint64_t first)
{
    for (uint64_t i = first; i <= ENTRIES; i++) {
        link_entry(CHAIN, i, chain()[i - 1].hash, &chain()[i]);
        put_entry(CHAIN, i, &chain()[i]);
    }
}

static void flip(void)
{
    chain()[5].act = AUDIT_PRODUCT_CHANGED;
    put_entry(CHAIN, 5, &chain()[5]);
}

static void flip_who(void)
{
    chain()[1].origin.who.bytes[15] ^= 1;
    put_entry(CHAIN, 1, &chain()[1]);
}

static void flip_and_link(void)
{
    chain()[5].wall_ms++;
    link_entry(CHAIN, 5, chain()[4].hash, &chain()[5]);
    put_entry(CHAIN, 5, &chain()[5]);
}

static void drop(void)
{
    drop_entry(CHAIN, 5);
}

static void drop_first(void)
{
    drop_entry(CHAIN, 1);
}

static void drop_and_close_up(void)
{
    for (uint64_t i = 5; i < ENTRIES; i++)
        put_entry(CHAIN, i, &chain()[i + 1]);
    drop_entry(CHAIN, ENTRIES);
}

static void swap(void)
{
    put_entry(CHAIN, 5, &chain()[6]);
    put_entry(CHAIN, 6, &chain()[5]);
}

static void move_to_another_chain(void)
{
    put_entry(CHAIN, 5, &fixture.entries[CHAIN + 1][5]);
}

static void cut(void)
{
    drop_entry(CHAIN, ENTRIES);
    drop_entry(CHAIN, ENTRIES - 1);
}

static void cut_with_head(void)
{
    cut();
    fixture.heads[CHAIN].sequence = ENTRIES - 2;
    memcpy(fixture.heads[CHAIN].hash, chain()[ENTRIES - 2].hash, AUDIT_HASH_BYTES);
    put_head(CHAIN);
}

static void cut_all(void)
{
    for (uint64_t i = 1; i <= ENTRIES; i++)
        drop_entry(CHAIN, i);
}

static void drop_head(void)
{
    put_head(CHAIN)->operation = RECORD_DELETE;
}

static void flip_mac(void)
{
    fixture.heads[CHAIN].mac[0] ^= 0x80;
    put_head(CHAIN);
}

static void rewrite_to_the_end(void)
{
    chain()[5].origin.caller = AUDIT_BY_SUPPORT;
    rewrite_from(5);
}

static void rewrite_with_head(void)
{
    rewrite_to_the_end();
    memcpy(fixture.heads[CHAIN].hash, chain()[ENTRIES].hash, AUDIT_HASH_BYTES);
    put_head(CHAIN);
}

static void head_of_another_chain(void)
{
    fixture.heads[CHAIN] = fixture.heads[CHAIN + 1];
    put_head(CHAIN);
}

static void add_behind(void)
{
    struct audit_record more;

    make_entry(ENTRIES + 1, &more);
    link_entry(CHAIN, ENTRIES + 1, chain()[ENTRIES].hash, &more);
    put_entry(CHAIN, ENTRIES + 1, &more);
}

static void test_each_forgery_is_named(void **state)
{
    static const char forged_head[] = "the head of partition 3's audit log was not made with";
    static const struct {
        void (*forge)(void);
        const char *line;
    } cases[] = {
        {flip, "entry 5 of partition 3's audit log is not what was entered"},
        {flip_who, "entry 1 of partition 3's audit log is not what was entered"},
        {flip_and_link, "entry 6 of partition 3's audit log is not what was entered"},
        {drop, "the audit log of partition 3 lacks entry 5: 6 is next"},
        {drop_first, "the audit log of partition 3 lacks entry 1: 2 is next"},
        {drop_and_close_up, "entry 5 of partition 3's audit log is not what was entered"},
        {swap, "entry 5 of partition 3's audit log is not what was entered"},
        {move_to_another_chain, "entry 5 of partition 3's audit log is not what was entered"},
        {cut, "partition 3 ends with entry 10, but entry 12 was its newest"},
        {cut_with_head, forged_head},
        {cut_all, "partition 3 ends with entry 0, but entry 12 was its newest"},
        {drop_head, "the audit log of partition 3 has lost its head"},
        {flip_mac, forged_head},
        {rewrite_to_the_end, "partition 3 was rewritten up to its newest entry, 12"},
        {rewrite_with_head, forged_head},
        {head_of_another_chain, forged_head},
        {add_behind, "entry 13 of partition 3's audit log was added behind its end"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!test_takes(i, 11))
            continue;
        build_chains();
        cases[i].forge();
        commit_batch();
        assert_int_equal(run_check(), CHECK_BROKEN);
        assert_output_has(cases[i].line);
        remove_store();
    }
}

/* One random change to what is stored of an entry, that leaves it an entry. */
static void edit_randomly(uint64_t *seed, struct audit_record *entry)
{
    struct audit_record before = *entry;

    while (memcmp(entry, &before, sizeof(before)) == 0 || !audit_is_valid(entry)) {
        *entry = before;
        switch (test_random(seed) % 6) {
        case 0:
            entry->wall_ms ^= (int64_t)(UINT64_C(1) << (test_random(seed) % 40));
            break;
        case 1:
            entry->origin.who.bytes[test_random(seed) % 16] ^= (uint8_t)test_random(seed);
            break;
        case 2:
            entry->origin.network[test_random(seed) % AUDIT_NETWORK_BYTES] ^= 1;
            break;
        case 3:
            entry->act = (uint8_t)(test_random(seed) % AUDIT_ACT_COUNT);
            break;
        case 4:
            entry->after.bytes[test_random(seed) % 8] ^= (uint8_t)test_random(seed);
            break;
        default:
            entry->hash[test_random(seed) % AUDIT_HASH_BYTES] ^= (uint8_t)test_random(seed);
            break;
        }
    }
}

/* In each chain of a store one entry is changed, or taken out: 1,024 in all. */
static void test_each_of_a_thousand_edits_is_named(void **state)
{
    uint64_t seed = 42;
    char line[128];

    (void)state;
    for (unsigned round = 0; round < 1024 / CHAINS; round++) {
        if (!test_takes(round, 13))
            continue;
        uint64_t edited[CHAINS];
        bool is_dropped[CHAINS];

        build_chains();
        for (uint32_t i = 0; i < CHAINS; i++) {
            edited[i] = 1 + test_random(&seed) % ENTRIES;
            is_dropped[i] = test_random(&seed) % 4 == 0;
            if (is_dropped[i]) {
                drop_entry(i, edited[i]);
                continue;
            }
            edit_randomly(&seed, &fixture.entries[i][edited[i]]);
            put_entry(i, edited[i], &fixture.entries[i][edited[i]]);
        }
        commit_batch();
        assert_int_equal(run_check(), CHECK_BROKEN);
        for (uint32_t i = 0; i < CHAINS; i++) {
            if (!is_dropped[i])
                snprintf(line, sizeof(line), "broken: entry %u of partition %u's audit log",
                         (unsigned)edited[i], i);
            else if (edited[i] == ENTRIES)
                snprintf(line, sizeof(line), "partition %u ends with entry %u, but entry %u", i,
                         ENTRIES - 1, ENTRIES);
            else
                snprintf(line, sizeof(line), "partition %u lacks entry %u:", i,
                         (unsigned)edited[i]);
            assert_output_has(line);
        }
        remove_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_chains_are_ok_and_digested),
        cmocka_unit_test(test_each_forgery_is_named),
        cmocka_unit_test(test_each_of_a_thousand_edits_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

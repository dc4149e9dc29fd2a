/* SPDX-License-Identifier: Apache-2.0 */
/* A backup made while commits go on holds all that was acknowledged before it, and nothing but the
 * first commits after; what is restored from it is that state, in a new incarnation; a backup that
 * is not what it was made as is refused. */
#include "test_storage_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "backup.h"
#include "backup_manifest.h"
#include "codec.h"
#include "control.h"
#include "data_folder.h"
#include "files.h"

enum { COMMITS_MAX = 1000000, HOLDS_A_COMMIT = 20, WALL_MS = 1700000000 };

static struct fixture fixture;
static struct test_folder elsewhere; /* of backups and what is restored */
static char output[4096];
static char error[STORAGE_ERROR_BYTES];

static void places_make(void)
{
    fixture_make(&fixture);
    test_folder_make(&elsewhere);
}

static void places_remove(void)
{
    fixture_free(&fixture);
    test_folder_remove(&elsewhere);
}

static const char *place(const char *name)
{
    static char paths[4][256];
    static unsigned turn;

    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", elsewhere.path, name);
    return paths[turn];
}

static void folder_set(struct test_folder *folder, const char *path)
{
    assert_true(strlen(path) < sizeof(folder->path));
    memcpy(folder->path, path, strlen(path) + 1);
}

static enum backup_result run_backup(const char *name)
{
    FILE *out = fmemopen(output, sizeof(output), "w");
    enum backup_result result;

    assert_non_null(out);
    memset(output, 0, sizeof(output));
    error[0] = '\0';
    result = backup_make(fixture.folder.path, place(name), out, error, sizeof(error));
    fclose(out);
    assert_true((result == BACKUP_OK) == (strncmp(output, "backup: ok ", 11) == 0));
    return result;
}

/* The vault's key is in no backup: what is restored names it, and the operator brings it. */
static void vault_key_bring(const char *data)
{
    char text[1024];
    char path[512];

    ssize_t length = files_read(test_path(&fixture.folder, "vault.key"), text, sizeof(text), NULL,
                                error, sizeof(error));
    assert_true(length > 0);
    assert_non_null(strstr(output, "restore: it needs the vault key "));
    snprintf(path, sizeof(path), "%s/vault.key", place(data));
    if (files_create(path, text, (size_t)length, error, sizeof(error)) !=
        0) /* never over another */
        fail_msg("%s", error);
}

static enum backup_result run_restore(const char *name, const char *data)
{
    FILE *out = fmemopen(output, sizeof(output), "w");
    enum backup_result result;

    assert_non_null(out);
    memset(output, 0, sizeof(output));
    error[0] = '\0';
    result = backup_restore(place(name), place(data), WALL_MS * INT64_C(1000), out, error,
                            sizeof(error));
    fclose(out);
    assert_true((result == BACKUP_OK) == (strncmp(output, "restore: ok ", 12) == 0));
    if (result == BACKUP_OK)
        vault_key_bring(data);
    return result;
}

static void assert_error_has(const char *text)
{
    if (strstr(error, text) == NULL)
        fail_msg("the error does not say '%s': %s", text, error);
}

static void manifest_of(const char *name, struct backup_manifest *manifest_out)
{
    if (backup_manifest_read(place(name), manifest_out, error, sizeof(error)) != 0)
        fail_msg("%s", error);
}

static void backup_of_three_commits(void)
{
    places_make();
    for (uint64_t number = 1; number <= 3; number++)
        commit_holds(&fixture, number, 10);
    assert_int_equal(run_backup("backup"), BACKUP_OK);
}

/* ---- under load ---- */

struct load {
    pthread_t thread;
    atomic_bool is_over;
    _Atomic uint64_t acknowledged;
    bool went_wrong;
    uint64_t states[COMMITS_MAX]; /* after each commit */
};

static struct load load;

static uint64_t batch_state(const struct test_batch *batch)
{
    static uint8_t value[CODEC_VALUE_BYTES_MAX];
    uint8_t key[CODEC_KEY_BYTES_MAX];
    uint64_t state = 0;

    for (uint32_t at = 0; at < batch->arena.used;) {
        const struct record *record = (const struct record *)(void *)(batch->arena.bytes + at);
        size_t key_length = codec_encode_key(record, key);
        size_t length = codec_encode_value(record, key, key_length, value, sizeof(value));

        state += codec_state_hash((enum record_kind)record->kind, key, key_length, value, length);
        at += record->size;
    }
    return state;
}

static void *load_run(void *arg)
{
    uint64_t number = 0;

    while (!atomic_load(&load.is_over) && number < COMMITS_MAX - 1 && !load.went_wrong) {
        number++;
        test_batch_empty(&fixture.batch);
        for (uint32_t i = 0; i < HOLDS_A_COMMIT; i++)
            test_hold(&fixture.batch, i % PARTITIONS, number * 100000 + i, HOLD_HELD, 7, 1);
        load.states[number] = load.states[number - 1] + batch_state(&fixture.batch);
        fixture.journal.commit(fixture.journal.self, test_batch_close(&fixture.batch, number),
                               test_done, &fixture.seen);
        load.went_wrong = fixture.seen.outcome != COMMIT_OK;
        fixture.watermark.advance(fixture.watermark.self, number);
        atomic_store(&load.acknowledged, number);
        usleep(50);
    }
    return arg;
}

static void load_begin(void)
{
    memset(&load, 0, sizeof(load));
    assert_int_equal(pthread_create(&load.thread, NULL, load_run, NULL), 0);
    while (atomic_load(&load.acknowledged) < 50)
        usleep(1000);
}

static void load_end(void)
{
    atomic_store(&load.is_over, true);
    pthread_join(load.thread, NULL);
    assert_false(load.went_wrong);
}

static void test_a_backup_under_load_holds_what_was_acknowledged_before(void **state)
{
    struct backup_manifest manifest;
    char name[32];

    (void)state;
    places_make();
    load_begin();
    for (unsigned i = 0; i < 12; i++) {
        uint64_t before = atomic_load(&load.acknowledged);

        snprintf(name, sizeof(name), "backup-%u", i);
        if (run_backup(name) != BACKUP_OK)
            fail_msg("%s", error);
        uint64_t after = atomic_load(&load.acknowledged);
        manifest_of(name, &manifest);
        assert_in_range(manifest.last_commit, before, after + 1);
        assert_int_equal(manifest.state, load.states[manifest.last_commit]);
        backup_manifest_free(&manifest);
    }
    load_end();
    assert_true(atomic_load(&load.acknowledged) < COMMITS_MAX - 1); /* it was under load */
    storage_close(fixture.storage);
    assert_int_equal(run_restore("backup-11", "restored"), BACKUP_OK);
    places_remove();
}

/* ---- what is restored ---- */

static void test_a_restored_store_is_the_same_in_a_new_incarnation(void **state)
{
    struct backup_manifest manifest;
    struct fixture restored = {0};
    struct journal_rocksdb *journal;
    uint64_t found = 0;
    char path[256];

    (void)state;
    backup_of_three_commits();
    for (uint64_t number = 4; number <= 6; number++) /* what the backup does not have */
        commit_holds(&fixture, number, 10);
    storage_close(fixture.storage);
    manifest_of("backup", &manifest);
    assert_int_equal(manifest.last_commit, 3);
    assert_int_equal(run_restore("backup", "restored"), BACKUP_OK);

    snprintf(path, sizeof(path), "%s", place("restored/journal"));
    struct journal_rocksdb_options options = {
        .path = path, .mode = JOURNAL_READ_ONLY, .log = keep_log, .log_arg = &restored};
    assert_int_equal(journal_rocksdb_open(&options, &journal, error, sizeof(error)),
                     JOURNAL_OPENED);
    assert_true(journal_rocksdb_content_hash(journal, &found));
    assert_int_equal(found, manifest.state);
    journal_rocksdb_close(journal);

    folder_set(&restored.folder, place("restored"));
    reopen(&restored);
    assert_int_equal(restored.info.last_commit, 3);
    assert_int_equal(restored.info.watermark, 3);
    assert_int_equal(restored.info.incarnation, WALL_MS);
    assert_int_equal(load_all(&restored),
                     3 * 10 + FLOOR_COUNT * PARTITIONS); /* with the raised floors */
    storage_close(restored.storage);
    backup_manifest_free(&manifest);
    places_remove();
}

struct floors {
    uint64_t least[FLOOR_COUNT];
};

static bool see_floor(void *arg, const struct record *record)
{
    struct floors *floors = arg;

    if (record->kind == RECORD_FLOOR &&
        record->floor.next_sequence < floors->least[record->subject])
        floors->least[record->subject] = record->floor.next_sequence;
    return true;
}

static void test_a_restored_store_gives_no_number_again(void **state)
{
    struct fixture restored = {0};
    static const uint64_t numbers_of_4_bytes = 1U << FLOOR_ACCOUNTS | 1U << FLOOR_COUPONS;
    struct floors floors;

    (void)state;
    memset(&floors, 0xff, sizeof(floors));
    backup_of_three_commits();
    storage_close(fixture.storage);
    assert_int_equal(run_restore("backup", "restored"), BACKUP_OK);
    folder_set(&restored.folder, place("restored"));
    reopen(&restored);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        assert_true(restored.journal.load(restored.journal.self, i, see_floor, &floors));
    for (uint32_t floor = 0; floor < FLOOR_COUNT; floor++) {
        bool is_short = numbers_of_4_bytes >> floor & 1;
        uint64_t jump = floor == FLOOR_ACCOUNTS  ? JOURNAL_ACCOUNTS_JUMP
                        : floor == FLOOR_COUPONS ? JOURNAL_COUPONS_JUMP
                                                 : JOURNAL_INCARNATION_JUMP;

        assert_true(floors.least[floor] > jump);
        assert_true(floors.least[floor] < (is_short ? UINT32_MAX : UINT64_MAX));
    }
    storage_close(restored.storage);
    places_remove();
}

static void test_a_stopped_store_is_backed_up_too(void **state)
{
    struct backup_manifest manifest;

    (void)state;
    places_make();
    commit_holds(&fixture, 1, 10);
    storage_close(fixture.storage);
    assert_int_equal(run_backup("backup"), BACKUP_OK);
    manifest_of("backup", &manifest);
    assert_int_equal(manifest.last_commit, 1);
    backup_manifest_free(&manifest);
    reopen(&fixture); /* it was only read */
    assert_int_equal(load_all(&fixture), 10);
    storage_close(fixture.storage);
    places_remove();
}

/* ---- what is refused ---- */

static void test_nothing_that_is_there_is_replaced(void **state)
{
    (void)state;
    backup_of_three_commits();
    assert_int_equal(run_backup("backup"), BACKUP_REFUSED);
    assert_error_has("is not empty");
    assert_int_equal(backup_make(fixture.folder.path, test_path(&fixture.folder, "backup"), stdout,
                                 error, sizeof(error)),
                     BACKUP_REFUSED);
    assert_error_has("is in the data folder");
    assert_int_equal(test_file_size(test_path(&fixture.folder, "backup")), -1);
    storage_close(fixture.storage);
    assert_int_equal(run_restore("backup", "restored"), BACKUP_OK);
    assert_int_equal(run_restore("backup", "restored"), BACKUP_REFUSED);
    assert_error_has("there is a store in");
    assert_int_equal(run_restore("backup", "backup"), BACKUP_REFUSED);
    assert_error_has("not empty");
    places_remove();
}

static void test_a_backup_that_fails_leaves_nothing(void **state)
{
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

    (void)state;
    places_make();
    for (uint64_t number = 1; number <= 3; number++)
        commit_holds(&fixture, number, 100);
    storage_close(fixture.storage);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(run_backup("backup"), BACKUP_REFUSED);
    setrlimit(RLIMIT_FSIZE, &none);
    assert_error_has("cannot copy");
    assert_int_equal(test_file_size(place("backup")), -1);
    assert_int_equal(run_backup("backup"), BACKUP_OK);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(run_restore("backup", "restored"), BACKUP_REFUSED);
    setrlimit(RLIMIT_FSIZE, &none);
    assert_error_has("cannot copy");
    assert_int_equal(run_restore("backup", "restored"), BACKUP_OK); /* into the same folder */
    places_remove();
}

static void test_one_backup_at_a_time(void **state)
{
    uint64_t commit = 0;
    int socket = -1;

    (void)state;
    places_make();
    commit_holds(&fixture, 1, 10);
    assert_int_equal(
        control_request_backup(fixture.folder.path, &socket, &commit, error, sizeof(error)),
        CONTROL_GRANTED);
    assert_int_equal(commit, 1);
    assert_true(test_file_size(test_path(&fixture.folder, "journal.backup/CURRENT")) > 0);
    assert_int_equal(run_backup("backup"), BACKUP_REFUSED);
    assert_error_has("another backup is under way");
    assert_int_equal(test_file_size(place("backup")), -1);
    close(socket);
    while (test_file_size(test_path(&fixture.folder, "journal.backup")) != -1)
        usleep(1000);
    assert_int_equal(run_backup("backup"), BACKUP_OK);
    storage_close(fixture.storage);
    places_remove();
}

static void test_a_server_that_stops_drops_its_copy(void **state)
{
    uint64_t commit = 0;
    int socket = -1;
    char byte;

    (void)state;
    places_make();
    assert_int_equal(
        control_request_backup(fixture.folder.path, &socket, &commit, error, sizeof(error)),
        CONTROL_GRANTED);
    storage_close(fixture.storage);
    assert_int_equal(recv(socket, &byte, 1, 0), 0);
    close(socket);
    assert_int_equal(test_file_size(test_path(&fixture.folder, "journal.backup")), -1);
    assert_int_equal(test_file_size(test_path(&fixture.folder, "control")), -1);
    places_remove();
}

static void body_holds_a_copy(struct fixture *store)
{
    uint64_t commit = 0;
    int socket = -1;

    reopen(store);
    if (control_request_backup(store->folder.path, &socket, &commit, error, sizeof(error)) !=
        CONTROL_GRANTED)
        _exit(1);
}

static void test_the_copy_of_a_killed_server_goes_at_the_next_start(void **state)
{
    (void)state;
    killed_store(&fixture, "holds_a_copy");
    assert_true(test_file_size(test_path(&fixture.folder, "journal.backup")) > 0);
    reopen(&fixture);
    assert_int_equal(test_file_size(test_path(&fixture.folder, "journal.backup")), -1);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void test_half_a_restore_is_no_store(void **state)
{
    struct fixture restored = {0};

    (void)state;
    backup_of_three_commits();
    storage_close(fixture.storage);
    assert_int_equal(run_restore("backup", "restored"), BACKUP_OK);
    assert_int_equal(unlink(place("restored/STAMPEDE")), 0); /* the last thing that is written */
    folder_set(&restored.folder, place("restored"));
    assert_refused(&restored, "not a Stampede data folder");
    assert_int_equal(run_restore("backup", "restored"), BACKUP_REFUSED);
    assert_error_has("not empty");
    places_remove();
}

/* ---- damaged backups ---- */

static void assert_restore_finds_damage(const char *what)
{
    if (run_restore("backup", "restored") != BACKUP_DAMAGED)
        fail_msg("%s: the restore found nothing", what);
    if (strstr(error, "backup") == NULL)
        fail_msg("%s: the error does not name the backup: %s", what, error);
    assert_int_equal(test_file_size(place("restored/STAMPEDE")), -1);
    assert_int_equal(test_file_size(place("restored/journal")), -1);
}

static void file_truncate(const char *path)
{
    assert_int_equal(truncate(path, test_file_size(path) - 1), 0);
}

static void file_append(const char *path)
{
    int file = open(path, O_WRONLY | O_APPEND);

    assert_true(file >= 0);
    assert_int_equal(write(file, "\n", 1), 1);
    close(file);
}

/* Damages one file of the backup in every way in turn, and mends it again. */
static void damage_file(const char *path)
{
    char kept[512];
    off_t size = test_file_size(path);
    uint64_t random = (uint64_t)size;

    if (size > 0) {
        for (unsigned i = 0; i < 4; i++) {
            off_t offset = (off_t)(test_random(&random) % (uint64_t)size);

            test_flip_bit(path, offset, i);
            assert_restore_finds_damage(path);
            test_flip_bit(path, offset, i);
        }
    }
    snprintf(kept, sizeof(kept), "%s.kept", path);
    assert_int_equal(rename(path, kept), 0);
    assert_restore_finds_damage(path);
    assert_int_equal(rename(kept, path), 0);
    file_append(path);
    assert_restore_finds_damage(path);
    file_truncate(path);
    if (size > 0) {
        char last;
        int file = open(path, O_RDONLY);

        assert_int_equal(pread(file, &last, 1, size - 1), 1);
        close(file);
        file_truncate(path);
        assert_restore_finds_damage(path);
        file = open(path, O_WRONLY);
        assert_int_equal(pwrite(file, &last, 1, size - 1), 1);
        close(file);
    }
}

static void test_a_damaged_backup_is_refused(void **state)
{
    struct backup_manifest manifest;
    char path[512];

    (void)state;
    backup_of_three_commits();
    storage_close(fixture.storage);
    manifest_of("backup", &manifest);
    assert_true(manifest.file_count >= 5);
    for (uint32_t i = 0; i < manifest.file_count; i++) {
        const struct backup_file *file = &manifest.files[i];

        snprintf(path, sizeof(path), "%s/%s%s", place("backup"), file->is_journal ? "journal/" : "",
                 file->name);
        damage_file(path);
    }
    snprintf(path, sizeof(path), "%s", place("backup/" BACKUP_MANIFEST_NAME));
    damage_file(path);
    assert_int_equal(run_restore("backup", "restored"), BACKUP_OK);
    backup_manifest_free(&manifest);
    places_remove();
}

int main(int argc, char *argv[])
{
    static const struct test_body bodies[] = {{"holds_a_copy", body_holds_a_copy}};

    if (argc == 3)
        return body_run(bodies, sizeof(bodies) / sizeof(bodies[0]), argv[1], argv[2]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_backup_under_load_holds_what_was_acknowledged_before),
        cmocka_unit_test(test_a_restored_store_is_the_same_in_a_new_incarnation),
        cmocka_unit_test(test_a_restored_store_gives_no_number_again),
        cmocka_unit_test(test_a_stopped_store_is_backed_up_too),
        cmocka_unit_test(test_nothing_that_is_there_is_replaced),
        cmocka_unit_test(test_a_backup_that_fails_leaves_nothing),
        cmocka_unit_test(test_one_backup_at_a_time),
        cmocka_unit_test(test_a_server_that_stops_drops_its_copy),
        cmocka_unit_test(test_the_copy_of_a_killed_server_goes_at_the_next_start),
        cmocka_unit_test(test_half_a_restore_is_no_store),
        cmocka_unit_test(test_a_damaged_backup_is_refused),
    };

    return cmocka_run_group_tests_name("storage backup", tests, NULL, NULL);
}

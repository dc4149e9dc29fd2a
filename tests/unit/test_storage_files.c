/* SPDX-License-Identifier: Apache-2.0 */
/* The small files of a store: folder, lock, watermark, ballast, secrets. */
#include "test_storage_support.h"

#include <sys/wait.h>

#include "ballast.h"
#include "data_folder.h"
#include "files.h"
#include "secrets_file.h"
#include "watermark_file.h"

static char error[512];

static void assert_error_has(const char *text)
{
    if (strstr(error, text) == NULL)
        fail_msg("the error does not say '%s': %s", text, error);
    assert_null(strchr(error, '\n'));
}

static int open_folder(const char *path, enum data_folder_mode mode, struct data_folder *folder)
{
    error[0] = '\0';
    return data_folder_open(path, mode, folder, error, sizeof(error));
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static unsigned mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777u;
}

/* ---- the folder ---- */

static void test_a_folder_is_made_private_and_found_again(void **state)
{
    struct test_folder temporary;
    struct data_folder folder;
    uint64_t store_id;

    (void)state;
    test_folder_make(&temporary);
    assert_int_equal(open_folder(test_path(&temporary, "data/"), DATA_FOLDER_CREATE, &folder), 0);
    assert_int_equal(mode_of(test_path(&temporary, "data")), 0700);
    assert_false(folder.is_ready);
    store_id = folder.store_id;
    data_folder_close(&folder);
    /* An interrupted creation is continued, and is no store for the offline tools. */
    assert_int_equal(open_folder(test_path(&temporary, "data"), DATA_FOLDER_EXISTING, &folder), -1);
    assert_error_has("never completed");
    assert_int_equal(open_folder(test_path(&temporary, "data"), DATA_FOLDER_CREATE, &folder), 0);
    assert_int_equal(folder.store_id, store_id);
    assert_int_equal(data_folder_set_ready(&folder, 4, error, sizeof(error)), 0);
    data_folder_close(&folder);
    assert_int_equal(open_folder(test_path(&temporary, "data"), DATA_FOLDER_EXISTING, &folder), 0);
    assert_true(folder.is_ready);
    assert_int_equal(folder.incarnation, 4);
    data_folder_close(&folder);
    test_folder_remove(&temporary);
}

static void test_a_foreign_folder_is_refused_and_left_alone(void **state)
{
    struct test_folder temporary;
    struct data_folder folder;
    struct stat before;
    struct stat after;

    (void)state;
    test_folder_make(&temporary);
    write_file(test_path(&temporary, "precious.txt"), "x", 1);
    assert_int_equal(stat(temporary.path, &before), 0);
    assert_int_equal(open_folder(temporary.path, DATA_FOLDER_CREATE, &folder), -1);
    assert_error_has("precious.txt");
    assert_error_has("not a Stampede data folder");
    assert_int_equal(stat(temporary.path, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(
        open_folder(test_path(&temporary, "precious.txt"), DATA_FOLDER_CREATE, &folder), -1);
    assert_error_has("not a folder");
    assert_int_equal(open_folder(test_path(&temporary, "none"), DATA_FOLDER_EXISTING, &folder), -1);
    assert_error_has("no Stampede data folder");
    assert_int_equal(open_folder(test_path(&temporary, "none/deeper"), DATA_FOLDER_CREATE, &folder),
                     -1);
    assert_error_has("cannot create");
    assert_int_equal(open_folder("", DATA_FOLDER_CREATE, &folder), -1);
    test_folder_remove(&temporary);
}

static void test_an_unwritable_folder_is_refused(void **state)
{
    struct test_folder temporary;
    struct data_folder folder;
    int status;

    (void)state;
    test_folder_make(&temporary);
    assert_int_equal(chmod(temporary.path, 0555), 0);
    /* As nobody: root may write anywhere. */
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(3);
        if (access(temporary.path, F_OK) != 0)
            _exit(4); /* a folder above is closed to nobody: nothing can be said of this one */
        _exit(open_folder(temporary.path, DATA_FOLDER_CREATE, &folder) == -1 &&
                      strstr(error, "not writable") != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(temporary.path, 0700), 0);
    test_folder_remove(&temporary);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
        skip();
    assert_int_equal(status, 0);
}

static void test_a_second_process_is_told_who_has_the_folder(void **state)
{
    struct test_folder temporary;
    struct data_folder folder;
    struct data_folder second;
    char pid[32];

    (void)state;
    test_folder_make(&temporary);
    assert_int_equal(open_folder(temporary.path, DATA_FOLDER_CREATE, &folder), 0);
    assert_int_equal(open_folder(temporary.path, DATA_FOLDER_CREATE, &second), -1);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_error_has(pid);
    data_folder_close(&folder);
    assert_int_equal(open_folder(temporary.path, DATA_FOLDER_CREATE, &second), 0);
    data_folder_close(&second);
    test_folder_remove(&temporary);
}

static void test_a_damaged_or_newer_marker_is_refused(void **state)
{
    static const char newer[] = "Stampede data folder\nformat 99\nstore 0\nwhatever\n";
    struct test_folder temporary;
    struct data_folder folder;
    char marker[256];

    (void)state;
    test_folder_make(&temporary);
    snprintf(marker, sizeof(marker), "%s", test_path(&temporary, "STAMPEDE"));
    assert_int_equal(open_folder(temporary.path, DATA_FOLDER_CREATE, &folder), 0);
    assert_int_equal(data_folder_set_ready(&folder, 1, error, sizeof(error)), 0);
    data_folder_close(&folder);
    for (off_t offset = 0; offset < test_file_size(marker); offset++) {
        test_flip_bit(marker, offset, 3);
        int result = open_folder(temporary.path, DATA_FOLDER_CREATE, &folder);
        if (result == 0) { /* a digit of a number became another digit: caught by the journal */
            data_folder_close(&folder);
            assert_true(offset > 20);
        }
        test_flip_bit(marker, offset, 3);
    }
    write_file(marker, newer, strlen(newer));
    assert_int_equal(open_folder(temporary.path, DATA_FOLDER_CREATE, &folder), -1);
    assert_error_has("another version");
    test_folder_remove(&temporary);
}

/* ---- the watermark ---- */

static struct watermark_file_options watermark_options(const char *path, bool create)
{
    return (struct watermark_file_options){
        .path = path, .store_id = 77, .incarnation = 2, .create = create};
}

static int open_watermark(const char *path, bool create, struct watermark_file **file)
{
    struct watermark_file_options options = watermark_options(path, create);

    error[0] = '\0';
    return watermark_file_open(&options, file, error, sizeof(error));
}

/* Opens, advances, closes. */
static void advance_watermark(const char *path, uint64_t number)
{
    struct watermark_file *file;

    assert_int_equal(open_watermark(path, true, &file), 0);
    watermark_file_advance(file, number);
    watermark_file_close(file);
}

static uint64_t read_watermark(const char *path)
{
    struct watermark_file *file;
    uint64_t number;

    assert_int_equal(open_watermark(path, false, &file), 0);
    number = watermark_file_read(file);
    watermark_file_close(file);
    return number;
}

static void test_the_watermark_is_on_file_when_closed(void **state)
{
    struct test_folder temporary;
    char path[256];

    (void)state;
    test_folder_make(&temporary);
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "watermark"));
    for (uint64_t number = 1; number <= 5; number++) {
        advance_watermark(path, number * 10);
        assert_int_equal(read_watermark(path), number * 10);
        assert_int_equal(test_file_size(path), WATERMARK_SLOTS * WATERMARK_SLOT_BYTES);
    }
    test_folder_remove(&temporary);
}

static void test_the_watermark_is_written_soon_without_closing(void **state)
{
    struct test_folder temporary;
    struct watermark_file *file;
    struct watermark found = {0};
    char path[256];

    (void)state;
    test_folder_make(&temporary);
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "watermark"));
    assert_int_equal(open_watermark(path, true, &file), 0);
    watermark_file_advance(file, 33);
    for (unsigned i = 0; i < 300 && found.commit_number != 33; i++) {
        usleep(10000);
        assert_int_equal(watermark_load(path, &found), WATERMARK_INTACT);
    }
    assert_int_equal(found.commit_number, 33);
    assert_false(watermark_file_has_failed(file));
    watermark_file_close(file);
    test_folder_remove(&temporary);
}

static void test_one_torn_slot_costs_one_step_two_are_refused(void **state)
{
    struct test_folder temporary;
    struct watermark_file *file;
    struct watermark found;
    char path[256];

    (void)state;
    test_folder_make(&temporary);
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "watermark"));
    for (unsigned newest = 0; newest < 2; newest++) {
        advance_watermark(path, 100 + 10 * newest);
        advance_watermark(path, 101 + 10 * newest);
        assert_int_equal(watermark_load(path, &found), WATERMARK_INTACT);
        off_t slot = (off_t)(found.epoch % WATERMARK_SLOTS) * WATERMARK_SLOT_BYTES;
        for (off_t offset = 0; offset < WATERMARK_SLOT_BYTES; offset += 111) {
            test_flip_bit(path, slot + offset, (unsigned)offset % 8);
            assert_int_equal(read_watermark(path), 100 + 10 * newest);
            test_flip_bit(path, slot + offset, (unsigned)offset % 8);
        }
        assert_int_equal(read_watermark(path), 101 + 10 * newest);
        advance_watermark(path, 105); /* so that the other slot is the newest in turn */
    }
    /* A write after a torn slot must not hit the good one. */
    assert_int_equal(watermark_load(path, &found), WATERMARK_INTACT);
    off_t torn = (off_t)(found.epoch % WATERMARK_SLOTS) * WATERMARK_SLOT_BYTES;
    test_flip_bit(path, torn + 40, 0);
    assert_int_equal(open_watermark(path, false, &file), 0);
    uint64_t good = watermark_file_read(file);
    watermark_file_advance(file, 500);
    watermark_file_close(file);
    assert_int_equal(read_watermark(path), 500);
    test_flip_bit(path, torn + 41, 0); /* the new one took the torn one's place */
    assert_int_equal(read_watermark(path), good);
    test_flip_bit(path, WATERMARK_SLOT_BYTES - torn, 0);
    assert_int_equal(open_watermark(path, false, &file), -1);
    assert_error_has("damaged watermark");
    assert_error_has("repair");
    test_folder_remove(&temporary);
}

static void test_a_missing_or_foreign_watermark_is_refused(void **state)
{
    struct watermark other = {.store_id = 78, .incarnation = 2, .commit_number = 9};
    struct test_folder temporary;
    struct watermark_file *file;
    char path[256];

    (void)state;
    test_folder_make(&temporary);
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "watermark"));
    assert_int_equal(open_watermark(path, false, &file), -1);
    assert_error_has("missing");
    assert_int_equal(watermark_replace(path, &other, error, sizeof(error)), 0);
    assert_int_equal(open_watermark(path, false, &file), -1);
    assert_error_has("another store");
    other.store_id = 77;
    other.incarnation = 1;
    assert_int_equal(watermark_replace(path, &other, error, sizeof(error)), 0);
    assert_int_equal(open_watermark(path, false, &file), -1);
    assert_error_has("incarnation 1");
    write_file(path, "short", 5);
    assert_int_equal(open_watermark(path, false, &file), -1);
    assert_error_has("damaged watermark");
    test_folder_remove(&temporary);
}

/* ---- the ballast ---- */

static uint64_t pretended_free;

static uint64_t pretend_free(const char *path)
{
    (void)path;
    return pretended_free;
}

static void test_the_ballast_goes_and_comes_back_with_the_space(void **state)
{
    struct test_folder temporary;
    struct ballast ballast;
    char path[256];
    struct ballast_options options = {
        .path = path, .bytes = 100000, .low_water_bytes = 1000, .free_bytes = pretend_free};

    (void)state;
    test_folder_make(&temporary);
    options.folder = temporary.path;
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "ballast"));
    pretended_free = 500000;
    ballast_open(&ballast, &options);
    assert_false(ballast_is_full(&ballast));
    assert_int_equal(test_file_size(path), 100000);
    pretended_free = 999;
    assert_true(ballast_tick(&ballast, 0));
    assert_true(ballast_is_full(&ballast));
    assert_false(ballast_tick(&ballast, 0));
    assert_true(ballast_release(&ballast));
    assert_int_equal(test_file_size(path), -1);
    pretended_free = 100999; /* room for it, but then below the mark */
    assert_false(ballast_tick(&ballast, 0));
    assert_true(ballast_is_full(&ballast));
    assert_int_equal(test_file_size(path), -1);
    pretended_free = 101000;
    assert_true(ballast_tick(&ballast, 0));
    assert_false(ballast_is_full(&ballast));
    assert_int_equal(test_file_size(path), 100000);
    pretended_free = 1500; /* enough, but not for what is to be merged */
    assert_false(ballast_tick(&ballast, 500));
    assert_true(ballast_tick(&ballast, 501));
    assert_true(ballast_is_full(&ballast));
    /* A full disk at the start: it is not made, and the store is full. */
    ballast_release(&ballast);
    pretended_free = 0;
    ballast_open(&ballast, &options);
    assert_true(ballast_is_full(&ballast));
    assert_int_equal(test_file_size(path), -1);
    test_folder_remove(&temporary);
}

/* ---- secrets ---- */

static void test_the_secret_stays_and_keeps_purposes_apart(void **state)
{
    struct test_folder temporary;
    struct secrets first;
    struct secrets second;
    char path[256];
    uint8_t macs[4][MAC_BYTES];

    (void)state;
    test_folder_make(&temporary);
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "secret.key"));
    assert_int_equal(secrets_open(path, false, &first, error, sizeof(error)), -1);
    assert_error_has("missing");
    assert_int_equal(secrets_open(path, true, &first, error, sizeof(error)), 0);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(test_file_size(path), SECRET_BYTES);
    assert_int_equal(secrets_open(path, true, &second, error, sizeof(error)), 0);
    struct secrets_port a = secrets_port_of(&first);
    struct secrets_port b = secrets_port_of(&second);
    assert_memory_equal(&a.id_key, &b.id_key, sizeof(a.id_key));
    assert_memory_not_equal(&a.id_key, &a.key_key, sizeof(a.id_key));
    a.mac(a.self, "session", "bytes", 5, macs[0]);
    b.mac(b.self, "session", "bytes", 5, macs[1]);
    a.mac(a.self, "sessio", "nbytes", 6, macs[2]);
    a.mac(a.self, "session", "byteS", 5, macs[3]);
    assert_memory_equal(macs[0], macs[1], MAC_BYTES);
    assert_memory_not_equal(macs[0], macs[2], MAC_BYTES);
    assert_memory_not_equal(macs[0], macs[3], MAC_BYTES);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(secrets_open(path, true, &second, error, sizeof(error)), -1);
    assert_error_has("chmod 600");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 4128), 0);
    assert_int_equal(secrets_open(path, true, &second, error, sizeof(error)), -1);
    assert_error_has("restore it from a backup");
    assert_int_equal(truncate(path, 31), 0);
    assert_int_equal(secrets_open(path, true, &second, error, sizeof(error)), -1);
    assert_error_has("damaged");
    secrets_close(&first);
    test_folder_remove(&temporary);
}

static void test_the_admin_key_is_made_once_or_given(void **state)
{
    static const char *const bad[] = {"", "short", "two words here", "b\x01nary-bytes"};
    struct test_folder temporary;
    char path[256];
    char key[ADMIN_KEY_LENGTH_MAX + 1];
    char again[ADMIN_KEY_LENGTH_MAX + 1];
    bool created;

    (void)state;
    test_folder_make(&temporary);
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "admin.key"));
    assert_int_equal(admin_key_open(path, false, key, NULL, error, sizeof(error)), -1);
    assert_int_equal(admin_key_open(path, true, key, &created, error, sizeof(error)), 0);
    assert_true(created);
    assert_int_equal(strlen(key), ADMIN_KEY_LENGTH);
    assert_memory_equal(key, "sk_admin_", 9);
    assert_int_equal(strspn(key + 9, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
                     43);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(admin_key_open(path, true, again, &created, error, sizeof(error)), 0);
    assert_false(created);
    assert_string_equal(key, again);
    write_file(path, "  my-own-key-1234\r\n", 19);
    assert_int_equal(admin_key_open(path, false, key, NULL, error, sizeof(error)), 0);
    assert_string_equal(key, "my-own-key-1234");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_file(path, bad[i], strlen(bad[i]));
        assert_int_equal(admin_key_open(path, true, key, NULL, error, sizeof(error)), -1);
        assert_error_has("no admin key");
    }
    test_folder_remove(&temporary);
}

/* A file of which every read fails with EIO: the address 0 of this process. */
static void make_unreadable(const char *path)
{
    unlink(path);
    assert_int_equal(symlink("/proc/self/mem", path), 0);
}

static void test_a_failing_disk_is_not_taken_for_damage(void **state)
{
    struct test_folder temporary;
    struct data_folder folder;
    struct watermark_file *watermark;
    struct secrets secrets;
    char key[ADMIN_KEY_LENGTH_MAX + 1];
    char path[256];

    (void)state;
    test_folder_make(&temporary);
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "file"));
    make_unreadable(path);
    assert_int_equal(admin_key_open(path, false, key, NULL, error, sizeof(error)), FILES_NO_DISK);
    assert_error_has("Input/output error");
    assert_int_equal(secrets_open(path, false, &secrets, error, sizeof(error)), FILES_NO_DISK);
    assert_error_has("Input/output error");
    assert_int_equal(open_watermark(path, false, &watermark), FILES_NO_DISK);
    assert_error_has("Input/output error");
    snprintf(path, sizeof(path), "%s", test_path(&temporary, "data"));
    assert_int_equal(open_folder(path, DATA_FOLDER_CREATE, &folder), 0);
    data_folder_close(&folder);
    make_unreadable(test_path(&temporary, "data/STAMPEDE"));
    assert_int_equal(open_folder(path, DATA_FOLDER_CREATE, &folder), FILES_NO_DISK);
    assert_error_has("Input/output error");
    test_folder_remove(&temporary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_is_made_private_and_found_again),
        cmocka_unit_test(test_a_foreign_folder_is_refused_and_left_alone),
        cmocka_unit_test(test_an_unwritable_folder_is_refused),
        cmocka_unit_test(test_a_second_process_is_told_who_has_the_folder),
        cmocka_unit_test(test_a_damaged_or_newer_marker_is_refused),
        cmocka_unit_test(test_the_watermark_is_on_file_when_closed),
        cmocka_unit_test(test_the_watermark_is_written_soon_without_closing),
        cmocka_unit_test(test_one_torn_slot_costs_one_step_two_are_refused),
        cmocka_unit_test(test_a_missing_or_foreign_watermark_is_refused),
        cmocka_unit_test(test_the_ballast_goes_and_comes_back_with_the_space),
        cmocka_unit_test(test_the_secret_stays_and_keeps_purposes_apart),
        cmocka_unit_test(test_the_admin_key_is_made_once_or_given),
        cmocka_unit_test(test_a_failing_disk_is_not_taken_for_damage),
    };

    return cmocka_run_group_tests_name("storage files", tests, NULL, NULL);
}

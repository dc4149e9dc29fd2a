/* SPDX-License-Identifier: Apache-2.0 */
/* What an index meets: damage, pages that are gone, a full disk, reads that fail, a plug-in that is
 * missing. It is built anew or told of, and the shop goes on. */
#include "search_fixture.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "search/fault_guard.h"

enum { MANY = 600 };

static const struct search_place somewhere = {.partition = 3, .number = 900};

/* ---- damage ---- */

enum damage { DAMAGE_TRUNCATED, DAMAGE_EMPTIED, DAMAGE_FLIPPED, DAMAGE_MISSING, DAMAGE_KINDS };

/* The files of the one generation, in no order; how many. */
static uint32_t list_index(const struct shop *shop, char paths_out[][256], uint32_t room)
{
    char generation[200] = "";
    const struct dirent *entry;
    uint32_t count = 0;
    DIR *folder = opendir(shop->folder);

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            assert_string_equal(generation, ""); /* the others are gone */
            snprintf(generation, sizeof(generation), "%s/%.20s", shop->folder, entry->d_name);
        }
    }
    closedir(folder);
    folder = opendir(generation);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL && count < room) {
        if (entry->d_name[0] != '.')
            snprintf(paths_out[count++], 256, "%s/%.40s", generation, entry->d_name);
    }
    closedir(folder);
    return count;
}

static void damage_file(const char *path, enum damage damage)
{
    off_t bytes = test_file_size(path);

    switch (damage) {
    case DAMAGE_TRUNCATED:
        assert_int_equal(truncate(path, bytes / 2), 0);
        return;
    case DAMAGE_EMPTIED:
        assert_int_equal(truncate(path, 0), 0);
        return;
    case DAMAGE_FLIPPED:
        test_flip_bit(path, bytes > 4096 ? 4100 : 0, 3);
        return;
    case DAMAGE_MISSING:
        assert_int_equal(unlink(path), 0);
        return;
    case DAMAGE_KINDS:
        break;
    }
    fail();
}

static void test_damaged_files_are_never_opened(void **state)
{
    char paths[64][256];
    struct shop *shop = shop_make();
    uint32_t count;

    (void)state;
    shop_put_many(shop, 0, 20);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    shop_close_search(shop);
    count = list_index(shop, paths, 64);
    assert_true(count >= 20);
    for (uint32_t i = 0; i < count; i += 3) {
        char now[64][256];

        assert_int_equal(list_index(shop, now, 64), count);
        damage_file(now[i], (enum damage)(i / 3 % DAMAGE_KINDS));
        shop_open_search(shop);
        shop_wait(shop);
        assert_int_equal(shop_state(shop).builds, 1);
        assert_int_equal(shop_find(shop, "lamp"), 20);
        shop_close_search(shop);
    }
    shop_free(shop);
}

static void test_a_damaged_word_that_all_is_well_is_not_believed(void **state)
{
    static const off_t places[] = {0, 60, 200, 1000};
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, 20);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char clean[256];

        shop_close_search(shop);
        snprintf(clean, sizeof(clean), "%s/CLEAN", shop->folder);
        test_flip_bit(clean, places[i], 1);
        shop_open_search(shop);
        shop_wait(shop);
        assert_int_equal(shop_state(shop).builds, 1);
    }
    assert_int_equal(shop_find(shop, "lamp"), 20);
    shop_free(shop);
}

/* Files that are cut short under an index that is open: their pages are gone. What was in them is
 * lost to the process, so it has one of its own. */
static void body_pages_gone(struct fixture *store)
{
    char paths[64][256];
    struct shop *shop = shop_in_body(store);
    int64_t end_ms = shop_now_ms() + SHOP_PATIENCE_MS;
    uint32_t count;

    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    count = list_index(shop, paths, 64);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(truncate(paths[i], 0), 0);
    shop_put(shop, somewhere, (struct shop_product){.name = "Green tea"});
    shop_commit(shop);
    while (shop_state(shop).builds < 2 && shop_now_ms() < end_ms) {
        shop_find(shop, "lamp"); /* whatever it says */
        shop_pause_ms(1);
    }
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "lamp"), MANY);
    assert_int_equal(shop_find(shop, "tea"), 1);
    shop_close_search(shop);
    shop_open_search(shop);
    shop_wait(shop);
    assert_int_equal(shop_state(shop).builds, 0);
    assert_int_equal(shop_find(shop, "tea"), 1);
    shop_close_search(shop);
    shop_good(shop);
}

static void test_pages_that_are_gone_end_the_index_and_not_the_shop(void **state)
{
    (void)state;
    in_a_good_process("pages_gone");
}

static void touch(void *page)
{
    *(volatile char *)page = 1;
}

static void test_a_page_that_cannot_be_had_ends_what_is_guarded(void **state)
{
    struct test_folder folder;
    int file;
    void *page;

    (void)state;
    test_folder_make(&folder);
    file = open(test_path(&folder, "file"), O_RDWR | O_CREAT, 0600);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    fault_guard_open();
    for (unsigned i = 0; i < 3; i++) {
        assert_false(fault_guard_run(touch, page));
        assert_int_equal(ftruncate(file, 4096), 0);
        assert_true(fault_guard_run(touch, page));
        assert_int_equal(ftruncate(file, 0), 0);
    }
    fault_guard_close();
    munmap(page, 4096);
    close(file);
    test_folder_remove(&folder);
}

/* ---- space ---- */

static void test_without_space_changes_wait(void **state)
{
    struct shop *shop = shop_make();
    struct search_state figures;

    (void)state;
    shop_put_many(shop, 0, 20);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    atomic_store(&shop->is_full, true);
    shop_put(shop, somewhere, (struct shop_product){.name = "Green tea"});
    shop_commit(shop);
    shop_pause_ms(50);
    figures = shop_state(shop);
    assert_int_equal(figures.waiting, 1);
    assert_true(figures.behind_ms >= 50 && figures.behind_ms < 10000);
    assert_int_equal(shop_find(shop, "tea"), 0);
    assert_int_equal(shop_find(shop, "lamp"), 20);
    atomic_store(&shop->is_full, false);
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "tea"), 1);
    assert_int_equal(shop_state(shop).behind_ms, 0);
    shop_free(shop);
}

static void test_a_build_that_fails_is_tried_again(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, 20);
    shop_commit(shop);
    atomic_store(&shop->is_full, true);
    shop_open_search(shop);
    while (!shop_has_logged(shop, "too little space"))
        shop_pause_ms(5);
    assert_int_equal(shop_find(shop, "lamp"), -1);
    atomic_store(&shop->is_full, false);
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "lamp"), 20);
    shop_free(shop);
}

/* ---- what is missing ---- */

static void test_synonyms_that_cannot_be_read_are_told(void **state)
{
    struct shop *shop = shop_make();
    struct search_options options = {
        .folder = shop->folder,
        .journal = shop->store.journal,
        .partitions = PARTITIONS,
        .readers = 1,
        .synonyms = "/nowhere/synonyms.txt",
    };

    (void)state;
    assert_null(search_open(&options, shop->error, sizeof(shop->error)));
    assert_non_null(strstr(shop->error, "/nowhere/synonyms.txt"));
    shop_free(shop);
}

/* Without the plug-in Groonga would answer all the same, without stems. */
static void body_no_plugin(struct fixture *store)
{
    struct shop *shop = shop_in_body(store);

    setenv("GRN_PLUGINS_DIR", "/nowhere", 1);
    if (!shop_try_search(shop) && strstr(shop->error, "install groonga-token-filter-stem") != NULL)
        shop_good(shop);
}

static void test_a_missing_plugin_is_told(void **state)
{
    (void)state;
    in_a_good_process("no_plugin");
}

/* ---- reads ---- */

static void test_reads_that_fail_are_tried_again(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    atomic_store(&shop->failed_reads, 1);
    shop_open_search(shop);
    shop_wait(shop);
    assert_true(shop_has_logged(shop, "could not be read"));
    assert_int_equal(shop_find(shop, "lamp"), MANY);
    atomic_store(&shop->refused_reads, 5);
    atomic_store(&shop->failed_reads, 5);
    shop_put_many(shop, MANY, 100);
    shop_commit(shop);
    shop_wait(shop);
    assert_int_equal(atomic_load(&shop->failed_reads), 0);
    assert_int_equal(shop_find(shop, "lamp"), MANY + 100);
    assert_int_equal(shop_state(shop).builds, 1);
    shop_free(shop);
}

/* ---- far behind ---- */

static void test_who_is_far_behind_builds(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    atomic_store(&shop->is_full, true); /* so that they wait */
    for (uint32_t i = 0; i < 60000; i++)
        shop->port.changed(shop->port.self, shop_place(i));
    atomic_store(&shop->is_full, false);
    while (!shop_has_logged(shop, "much has changed"))
        usleep(100);
    while (shop_state(shop).builds < 2) { /* wakes who follows: the old index is still behind */
        shop->port.changed(shop->port.self, shop_place(0));
        usleep(1000);
    }
    shop_wait_for_builds(shop, 2);
    usleep(300 * 1000); /* once is enough */
    assert_int_equal(shop_state(shop).builds, 2);
    assert_int_equal(shop_find(shop, "lamp"), MANY);
    assert_int_equal(shop_state(shop).waiting, 0);
    shop_free(shop);
}

/* ---- a disk that is full ---- */

enum { DISK_BYTES = 20 << 20, BULKY_EACH = 100, BULKY_MAX = 40000 };

/* Products that take room: each with many words of its own. */
static void put_bulky(struct shop *shop, uint32_t from)
{
    for (uint32_t i = from; i < from + BULKY_EACH; i++) {
        char description[2048];
        size_t length = 0;

        for (uint32_t j = 0; j < 200; j++)
            length += (size_t)snprintf(description + length, sizeof(description) - length, "%s ",
                                       shop_word((i * 200 + j) * 7919));
        shop_put(shop, shop_place(i),
                 (struct shop_product){.name = "Lamp", .description = description});
    }
}

/* On a disk of its own, that is full before the journal says so. */
static void body_full_disk(struct fixture *store)
{
    struct shop *shop = shop_in_body(store);
    char options[64];
    uint32_t put = 0;
    uint64_t builds;

    snprintf(options, sizeof(options), "size=%d", (int)DISK_BYTES);
    assert_int_equal(mkdir(shop->folder, 0700), 0);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", shop->folder, "tmpfs", 0, options) != 0) {
        close(open(test_path(&store->folder, "skipped"), O_WRONLY | O_CREAT, 0600));
        return;
    }
    shop_open_search(shop);
    shop_wait(shop);
    /* Until what there is has failed, and not even a build, which takes less, finds room. */
    while (!shop_has_logged(shop, "no search index could be built") && put < BULKY_MAX) {
        int64_t end_ms = shop_now_ms() + 200;

        put_bulky(shop, put);
        shop_commit(shop);
        put += BULKY_EACH;
        while (shop_state(shop).waiting > 0 && shop_now_ms() < end_ms)
            shop_pause_ms(1);
    }
    assert_true(shop_has_logged(shop, "the search index failed"));
    shop_find(shop, "lamp"); /* whatever it says */
    builds = shop_state(shop).builds;
    assert_int_equal(mount("none", shop->folder, "tmpfs", MS_REMOUNT, "size=1g"), 0);
    shop_wait_for_builds(shop, builds + 1);
    assert_int_equal(shop_find(shop, "lamp"), (int)put);
    shop_close_search(shop);
    shop_good(shop);
}

static void test_a_full_disk_ends_the_index_and_not_the_shop(void **state)
{
    struct fixture store = {0};
    bool is_skipped;

    (void)state;
    killed_store(&store, "full_disk");
    is_skipped = test_file_size(test_path(&store.folder, "skipped")) == 0;
    if (is_skipped)
        print_message("no file system can be mounted here: the full disk is left out\n");
    else
        assert_int_equal(test_file_size(test_path(&store.folder, "good")), 0);
    fixture_free(&store);
    if (is_skipped)
        skip();
}

int main(int argc, char **argv)
{
    static const struct test_body bodies[] = {{"pages_gone", body_pages_gone},
                                              {"no_plugin", body_no_plugin},
                                              {"full_disk", body_full_disk}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_files_are_never_opened),
        cmocka_unit_test(test_a_damaged_word_that_all_is_well_is_not_believed),
        cmocka_unit_test(test_pages_that_are_gone_end_the_index_and_not_the_shop),
        cmocka_unit_test(test_a_page_that_cannot_be_had_ends_what_is_guarded),
        cmocka_unit_test(test_without_space_changes_wait),
        cmocka_unit_test(test_a_build_that_fails_is_tried_again),
        cmocka_unit_test(test_synonyms_that_cannot_be_read_are_told),
        cmocka_unit_test(test_a_missing_plugin_is_told),
        cmocka_unit_test(test_reads_that_fail_are_tried_again),
        cmocka_unit_test(test_who_is_far_behind_builds),
        cmocka_unit_test(test_a_full_disk_ends_the_index_and_not_the_shop),
    };

    if (argc == 3)
        return body_run(bodies, sizeof(bodies) / sizeof(bodies[0]), argv[1], argv[2]);
    return cmocka_run_group_tests_name("search faults", tests, NULL, NULL);
}

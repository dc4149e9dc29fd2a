/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that passwords are hashed in is mapped once a thread, is overwritten after each hash,
 * and goes with the thread; all other mappings are the system's. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/password.h"
#include "api/password_memory.h"

enum {
    HASHES = 8,
    FAULTS_MAX = 64, /* a hash in memory that is mapped anew has 4,864 pages */
    THREADS = 4,
    PAGE = 4096,
};

static const char password[] = "x7#kQ2pz";

static void skip_where_unsupported(void)
{
    if (password_memory_is_supported())
        return;
    print_message("skipped: this build's mmap is not ours\n");
    skip();
}

static void *map_plain(size_t length)
{
    return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long faults(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_minflt;
}

/* Of the process's address space. */
static size_t pages_mapped(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages;
}

static void the_second_hash_maps_nothing(void **state)
{
    char hash[PASSWORD_HASH_LENGTH + 1];

    (void)state;
    skip_where_unsupported();
    assert_true(password_hash(password, sizeof(password) - 1, hash));
    long before = faults();
    size_t pages = pages_mapped();
    for (int i = 0; i < HASHES; i++) {
        assert_true(password_verify(password, sizeof(password) - 1, hash));
        assert_false(password_verify(password, sizeof(password) - 2, hash));
        assert_true(password_hash(password, sizeof(password) - 1, hash));
    }
    assert_true(faults() - before < FAULTS_MAX);
    assert_int_equal(pages_mapped(), pages);
}

static void what_was_lent_is_overwritten(void **state)
{
    (void)state;
    skip_where_unsupported();
    password_memory_lend();
    char *first = map_plain(PASSWORD_MEMORY_BYTES);
    assert_ptr_not_equal(first, MAP_FAILED);
    memset(first, 'x', PASSWORD_MEMORY_BYTES);
    assert_int_equal(munmap(first, PASSWORD_MEMORY_BYTES), 0);
    assert_true(password_memory_return());

    password_memory_lend();
    char *second = map_plain(PASSWORD_MEMORY_BYTES);
    assert_ptr_equal(second, first);
    for (size_t i = 0; i < PASSWORD_MEMORY_BYTES; i++)
        if (second[i] != 0)
            fail_msg("byte %zu is as it was", i);
    /* It is lent once. */
    char *other = map_plain(PAGE);
    assert_ptr_not_equal(other, MAP_FAILED);
    assert_true(other < first || other >= first + PASSWORD_MEMORY_BYTES);
    assert_int_equal(munmap(other, PAGE), 0);
    assert_int_equal(munmap(second, PASSWORD_MEMORY_BYTES), 0);
    assert_true(password_memory_return());
}

static void other_mappings_are_the_systems(void **state)
{
    (void)state;
    skip_where_unsupported();
    password_memory_lend();
    size_t length = 2 * (size_t)PASSWORD_MEMORY_BYTES; /* too large */
    size_t pages = pages_mapped();
    char *large = map_plain(length);
    assert_ptr_not_equal(large, MAP_FAILED);
    assert_int_equal(pages_mapped(), pages + length / PAGE);
    large[length - 1] = 1;
    assert_int_equal(munmap(large, length), 0);
    assert_int_equal(pages_mapped(), pages);
    /* Not for reading and writing. */
    void *guard = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(guard, MAP_FAILED);
    assert_int_equal(pages_mapped(), pages + 1);
    assert_int_equal(munmap(guard, PAGE), 0);
    /* What the system refuses. */
    assert_ptr_equal(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
    assert_false(password_memory_return());

    char *outside = map_plain(PAGE);
    assert_ptr_not_equal(outside, MAP_FAILED);
    assert_int_equal(pages_mapped(), pages + 1);
    assert_int_equal(munmap(outside, PAGE), 0);
}

static void *hash_some(void *arg)
{
    char hash[PASSWORD_HASH_LENGTH + 1];
    bool *is_good_out = arg;

    *is_good_out = true;
    for (int i = 0; i < HASHES; i++)
        *is_good_out = *is_good_out && password_hash(password, sizeof(password) - 1, hash) &&
                       password_verify(password, sizeof(password) - 1, hash) &&
                       !password_verify("another", 7, hash);
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[THREADS];
    bool are_good[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_some, &are_good[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(are_good[i]);
    }
}

/* The C library keeps stacks and arenas of threads that ended: so the second time is compared. */
static void each_thread_has_its_own_until_it_ends(void **state)
{
    (void)state;
    run_threads();
    if (!password_memory_is_supported())
        return;
    run_threads();
    size_t pages = pages_mapped();
    run_threads();
    assert_true(pages_mapped() < pages + PASSWORD_MEMORY_BYTES / PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_hash_maps_nothing),
        cmocka_unit_test(what_was_lent_is_overwritten),
        cmocka_unit_test(other_mappings_are_the_systems),
        cmocka_unit_test(each_thread_has_its_own_until_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

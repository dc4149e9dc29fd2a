/* SPDX-License-Identifier: Apache-2.0 */
/* Kept answers: what is kept, for how long, and who makes way for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/kept_answers.h"

enum { CAPACITY = 64, SHARE = 8, BYTES = 1000, RETENTION_MS = 5000 };

static struct kept_answers answers;

static int start(void **state)
{
    (void)state;
    answers = (struct kept_answers){
        .capacity = CAPACITY, .share_max = SHARE, .bytes_max = BYTES, .retention_ms = RETENTION_MS};
    return kept_answers_init(&answers) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    kept_answers_free(&answers);
    return 0;
}

static struct hash128 key_of(uint64_t owner, uint64_t number)
{
    return (struct hash128){{owner, number}};
}

static struct keyed_entry *begin(uint64_t owner, uint64_t number)
{
    struct hash128 key = key_of(owner, number);

    assert_null(kept_answers_find(&answers, owner, &key, 0));
    return kept_answers_add(&answers, owner, &key, number);
}

static bool settle(struct keyed_entry *entry, size_t length)
{
    char *body = length == 0 ? NULL : malloc(length);

    if (length > 0)
        memset(body, 'x', length);
    return kept_answers_settle(entry, 200, "/here", body, length, 0);
}

static void keep(uint64_t owner, uint64_t number)
{
    struct keyed_entry *entry = begin(owner, number);

    assert_non_null(entry);
    assert_true(settle(entry, 1));
}

static bool is_kept(uint64_t owner, uint64_t number, int64_t now_ms)
{
    struct hash128 key = key_of(owner, number);

    return kept_answers_find(&answers, owner, &key, now_ms) != NULL;
}

static void an_answer_is_kept_for_its_time(void **state)
{
    (void)state;
    struct hash128 key = key_of(1, 1);
    struct keyed_entry *entry = begin(1, 1);

    assert_ptr_equal(kept_answers_find(&answers, 1, &key, 1000000), entry);
    assert_int_equal(entry->state, KEPT_IN_FLIGHT);
    assert_true(settle(entry, 10));
    assert_int_equal(entry->state, KEPT_SETTLED);
    assert_int_equal(entry->length, 10);
    assert_string_equal(entry->location, "/here");
    assert_true(is_kept(1, 1, RETENTION_MS));
    assert_false(is_kept(1, 1, RETENTION_MS + 1));
    assert_int_equal(answers.bytes, 0);
}

static void an_owner_drives_out_its_own_answers_only(void **state)
{
    (void)state;
    keep(7, 0);
    /* The flood's owner shares a chain with the other one. */
    for (uint64_t i = 0; i < 100 * CAPACITY; i++)
        keep(7 + KEPT_BUCKETS, i);
    assert_true(is_kept(7, 0, 0));
    for (uint64_t i = 100 * CAPACITY - SHARE; i < 100 * CAPACITY; i++)
        assert_true(is_kept(7 + KEPT_BUCKETS, i, 0));
    assert_false(is_kept(7 + KEPT_BUCKETS, 100 * CAPACITY - SHARE - 1, 0));
    assert_int_equal(answers.bytes, SHARE + 1);
}

/* A refused request's key is dropped: however many, no answer makes way for them. */
static void refused_keys_drive_out_nothing(void **state)
{
    (void)state;
    keep(1, 0);
    for (uint64_t i = 0; i < 10 * CAPACITY; i++)
        kept_answers_release(begin(2, i));
    assert_true(is_kept(1, 0, 0));
}

static void what_is_in_flight_stays(void **state)
{
    (void)state;
    struct keyed_entry *entries[SHARE];

    for (uint64_t i = 0; i < SHARE; i++)
        entries[i] = begin(3, i);
    assert_null(begin(3, SHARE));
    keep(4, 0);
    assert_true(settle(entries[2], 1));
    keep(3, SHARE);
    assert_false(is_kept(3, 2, 0));
    kept_answers_release(entries[1]);
    assert_non_null(begin(3, SHARE + 1));
    assert_true(is_kept(3, 0, 0));
}

static void a_full_table_forgets_the_oldest(void **state)
{
    (void)state;
    for (uint64_t owner = 1; owner <= CAPACITY; owner++)
        keep(owner, 0);
    keep(CAPACITY + 1, 0);
    assert_false(is_kept(1, 0, 0));
    for (uint64_t owner = 2; owner <= CAPACITY + 1; owner++)
        assert_true(is_kept(owner, 0, 0));
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    assert_true(settle(begin(1, 0), BYTES / 2));
    assert_true(settle(begin(2, 0), BYTES / 2));
    assert_true(settle(begin(3, 0), BYTES / 2));
    assert_int_equal(answers.bytes, BYTES);
    assert_false(is_kept(1, 0, 0));
    assert_false(settle(begin(4, 0), BYTES + 1));
    assert_false(is_kept(4, 0, 0));
    assert_int_equal(answers.bytes, BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_kept_for_its_time, start, stop),
        cmocka_unit_test_setup_teardown(an_owner_drives_out_its_own_answers_only, start, stop),
        cmocka_unit_test_setup_teardown(refused_keys_drive_out_nothing, start, stop),
        cmocka_unit_test_setup_teardown(what_is_in_flight_stays, start, stop),
        cmocka_unit_test_setup_teardown(a_full_table_forgets_the_oldest, start, stop),
        cmocka_unit_test_setup_teardown(bytes_are_bounded, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

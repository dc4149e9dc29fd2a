/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox by itself: order, durability, bounds, backoff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "outbox.h"

enum { ROWS = 8, UNDER_WAY = 3, MINUTE_MS = 60 * 1000 };

struct box {
    struct outbox outbox;
    struct outbox_row rows[ROWS];
    uint32_t heap[ROWS];
    struct index_bucket *buckets;
    struct moment now;
};

static int set_up(void **state)
{
    static const struct hash_key key = {{1, 2}};
    struct outbox_sizes sizes = {.rows_max = ROWS, .under_way_max = UNDER_WAY};
    struct box *box = calloc(1, sizeof(*box));
    size_t bytes = index_table_buckets(ROWS) * sizeof(struct index_bucket);

    assert_non_null(box);
    box->buckets = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    assert_non_null(box->buckets);
    memset(box->buckets, 0, bytes);
    box->now = (struct moment){.boot_ms = 1000, .wall_ms = 1000000};
    outbox_init(&box->outbox, &sizes, box->rows, box->heap, box->buckets, &key);
    *state = box;
    return 0;
}

static int tear_down(void **state)
{
    struct box *box = *state;

    free(box->buckets);
    free(box);
    return 0;
}

static struct principal person(uint8_t number)
{
    return (struct principal){{number, 7}};
}

static void apply(struct box *box, uint8_t number, uint64_t sequence, int64_t delay_ms,
                  uint64_t serial)
{
    outbox_apply(&box->outbox, &box->now,
                 &(struct mail_effect){.account = person(number),
                                       .sequence = sequence,
                                       .next_wall_ms = box->now.wall_ms + delay_ms},
                 serial);
}

static void drop(struct box *box, uint8_t number, uint64_t sequence, uint64_t serial)
{
    outbox_apply(&box->outbox, &box->now,
                 &(struct mail_effect){.account = person(number), .sequence = sequence}, serial);
}

static enum outbox_state state_of(const struct box *box, uint8_t number, uint64_t sequence)
{
    struct principal account = person(number);

    return outbox_find(&box->outbox, &account, sequence);
}

/* The person whose mail is next, or 0. */
static unsigned take(struct box *box, uint32_t *row_out)
{
    uint32_t row = outbox_take(&box->outbox, box->now.boot_ms);

    *row_out = row;
    return row == SLOT_NONE ? 0 : box->rows[row].account.bytes[0];
}

static void test_a_mail_is_given_out_when_its_batch_is_durable(void **state)
{
    struct box *box = *state;
    uint32_t row;

    apply(box, 1, 1, 0, 5);
    apply(box, 2, 1, 0, 6);
    assert_int_equal(take(box, &row), 0);
    assert_true(outbox_next_ms(&box->outbox) == INT64_MAX);
    outbox_durable(&box->outbox, 4);
    assert_int_equal(take(box, &row), 0);
    outbox_durable(&box->outbox, 5);
    assert_int_equal(take(box, &row), 1);
    assert_int_equal(take(box, &row), 0);
    assert_int_equal(state_of(box, 1, 1), OUTBOX_UNDER_WAY);
    assert_int_equal(state_of(box, 2, 1), OUTBOX_WRITTEN);
    outbox_durable(&box->outbox, 7);
    assert_int_equal(take(box, &row), 2);
}

static void test_mails_go_in_the_order_of_their_time(void **state)
{
    struct box *box = *state;
    uint32_t row;

    for (uint8_t i = 1; i <= 6; i++)
        apply(box, i, 1, (7 * i % 6) * 1000, i); /* 1 s, 2 s, 3 s, 4 s, 5 s, 0 s */
    outbox_durable(&box->outbox, 6);
    assert_int_equal(take(box, &row), 6);
    outbox_forget(&box->outbox, row);
    assert_true(outbox_next_ms(&box->outbox) == box->now.boot_ms + 1000);
    box->now.boot_ms += 2500;
    assert_int_equal(take(box, &row), 1);
    outbox_put_back(&box->outbox, row, box->now.boot_ms + 1);
    assert_int_equal(take(box, &row), 2);
    assert_int_equal(take(box, &row), 0);
    box->now.boot_ms += 1;
    assert_int_equal(take(box, &row), 1);
    box->now.boot_ms += 500;
    assert_int_equal(take(box, &row), 3);
    box->now.boot_ms += 10000;
    assert_int_equal(take(box, &row), 0); /* three are under way */
    assert_true(outbox_next_ms(&box->outbox) == INT64_MAX);
}

static void test_a_row_goes_when_what_became_of_its_mail_is_durable(void **state)
{
    struct box *box = *state;
    uint32_t row;

    apply(box, 1, 1, 0, 1);
    outbox_durable(&box->outbox, 1);
    assert_int_equal(take(box, &row), 1);
    drop(box, 1, 1, 2);
    assert_int_equal(state_of(box, 1, 1), OUTBOX_WRITTEN);
    assert_int_equal(box->outbox.used, 1);
    outbox_durable(&box->outbox, 2);
    assert_int_equal(state_of(box, 1, 1), OUTBOX_NONE);
    assert_int_equal(box->outbox.used, 0);
    assert_int_equal(box->outbox.removed, 1);
    drop(box, 1, 1, 3); /* nobody knows it: nothing happens */
    assert_int_equal(box->outbox.used, 0);
}

static void test_dead_letters_wait_for_staff_and_take_half_of_the_room(void **state)
{
    struct box *box = *state;
    uint32_t row;

    for (uint8_t i = 1; i <= ROWS; i++)
        outbox_apply(&box->outbox, &box->now,
                     &(struct mail_effect){
                         .account = person(i), .sequence = 1, .next_wall_ms = 1, .is_dead = 1},
                     1);
    outbox_durable(&box->outbox, 1);
    assert_int_equal(box->outbox.dead, ROWS / 2);
    assert_int_equal(box->outbox.used, ROWS / 2);
    assert_int_equal(take(box, &row), 0);
    assert_int_equal(state_of(box, 1, 1), OUTBOX_DEAD);
    apply(box, 1, 1, 0, 2); /* sent again */
    outbox_durable(&box->outbox, 2);
    assert_int_equal(box->outbox.dead, ROWS / 2 - 1);
    assert_int_equal(take(box, &row), 1);
}

static void test_what_finds_no_room_is_looked_for_when_there_is_some(void **state)
{
    struct mail_record mail = {.state = MAIL_WAITING, .created_wall_ms = 1, .next_wall_ms = 1};
    struct box *box = *state;
    struct principal ninth = person(ROWS + 1);
    uint32_t row;

    for (uint8_t i = 1; i <= ROWS + 1; i++)
        apply(box, i, 1, 0, 1);
    outbox_durable(&box->outbox, 1);
    assert_int_equal(state_of(box, ROWS + 1, 1), OUTBOX_NONE);
    assert_true(box->outbox.missed);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(outbox_wants_scan(&box->outbox));
        assert_int_not_equal(take(box, &row), 0);
        outbox_forget(&box->outbox, row);
    }
    assert_true(outbox_wants_scan(&box->outbox));
    outbox_scan_begin(&box->outbox);
    outbox_restore(&box->outbox, &box->now, &ninth, 1, &mail);
    outbox_restore(&box->outbox, &box->now, &ninth, 1, &mail); /* known by now */
    assert_int_equal(state_of(box, ROWS + 1, 1), OUTBOX_WAITING);
    assert_int_equal(box->outbox.used, ROWS - 2);
    assert_false(outbox_wants_scan(&box->outbox));
}

static void test_a_restart_knows_what_waits_and_when(void **state)
{
    struct mail_record waiting = {
        .state = MAIL_WAITING, .created_wall_ms = 500, .next_wall_ms = 1000000 + 5000};
    struct mail_record far = {
        .state = MAIL_WAITING, .created_wall_ms = 400, .next_wall_ms = 1LL << 50};
    struct mail_record dead = {.state = MAIL_DEAD, .created_wall_ms = 300, .next_wall_ms = 1};
    struct box *box = *state;
    struct principal people[] = {person(1), person(2), person(3)};
    uint32_t row;

    outbox_restore(&box->outbox, &box->now, &people[0], 4, &waiting);
    outbox_restore(&box->outbox, &box->now, &people[1], 4, &far);
    outbox_restore(&box->outbox, &box->now, &people[2], 4, &dead);
    assert_true(outbox_oldest_wall_ms(&box->outbox) == 400);
    assert_int_equal(take(box, &row), 0);
    assert_true(outbox_next_ms(&box->outbox) == box->now.boot_ms + 5000);
    box->now.boot_ms += 5000;
    assert_int_equal(take(box, &row), 1);
    /* A wall clock that was set far back delays nothing for longer than the longest backoff. */
    assert_true(outbox_next_ms(&box->outbox) == 1000 + MAIL_BACKOFF_MS_MAX);
    assert_int_equal(box->outbox.dead, 1);
}

static void test_the_backoff_grows_is_spread_and_ends_after_three_days(void **state)
{
    static const int64_t minutes[] = {1, 5, 30, 120, 360, 360};
    int64_t least_ms = 0;
    int64_t most_ms = 0;

    (void)state;
    for (uint32_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
        int64_t whole_ms = minutes[i] * MINUTE_MS;

        assert_true(outbox_backoff_ms(i + 1, 0) == whole_ms - whole_ms / 4);
        assert_true(outbox_backoff_ms(i + 1, (uint32_t)(whole_ms / 4)) == whole_ms);
    }
    for (uint32_t i = 1; i < MAIL_ATTEMPTS_MAX; i++) {
        uint32_t spread = i <= 4 ? (uint32_t)(minutes[i - 1] * MINUTE_MS / 4) : 90 * MINUTE_MS;

        least_ms += outbox_backoff_ms(i, 0);
        most_ms += outbox_backoff_ms(i, spread);
    }
    assert_true(least_ms > 2LL * 24 * 60 * MINUTE_MS && most_ms < 3LL * 24 * 60 * MINUTE_MS);
    assert_true(outbox_backoff_ms(MAIL_ATTEMPTS_MAX, 0) == 0);
}

/* Against a plain model: what is due first, whatever came, went and was put back. */
static void test_the_heap_gives_out_what_a_search_would(void **state)
{
    struct box *box = *state;
    uint64_t random = 1;
    uint64_t serial = 0;

    for (unsigned step = 0; step < 20000; step++) {
        uint32_t row;
        uint8_t number;
        int64_t least_ms = INT64_MAX;

        random = hash_word(random + step);
        number = (uint8_t)(1 + random % 12);
        box->now.boot_ms += (int64_t)(random >> 8 & 3);
        if (state_of(box, number, 1) == OUTBOX_NONE ||
            (random >> 20 & 3) == 0) /* also sooner or later than it was to be */
            apply(box, number, 1, (int64_t)(random >> 32 & 63), ++serial);
        outbox_durable(&box->outbox, serial);
        for (uint32_t i = 0; i < box->outbox.fresh; i++)
            if (box->rows[i].state == OUTBOX_WAITING && box->rows[i].due_boot_ms < least_ms)
                least_ms = box->rows[i].due_boot_ms;
        row = outbox_take(&box->outbox, box->now.boot_ms);
        assert_int_equal(row != SLOT_NONE, least_ms <= box->now.boot_ms);
        if (row == SLOT_NONE)
            continue;
        assert_true(box->rows[row].due_boot_ms == least_ms);
        if ((random & 1) != 0)
            outbox_put_back(&box->outbox, row, box->now.boot_ms + (int64_t)(random >> 40 & 31));
        else
            outbox_forget(&box->outbox, row);
    }
    assert_int_equal(box->outbox.under_way, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_a_mail_is_given_out_when_its_batch_is_durable),
        TEST(test_mails_go_in_the_order_of_their_time),
        TEST(test_a_row_goes_when_what_became_of_its_mail_is_durable),
        TEST(test_dead_letters_wait_for_staff_and_take_half_of_the_room),
        TEST(test_what_finds_no_room_is_looked_for_when_there_is_some),
        TEST(test_a_restart_knows_what_waits_and_when),
        TEST(test_the_backoff_grows_is_spread_and_ends_after_three_days),
        TEST(test_the_heap_gives_out_what_a_search_would),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks on their way by themselves: order, durability, lanes, the schedule, bounds, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deliveries.h"

enum { ROWS = 6, LIMIT = 5, OF_LANE = 2, UNDER_WAY = 4, SECOND_MS = 1000, ARENA = 64 * 1024 };

struct box {
    struct deliveries deliveries;
    struct delivery_row rows[WEBHOOK_ENDPOINTS_MAX * ROWS];
    uint32_t heaps[WEBHOOK_ENDPOINTS_MAX * ROWS];
    struct index_bucket *buckets;
    struct moment now;
    struct effects effects;
    struct arena records;
    uint64_t serial;
    struct settings_view *view;
};

static const struct delivery_schedule schedule = {.count = 3, .delays_s = {0, 10, 100}};

static void begin(struct box *box)
{
    static const struct hash_key key = {{1, 2}};
    struct deliveries_sizes sizes = {.lane_rows_max = ROWS,
                                     .lane_limit = LIMIT,
                                     .lane_under_way_max = OF_LANE,
                                     .under_way_max = UNDER_WAY};
    size_t bytes = index_table_buckets(WEBHOOK_ENDPOINTS_MAX * ROWS) * sizeof(struct index_bucket);

    memset(box->buckets, 0, bytes);
    memset(box->rows, 0, sizeof(box->rows));
    deliveries_init(&box->deliveries, &sizes, &schedule, box->rows, box->heaps, box->buckets, &key);
}

static int set_up(void **state)
{
    struct box *box = calloc(1, sizeof(*box));
    size_t bytes = index_table_buckets(WEBHOOK_ENDPOINTS_MAX * ROWS) * sizeof(struct index_bucket);

    assert_non_null(box);
    box->buckets = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    box->view = calloc(1, sizeof(*box->view));
    box->records = (struct arena){.bytes = malloc(ARENA), .capacity = ARENA};
    assert_non_null(box->buckets);
    assert_non_null(box->view);
    assert_non_null(box->records.bytes);
    box->effects.records = &box->records;
    box->now = (struct moment){.boot_ms = 1000, .wall_ms = 1000000};
    box->serial = 1;
    begin(box);
    *state = box;
    return 0;
}

static int tear_down(void **state)
{
    struct box *box = *state;

    free(box->records.bytes);
    free(box->buckets);
    free(box->view);
    free(box);
    return 0;
}

static struct delivery_step step_of(struct box *box)
{
    return (struct delivery_step){&box->deliveries, &box->now, &box->effects, box->serial};
}

static bool add(struct box *box, uint64_t sequence, uint32_t endpoint)
{
    struct delivery_step step = step_of(box);
    struct delivery_event event = {.type = EVENT_ORDER_CONFIRMED,
                                   .status = 2,
                                   .order = 7,
                                   .created_wall_ms = 5,
                                   .wall_ms = box->now.wall_ms};

    return deliveries_add(&step, 3, sequence, endpoint, &event);
}

static uint32_t take(struct box *box)
{
    return deliveries_take(&box->deliveries, box->now.boot_ms, box->serial);
}

/* The sequence of the next one, or 0. */
static uint64_t take_sequence(struct box *box)
{
    uint32_t row = take(box);

    return row == SLOT_NONE ? 0 : box->rows[row].sequence;
}

static void end(struct box *box, uint32_t row, enum delivery_result result)
{
    struct delivery_step step = step_of(box);
    struct delivery_answer answer = {.result = (uint8_t)result, .response = 500, .reason = "no"};

    assert_int_not_equal(row, SLOT_NONE);
    deliveries_end(&step, row, &answer);
}

static void pass(struct box *box, int64_t ms)
{
    box->now.boot_ms += ms;
    box->now.wall_ms += ms;
}

/* What was written of a delivery last; NULL: it was deleted last, or nothing was. */
static const struct record *find_record(const struct box *box, enum record_kind kind,
                                        uint64_t sequence, uint32_t endpoint)
{
    const struct record *found = NULL;

    for (uint32_t at = 0; at < box->records.used;) {
        const struct record *record =
            (const struct record *)(const void *)(box->records.bytes + at);

        if (record->kind == kind && record->sequence == sequence && record->subject == endpoint)
            found = record->operation == RECORD_DELETE ? NULL : record;
        at += record->size;
    }
    return found;
}

static void follow(struct box *box, uint32_t endpoint, bool is_there, bool is_enabled)
{
    box->view->endpoint_count = is_there;
    box->view->endpoints[0].common.number = endpoint;
    box->view->endpoints[0].enabled = is_enabled;
    deliveries_follow(&box->deliveries, box->view);
}

/* ---- tests ---- */

static void test_nothing_leaves_before_it_is_durable(void **state)
{
    struct box *box = *state;

    assert_true(add(box, 1, 9));
    assert_int_equal(deliveries_take(&box->deliveries, box->now.boot_ms, 0), SLOT_NONE);
    assert_true(deliveries_next_ms(&box->deliveries, 0) == INT64_MAX);
    assert_true(deliveries_next_ms(&box->deliveries, 1) <= box->now.boot_ms);
    assert_int_equal(take_sequence(box), 1);
}

static void test_one_lane_goes_in_order_and_a_few_at_a_time(void **state)
{
    struct box *box = *state;
    uint32_t first;

    for (uint64_t i = 1; i <= 4; i++)
        add(box, i, 9);
    first = take(box);
    assert_int_equal(box->rows[first].sequence, 1);
    assert_int_equal(take_sequence(box), 2);
    assert_int_equal(take(box), SLOT_NONE);
    end(box, first, DELIVERY_OK);
    assert_int_equal(take_sequence(box), 3);
}

static void test_what_is_delivered_is_kept_and_not_pending(void **state)
{
    struct box *box = *state;

    add(box, 1, 9);
    assert_non_null(find_record(box, RECORD_DELIVERY, 1, 9));
    end(box, take(box), DELIVERY_OK);
    assert_null(find_record(box, RECORD_DELIVERY, 1, 9));
    assert_int_equal(find_record(box, RECORD_DELIVERY_DONE, 1, 9)->delivery.attempts, 1);
    assert_int_equal(box->deliveries.pending, 0);
}

static void test_the_schedule_then_a_dead_letter(void **state)
{
    struct box *box = *state;

    add(box, 1, 9);
    end(box, take(box), DELIVERY_LATER);
    pass(box, 10 * SECOND_MS - 1);
    assert_int_equal(take(box), SLOT_NONE);
    pass(box, SECOND_MS + 1); /* and a tenth by chance */
    end(box, take(box), DELIVERY_LATER);
    pass(box, 99 * SECOND_MS);
    assert_int_equal(take(box), SLOT_NONE);
    pass(box, 12 * SECOND_MS);
    end(box, take(box), DELIVERY_LATER);
    assert_null(find_record(box, RECORD_DELIVERY, 1, 9));
    assert_int_equal(find_record(box, RECORD_DELIVERY_DEAD, 1, 9)->delivery.response, 500);
    assert_string_equal(find_record(box, RECORD_DELIVERY_DEAD, 1, 9)->delivery.reason, "no");
    assert_int_equal(box->deliveries.deaths, 1);
}

static void test_what_was_not_tried_is_no_attempt(void **state)
{
    struct box *box = *state;
    uint32_t row;

    add(box, 1, 9);
    row = take(box);
    end(box, row, DELIVERY_UNTRIED);
    assert_int_equal(box->rows[row].attempts, 0);
    assert_int_equal(take(box), SLOT_NONE);
    pass(box, DELIVERY_POSTPONE_MS);
    assert_int_equal(take_sequence(box), 1);
}

static void test_a_dead_endpoint_does_not_hold_up_another(void **state)
{
    struct box *box = *state;

    for (uint64_t i = 1; i <= 4; i++)
        add(box, i, 9);
    take(box);
    take(box); /* and no word of both */
    add(box, 5, 8);
    assert_int_equal(take_sequence(box), 5);
}

static void test_an_endpoint_that_fails_has_one_attempt_at_a_time(void **state)
{
    struct box *box = *state;

    for (uint64_t i = 1; i <= 5; i++)
        add(box, i, 9);
    for (unsigned i = 0; i < DELIVERY_FAILURES_SERIES; i++)
        end(box, take(box), DELIVERY_LATER);
    assert_int_equal(take(box), SLOT_NONE); /* a pause */
    pass(box, 10 * SECOND_MS);
    assert_int_not_equal(take(box), SLOT_NONE);
    assert_int_equal(take(box), SLOT_NONE);
    assert_int_equal(box->deliveries.failing_under_way, 1);
}

static void test_success_ends_the_failing(void **state)
{
    struct box *box = *state;
    uint32_t row;

    for (uint64_t i = 1; i <= 5; i++)
        add(box, i, 9);
    for (unsigned i = 0; i < DELIVERY_FAILURES_SERIES; i++)
        end(box, take(box), DELIVERY_LATER);
    pass(box, 12 * SECOND_MS);
    row = take(box);
    end(box, row, DELIVERY_OK);
    assert_int_equal(box->deliveries.failing_under_way, 0);
    assert_int_not_equal(take(box), SLOT_NONE);
    assert_int_not_equal(take(box), SLOT_NONE);
}

static void test_failing_endpoints_leave_half_of_the_room(void **state)
{
    struct box *box = *state;

    for (uint32_t endpoint = 1; endpoint <= 3; endpoint++)
        for (unsigned i = 0; i < DELIVERY_FAILURES_SERIES; i++) {
            add(box, 10 * endpoint + i, endpoint);
            end(box, take(box), DELIVERY_LATER);
            pass(box, 1);
        }
    pass(box, 200 * SECOND_MS);
    assert_int_not_equal(take(box), SLOT_NONE);
    assert_int_not_equal(take(box), SLOT_NONE);
    assert_int_equal(take(box), SLOT_NONE);
    add(box, 99, 5);
    assert_int_equal(take_sequence(box), 99);
}

static void test_an_endpoint_may_ask_for_a_pause(void **state)
{
    struct box *box = *state;
    struct delivery_step step = step_of(box);
    struct delivery_answer answer = {.result = DELIVERY_LATER, .retry_after_s = 60};

    add(box, 1, 9);
    add(box, 2, 9);
    deliveries_end(&step, take(box), &answer);
    pass(box, 59 * SECOND_MS);
    assert_int_equal(take(box), SLOT_NONE);
    pass(box, SECOND_MS);
    assert_int_not_equal(take(box), SLOT_NONE);
    answer.retry_after_s = UINT32_MAX; /* within bounds */
    step = step_of(box);
    deliveries_end(&step, take(box), &answer);
    pass(box, DELIVERY_RETRY_AFTER_S_MAX * INT64_C(1000));
    assert_int_not_equal(take(box), SLOT_NONE);
}

static void test_where_too_many_wait_the_oldest_dies(void **state)
{
    struct box *box = *state;

    for (uint64_t i = 1; i <= LIMIT; i++)
        add(box, i, 9);
    take(box); /* number 1 is under way, and stays */
    assert_true(add(box, 100, 9));
    assert_int_equal(box->deliveries.overflows, 1);
    assert_null(find_record(box, RECORD_DELIVERY, 2, 9));
    assert_non_null(find_record(box, RECORD_DELIVERY_DEAD, 2, 9));
    assert_non_null(find_record(box, RECORD_DELIVERY, 1, 9));
    assert_int_equal(box->deliveries.pending, LIMIT);
}

static void test_an_event_that_is_known_is_not_added_again(void **state)
{
    struct box *box = *state;

    add(box, 1, 9);
    add(box, 1, 9);
    assert_int_equal(box->deliveries.pending, 1);
    add(box, 1, 8); /* another endpoint */
    assert_int_equal(box->deliveries.pending, 2);
}

static void test_a_disabled_endpoint_has_dead_letters(void **state)
{
    struct box *box = *state;
    struct delivery_step step;
    uint32_t row;

    add(box, 1, 9);
    add(box, 2, 9);
    row = take(box);
    follow(box, 9, true, false);
    assert_int_equal(take(box), SLOT_NONE);
    step = step_of(box);
    assert_false(deliveries_clear(&step));
    assert_non_null(find_record(box, RECORD_DELIVERY_DEAD, 2, 9));
    end(box, row, DELIVERY_LATER);
    assert_non_null(find_record(box, RECORD_DELIVERY_DEAD, 1, 9));
    assert_int_equal(box->deliveries.pending, 0);
}

static void test_of_a_removed_endpoint_nothing_is_left(void **state)
{
    struct box *box = *state;
    struct delivery_step step;

    add(box, 1, 9);
    follow(box, 9, false, false);
    step = step_of(box);
    assert_false(deliveries_clear(&step));
    assert_null(find_record(box, RECORD_DELIVERY, 1, 9));
    assert_null(find_record(box, RECORD_DELIVERY_DEAD, 1, 9));
    assert_int_equal(box->deliveries.lanes[0].endpoint, 0); /* for another one */
}

static void test_without_a_lane_an_event_waits(void **state)
{
    struct box *box = *state;

    for (uint32_t endpoint = 1; endpoint <= WEBHOOK_ENDPOINTS_MAX; endpoint++)
        assert_true(add(box, 1, endpoint));
    assert_false(add(box, 1, 1000));
}

static void test_a_dead_letter_is_replayed_from_the_first_attempt(void **state)
{
    struct box *box = *state;
    struct delivery_step step;
    struct delivery_event event;
    uint32_t row;

    add(box, 1, 9);
    end(box, take(box), DELIVERY_REFUSED);
    event = find_record(box, RECORD_DELIVERY_DEAD, 1, 9)->delivery.event;
    follow(box, 9, true, true);
    step = step_of(box);
    assert_int_equal(deliveries_replay(&step, 3, 1, 9, &event), OUTCOME_OK);
    assert_int_equal(deliveries_replay(&step, 3, 1, 9, &event), OUTCOME_OK); /* pending: once */
    assert_int_equal(box->deliveries.pending, 1);
    assert_null(find_record(box, RECORD_DELIVERY_DEAD, 1, 9));
    row = take(box);
    assert_int_equal(box->rows[row].attempts, 0);
    end(box, row, DELIVERY_OK);
    follow(box, 9, true, false);
    assert_int_equal(deliveries_replay(&step, 3, 1, 9, &event), OUTCOME_INVALID_STATE);
}

static void test_a_restart_knows_what_is_pending(void **state)
{
    struct box *box = *state;
    struct record *record;

    add(box, 1, 9);
    end(box, take(box), DELIVERY_LATER);
    record = (struct record *)(uintptr_t)find_record(box, RECORD_DELIVERY, 1, 9);
    begin(box);
    pass(box, 4 * SECOND_MS);
    assert_true(deliveries_restore(&box->deliveries, &box->now, record));
    assert_int_equal(take(box), SLOT_NONE);
    pass(box, 8 * SECOND_MS);
    assert_int_equal(box->rows[take(box)].attempts, 1);
}

static void test_a_clock_that_was_set_back_delays_by_a_delay_at_most(void **state)
{
    struct box *box = *state;
    struct record *record;

    add(box, 1, 9);
    record = (struct record *)(uintptr_t)find_record(box, RECORD_DELIVERY, 1, 9);
    begin(box);
    record->delivery.next_wall_ms = box->now.wall_ms + INT64_C(1000) * 365 * 24 * 3600 * 1000;
    assert_true(deliveries_restore(&box->deliveries, &box->now, record));
    assert_int_equal(take_sequence(box), 1); /* it was not tried yet: at once */
    begin(box);
    record->delivery.attempts = 2;
    assert_true(deliveries_restore(&box->deliveries, &box->now, record));
    pass(box, 109 * SECOND_MS);
    assert_int_equal(take_sequence(box), 0);
    pass(box, SECOND_MS);
    assert_int_equal(take_sequence(box), 1);
}

static void test_schedules_are_read(void **state)
{
    struct delivery_schedule read = {0};

    (void)state;
    assert_true(delivery_schedule_add(&read, "0"));
    assert_true(delivery_schedule_add(&read, "604800"));
    assert_false(delivery_schedule_add(&read, "604801"));
    assert_false(delivery_schedule_add(&read, ""));
    assert_false(delivery_schedule_add(&read, "5s"));
    assert_false(delivery_schedule_add(&read, "99999999999999999999"));
    assert_int_equal(read.count, 2);
    while (read.count < DELIVERY_ATTEMPTS_MAX)
        assert_true(delivery_schedule_add(&read, "1"));
    assert_false(delivery_schedule_add(&read, "1"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_leaves_before_it_is_durable),
        CASE(test_one_lane_goes_in_order_and_a_few_at_a_time),
        CASE(test_what_is_delivered_is_kept_and_not_pending),
        CASE(test_the_schedule_then_a_dead_letter),
        CASE(test_what_was_not_tried_is_no_attempt),
        CASE(test_a_dead_endpoint_does_not_hold_up_another),
        CASE(test_an_endpoint_that_fails_has_one_attempt_at_a_time),
        CASE(test_success_ends_the_failing),
        CASE(test_failing_endpoints_leave_half_of_the_room),
        CASE(test_an_endpoint_may_ask_for_a_pause),
        CASE(test_where_too_many_wait_the_oldest_dies),
        CASE(test_an_event_that_is_known_is_not_added_again),
        CASE(test_a_disabled_endpoint_has_dead_letters),
        CASE(test_of_a_removed_endpoint_nothing_is_left),
        CASE(test_without_a_lane_an_event_waits),
        CASE(test_a_dead_letter_is_replayed_from_the_first_attempt),
        CASE(test_a_restart_knows_what_is_pending),
        CASE(test_a_clock_that_was_set_back_delays_by_a_delay_at_most),
        CASE(test_schedules_are_read),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit of events out and their cursors: what is sound, and each planted fault. */
#include "journal_rocksdb.h"
#include "test_storage_sound.h"

enum { FIRST = 3, NEXT = 7, ORDERS_NEXT = 5 };

static void number(enum floor subject, uint64_t next)
{
    struct record *record = test_record(&fixture.batch, RECORD_FLOOR, HOME, 0, 0);

    record->subject = (uint32_t)subject;
    record->floor.next_sequence = next;
}

static struct record *event(uint64_t sequence)
{
    struct record *record = test_record(&fixture.batch, RECORD_EVENT_OUT, HOME, 0, 0);

    record->sequence = sequence;
    record->event_out.type = ORDER_PENDING;
    record->event_out.order = 1;
    return record;
}

static void cursor(enum event_consumer consumer, uint64_t sequence)
{
    struct record *record = test_record(&fixture.batch, RECORD_CURSOR, HOME, 0, 0);

    record->subject = (uint32_t)consumer;
    record->cursor.sequence = sequence;
}

/* The first two are past their time, and both consumers have passed them. */
static void build_events(void)
{
    build_sound_store();
    number(FLOOR_ORDERS, ORDERS_NEXT);
    number(FLOOR_EVENTS, NEXT);
    for (uint64_t sequence = FIRST; sequence < NEXT; sequence++)
        event(sequence);
    cursor(CONSUMER_FEED, FIRST - 1);
    cursor(CONSUMER_WEBHOOKS, NEXT - 1);
    commit_batch();
}

static void plant_nothing(void)
{
    event(NEXT - 1);
}

static void plant_new_incarnation(void)
{
    number(FLOOR_EVENTS, NEXT + JOURNAL_INCARNATION_JUMP + 1);
    event(NEXT + JOURNAL_INCARNATION_JUMP);
}

static void plant_restored(void)
{
    number(FLOOR_EVENTS, NEXT + JOURNAL_INCARNATION_JUMP);
}

static void plant_all_deleted(void)
{
    for (uint64_t sequence = FIRST; sequence < NEXT; sequence++)
        event(sequence)->operation = RECORD_DELETE;
    cursor(CONSUMER_FEED, NEXT - 1);
}

static void plant_deleted_early(void)
{
    event(FIRST)->operation = RECORD_DELETE;
}

static void plant_all_deleted_early(void)
{
    for (uint64_t sequence = FIRST; sequence < NEXT; sequence++)
        event(sequence)->operation = RECORD_DELETE;
}

static void plant_gap(void)
{
    event(FIRST + 1)->operation = RECORD_DELETE;
}

static void plant_lost_newest(void)
{
    event(NEXT - 1)->operation = RECORD_DELETE;
}

static void plant_number_not_given(void)
{
    event(NEXT);
}

static void plant_cursor_ahead(void)
{
    cursor(CONSUMER_WEBHOOKS, NEXT);
}

static void plant_order_of_nobody(void)
{
    event(NEXT - 1)->event_out.order = ORDERS_NEXT;
}

static void sold_out(uint32_t sku_id)
{
    struct record *record = event(NEXT - 1);

    record->event_out.type = EVENT_OUT_SOLD_OUT;
    record->event_out.order = sku_id;
}

static void plant_sold_out(void)
{
    sold_out(sku_id_make(HOME, ORDERS_NEXT));
}

static void plant_sold_out_elsewhere(void)
{
    sold_out(sku_id_make(HOME + 1, 0));
}

static void test_events(void **state)
{
    static const struct planted cases[] = {
        {plant_nothing, CHECK_OK, "check: ok"},
        {plant_new_incarnation, CHECK_OK, "check: ok"},
        {plant_restored, CHECK_OK, "check: ok"},
        {plant_all_deleted, CHECK_OK, "check: ok"},
        {plant_deleted_early, CHECK_BROKEN, "which the feed have yet to pass"},
        {plant_all_deleted_early, CHECK_BROKEN, "which the feed have yet to pass"},
        {plant_gap, CHECK_BROKEN, "partition 1 has no events between 3 and 5, but gave their"},
        {plant_lost_newest, CHECK_BROKEN, "partition 1 has no events behind 5, but gave numbers"},
        {plant_number_not_given, CHECK_BROKEN, "has a number that was not given yet"},
        {plant_cursor_ahead, CHECK_BROKEN,
         "the cursor of the webhooks in partition 1 is at 7, beyond the newest event"},
        {plant_order_of_nobody, CHECK_BROKEN, "names an order that never was"},
        {plant_sold_out, CHECK_OK, "check: ok"},
        {plant_sold_out_elsewhere, CHECK_BROKEN, "names a SKU of another partition"},
    };

    (void)state;
    check_planted(build_events, cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_events)};

    return cmocka_run_group_tests_name("storage check of events", tests, NULL, NULL);
}

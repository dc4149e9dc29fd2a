/* SPDX-License-Identifier: Apache-2.0 */
/* inventory.sold_out: told once, with the sale of the last unit, and again once there were more. */
#include "events_fixture.h"

static struct reservation_id hold_last(struct fixture *fixture, const char *key, uint32_t quantity)
{
    struct message reply;

    assert_int_equal(fixture_reserve(fixture, 0, 1, key, "LAST", quantity, &reply), OUTCOME_OK);
    return reply.reply.hold.id;
}

static void end_hold(struct fixture *fixture, enum command_type type,
                     const struct reservation_id *id)
{
    struct message reply;

    assert_int_equal(fixture_hold(fixture, type, AUTHORITY_STAFF, 1, id, &reply), OUTCOME_OK);
    settle(fixture);
}

static void sell(struct fixture *fixture, const struct reservation_id *id)
{
    end_hold(fixture, COMMAND_HOLD_CONVERT, id);
}

static void adjust_last(struct fixture *fixture, int64_t delta)
{
    struct command command = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};
    struct message reply;

    command.stock.sku = text("LAST");
    command.stock.value = delta;
    command.stock.reason = text("count");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    settle(fixture);
}

static void assert_sold_out(const struct fixture *fixture, uint32_t times)
{
    const struct listener *feed = &listeners[CONSUMER_FEED];
    const struct sku_entry *sku =
        directory_find_sku(engine_inspect_directory(fixture->engine), "LAST", 4);

    assert_int_equal(feed->count, times);
    assert_int_equal(feed->with_content, 0);
    for (uint32_t i = 0; i < times; i++) {
        assert_int_equal(feed->told[i].type, EVENT_INVENTORY_SOLD_OUT);
        assert_int_equal(feed->told[i].sku_id, sku->sku_id);
        assert_int_equal(feed->told[i].order.partition, sku->product->partition);
        assert_int_equal(feed->told[i].order.sequence, 0);
        assert_int_equal(feed->told[i].status, ORDER_NONE);
    }
}

static void the_sale_of_the_last_unit_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct reservation_id first;
    struct reservation_id second;
    struct message reply;

    assert_int_equal(fixture_product(fixture, "last", "LAST", 3, 0), OUTCOME_OK);
    first = hold_last(fixture, "first", 2);
    second = hold_last(fixture, "second", 1);
    settle(fixture);
    assert_sold_out(fixture, 0); /* all are held: none is sold */
    sell(fixture, &first);
    assert_sold_out(fixture, 0); /* one is held still, and may come back */
    sell(fixture, &second);
    assert_sold_out(fixture, 1);
    fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &second, &reply);
    settle(fixture);
    assert_sold_out(fixture, 1);
    fixture_advance(fixture, 1000);
    settle(fixture);
    assert_int_equal(fixture_crash(fixture), 0);
    settle(fixture);
    fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &second, &reply);
    settle(fixture);
    assert_sold_out(fixture, 1); /* a restart tells nothing again */
}

static void what_is_restocked_can_be_sold_out_again(void **state)
{
    struct fixture *fixture = *state;
    struct reservation_id id;

    assert_int_equal(fixture_product(fixture, "last", "LAST", 1, 0), OUTCOME_OK);
    for (uint32_t times = 1; times <= 3; times++) {
        char key[8];

        snprintf(key, sizeof(key), "key %u", times);
        id = hold_last(fixture, key, 1);
        sell(fixture, &id);
        assert_sold_out(fixture, times);
        adjust_last(fixture, 1);
    }
    assert_sold_out(fixture, 3);
}

static void what_lapses_or_is_written_off_is_not_sold_out(void **state)
{
    struct fixture *fixture = *state;
    struct reservation_id first;
    struct reservation_id second;

    assert_int_equal(fixture_product(fixture, "last", "LAST", 2, 0), OUTCOME_OK);
    first = hold_last(fixture, "first", 1);
    second = hold_last(fixture, "second", 1);
    sell(fixture, &first);
    end_hold(fixture, COMMAND_HOLD_RELEASE, &second);
    assert_sold_out(fixture, 0);
    adjust_last(fixture, -1); /* nothing is left, but not by a sale */
    assert_sold_out(fixture, 0);
    adjust_last(fixture, 1);
    second = hold_last(fixture, "third", 1);
    sell(fixture, &second);
    assert_sold_out(fixture, 1);
}

static void a_sale_of_many_lines_tells_of_each(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    struct command_line lines[RESERVATION_LINES_MAX];
    char names[RESERVATION_LINES_MAX][8];
    struct command command;
    struct message reply;

    for (uint32_t i = 0; i < RESERVATION_LINES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "S%u", i);
        assert_int_equal(fixture_product(fixture, names[i], names[i], 1, 0), OUTCOME_OK);
        lines[i] = (struct command_line){.sku = text(names[i]), .quantity = 1};
    }
    command = reserve_command(lines, RESERVATION_LINES_MAX, 1, "all");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    sell(fixture, &reply.reply.hold.id);
    settle(fixture);
    assert_int_equal(feed->count, RESERVATION_LINES_MAX);
    for (uint32_t i = 0; i < feed->count; i++) {
        assert_int_equal(feed->told[i].type, EVENT_INVENTORY_SOLD_OUT);
        for (uint32_t n = 0; n < i; n++)
            assert_int_not_equal(feed->told[i].sku_id, feed->told[n].sku_id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        TEST(the_sale_of_the_last_unit_is_told_once),
        TEST(what_is_restocked_can_be_sold_out_again),
        TEST(what_lapses_or_is_written_off_is_not_sold_out),
        TEST(a_sale_of_many_lines_tells_of_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

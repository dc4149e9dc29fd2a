/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations through the whole engine: gate, filter, mailbox, actor, batch, commit, answer. */
#include "engine_fixture.h"

static void sells_exactly_n(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    uint32_t held = 0;

    assert_int_equal(fixture_product(fixture, "shoe", "shoe-42", 5, 0), OUTCOME_OK);
    for (uint32_t i = 0; i < 20; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%u", i);
        enum outcome outcome =
            fixture_reserve(fixture, i % 2, (uint8_t)i, key, "shoe-42", 1, &reply);
        held += outcome == OUTCOME_OK;
        if (i >= 5) {
            assert_int_equal(outcome, OUTCOME_SOLD_OUT);
            assert_int_equal(fixture->refusal.reserved, 5);
            assert_false(fixture->refusal.final);
        }
    }
    assert_int_equal(held, 5);
    assert_stock(fixture, "shoe-42", 0, 5, 0);
}

static void answers_wait_for_the_commit(void **state)
{
    struct fixture *fixture = *state;
    struct command_line line = {.sku = text("a"), .quantity = 1};
    struct command command = reserve_command(&line, 1, 1, "k");
    enum outcome outcome;
    uint64_t cookie;

    fixture_product(fixture, "p", "a", 1, 0);
    cookie = fixture_submit(fixture, 0, &command, &outcome);
    fixture_step(fixture, false);
    assert_int_equal(fixture->reply_counts[cookie], 0);
    fixture_run(fixture);
    assert_int_equal(fixture->reply_counts[cookie], 1);
}

static void repeats_get_the_first_answer(void **state)
{
    struct fixture *fixture = *state;
    struct message first;
    struct message again;

    fixture_product(fixture, "p", "a", 1, 0);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "a", 1, &first), OUTCOME_OK);
    assert_int_equal(first.reply.replayed, 0);
    fixture_advance(fixture, 50);
    assert_int_equal(fixture_reserve(fixture, 1, 1, "k", "a", 1, &again), OUTCOME_OK);
    assert_int_equal(again.reply.replayed, 1);
    assert_memory_equal(&first.reply.hold, &again.reply.hold,
                        offsetof(struct hold_view, lines) + sizeof(struct line));
    /* Another principal with the same key is somebody else. */
    assert_int_equal(fixture_reserve(fixture, 1, 2, "k", "a", 1, &again), OUTCOME_SOLD_OUT);
    /* Also after a crash, and after the hold's end. */
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "a", 1, &again), OUTCOME_OK);
    assert_int_equal(again.reply.replayed, 1);
    assert_int_equal(again.reply.hold.id.sequence, first.reply.hold.id.sequence);
    assert_int_equal(again.reply.hold.ttl_ms, first.reply.hold.ttl_ms);
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 1);
    assert_stock(fixture, "a", 1, 0, 0);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "a", 1, &again), OUTCOME_OK);
    assert_int_equal(again.reply.replayed, 1);
    assert_stock(fixture, "a", 1, 0, 0);
}

static void a_key_with_another_body_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct command_line line = {.sku = text("a"), .quantity = 1};
    struct command command = reserve_command(&line, 1, 1, "k");
    struct message reply;

    fixture_product(fixture, "p", "a", 3, 0);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    command.reserve.body = text("another");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_KEY_REUSED);
    assert_stock(fixture, "a", 2, 1, 0);
}

static void holds_lapse_and_units_sell_again(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 1, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 1, &reply);
    id = reply.reply.hold.id;
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT - 1);
    assert_stock(fixture, "a", 0, 1, 0);
    fixture_advance(fixture, 1);
    assert_stock(fixture, "a", 1, 0, 0);
    assert_int_equal(
        fixture_hold(fixture, COMMAND_HOLD_EXTEND, AUTHORITY_PRINCIPAL, 1, &id, &reply),
        OUTCOME_HOLD_ENDED);
    assert_int_equal(fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &id, &reply),
                     OUTCOME_HOLD_ENDED);
    assert_int_equal(fixture_hold(fixture, COMMAND_HOLD_GET, AUTHORITY_PRINCIPAL, 1, &id, &reply),
                     OUTCOME_OK);
    assert_int_equal(reply.reply.hold.state, HOLD_EXPIRED);
    assert_int_equal(fixture_reserve(fixture, 0, 2, "k2", "a", 1, &reply), OUTCOME_OK);
}

/* A turn lets holds lapse before it serves anybody, so that no load keeps their units. */
static void a_full_batch_keeps_no_hold_from_lapsing(void **state)
{
    struct fixture *fixture = *state;
    struct command command = {.type = COMMAND_STOCK_GET, .authority = AUTHORITY_STAFF};
    struct message reply;
    enum outcome outcome;
    uint32_t owner;

    fixture->options.batch_messages = 1;
    fixture->options.request_timeout_ms = 2 * HOLD_TTL_MS_DEFAULT; /* counted from the last turn */
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_product(fixture, "p", "s", 1, 0), OUTCOME_OK);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "s", 1, &reply), OUTCOME_OK);
    owner = engine_partition_shard(fixture->engine, reply.reply.hold.id.partition);
    fixture->now.boot_ms += fixture->options.hold_ttl_ms;
    fixture->now.wall_ms += fixture->options.hold_ttl_ms;
    command.stock.sku = text("s");
    for (int i = 0; i < 3; i++)
        assert_int_not_equal(fixture_submit(fixture, 0, &command, &outcome), 0);
    shard_step(engine_shard(fixture->engine, owner));
    assert_stock(fixture, "s", 1, 0, 0);
}

static void extensions_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 1, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 1, &reply);
    id = reply.reply.hold.id;
    for (int i = 0; i < HOLD_EXTENSIONS_MAX; i++) {
        fixture_advance(fixture, 200 * 1000);
        assert_int_equal(
            fixture_hold(fixture, COMMAND_HOLD_EXTEND, AUTHORITY_PRINCIPAL, 1, &id, &reply),
            OUTCOME_OK);
    }
    assert_int_equal(
        fixture_hold(fixture, COMMAND_HOLD_EXTEND, AUTHORITY_PRINCIPAL, 1, &id, &reply),
        OUTCOME_HOLD_CAP_REACHED);
    /* 400 s have passed, each extension gave the TTL anew: it ends at 1,000 s. */
    fixture_advance(fixture, 599 * 1000);
    assert_stock(fixture, "a", 0, 1, 0);
    fixture_advance(fixture, 1000);
    assert_stock(fixture, "a", 1, 0, 0);
}

static void a_repeated_extension_extends_once(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    char id[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = COMMAND_HOLD_EXTEND, .principal = buyer(1)};

    fixture_product(fixture, "p", "a", 1, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 1, &reply);
    engine_reservation_id(fixture->engine, &reply.reply.hold.id, id);
    command.reservation_id = text(id);
    command.key = text("e1");
    for (int i = 0; i < 4; i++) {
        fixture_advance(fixture, 1000);
        assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
        assert_int_equal(reply.reply.hold.extensions, 1);
        assert_int_equal(reply.reply.replayed, i > 0);
        if (i == 1)
            assert_int_equal(fixture_crash(fixture), 0);
    }
    command.key = text("e2");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.hold.extensions, 2);
    command.key = text("e1"); /* the older one is remembered too */
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.replayed, 1);
    assert_int_equal(reply.reply.hold.extensions, 2);
}

static void an_id_of_another_time_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 1, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 1, &reply);
    id = reply.reply.hold.id;
    id.created_ms++;
    assert_int_equal(fixture_hold(fixture, COMMAND_HOLD_GET, AUTHORITY_STAFF, 1, &id, &reply),
                     OUTCOME_NOT_FOUND);
}

static void refused_keys_do_not_fill_the_filter(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    uint32_t asked = 0;

    fixture_product(fixture, "p", "a", 2, 1);
    fixture_reserve(fixture, 0, 1, "won", "a", 1, &reply);
    for (uint32_t i = 0; i < 2000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "r%u", i);
        assert_int_equal(fixture_reserve(fixture, 0, 1, key, "a", 1, &reply),
                         OUTCOME_LIMIT_REACHED);
    }
    fixture_reserve(fixture, 0, 2, "last", "a", 1, &reply);
    for (uint32_t i = 0; i < 200; i++) {
        char key[16];

        snprintf(key, sizeof(key), "s%u", i);
        assert_int_equal(fixture_reserve(fixture, 0, 3, key, "a", 1, &reply), OUTCOME_SOLD_OUT);
        asked += reply.type == MESSAGE_REPLY; /* by a message, as the filter took it for known */
    }
    assert_true(asked < 20);
}

static void a_release_gives_units_back_once(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 3, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 2, &reply);
    id = reply.reply.hold.id;
    assert_int_equal(
        fixture_hold(fixture, COMMAND_HOLD_RELEASE, AUTHORITY_PRINCIPAL, 2, &id, &reply),
        OUTCOME_NOT_FOUND);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            fixture_hold(fixture, COMMAND_HOLD_RELEASE, AUTHORITY_PRINCIPAL, 1, &id, &reply),
            OUTCOME_OK);
    assert_stock(fixture, "a", 3, 0, 0);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_stock(fixture, "a", 3, 0, 0);
}

static void a_conversion_sells_and_survives(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 3, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 2, &reply);
    id = reply.reply.hold.id;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &id, &reply),
            OUTCOME_OK);
    assert_stock(fixture, "a", 1, 0, 2);
    assert_int_equal(
        fixture_hold(fixture, COMMAND_HOLD_RELEASE, AUTHORITY_PRINCIPAL, 1, &id, &reply),
        OUTCOME_HOLD_ENDED);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_stock(fixture, "a", 1, 0, 2);
    fixture_advance(fixture, HOLD_RETENTION_MS + 1000); /* the hold is forgotten, the sale is not */
    assert_int_equal(fixture_hold(fixture, COMMAND_HOLD_GET, AUTHORITY_PRINCIPAL, 1, &id, &reply),
                     OUTCOME_NOT_FOUND);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_stock(fixture, "a", 1, 0, 2);
    fixture_reserve(fixture, 0, 1, "other", "a", 1, &reply);
    assert_true(reply.reply.hold.fence > id.sequence); /* a fence only grows */
}

static void limits_hold_per_customer_and_product(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 9, 2);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k1", "a", 1, &reply), OUTCOME_OK);
    id = reply.reply.hold.id;
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k2", "a", 2, &reply), OUTCOME_LIMIT_REACHED);
    assert_int_equal(reply.reply.limit, 2);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k3", "a", 1, &reply), OUTCOME_OK);
    assert_int_equal(fixture_reserve(fixture, 1, 1, "k4", "a", 1, &reply), OUTCOME_LIMIT_REACHED);
    assert_int_equal(fixture_reserve(fixture, 1, 2, "k4", "a", 2, &reply), OUTCOME_OK);
    assert_stock(fixture, "a", 5, 4, 0);
    /* Sold units count; they do so after a restart, and when the hold is long forgotten. */
    fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &id, &reply);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k5", "a", 1, &reply), OUTCOME_LIMIT_REACHED);
    fixture_advance(fixture, HOLD_RETENTION_MS + HOLD_TTL_MS_DEFAULT);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k6", "a", 2, &reply), OUTCOME_LIMIT_REACHED);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k7", "a", 1, &reply), OUTCOME_OK);
}

static void a_commit_that_is_not_ok_stops_acknowledging(void **state)
{
    struct fixture *fixture = *state;
    struct command_line line = {.sku = text("a"), .quantity = 1};
    struct command command = reserve_command(&line, 1, 1, "k");
    struct message reply;
    enum outcome outcome;
    uint64_t cookie;

    fixture_product(fixture, "p", "a", 2, 0);
    cookie = fixture_submit(fixture, 0, &command, &outcome);
    fixture_step(fixture, false);
    journal_memory_complete(fixture->journal, COMMIT_FAILED, true); /* and yet it is durable */
    fixture_step(fixture, false);
    assert_true(fixture->failed);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    assert_int_equal(fixture->replies[cookie].reply.outcome, OUTCOME_OUTCOME_UNKNOWN);
    assert_int_equal(fixture_reserve(fixture, 0, 2, "k2", "a", 1, &reply), OUTCOME_OUTCOME_UNKNOWN);
    assert_int_equal(engine_mode(fixture->engine), ENGINE_FAILED);
    assert_int_equal(journal_memory_commits_when_stuck(fixture->journal), 0);
    /* The same key learns the truth after the restart. */
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.replayed, 1);
}

static void less_than_the_watermark_is_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture_product(fixture, "p", "a", 2, 0);
    fixture->watermark += 1;
    journal_memory_crash(fixture->journal, false);
    engine_destroy(fixture->engine);
    assert_int_equal(fixture_open(fixture), -1);
}

static void a_full_store_refuses_holds_and_lets_them_go(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 2, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 1, &reply);
    id = reply.reply.hold.id;
    journal_memory_set_full(fixture->journal, true);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k2", "a", 1, &reply), OUTCOME_STORAGE_FULL);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "a", 1, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.replayed, 1);
    assert_int_equal(
        fixture_hold(fixture, COMMAND_HOLD_RELEASE, AUTHORITY_PRINCIPAL, 1, &id, &reply),
        OUTCOME_OK);
    journal_memory_set_full(fixture->journal, false);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k2", "a", 1, &reply), OUTCOME_OK);
}

static void too_much_in_flight_is_refused_and_returns_its_claim(void **state)
{
    struct fixture *fixture = *state;
    struct command_line line = {.sku = text("a"), .quantity = 1};
    uint32_t refused = 0;

    fixture_product(fixture, "p", "a", 1000, 0);
    for (uint32_t i = 0; i < 300; i++) {
        char key[16];
        struct command command;
        enum outcome outcome;

        snprintf(key, sizeof(key), "k%u", i);
        command = reserve_command(&line, 1, 1, key);
        fixture_submit(fixture, 0, &command, &outcome);
        refused += outcome == OUTCOME_OVERLOADED;
    }
    assert_int_equal(refused, 300 - fixture->options.requests_max);
    fixture_run(fixture);
    assert_stock(fixture, "a", 1000 - fixture->options.requests_max, fixture->options.requests_max,
                 0);
}

static void holds_are_listed_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct command command = {.type = COMMAND_HOLD_LIST};
    struct message reply;
    uint32_t found = 0;

    fixture_product(fixture, "p", "a", 100, 0);
    fixture_product(fixture, "q", "b", 100, 0);
    for (uint32_t i = 0; i < 12; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%u", i);
        fixture_reserve(fixture, 0, (uint8_t)(i % 2), key, i % 3 == 0 ? "a" : "b", 1, &reply);
        fixture_advance(fixture, 5);
    }
    for (uint32_t shard = 0; shard < 2; shard++) {
        command.list.shard = shard;
        command.list.body = (struct list_body){
            .principal = buyer(1), .sku_id = UINT32_MAX, .state = -1, .limit = 3};
        for (bool more = true; more;) {
            assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
            found += reply.reply.list->count;
            more = reply.reply.list->more;
            if (reply.reply.list->count > 0)
                command.list.body.after = reply.reply.list->views[reply.reply.list->count - 1].id;
            for (uint32_t i = 0; i < reply.reply.list->count; i++)
                assert_int_equal(reply.reply.list->views[i].principal.bytes[0], 1);
            envelope_free(reply.reply.list);
        }
    }
    assert_int_equal(found, 6);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sells_exactly_n),
        TEST(answers_wait_for_the_commit),
        TEST(repeats_get_the_first_answer),
        TEST(a_key_with_another_body_is_refused),
        TEST(holds_lapse_and_units_sell_again),
        TEST(a_full_batch_keeps_no_hold_from_lapsing),
        TEST(extensions_are_bounded),
        TEST(a_repeated_extension_extends_once),
        TEST(an_id_of_another_time_is_not_found),
        TEST(refused_keys_do_not_fill_the_filter),
        TEST(a_release_gives_units_back_once),
        TEST(a_conversion_sells_and_survives),
        TEST(limits_hold_per_customer_and_product),
        TEST(a_commit_that_is_not_ok_stops_acknowledging),
        TEST(less_than_the_watermark_is_refused),
        TEST(a_full_store_refuses_holds_and_lets_them_go),
        TEST(too_much_in_flight_is_refused_and_returns_its_claim),
        TEST(holds_are_listed_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks through the engine, by tests of endpoints: who is asked, what is recorded, restarts,
 * endpoints that go, what is swept when. Orders' events are the simulator's. */
#include "engine_fixture.h"

enum { CARRIED_MAX = 32, SECOND_MS = 1000, DAY_MS = 24 * 3600 * 1000 };

static struct {
    struct engine_delivery *carried[CARRIED_MAX];
    uint32_t count;
} bag;

static void courier(void *user, struct shard *shard, struct engine_delivery *delivery)
{
    (void)user;
    (void)shard;
    assert_true(bag.count < CARRIED_MAX);
    bag.carried[bag.count++] = delivery;
}

static void employ(struct fixture *fixture)
{
    bag.count = 0;
    for (uint32_t i = 0; i < fixture->options.shards; i++)
        shard_set_webhook_courier(engine_shard(fixture->engine, i), courier, NULL);
    fixture_run(fixture);
}

static void crash(struct fixture *fixture)
{
    assert_int_equal(fixture_crash(fixture), 0);
    employ(fixture);
}

static int set_up(void **state)
{
    struct fixture *fixture;

    fixture_set_up(state);
    fixture = *state;
    fixture->events[CONSUMER_WEBHOOKS] = engine_webhooks_consumer();
    fixture->options.webhook_schedule = (struct delivery_schedule){2, {0, 10}};
    crash(fixture);
    return 0;
}

static enum outcome settings(struct fixture *fixture, enum settings_call call, uint32_t number,
                             bool is_enabled, uint32_t *number_out)
{
    struct settings_envelope *envelope = settings_envelope_create(call, SETTING_WEBHOOK_ENDPOINT);
    struct setting_endpoint *row = &envelope->row.endpoint;
    struct message reply;
    enum outcome outcome;

    row->url_length = 16;
    memcpy(row->url, "https://a.bc/def", 16);
    row->events = 1;
    row->enabled = is_enabled;
    row->secrets[0].length = 1;
    envelope->number = number;
    envelope->fields = 1u << SETTING_FIELD_ENABLED;
    envelope->key.length = 8;
    outcome = fixture_do(fixture, 1,
                         &(struct command){.type = COMMAND_SETTINGS,
                                           .authority = AUTHORITY_STAFF,
                                           .settings = envelope},
                         &reply);
    if (number_out != NULL)
        *number_out = reply.reply.settings->number;
    envelope_free(reply.reply.settings);
    return outcome;
}

static uint32_t endpoint(struct fixture *fixture)
{
    uint32_t number;

    assert_int_equal(settings(fixture, SETTINGS_CALL_CREATE, 0, true, &number), OUTCOME_OK);
    return number;
}

static enum outcome send(struct fixture *fixture, uint32_t number, uint64_t sequence)
{
    struct command command = {.type = COMMAND_DELIVERY, .origin = {.caller = AUDIT_BY_OWNER}};
    struct message reply;

    command.delivery.body = (struct delivery_body){
        .endpoint = number,
        .sequence = DELIVERY_TEST_BIT | sequence,
        .event = {.type = EVENT_ENDPOINT_TEST, .wall_ms = fixture->now.wall_ms}};
    return fixture_do(fixture, 1, &command, &reply);
}

static void come_back(struct fixture *fixture, enum delivery_result result)
{
    struct delivery_answer answer = {.result = (uint8_t)result, .response = 500};

    assert_true(bag.count > 0);
    engine_delivery_done(bag.carried[--bag.count], &answer);
    fixture_run(fixture);
}

/* Each day a pass over all pages, which are some time apart. */
static void live(struct fixture *fixture, unsigned days)
{
    for (unsigned day = 0; day < days; day++) {
        fixture_advance(fixture, DAY_MS);
        for (unsigned page = 0; page < 3 * fixture->options.partitions; page++)
            fixture_advance(fixture, SECOND_MS);
    }
}

static uint64_t count(const struct fixture *fixture, enum record_kind kind)
{
    return journal_memory_count(fixture->journal, kind);
}

/* ---- tests ---- */

static void a_test_is_sent_once_and_recorded(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);
    uint64_t entries = count(fixture, RECORD_AUDIT);

    assert_int_equal(send(fixture, number, 1), OUTCOME_OK);
    assert_int_equal(bag.count, 1);
    assert_int_equal(bag.carried[0]->endpoint, number);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 1);
    assert_int_equal(count(fixture, RECORD_AUDIT), entries + 1);
    come_back(fixture, DELIVERY_OK);
    fixture_advance(fixture, DAY_MS);
    assert_int_equal(bag.count, 0);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 0);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DONE), 1);
}

static void nobody_is_asked_before_it_is_durable(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);
    struct command command = {.type = COMMAND_DELIVERY};
    enum outcome outcome;

    command.delivery.body = (struct delivery_body){
        .endpoint = number, .sequence = DELIVERY_TEST_BIT, .event = {.type = EVENT_ENDPOINT_TEST}};
    fixture_submit(fixture, 1, &command, &outcome);
    fixture_step(fixture, false);
    assert_int_equal(bag.count, 0);
    fixture_run(fixture);
    assert_int_equal(bag.count, 1);
}

static void endpoints_that_are_not_there_or_disabled_are_refused(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);

    assert_int_equal(send(fixture, number + 1, 1), OUTCOME_NOT_FOUND);
    settings(fixture, SETTINGS_CALL_CHANGE, number, false, NULL);
    assert_int_equal(send(fixture, number, 1), OUTCOME_INVALID_STATE);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 0);
}

static void a_restart_goes_on_where_the_schedule_was(void **state)
{
    struct fixture *fixture = *state;

    send(fixture, endpoint(fixture), 1);
    come_back(fixture, DELIVERY_LATER);
    crash(fixture);
    assert_int_equal(bag.count, 0);
    fixture_advance(fixture, 12 * SECOND_MS);
    assert_int_equal(bag.count, 1);
    assert_int_equal(bag.carried[0]->attempts, 1);
    come_back(fixture, DELIVERY_LATER);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 0);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DEAD), 1);
}

static void a_crash_before_the_end_is_recorded_sends_it_again(void **state)
{
    struct fixture *fixture = *state;
    struct delivery_answer answer = {.result = DELIVERY_OK};

    send(fixture, endpoint(fixture), 1);
    engine_delivery_done(bag.carried[0], &answer);
    crash(fixture);
    assert_int_equal(bag.count, 1);
    assert_int_equal(bag.carried[0]->sequence, DELIVERY_TEST_BIT | 1);
    assert_int_equal(bag.carried[0]->attempts, 0);
}

static void of_a_disabled_endpoint_dead_letters_are_left(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);

    send(fixture, number, 1);
    come_back(fixture, DELIVERY_LATER);
    settings(fixture, SETTINGS_CALL_CHANGE, number, false, NULL);
    fixture_run(fixture);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 0);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DEAD), 1);
}

static void of_a_removed_endpoint_nothing_is_left_even_after_a_crash(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);

    send(fixture, number, 1);
    send(fixture, number, 2);
    come_back(fixture, DELIVERY_LATER);
    settings(fixture, SETTINGS_CALL_REMOVE, number, false, NULL);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 1); /* which is under way */
    crash(fixture);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DEAD), 0);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 0);
    assert_int_equal(bag.count, 0);
}

static void what_comes_back_for_a_removed_endpoint_is_dropped(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t i = 0; i < WEBHOOK_ENDPOINTS_MAX + 2;
         i++) { /* each has the lane of the one before */
        uint32_t number = endpoint(fixture);

        send(fixture, number, i + 1);
        settings(fixture, SETTINGS_CALL_REMOVE, number, false, NULL);
        come_back(fixture, i % 2 == 0 ? DELIVERY_LATER : DELIVERY_UNTRIED);
        assert_int_equal(count(fixture, RECORD_DELIVERY), 0);
    }
    assert_int_equal(count(fixture, RECORD_DELIVERY_DEAD), 0);
    assert_int_equal(send(fixture, endpoint(fixture), 1000), OUTCOME_OK);
}

static void what_is_past_is_swept_when_it_is_old(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);

    send(fixture, number, 1);
    come_back(fixture, DELIVERY_OK);
    send(fixture, number, 2);
    come_back(fixture, DELIVERY_REFUSED);
    live(fixture, 6);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DONE), 1);
    live(fixture, 3);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DONE), 0);
    live(fixture, 20);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DEAD), 1);
    live(fixture, 3);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DEAD), 0);
}

static void a_start_with_fewer_shards_finds_room_for_all(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);

    for (uint64_t i = 1; i <= 8; i++)
        send(fixture, number, i);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 8);
    fixture->options.shards = 1;
    crash(fixture);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 8);
    fixture->options.shards = 2;
    crash(fixture);
    while (bag.count > 0)
        come_back(fixture, DELIVERY_OK);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 0);
    assert_int_equal(count(fixture, RECORD_DELIVERY_DONE), 8);
}

static void a_draining_engine_begins_nothing_and_ends_what_it_began(void **state)
{
    struct fixture *fixture = *state;
    uint32_t number = endpoint(fixture);

    send(fixture, number, 1);
    engine_drain(fixture->engine);
    fixture_run(fixture);
    assert_false(engine_is_idle(fixture->engine));
    come_back(fixture, DELIVERY_UNTRIED);
    assert_true(engine_is_idle(fixture->engine));
    fixture_advance(fixture, DELIVERY_POSTPONE_MS);
    assert_int_equal(bag.count, 0);
    assert_int_equal(count(fixture, RECORD_DELIVERY), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_test_is_sent_once_and_recorded),
        CASE(nobody_is_asked_before_it_is_durable),
        CASE(endpoints_that_are_not_there_or_disabled_are_refused),
        CASE(a_restart_goes_on_where_the_schedule_was),
        CASE(a_crash_before_the_end_is_recorded_sends_it_again),
        CASE(of_a_disabled_endpoint_dead_letters_are_left),
        CASE(of_a_removed_endpoint_nothing_is_left_even_after_a_crash),
        CASE(what_comes_back_for_a_removed_endpoint_is_dropped),
        CASE(what_is_past_is_swept_when_it_is_old),
        CASE(a_start_with_fewer_shards_finds_room_for_all),
        CASE(a_draining_engine_begins_nothing_and_ends_what_it_began),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Coupons: definitions, and uses that are held, committed and released, over crashes. */
#include "engine_fixture.h"

static enum outcome call(struct fixture *fixture, enum coupon_call what,
                         const struct coupon_view *wanted, uint64_t version,
                         struct coupon_view *view_out)
{
    struct coupon_envelope *envelope = coupon_envelope_create(what);
    struct command command = {.type = COMMAND_COUPON,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_ADMIN_KEY},
                              .coupon = envelope};
    struct message reply;
    enum outcome outcome;

    envelope->view = *wanted;
    envelope->version = version;
    outcome = fixture_do(fixture, 1, &command, &reply);
    if (reply.type == MESSAGE_REPLY)
        assert_ptr_equal(reply.reply.coupon, envelope);
    if (view_out != NULL)
        *view_out = envelope->view;
    envelope_free(envelope);
    return outcome;
}

static struct coupon_view ten_percent(const char *code, uint32_t max_uses, uint32_t per_customer)
{
    struct coupon_view view = {
        .definition = {.max_uses = max_uses,
                       .max_uses_per_customer = per_customer,
                       .rule = {.kind = COUPON_PERCENTAGE, .percent_bp = 1000}}};

    strcpy(view.definition.code, code);
    return view;
}

static struct coupon_view create(struct fixture *fixture, const char *code, uint32_t max_uses,
                                 uint32_t per_customer)
{
    struct coupon_view view = ten_percent(code, max_uses, per_customer);

    assert_int_equal(call(fixture, COUPON_CALL_CREATE, &view, 0, &view), OUTCOME_OK);
    assert_int_equal(view.version, 1);
    return view;
}

static struct coupon_view look(struct fixture *fixture, const char *code)
{
    struct coupon_view view = ten_percent(code, 0, 0);

    assert_int_equal(call(fixture, COUPON_CALL_GET, &view, 0, &view), OUTCOME_OK);
    return view;
}

static struct command use_command(const struct coupon_view *coupon, enum command_type type,
                                  uint64_t order, uint8_t who)
{
    struct command command = {.type = type};

    command.coupon_use.partition = coupon->partition;
    command.coupon_use.body = (struct coupon_use_body){
        .order = {.partition = (uint32_t)order % 16, .sequence = order, .created_ms = 1000},
        .number = coupon->number,
        .version = coupon->version,
        .principal = buyer(who)};
    return command;
}

static struct coupon_use_answer answer; /* of the last use() */

static enum outcome use(struct fixture *fixture, const struct coupon_view *coupon,
                        enum command_type type, uint64_t order, uint8_t who)
{
    struct command command = use_command(coupon, type, order, who);
    struct message reply;
    enum outcome outcome = fixture_do(fixture, (uint32_t)order % 2, &command, &reply);

    answer = reply.reply.coupon_use;
    assert_memory_equal(&answer.order, &command.coupon_use.body.order, sizeof(answer.order));
    assert_int_equal(answer.number, coupon->number);
    return outcome;
}

static enum outcome hold(struct fixture *fixture, const struct coupon_view *coupon, uint64_t order,
                         uint8_t who)
{
    return use(fixture, coupon, COMMAND_COUPON_HOLD, order, who);
}

static enum outcome commit(struct fixture *fixture, const struct coupon_view *coupon,
                           uint64_t order)
{
    return use(fixture, coupon, COMMAND_COUPON_COMMIT, order, 1);
}

static enum outcome release(struct fixture *fixture, const struct coupon_view *coupon,
                            uint64_t order)
{
    return use(fixture, coupon, COMMAND_COUPON_RELEASE, order, 1);
}

static void assert_uses(struct fixture *fixture, const char *code, uint32_t held,
                        uint32_t committed)
{
    struct coupon_view view = look(fixture, code);

    assert_int_equal(view.held, held);
    assert_int_equal(view.committed, committed);
    assert_int_equal(engine_inspect_coupons(fixture->engine), 0);
}

static void a_use_is_held_committed_and_counted(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = create(fixture, "SUMMER", 2, 0);

    for (int i = 0; i < 2; i++) {
        assert_int_equal(hold(fixture, &coupon, 1, 1), OUTCOME_OK);
        assert_int_equal(hold(fixture, &coupon, 2, 2), OUTCOME_OK);
    }
    assert_int_equal(hold(fixture, &coupon, 3, 3), OUTCOME_COUPON_EXHAUSTED);
    assert_int_equal(answer.reason, COUPON_REASON_USED_UP);
    assert_uses(fixture, "SUMMER", 2, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(commit(fixture, &coupon, 1), OUTCOME_OK);
    assert_int_equal(hold(fixture, &coupon, 1, 1), OUTCOME_OK); /* it has it */
    assert_uses(fixture, "SUMMER", 1, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(release(fixture, &coupon, 2), OUTCOME_OK);
    assert_int_equal(hold(fixture, &coupon, 2, 2), OUTCOME_COUPON_INVALID); /* never revives */
    assert_int_equal(answer.reason, COUPON_REASON_ORDER_RELEASED);
    assert_uses(fixture, "SUMMER", 0, 1);
    assert_int_equal(hold(fixture, &coupon, 3, 3), OUTCOME_OK); /* exactly the cap is reachable */
    assert_int_equal(hold(fixture, &coupon, 4, 4), OUTCOME_COUPON_EXHAUSTED);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_USE), 1);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_PAST), 1);
}

static void what_cannot_follow_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = create(fixture, "C", 5, 0);
    struct command command;
    struct message reply;

    assert_int_equal(commit(fixture, &coupon, 7), OUTCOME_STALE); /* without a hold */
    assert_int_equal(release(fixture, &coupon, 7), OUTCOME_OK);   /* there is nothing */
    hold(fixture, &coupon, 1, 1);
    command = use_command(&coupon, COMMAND_COUPON_HOLD, 1, 1);
    command.coupon_use.body.order.created_ms++;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_COUPON_INVALID);
    assert_int_equal(reply.reply.coupon_use.reason, COUPON_REASON_OTHER_ORDER);
    command.type = COMMAND_COUPON_COMMIT;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_STALE);
    command.type = COMMAND_COUPON_RELEASE;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_uses(fixture, "C", 1, 0);
    commit(fixture, &coupon, 1);
    assert_int_equal(release(fixture, &coupon, 1), OUTCOME_STALE); /* for good */
    assert_uses(fixture, "C", 0, 1);
    hold(fixture, &coupon, 2, 1);
    release(fixture, &coupon, 2);
    assert_int_equal(commit(fixture, &coupon, 2), OUTCOME_STALE);
    assert_uses(fixture, "C", 0, 1);
}

/* What ended leaves memory; then its record answers. */
static void the_journal_knows_what_memory_forgot(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = create(fixture, "C", 5, 1);
    int64_t ended_ms = fixture->options.request_timeout_ms + COUPON_ENDED_SLACK_MS;

    for (uint64_t order = 1; order <= 4; order++)
        assert_int_equal(hold(fixture, &coupon, order, (uint8_t)order), OUTCOME_OK);
    commit(fixture, &coupon, 1);
    release(fixture, &coupon, 2);
    commit(fixture, &coupon, 3);
    for (int restarted = 0; restarted < 2; restarted++) {
        fixture_advance(fixture, ended_ms + 1);
        if (restarted)
            assert_int_equal(fixture_crash(fixture), 0);
        assert_int_equal(commit(fixture, &coupon, 1), OUTCOME_OK);
        assert_int_equal(release(fixture, &coupon, 1), OUTCOME_STALE);
        assert_int_equal(release(fixture, &coupon, 2), OUTCOME_OK);
        assert_int_equal(commit(fixture, &coupon, 2), OUTCOME_STALE);
        assert_int_equal(commit(fixture, &coupon, 3), OUTCOME_OK);
        assert_uses(fixture, "C", 1, 2);
    }
    assert_int_equal(hold(fixture, &coupon, 5, 1), OUTCOME_COUPON_EXHAUSTED); /* the customer */
    assert_int_equal(answer.reason, COUPON_REASON_CUSTOMER_LIMIT);
    assert_int_equal(commit(fixture, &coupon, 4), OUTCOME_OK);
    assert_uses(fixture, "C", 0, 3);
}

static void a_customer_has_so_many_and_guests_count(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = create(fixture, "C", 0, 2);
    struct command command = use_command(&coupon, COMMAND_COUPON_HOLD, 10, 9);
    struct message reply;

    assert_int_equal(hold(fixture, &coupon, 1, 1), OUTCOME_OK);
    assert_int_equal(hold(fixture, &coupon, 2, 1), OUTCOME_OK);
    assert_int_equal(hold(fixture, &coupon, 3, 1), OUTCOME_COUPON_EXHAUSTED);
    assert_int_equal(release(fixture, &coupon, 1), OUTCOME_OK);
    assert_int_equal(hold(fixture, &coupon, 4, 2), OUTCOME_OK);
    assert_int_equal(commit(fixture, &coupon, 2), OUTCOME_OK);
    /* Customer 9 was guests 1 (a committed use) and 2 (a held one). */
    command.coupon_use.body.alias_count = 1;
    command.coupon_use.body.aliases[0] = buyer(1);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    command.coupon_use.body.order.sequence = 26;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_COUPON_EXHAUSTED);
    release(fixture, &coupon, 10);
    command.coupon_use.body.alias_count = 2;
    command.coupon_use.body.aliases[1] = buyer(2);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_COUPON_EXHAUSTED);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_COUPON_EXHAUSTED);
    release(fixture, &coupon, 4);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_uses(fixture, "C", 1, 1);
}

static void only_a_valid_coupon_is_held(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view wanted = ten_percent("C", 0, 0);
    struct coupon_view coupon;
    struct coupon_view none = {.partition = 3, .number = 77, .version = 1};

    wanted.definition.starts_wall_ms = fixture->now.wall_ms + 1000;
    wanted.definition.ends_wall_ms = fixture->now.wall_ms + 2000;
    call(fixture, COUPON_CALL_CREATE, &wanted, 0, &coupon);
    assert_int_equal(hold(fixture, &none, 1, 1), OUTCOME_COUPON_INVALID);
    assert_int_equal(answer.reason, COUPON_REASON_UNKNOWN);
    assert_int_equal(hold(fixture, &coupon, 1, 1), OUTCOME_COUPON_INVALID);
    assert_int_equal(answer.reason, COUPON_REASON_NOT_YET);
    fixture_advance(fixture, 1000);
    assert_int_equal(hold(fixture, &coupon, 1, 1), OUTCOME_OK);
    fixture_advance(fixture, 1000);
    assert_int_equal(hold(fixture, &coupon, 2, 1), OUTCOME_COUPON_INVALID);
    assert_int_equal(answer.reason, COUPON_REASON_OVER);
    assert_int_equal(hold(fixture, &coupon, 1, 1), OUTCOME_OK); /* held in time */
    wanted.definition.ends_wall_ms = 0;
    assert_int_equal(call(fixture, COUPON_CALL_UPDATE, &wanted, 1, NULL), OUTCOME_OK);
    assert_int_equal(hold(fixture, &coupon, 2, 1), OUTCOME_COUPON_INVALID);
    assert_int_equal(answer.reason, COUPON_REASON_CHANGED);
    coupon.version = 2;
    assert_int_equal(hold(fixture, &coupon, 2, 1), OUTCOME_OK);
    wanted.definition.is_disabled = 1;
    assert_int_equal(call(fixture, COUPON_CALL_UPDATE, &wanted, 0, NULL), OUTCOME_OK);
    coupon.version = 3;
    assert_int_equal(hold(fixture, &coupon, 3, 1), OUTCOME_COUPON_INVALID);
    assert_int_equal(answer.reason, COUPON_REASON_DISABLED);
    assert_uses(fixture, "C", 2, 0);
}

static void definitions_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view wanted = ten_percent("SPRING-25", 5, 0);
    struct coupon_view seen;

    coupon_names_add(&wanted.names, "Shoes", 5);
    coupon_names_add(&wanted.names, "p-1", 3);
    wanted.definition.rule.category_count = 1;
    wanted.definition.rule.product_count = 1;
    assert_true(coupon_label_scope(&wanted.definition.rule, &wanted.names));
    assert_int_equal(call(fixture, COUPON_CALL_GET, &wanted, 0, NULL), OUTCOME_NOT_FOUND);
    assert_int_equal(call(fixture, COUPON_CALL_UPDATE, &wanted, 0, NULL), OUTCOME_NOT_FOUND);
    assert_int_equal(call(fixture, COUPON_CALL_CREATE, &wanted, 0, NULL), OUTCOME_OK);
    assert_int_equal(call(fixture, COUPON_CALL_CREATE, &wanted, 0, NULL), OUTCOME_COUPON_EXISTS);
    assert_int_equal(fixture_crash(fixture), 0);
    seen = look(fixture, "SPRING-25");
    assert_memory_equal(&seen.definition, &wanted.definition, sizeof(seen.definition));
    assert_int_equal(seen.names.length, wanted.names.length);
    assert_memory_equal(seen.names.bytes, wanted.names.bytes, wanted.names.length);
    hold(fixture, &seen, 1, 1);
    hold(fixture, &seen, 2, 1);
    commit(fixture, &seen, 2);
    wanted.definition.max_uses = 1; /* two are used */
    assert_int_equal(call(fixture, COUPON_CALL_UPDATE, &wanted, 0, NULL), OUTCOME_COUPON_IN_USE);
    wanted.definition.max_uses = 2;
    assert_int_equal(call(fixture, COUPON_CALL_UPDATE, &wanted, 7, NULL), OUTCOME_STALE);
    for (int i = 0; i < 2; i++) { /* the second changes nothing */
        assert_int_equal(call(fixture, COUPON_CALL_UPDATE, &wanted, 0, &seen), OUTCOME_OK);
        assert_int_equal(seen.version, 2);
    }
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_AUDIT), 2);
    assert_uses(fixture, "SPRING-25", 1, 1);
}

static void a_deleted_coupon_ends_what_it_began(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = create(fixture, "C", 5, 2);
    struct coupon_view again;
    struct coupon_view other;

    for (uint64_t order = 1; order <= 3; order++)
        hold(fixture, &coupon, order, (uint8_t)order);
    commit(fixture, &coupon, 3);
    assert_int_equal(call(fixture, COUPON_CALL_DELETE, &coupon, 9, NULL), OUTCOME_STALE);
    assert_int_equal(call(fixture, COUPON_CALL_DELETE, &coupon, 0, NULL), OUTCOME_OK);
    assert_int_equal(call(fixture, COUPON_CALL_DELETE, &coupon, 0, NULL), OUTCOME_NOT_FOUND);
    assert_int_equal(hold(fixture, &coupon, 4, 4), OUTCOME_COUPON_INVALID);
    again = create(fixture, "C", 5, 2); /* another coupon, whose uses are none */
    assert_int_equal(again.partition, coupon.partition);
    assert_int_equal(again.number, coupon.number + 1);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_uses(fixture, "C", 0, 0);
    assert_int_equal(commit(fixture, &coupon, 1), OUTCOME_OK);
    assert_int_equal(release(fixture, &coupon, 2), OUTCOME_OK);
    assert_uses(fixture, "C", 0, 0);
    /* With its last use it is forgotten, but for its history. */
    look(fixture, "C");
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON), 1);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_COUNT), 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_PAST), 2);
    assert_int_equal(call(fixture, COUPON_CALL_DELETE, &again, 0, NULL), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    other = create(fixture, "C", 5, 2);
    assert_int_equal(other.number, again.number + 1); /* never again */
}

static void rows_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view wanted = ten_percent("D", 0, 0);
    struct coupon_view coupon;

    fixture->options.coupons_max = 1;
    fixture->options.coupon_rows_max = 3;
    engine_destroy(fixture->engine);
    fixture_open(fixture);
    coupon = create(fixture, "A", 0, 0);
    create(fixture, "B", 0, 0); /* of the other shard */
    assert_int_equal(call(fixture, COUPON_CALL_CREATE, &wanted, 0, NULL), OUTCOME_OVERLOADED);
    for (uint64_t order = 1; order <= 3; order++)
        assert_int_equal(hold(fixture, &coupon, order, 1), OUTCOME_OK);
    assert_int_equal(hold(fixture, &coupon, 4, 1), OUTCOME_OVERLOADED);
    assert_int_equal(release(fixture, &coupon, 2), OUTCOME_OK);
    fixture_advance(fixture,
                    (int64_t)fixture->options.request_timeout_ms + COUPON_ENDED_SLACK_MS + 1);
    assert_int_equal(hold(fixture, &coupon, 4, 1), OUTCOME_OK);
}

static void only_so_many_are_looked_for_at_once(void **state)
{
    enum { ASKED = COUPON_LOOKUPS_MAX + 8 };
    struct fixture *fixture = *state;
    struct coupon_view coupon = create(fixture, "C", 0, 0);
    uint64_t cookies[ASKED];
    uint32_t counts[OUTCOME_COUNT] = {0};
    enum outcome outcome;

    for (int round = 0; round < 2; round++) { /* what was looked for leaves its place */
        memset(counts, 0, sizeof(counts));
        for (uint32_t i = 0; i < ASKED; i++) {
            struct command command = use_command(&coupon, COMMAND_COUPON_COMMIT, 1 + i, 1);

            cookies[i] = fixture_submit(fixture, 0, &command, &outcome);
            assert_int_equal(outcome, OUTCOME_PENDING);
        }
        fixture_run(fixture);
        for (uint32_t i = 0; i < ASKED; i++) {
            assert_int_equal(fixture->reply_counts[cookies[i]], 1);
            counts[fixture->replies[cookies[i]].reply.outcome]++;
        }
        assert_int_equal(counts[OUTCOME_STALE], COUPON_LOOKUPS_MAX); /* never held */
        assert_int_equal(counts[OUTCOME_OVERLOADED], ASKED - COUPON_LOOKUPS_MAX);
    }
}

static void a_list_is_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct command command = {.type = COMMAND_COUPON_LIST};
    char code[8];
    uint32_t found = 0;

    for (int i = 0; i < 20; i++) {
        snprintf(code, sizeof(code), "C%02d", (i * 7) % 20);
        create(fixture, code, 0, 0);
    }
    for (uint32_t shard = 0; shard < 2; shard++) {
        char last[COUPON_CODE_MAX + 1] = "";
        bool more = true;

        command.coupon_list.shard = shard;
        command.coupon_list.body = (struct coupon_list_body){.limit = 3};
        while (more) {
            struct message reply;

            memcpy(command.coupon_list.body.after, last, sizeof(last));
            assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
            for (uint32_t i = 0; i < reply.reply.coupons->count; i++) {
                const char *next = reply.reply.coupons->views[i].definition.code;

                assert_true(strcmp(next, last) > 0);
                strcpy(last, next);
                found++;
            }
            more = reply.reply.coupons->more;
            assert_true(!more || reply.reply.coupons->count == 3);
            envelope_free(reply.reply.coupons);
        }
    }
    assert_int_equal(found, 20);
}

/* A thousand orders at once, each asking again and again, on a hundred uses; some of the winners
 * die, and others get their uses: exactly a hundred are committed in the end. */
static void a_thousand_race_for_a_hundred(void **state)
{
    enum { RACERS = 1000, USES = 100 };
    struct fixture *fixture = *state;
    struct coupon_view coupon = create(fixture, "RUSH", USES, 1);
    static bool committed[RACERS];
    static bool released[RACERS];
    uint64_t random = 7;
    uint32_t done = 0;

    memset(committed, 0, sizeof(committed));
    memset(released, 0, sizeof(released));
    for (int round = 0; round < 40 && done < USES; round++) {
        uint64_t first = fixture->next_cookie;
        static uint32_t racer_of[FIXTURE_COOKIES];
        uint32_t asked = 0;

        if (round % 8 == 7)
            assert_int_equal(fixture_crash(fixture), 0);
        fixture->next_cookie = first = 1;
        memset(fixture->reply_counts, 0, sizeof(fixture->reply_counts));
        for (uint32_t i = 0; i < RACERS; i++) {
            uint32_t racer = (i * 37 + (uint32_t)round) % RACERS;
            struct command command =
                use_command(&coupon, COMMAND_COUPON_HOLD, 100 + racer, (uint8_t)racer);
            enum outcome outcome;
            uint64_t cookie;

            command.coupon_use.body.principal.bytes[2] = (uint8_t)(racer >> 8);
            if (committed[racer] || released[racer])
                continue;
            for (int twice = 0; twice < 2; twice++) {
                cookie = fixture_submit(fixture, racer % 2, &command, &outcome);
                if (cookie != 0)
                    racer_of[cookie] = racer;
                asked += cookie != 0;
            }
            if (asked % 128 > 120)
                fixture_run(fixture);
        }
        fixture_run(fixture);
        uint64_t last = fixture->next_cookie;
        for (uint64_t cookie = first; cookie < last; cookie++) {
            uint32_t racer = racer_of[cookie];

            if (fixture->reply_counts[cookie] != 1 || committed[racer] || released[racer] ||
                fixture->replies[cookie].reply.outcome != OUTCOME_OK)
                continue;
            random = hash_word(random + 1);
            if (random % 3 == 0) {
                assert_int_equal(release(fixture, &coupon, 100 + racer), OUTCOME_OK);
                released[racer] = true;
            } else if (random % 3 == 1) {
                assert_int_equal(commit(fixture, &coupon, 100 + racer), OUTCOME_OK);
                committed[racer] = true;
                done++;
            }
        }
        assert_uses(fixture, "RUSH", look(fixture, "RUSH").held, done);
        assert_true(look(fixture, "RUSH").held + done <= USES);
    }
    assert_int_equal(done, USES);
    assert_uses(fixture, "RUSH", 0, USES);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_PAST), USES);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_USE), 0);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_uses(fixture, "RUSH", 0, USES);
}

static void codes_are_read_in_either_case(void **state)
{
    char code[COUPON_CODE_MAX + 1];

    (void)state;
    assert_true(coupon_code_read("sum-mer_25", 10, code));
    assert_string_equal(code, "SUM-MER_25");
    assert_true(coupon_code_read("ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJ", 40, code));
    assert_false(coupon_code_read("ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJK", 41, code));
    assert_false(coupon_code_read("", 0, code));
    assert_false(coupon_code_read("A B", 3, code));
    assert_false(coupon_code_read("\xc3\x84", 2, code));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_use_is_held_committed_and_counted),  TEST(what_cannot_follow_is_refused),
        TEST(the_journal_knows_what_memory_forgot), TEST(a_customer_has_so_many_and_guests_count),
        TEST(only_a_valid_coupon_is_held),          TEST(definitions_are_kept),
        TEST(a_deleted_coupon_ends_what_it_began),  TEST(rows_are_bounded),
        TEST(only_so_many_are_looked_for_at_once),  TEST(a_list_is_in_order),
        TEST(a_thousand_race_for_a_hundred),        cmocka_unit_test(codes_are_read_in_either_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

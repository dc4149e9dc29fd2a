/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations over several partitions: all lines or none, through refusals and crashes. */
#include "engine_fixture.h"

static void several_lines_are_all_or_none(void **state)
{
    struct fixture *fixture = *state;
    struct command_line lines[4];
    struct command command;
    struct message reply;

    fixture_product(fixture, "p1", "a", 5, 0);
    fixture_product(fixture, "p2", "b", 5, 0);
    fixture_product(fixture, "p3", "c", 1, 0);
    fixture_product(fixture, "p4", "d", 5, 1);
    lines[0] = (struct command_line){text("a"), 1};
    lines[1] = (struct command_line){text("b"), 2};
    lines[2] = (struct command_line){text("c"), 1};
    lines[3] = (struct command_line){text("a"), 1}; /* summed */
    command = reserve_command(lines, 4, 1, "k");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.hold.line_count, 3);
    assert_stock(fixture, "a", 3, 2, 0);
    assert_stock(fixture, "b", 3, 2, 0);
    assert_stock(fixture, "c", 0, 1, 0);

    command = reserve_command(lines, 4, 2, "k");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_INSUFFICIENT_STOCK);
    assert_int_equal(fixture->refusal.line_available[2], 0);
    assert_stock(fixture, "a", 3, 2, 0);

    /* A participant that refuses for its limit undoes the others, and the claim it was sent. */
    lines[2] = (struct command_line){text("d"), 2};
    command = reserve_command(lines, 3, 2, "k");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_LIMIT_REACHED);
    fixture_advance(fixture, 100);
    assert_stock(fixture, "a", 3, 2, 0);
    assert_stock(fixture, "b", 3, 2, 0);
    assert_stock(fixture, "d", 5, 0, 0);
    /* The key had no effect and may be tried again. */
    lines[2] = (struct command_line){text("d"), 1};
    command = reserve_command(lines, 3, 2, "k");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_stock(fixture, "d", 4, 1, 0);
}

/* How long an ended reservation answers repeats is not the wall clock's to say while the process
 * runs: not even if it is set between the end and the last partition's acknowledgement of it. */
static void an_end_is_kept_whatever_the_wall_clock_is_set_to(void **state)
{
    struct fixture *fixture = *state;
    struct command_line lines[2];
    struct command command;
    struct message reply;
    struct reservation_id id;
    char name[RESERVATION_ID_LENGTH + 1];
    struct command release = {.type = COMMAND_HOLD_RELEASE, .principal = buyer(1)};
    enum outcome outcome;

    fixture_product(fixture, "p1", "a", 5, 0);
    fixture_product(fixture, "p2", "b", 5, 0);
    lines[0] = (struct command_line){text("a"), 1};
    lines[1] = (struct command_line){text("b"), 1};
    command = reserve_command(lines, 2, 1, "k");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    id = reply.reply.hold.id;
    engine_reservation_id(fixture->engine, &id, name);
    release.reservation_id = text(name);
    fixture_submit(fixture, 0, &release, &outcome);
    fixture_step(fixture, false); /* it has ended, but nobody was told: nothing is durable */
    fixture->now.wall_ms += 2 * (int64_t)HOLD_RETENTION_MS;
    fixture_run(fixture);
    fixture_advance(fixture, 1000);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_true(reply.reply.replayed);
    assert_int_equal(reply.reply.hold.id.sequence, id.sequence);

    fixture->now.wall_ms -= 4 * (int64_t)HOLD_RETENTION_MS;
    fixture_advance(fixture, HOLD_RETENTION_MS);
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_false(reply.reply.replayed);
}

static void several_lines_end_together(void **state)
{
    struct fixture *fixture = *state;
    struct command_line lines[2];
    struct command command;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p1", "a", 5, 0);
    fixture_product(fixture, "p2", "b", 5, 0);
    lines[0] = (struct command_line){text("a"), 1};
    lines[1] = (struct command_line){text("b"), 2};
    command = reserve_command(lines, 2, 1, "k1");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 100);
    assert_stock(fixture, "a", 5, 0, 0);
    assert_stock(fixture, "b", 5, 0, 0);

    command = reserve_command(lines, 2, 1, "k2");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    id = reply.reply.hold.id;
    assert_int_equal(fixture_crash(fixture), 0);
    fixture_advance(fixture, 100);
    assert_stock(fixture, "b", 3, 2, 0);
    assert_int_equal(fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &id, &reply),
                     OUTCOME_OK);
    fixture_advance(fixture, 100);
    assert_stock(fixture, "a", 4, 0, 1);
    assert_stock(fixture, "b", 3, 0, 2);
    fixture_advance(fixture, HOLD_RETENTION_MS + 2000);
    fixture_advance(fixture, 2000);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_HOLD), 0);
}

static void an_intent_cut_short_by_a_crash_is_aborted(void **state)
{
    struct fixture *fixture = *state;
    struct command_line lines[2];
    struct command command;
    struct message reply;
    enum outcome outcome;

    fixture_product(fixture, "p1", "a", 5, 0);
    fixture_product(fixture, "p2", "b", 5, 0);
    lines[0] = (struct command_line){text("a"), 1};
    lines[1] = (struct command_line){text("b"), 2};
    for (int commits = 0; commits < 3; commits++) {
        uint64_t cookie;
        char key[16];

        snprintf(key, sizeof(key), "k%d", commits);
        command = reserve_command(lines, 2, 1, key);
        cookie = fixture_submit(fixture, 0, &command, &outcome);
        for (int i = 0; i < commits; i++) {
            fixture_step(fixture, false);
            if (journal_memory_pending(fixture->journal) != 0)
                journal_memory_complete(fixture->journal, COMMIT_OK, true);
        }
        fixture_step(fixture, false);
        if (fixture->reply_counts[cookie] != 0)
            break;
        assert_int_equal(fixture_crash(fixture), 0);
        fixture_advance(fixture, 5000);
        fixture_advance(fixture, 5000);
        assert_stock(fixture, "a", 5, 0, 0);
        assert_stock(fixture, "b", 5, 0, 0);
        /* Its key had no effect: the buyer may try again, and then let go. */
        assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
        assert_int_equal(reply.reply.replayed, 0);
        fixture_hold(fixture, COMMAND_HOLD_RELEASE, AUTHORITY_PRINCIPAL, 1, &reply.reply.hold.id,
                     &reply);
        fixture_advance(fixture, 100);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(several_lines_are_all_or_none),
        TEST(an_end_is_kept_whatever_the_wall_clock_is_set_to),
        TEST(several_lines_end_together),
        TEST(an_intent_cut_short_by_a_crash_is_aborted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Mails through the engine: when they leave, what is recorded of them, what a restart knows. */
#include "engine_fixture.h"

enum { MINUTE_MS = 60 * 1000, CARRIED_MAX = 64 };

static const uint8_t mary[EMAIL_INDEX_BYTES] = {0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9};

/* What the courier was given and has not brought back, and how often it was given each mail. */
struct bag {
    struct engine_mail *carried[CARRIED_MAX];
    uint32_t count;
    uint32_t given[16]; /* by the mail's number */
    char text[16][8];   /* what was sealed */
    uint64_t mails;     /* enqueued: their numbers are 1, 2, ... */
};

static struct bag bag;

static void take_mail(void *user, struct shard *shard, struct engine_mail *mail)
{
    (void)user;
    (void)shard;
    assert_true(mail->sequence < 16 && bag.count < CARRIED_MAX);
    assert_int_equal(mail->key->length, 4);
    assert_int_equal(mail->template, 3);
    memcpy(bag.text[mail->sequence], mail->sealed, mail->sealed_length);
    bag.given[mail->sequence]++;
    bag.carried[bag.count++] = mail;
}

static void employ(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->options.shards; i++)
        shard_set_courier(engine_shard(fixture->engine, i), take_mail, NULL);
}

/* The oldest comes back. */
static void come_back(struct fixture *fixture, enum courier_result result, const char *reason)
{
    struct engine_mail *mail = bag.carried[0];

    assert_true(bag.count > 0);
    memmove(bag.carried, bag.carried + 1, --bag.count * sizeof(bag.carried[0]));
    engine_mail_done(mail, result, reason);
    fixture_run(fixture);
}

static int set_up(void **state)
{
    memset(&bag, 0, sizeof(bag));
    fixture_set_up(state);
    employ(*state);
    return 0;
}

static void crash(struct fixture *fixture)
{
    bag.count = 0;
    assert_int_equal(fixture_crash(fixture), 0);
    employ(fixture);
    fixture_run(fixture);
}

static enum outcome ask(struct fixture *fixture, struct account_envelope *question)
{
    struct account_envelope *envelope = account_envelope_create((enum account_call)question->call);
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    struct message reply;
    enum outcome outcome;

    *envelope = *question;
    outcome = fixture_do(fixture, 0, &command, &reply);
    if (outcome == OUTCOME_PENDING)
        return outcome; /* the envelope is on its way */
    *question = *envelope;
    envelope_free(envelope);
    return outcome;
}

static void put_mail(struct account_envelope *envelope, const char *sealed)
{
    if (envelope->mail == 0)
        envelope->mail = ++bag.mails;
    envelope->mail_template = 3;
    envelope->sealed_mail_length = (uint16_t)(strlen(sealed) + 1);
    memcpy(envelope->sealed_mail, sealed, strlen(sealed) + 1);
}

static struct principal register_mary(struct fixture *fixture)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_EMAIL_PREPARE};

    memcpy(envelope.index, mary, sizeof(mary));
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    envelope.call = ACCOUNT_CALL_REGISTER;
    envelope.verified = 1;
    envelope.email_length = 3;
    envelope.key.length = 4;
    envelope.password_length = 4;
    put_mail(&envelope, "hello");
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    return envelope.account;
}

static enum outcome enqueue(struct fixture *fixture, const struct principal *account,
                            const char *sealed)
{
    struct account_envelope envelope = {
        .call = ACCOUNT_CALL_TOKEN_ISSUE, .account = *account, .lifetime_ms = 1000};

    put_mail(&envelope, sealed);
    return ask(fixture, &envelope);
}

static enum outcome replay(struct fixture *fixture, const struct principal *account,
                           uint64_t sequence)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_MAIL_RESULT,
                                        .account = *account,
                                        .mail = sequence,
                                        .mail_result = MAIL_REPLAYED,
                                        .mail_created_wall_ms = fixture->now.wall_ms};

    put_mail(&envelope, "again");
    return ask(fixture, &envelope);
}

/* Of mail `sequence`; false: none is stored. */
static bool find_mail(struct fixture *fixture, const struct principal *account, uint64_t sequence,
                      struct mail_record *mail_out)
{
    static const struct hash_key id_key = {{1, 2}};
    struct record record;
    uint32_t partition;
    uint32_t number;

    assert_true(account_principal_parse(account, &id_key, &partition, &number));
    if (!journal_memory_find(fixture->journal, RECORD_MAIL, partition, number, sequence, &record))
        return false;
    *mail_out = record.mail;
    return true;
}

static struct engine_metrics metrics_of(struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

static void a_mail_leaves_when_its_cause_is_durable_and_then_once(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);
    struct mail_record mail;

    assert_int_equal(bag.given[1], 1);
    assert_string_equal(bag.text[1], "hello");
    assert_int_equal(metrics_of(fixture).mails_waiting, 1);
    come_back(fixture, COURIER_DELIVERED, "");
    assert_false(find_mail(fixture, &account, 1, &mail));
    assert_int_equal(metrics_of(fixture).mails_waiting, 0);
    assert_int_equal(metrics_of(fixture).mails_delivered, 1);

    struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_TOKEN_ISSUE);
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    enum outcome outcome;

    envelope->account = account;
    envelope->lifetime_ms = 1000;
    put_mail(envelope, "second");
    uint64_t cookie = fixture_submit(fixture, 0, &command, &outcome);
    assert_int_equal(outcome, OUTCOME_PENDING);
    fixture_step(fixture, false); /* nothing becomes durable */
    assert_int_equal(bag.given[2], 0);
    assert_int_equal(fixture->reply_counts[cookie], 0);
    fixture_run(fixture);
    assert_int_equal(bag.given[2], 1);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    envelope_free(envelope);
    fixture_advance(fixture, 7 * 24 * 60 * MINUTE_MS);
    assert_int_equal(bag.given[1], 1);
    assert_int_equal(bag.given[2], 1);
    come_back(fixture, COURIER_DELIVERED, "");
}

static void a_mail_that_can_t_be_delivered_now_is_tried_again_for_three_days(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);
    struct mail_record mail;
    int64_t started_ms = fixture->now.boot_ms;

    for (uint32_t attempt = 1; attempt < MAIL_ATTEMPTS_MAX; attempt++) {
        assert_int_equal(bag.given[1], attempt);
        come_back(fixture, COURIER_LATER, "the mail server is away");
        assert_true(find_mail(fixture, &account, 1, &mail));
        assert_int_equal(mail.attempts, attempt);
        assert_int_equal(mail.state, MAIL_WAITING);
        assert_string_equal(mail.reason, "the mail server is away");
        assert_string_equal((const char *)mail.sealed, "hello");
        fixture_advance(fixture, mail.next_wall_ms - fixture->now.wall_ms - 1);
        assert_int_equal(bag.given[1], attempt); /* not yet */
        fixture_advance(fixture, 1);
    }
    assert_true(fixture->now.boot_ms - started_ms > 2LL * 24 * 60 * MINUTE_MS);
    come_back(fixture, COURIER_LATER, "the mail server is away");
    assert_true(find_mail(fixture, &account, 1, &mail));
    assert_int_equal(mail.state, MAIL_DEAD);
    assert_int_equal(metrics_of(fixture).mails_dead, 1);
    assert_int_equal(metrics_of(fixture).mails_given_up, 1);
    fixture_advance(fixture, 30LL * 24 * 60 * MINUTE_MS);
    assert_int_equal(bag.given[1], MAIL_ATTEMPTS_MAX);
}

static void a_dead_letter_stays_and_may_be_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);
    struct mail_record mail;

    assert_int_equal(replay(fixture, &account, 1), OUTCOME_STALE); /* it is on its way */
    assert_int_equal(bag.given[1], 1);
    come_back(fixture, COURIER_REFUSED, "no such user");
    crash(fixture);
    assert_int_equal(metrics_of(fixture).mails_dead, 1);
    assert_int_equal(bag.given[1], 1);
    assert_int_equal(replay(fixture, &account, 1), OUTCOME_OK);
    assert_int_equal(bag.given[1], 2);
    assert_int_equal(metrics_of(fixture).mails_dead, 0);
    come_back(fixture, COURIER_DELIVERED, "");
    assert_false(find_mail(fixture, &account, 1, &mail));
    assert_int_equal(replay(fixture, &account, 1), OUTCOME_STALE); /* it is no more */
    assert_int_equal(bag.given[1], 2);
}

static void what_can_t_be_tried_is_no_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);
    struct mail_record mail;

    come_back(fixture, COURIER_BUSY, "");
    fixture_advance(fixture, MAIL_POSTPONE_MS);
    assert_int_equal(bag.given[1], 2);
    come_back(fixture, COURIER_NO_ROUTE, "");
    fixture_advance(fixture, MINUTE_MS);
    assert_int_equal(bag.given[1], 2);
    assert_true(find_mail(fixture, &account, 1, &mail));
    assert_int_equal(mail.attempts, 0);
    assert_true(metrics_of(fixture).mails_oldest_seconds >= 60);
    journal_memory_fail_reads(fixture->journal, 1);
    fixture_advance(fixture, MAIL_NO_ROUTE_MS);
    assert_int_equal(bag.given[1], 2); /* its record could not be read */
    fixture_advance(fixture, MAIL_POSTPONE_MS);
    assert_int_equal(bag.given[1], 3);
    come_back(fixture, COURIER_DELIVERED, "");
}

static void a_crash_before_the_delivery_is_recorded_sends_it_again(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);
    struct mail_record mail;

    assert_int_equal(enqueue(fixture, &account, "second"), OUTCOME_OK);
    assert_int_equal(bag.count, 2);
    engine_mail_done(bag.carried[0], COURIER_DELIVERED, "");
    fixture_step(fixture, false);
    crash(fixture);
    assert_int_equal(bag.given[1], 2);
    assert_int_equal(bag.given[2], 2);
    come_back(fixture, COURIER_DELIVERED, "");
    come_back(fixture, COURIER_LATER, "away");
    crash(fixture);
    assert_int_equal(bag.count, 0);
    fixture_advance(fixture, MINUTE_MS);
    assert_int_equal(bag.count, 1);
    assert_int_equal(bag.given[1] + bag.given[2], 5);
    come_back(fixture, COURIER_DELIVERED, "");
    assert_false(find_mail(fixture, &account, 1, &mail));
    assert_false(find_mail(fixture, &account, 2, &mail));
}

static void an_erased_account_s_mails_are_dropped(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);
    struct account_envelope envelope = {.call = ACCOUNT_CALL_ERASE, .account = account};
    struct mail_record mail;

    assert_int_equal(enqueue(fixture, &account, "second"), OUTCOME_OK);
    come_back(fixture, COURIER_LATER, "away");
    come_back(fixture, COURIER_REFUSED, "no such user");
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    fixture_advance(fixture, MINUTE_MS);
    assert_int_equal(bag.given[1] + bag.given[2], 2);
    assert_int_equal(metrics_of(fixture).mails_waiting, 0);
    assert_int_equal(metrics_of(fixture).mails_dropped, 1);
    assert_true(!find_mail(fixture, &account, 1, &mail) || mail.state == MAIL_DEAD);
    assert_true(!find_mail(fixture, &account, 2, &mail) || mail.state == MAIL_DEAD);
    /* Its dead letter can't be read by anyone; whoever wants it sent drops it. */
    assert_int_equal(replay(fixture, &account, find_mail(fixture, &account, 1, &mail) ? 1 : 2),
                     OUTCOME_OK);
    assert_false(find_mail(fixture, &account, 1, &mail) || find_mail(fixture, &account, 2, &mail));
    assert_int_equal(bag.given[1] + bag.given[2], 2);
}

/* Erased, with a mail that says so. */
static struct principal leave(struct fixture *fixture)
{
    struct principal account = register_mary(fixture);
    struct account_envelope envelope = {.call = ACCOUNT_CALL_ERASE, .account = account};

    come_back(fixture, COURIER_LATER, "away");
    put_mail(&envelope, "goodbye");
    envelope.key = (struct account_key_record){.length = 4, .bytes = {9, 9, 9, 9}};
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    assert_int_equal(envelope.view.state, ACCOUNT_ERASED);
    assert_int_equal(bag.count, 1);
    assert_int_equal(bag.carried[0]->key->bytes[0], 9);
    assert_string_equal(bag.text[2], "goodbye");
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_ACCOUNT_KEY), 1);
    assert_int_equal(journal_memory_scrubs(fixture->journal), 1);
    return account;
}

/* Neither the mail nor its key is there any more. */
static void assert_left(struct fixture *fixture)
{
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_MAIL), 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_ACCOUNT_KEY), 0);
    assert_int_equal(metrics_of(fixture).mails_waiting, 0);
    assert_int_equal(metrics_of(fixture).mails_dead, 0);
}

static void an_erased_account_is_told_so(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = leave(fixture);
    struct account_envelope rewrap = {.call = ACCOUNT_CALL_KEY_REWRAP, .account = account};

    come_back(fixture, COURIER_LATER, "away");
    crash(fixture);
    assert_int_equal(bag.count, 0);
    fixture_advance(fixture, 2 * MINUTE_MS);
    assert_int_equal(bag.given[1], 1); /* what could be read by the old key only is dropped */
    assert_int_equal(bag.given[2], 2);
    assert_int_equal(bag.carried[0]->key->bytes[0], 9);
    come_back(fixture, COURIER_LATER, "away");
    assert_int_equal(replay(fixture, &account, 2), OUTCOME_OK);
    assert_int_equal(bag.given[2], 3);
    come_back(fixture, COURIER_DELIVERED, "");
    assert_left(fixture);
    assert_int_equal(journal_memory_scrubs(fixture->journal), 2);
    rewrap.key.length = 4;
    assert_int_equal(ask(fixture, &rewrap), OUTCOME_NOT_FOUND); /* it does not come back */
    assert_int_equal(replay(fixture, &account, 2), OUTCOME_STALE);
    fixture_advance(fixture, 2 * MINUTE_MS);
    assert_int_equal(bag.given[2], 3);
}

static void a_goodbye_s_key_is_wrapped_anew(void **state)
{
    struct fixture *fixture = *state;
    struct account_envelope envelope = {.account = leave(fixture), .call = ACCOUNT_CALL_GET};

    come_back(fixture, COURIER_LATER, "away");
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    assert_int_equal(envelope.key.length, 4);
    envelope.call = ACCOUNT_CALL_KEY_REWRAP;
    envelope.version = envelope.view.version;
    envelope.key.bytes[0] = 8;
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    crash(fixture);
    fixture_advance(fixture, 2 * MINUTE_MS);
    assert_int_equal(bag.count, 1);
    assert_int_equal(bag.carried[0]->key->bytes[0], 8);
    come_back(fixture, COURIER_DELIVERED, "");
    assert_left(fixture);
}

/* Nothing of an erased account is kept as a dead letter. */
static void a_goodbye_that_is_refused_is_dropped(void **state)
{
    struct fixture *fixture = *state;

    leave(fixture);
    come_back(fixture, COURIER_REFUSED, "no such user");
    fixture_advance(fixture, 2 * MINUTE_MS); /* the mail of before */
    assert_left(fixture);
}

static void a_goodbye_without_a_way_is_kept_for_a_week(void **state)
{
    struct fixture *fixture = *state;
    int64_t kept_ms = 0;

    leave(fixture);
    while (bag.count > 0) {
        come_back(fixture, COURIER_NO_ROUTE, "no mail server is configured");
        assert_int_equal(journal_memory_count(fixture->journal, RECORD_ACCOUNT_KEY), 1);
        fixture_advance(fixture, MAIL_NO_ROUTE_MS);
        kept_ms += MAIL_NO_ROUTE_MS;
        assert_in_range(kept_ms, 0, MAIL_GOODBYE_KEPT_MS + MAIL_NO_ROUTE_MS);
    }
    assert_true(kept_ms > MAIL_GOODBYE_KEPT_MS);
    assert_left(fixture);
}

static void what_finds_no_room_goes_out_later(void **state)
{
    struct fixture *fixture = *state;
    struct principal account;

    fixture->options.outbox_rows_max = 4;
    fixture->options.mails_under_way_max = 2;
    crash(fixture);
    account = register_mary(fixture);
    for (unsigned i = 2; i <= 12; i++)
        assert_int_equal(enqueue(fixture, &account, "more"), OUTCOME_OK);
    assert_int_equal(bag.count, 2);
    for (unsigned i = 0; i < 60 && (bag.count > 0 || i < 20); i++) {
        if (bag.count > 0)
            come_back(fixture, COURIER_DELIVERED, "");
        assert_true(bag.count <= 2);
        fixture_advance(fixture, 1000);
    }
    for (unsigned i = 1; i <= 12; i++)
        assert_int_equal(bag.given[i], 1);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_MAIL), 0);
}

static void a_draining_engine_begins_no_mail_and_ends_what_is_on_its_way(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);

    engine_drain(fixture->engine);
    fixture_run(fixture);
    assert_false(engine_is_idle(fixture->engine));
    assert_int_equal(enqueue(fixture, &account, "second"), OUTCOME_OK);
    assert_int_equal(bag.given[2], 0);
    come_back(fixture, COURIER_DELIVERED, "");
    assert_true(engine_is_idle(fixture->engine));
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_MAIL), 1);
    crash(fixture);
    assert_int_equal(bag.given[2], 1);
}

static void after_the_latch_fell_nothing_leaves(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_mary(fixture);
    struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_TOKEN_ISSUE);
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    enum outcome outcome;

    envelope->account = account;
    envelope->lifetime_ms = 1000;
    put_mail(envelope, "second");
    fixture_submit(fixture, 0, &command, &outcome);
    fixture_step(fixture, false);
    journal_memory_complete(fixture->journal, COMMIT_UNKNOWN, true);
    fixture_run(fixture);
    come_back(fixture, COURIER_DELIVERED, ""); /* what was done outside was done */
    fixture_advance(fixture, MINUTE_MS);
    assert_int_equal(bag.given[2], 0);
    envelope_free(envelope);
    crash(fixture);
    assert_int_equal(bag.given[1], 2);
    assert_int_equal(bag.given[2], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        TEST(a_mail_leaves_when_its_cause_is_durable_and_then_once),
        TEST(a_mail_that_can_t_be_delivered_now_is_tried_again_for_three_days),
        TEST(a_dead_letter_stays_and_may_be_sent_again),
        TEST(what_can_t_be_tried_is_no_attempt),
        TEST(a_crash_before_the_delivery_is_recorded_sends_it_again),
        TEST(an_erased_account_s_mails_are_dropped),
        TEST(an_erased_account_is_told_so),
        TEST(a_goodbye_s_key_is_wrapped_anew),
        TEST(a_goodbye_that_is_refused_is_dropped),
        TEST(a_goodbye_without_a_way_is_kept_for_a_week),
        TEST(what_finds_no_room_goes_out_later),
        TEST(a_draining_engine_begins_no_mail_and_ends_what_is_on_its_way),
        TEST(after_the_latch_fell_nothing_leaves),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

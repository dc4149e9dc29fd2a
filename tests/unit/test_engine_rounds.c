/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard looks for at leisure: keys to be wrapped anew, guests and accounts past their time.
 */
#include "session.h"
#include "vault_fixture.h"

enum { PEOPLE = 30 };

static struct principal people[PEOPLE];

static void index_of(uint8_t number, uint8_t index_out[EMAIL_INDEX_BYTES])
{
    uint64_t words[2] = {hash_word(number), hash_word(number + 1000u)};

    memcpy(index_out, words, sizeof(words));
}

static struct principal register_person(struct fixture *fixture, uint8_t number, bool verified)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_EMAIL_PREPARE};
    struct vault_wrapped_key wrapped;

    index_of(number, envelope.index);
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    fixture->vault.new_key(fixture->vault.self, &envelope.account, &wrapped);
    envelope.call = ACCOUNT_CALL_REGISTER;
    envelope.verified = verified;
    envelope.email_length = 3;
    envelope.key.length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(envelope.key.bytes, wrapped.bytes, sizeof(wrapped.bytes));
    envelope.password_length = 4;
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    return envelope.account;
}

static void register_people(struct fixture *fixture)
{
    for (uint8_t i = 0; i < PEOPLE; i++)
        people[i] = register_person(fixture, i, true);
}

/* By which of the vault's keys this account's is wrapped; -1: it has none. */
static int wrap_of(struct fixture *fixture, const struct principal *account)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_GET, .account = *account};
    struct vault_wrapped_key wrapped;

    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    if (envelope.key.length == 0)
        return -1;
    memcpy(wrapped.bytes, envelope.key.bytes, sizeof(wrapped.bytes));
    return (int)fixture->vault.wrapped_by(fixture->vault.self, &wrapped);
}

static struct engine_vault_keys counted(const struct fixture *fixture)
{
    struct engine_vault_keys keys;

    engine_vault_keys(fixture->engine, &keys);
    return keys;
}

static struct engine_metrics metrics_of(const struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

static void erase(struct fixture *fixture, const struct principal *account)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_ERASE, .account = *account};

    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
}

/* ---- keys ---- */

static void keys_are_wrapped_by_the_current_one(void **state)
{
    struct fixture *fixture = *state;
    uint8_t sealed[5 + VAULT_SEAL_OVERHEAD];
    char plain[5];
    struct vault_place place = {.table = 1, .field = 1};
    struct vault_wrapped_key wrapped;
    struct account_envelope envelope = {.call = ACCOUNT_CALL_GET};

    register_people(fixture);
    place.owner = people[3];
    envelope.account = people[3];
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    memcpy(wrapped.bytes, envelope.key.bytes, sizeof(wrapped.bytes));
    assert_int_equal(fixture->vault.seal(fixture->vault.self, &wrapped, &place, "hello", 5, sealed),
                     VAULT_OK);
    serve_with(fixture, &both_keys);
    assert_int_equal(counted(fixture).previous, -1);
    assert_int_equal(wrap_of(fixture, &people[3]), VAULT_WRAPPED_BY_PREVIOUS);
    pass(fixture, 4 * SECOND_MS);
    assert_int_equal(counted(fixture).previous, 0);
    assert_int_equal(counted(fixture).unreadable, 0);
    assert_int_equal(metrics_of(fixture).vault_keys_rewrapped, PEOPLE);
    serve_with(fixture, &new_keys);
    for (uint32_t i = 0; i < PEOPLE; i++)
        assert_int_equal(wrap_of(fixture, &people[i]), VAULT_WRAPPED_BY_CURRENT);
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    memcpy(wrapped.bytes, envelope.key.bytes, sizeof(wrapped.bytes));
    assert_int_equal(fixture->vault.open(fixture->vault.self, &wrapped, &place, sealed,
                                         sizeof(sealed), (uint8_t *)plain),
                     VAULT_OK);
    assert_memory_equal(plain, "hello", 5);
}

/* As many a second as ROUND_CALL_PACE_MS lets be, a shard. */
static void keys_are_wrapped_at_leisure(void **state)
{
    struct fixture *fixture = *state;
    int64_t wrapped = 0;

    register_people(fixture);
    serve_with(fixture, &both_keys);
    for (int ms = 0; ms < 2 * SECOND_MS; ms += 5) {
        fixture_advance(fixture, 5);
        int64_t now = metrics_of(fixture).vault_keys_rewrapped;
        assert_in_range(now - wrapped, 0, fixture->options.shards);
        wrapped = now;
    }
    assert_int_equal(wrapped, PEOPLE);
}

static void a_round_that_a_crash_ends_begins_anew(void **state)
{
    struct fixture *fixture = *state;
    int64_t wrapped = 0;

    register_people(fixture);
    serve_with(fixture, &both_keys);
    while ((wrapped = metrics_of(fixture).vault_keys_rewrapped) < PEOPLE / 3)
        fixture_advance(fixture, 1);
    serve_with(fixture, &both_keys);
    pass(fixture, 4 * SECOND_MS);
    assert_int_equal(wrapped + metrics_of(fixture).vault_keys_rewrapped, PEOPLE);
    assert_int_equal(counted(fixture).previous, 0);
}

/* Erased at any moment of a round, an account's key does not come back. */
static void an_erasure_is_final(void **state)
{
    struct fixture *fixture = *state;
    uint64_t cookies[PEOPLE];

    register_people(fixture);
    serve_with(fixture, &both_keys);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_ERASE);
        struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
        enum outcome outcome;

        envelope->account = people[i];
        cookies[i] = fixture_submit(fixture, i % 2, &command, &outcome);
        assert_int_equal(outcome, OUTCOME_PENDING);
        fixture_advance(fixture, 17);
    }
    pass(fixture, 4 * SECOND_MS);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        assert_int_equal(fixture->reply_counts[cookies[i]], 1);
        envelope_free(fixture->replies[cookies[i]].reply.account);
        assert_int_equal(wrap_of(fixture, &people[i]), -1);
    }
    assert_int_equal(counted(fixture).previous, 0);
}

/* Who was read before an erasure and asked for after it is refused. */
static void a_key_is_not_wrapped_for_an_erased_account(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1, true);
    struct account_envelope envelope = {.call = ACCOUNT_CALL_GET, .account = person};

    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    envelope.version = envelope.view.version;
    erase(fixture, &person);
    envelope.call = ACCOUNT_CALL_KEY_REWRAP;
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_NOT_FOUND);
    assert_int_equal(wrap_of(fixture, &person), -1);
}

static void what_no_key_opens_is_counted_and_kept(void **state)
{
    struct fixture *fixture = *state;

    register_people(fixture);
    serve_with(fixture, &new_keys);
    pass(fixture, SECOND_MS);
    assert_int_equal(counted(fixture).previous, 0);
    assert_int_equal(counted(fixture).unreadable, PEOPLE);
    serve_with(fixture, &both_keys);
    pass(fixture, 4 * SECOND_MS);
    assert_int_equal(counted(fixture).previous, 0);
    assert_int_equal(counted(fixture).unreadable, 0);
    assert_int_equal(wrap_of(fixture, &people[0]), VAULT_WRAPPED_BY_CURRENT);
}

/* A count that could not read everything says nothing. */
static void a_torn_count_is_made_again(void **state)
{
    struct fixture *fixture = *state;

    register_people(fixture);
    serve_with(fixture, &both_keys);
    journal_memory_fail_reads(fixture->journal, 1);
    pass(fixture, 40);
    assert_int_equal(counted(fixture).previous, -1);
    pass(fixture, 6 * SECOND_MS);
    assert_int_equal(counted(fixture).previous, 0);
    assert_int_equal(metrics_of(fixture).vault_keys_rewrapped, PEOPLE);
}

/* ---- what is past its time ---- */

static void keep_short(struct fixture *fixture)
{
    fixture->options.retention_period_ms = 60 * SECOND_MS;
    fixture->options.retention_steady_ms = 10 * SECOND_MS;
    serve_with(fixture, &old_keys);
}

static struct principal guest_of(uint8_t number)
{
    struct principal guest;

    index_of((uint8_t)(number + 100), guest.bytes);
    return guest;
}

static enum outcome guest_call(struct fixture *fixture, enum account_call call, uint8_t number)
{
    struct account_envelope envelope = {
        .call = (uint8_t)call, .account = people[0], .guest = guest_of(number)};

    return ask_account(fixture, &envelope);
}

static void leap(struct fixture *fixture, int64_t seconds)
{
    fixture->now.wall_ms += seconds * 1000;
}

static void a_guest_is_known_until_its_tokens_have_ended(void **state)
{
    struct fixture *fixture = *state;

    keep_short(fixture);
    people[0] = register_person(fixture, 1, true);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_END, 1), OUTCOME_OK);
    leap(fixture, GUEST_KEPT_S - 3600);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_END, 2), OUTCOME_OK);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).guests_forgotten, 0);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_FORGET, 1), OUTCOME_STALE);
    leap(fixture, 3600);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).guests_forgotten, 1);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_CHECK, 1), OUTCOME_NOT_FOUND);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_CHECK, 2), OUTCOME_OK);
    serve_with(fixture, &old_keys);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_CHECK, 1), OUTCOME_NOT_FOUND);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_CHECK, 2), OUTCOME_OK);
}

/* A clock that is set ahead, and back before it has run evenly, deletes nothing. */
static void a_leap_of_the_clock_deletes_nothing(void **state)
{
    struct fixture *fixture = *state;

    keep_short(fixture);
    people[0] = register_person(fixture, 1, true);
    register_person(fixture, 2, false);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_END, 1), OUTCOME_OK);
    for (int i = 0; i < 12; i++) {
        leap(fixture, 400LL * DAY_S);
        pass(fixture, 9 * SECOND_MS);
        leap(fixture, -400LL * DAY_S);
        pass(fixture, 9 * SECOND_MS);
    }
    assert_int_equal(metrics_of(fixture).guests_forgotten, 0);
    assert_int_equal(metrics_of(fixture).accounts_lapsed, 0);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_CHECK, 1), OUTCOME_OK);
}

static enum outcome find_email(struct fixture *fixture, uint8_t number)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_EMAIL_FIND};

    index_of(number, envelope.index);
    return ask_account(fixture, &envelope);
}

static void an_account_that_nobody_verifies_goes(void **state)
{
    struct fixture *fixture = *state;
    struct principal pending;
    struct principal asked;
    struct account_envelope token = {
        .call = ACCOUNT_CALL_TOKEN_ISSUE, .lifetime_ms = 3600 * 1000, .purpose = TOKEN_VERIFY};

    keep_short(fixture);
    people[0] = register_person(fixture, 1, true);
    pending = register_person(fixture, 2, false);
    asked = register_person(fixture, 3, false);
    leap(fixture, ACCOUNT_PENDING_S - 60);
    token.account = asked;
    assert_int_equal(ask_account(fixture, &token), OUTCOME_OK);
    pass(fixture, 50 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).accounts_lapsed, 0);
    pass(fixture, 150 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).accounts_lapsed, 1);
    assert_int_equal(wrap_of(fixture, &pending), -1);
    assert_int_equal(wrap_of(fixture, &asked), VAULT_WRAPPED_BY_CURRENT);
    assert_int_equal(wrap_of(fixture, &people[0]), VAULT_WRAPPED_BY_CURRENT);
    assert_int_equal(find_email(fixture, 1), OUTCOME_OK);
    assert_int_equal(find_email(fixture, 2), OUTCOME_NOT_FOUND);
    assert_int_equal(find_email(fixture, 3), OUTCOME_OK);
}

/* What is past its time goes by the times in the records, not by how long the process lives. */
static void who_starts_anew_each_day_forgets(void **state)
{
    struct fixture *fixture = *state;
    struct principal pending;
    struct engine_metrics metrics;
    int64_t guests = 0;
    int64_t accounts = 0;

    keep_short(fixture);
    people[0] = register_person(fixture, 1, true);
    pending = register_person(fixture, 2, false);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_END, 1), OUTCOME_OK);
    for (int start = 0; start < 2; start++) { /* it is not time yet */
        serve_with(fixture, &old_keys);
        pass(fixture, 30 * SECOND_MS);
        assert_int_equal(metrics_of(fixture).guests_forgotten, 0);
        assert_int_equal(metrics_of(fixture).accounts_lapsed, 0);
    }
    leap(fixture, GUEST_KEPT_S);
    for (int start = 0; start < 2; start++) {
        serve_with(fixture, &old_keys);
        pass(fixture, 30 * SECOND_MS); /* half of retention_period_ms */
        metrics = metrics_of(fixture);
        guests += metrics.guests_forgotten;
        accounts += metrics.accounts_lapsed;
    }
    assert_int_equal(guests, 1);
    assert_int_equal(accounts, 1);
    assert_int_equal(guest_call(fixture, ACCOUNT_CALL_GUEST_CHECK, 1), OUTCOME_NOT_FOUND);
    assert_int_equal(wrap_of(fixture, &pending), -1);
    assert_int_equal(wrap_of(fixture, &people[0]), VAULT_WRAPPED_BY_CURRENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, vault_set_up, vault_tear_down)
        TEST(keys_are_wrapped_by_the_current_one),
        TEST(keys_are_wrapped_at_leisure),
        TEST(a_round_that_a_crash_ends_begins_anew),
        TEST(an_erasure_is_final),
        TEST(a_key_is_not_wrapped_for_an_erased_account),
        TEST(what_no_key_opens_is_counted_and_kept),
        TEST(a_torn_count_is_made_again),
        TEST(a_guest_is_known_until_its_tokens_have_ended),
        TEST(a_leap_of_the_clock_deletes_nothing),
        TEST(an_account_that_nobody_verifies_goes),
        TEST(who_starts_anew_each_day_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

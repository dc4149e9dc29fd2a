/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log through the engine: who did what is entered with the act, and nothing else is. */
#include "engine_fixture.h"

static const struct origin owner = {
    .who = {{1, 2, 3}}, .caller = AUDIT_BY_OWNER, .network = {4, 192, 0, 2}};
static const struct origin visitor = {.caller = AUDIT_BY_NOBODY, .network = {4, 198, 51, 100}};

/* ---- reading it ---- */

struct log {
    struct fixture *fixture;
    uint32_t count;
    struct audit_record entries[64];
};

static void on_page(struct journal_read *read)
{
    (void)read;
}

/* Reads all chains and follows them. */
static void read_log(struct fixture *fixture, struct log *log)
{
    struct journal_port journal = journal_memory_port(fixture->journal);

    log->count = 0;
    for (uint32_t partition = 0; partition < fixture->options.partitions; partition++) {
        struct journal_read read = {.kind = RECORD_AUDIT,
                                    .from = {.partition = partition},
                                    .to = {.partition = partition + 1},
                                    .limit = LIST_PAGE_MAX,
                                    .done = on_page};
        uint8_t hash[AUDIT_HASH_BYTES] = {0};
        const uint8_t *at;

        assert_true(journal.read(journal.self, &read));
        journal_memory_complete_read(fixture->journal);
        assert_false(read.failed);
        at = read.result.bytes;
        for (uint32_t i = 0; i < read.count; i++) {
            const struct record *record = (const struct record *)(const void *)at;
            uint8_t bytes[AUDIT_LINK_BYTES_MAX];

            assert_int_equal(record->sequence, i + 1);
            secrets_digest(bytes, audit_link_pack(&record->audit, partition, i + 1, hash, bytes),
                           hash);
            assert_memory_equal(hash, record->audit.hash, sizeof(hash));
            assert_true(log->count < 64);
            log->entries[log->count++] = record->audit;
            at += record->size;
        }
        free(read.result.bytes);
    }
}

/* The acts of one subject, in order; -1 ends the list. */
static void assert_acts(struct fixture *fixture, enum audit_subject subject, const void *name,
                        size_t length, const int *acts)
{
    struct log log;
    unsigned found = 0;

    read_log(fixture, &log);
    for (uint32_t i = 0; i < log.count; i++) {
        const struct audit_record *entry = &log.entries[i];

        if (entry->subject != subject || entry->name_length != length ||
            memcmp(entry->name, name, length) != 0)
            continue;
        if (acts[found] != entry->act)
            fail_msg("act %u is %s", found, audit_act_name((enum audit_act)entry->act));
        found++;
    }
    assert_int_equal(acts[found], -1);
}

/* ---- what staff does ---- */

static enum outcome staff_does(struct fixture *fixture, struct command *command,
                               struct message *reply)
{
    command->authority = AUTHORITY_STAFF;
    command->origin = owner;
    return fixture_do(fixture, 0, command, reply);
}

static void put_product(struct fixture *fixture, const char *document)
{
    struct product_envelope *envelope = product_envelope_create((uint32_t)strlen(document));
    struct command command = {.type = COMMAND_PRODUCT_PUT, .product = envelope};
    struct message reply;

    strcpy(envelope->id, "shirt");
    strcpy(envelope->currency, "EUR");
    envelope->put_mode = PUT_UPSERT;
    envelope->variant_count = 1;
    strcpy(envelope->variants[0].sku, "shirt-m");
    envelope->variants[0].price_minor = 500;
    envelope->variants[0].stock = 10;
    memcpy(envelope->document, document, strlen(document));
    assert_int_equal(staff_does(fixture, &command, &reply), OUTCOME_OK);
}

static void adjust(struct fixture *fixture, int64_t delta, enum outcome expected)
{
    struct command command = {
        .type = COMMAND_STOCK_ADJUST,
        .stock = {.sku = {"shirt-m", 7}, .value = delta, .reason = {"count", 5}}};
    struct message reply;

    assert_int_equal(staff_does(fixture, &command, &reply), expected);
}

static void what_staff_does_is_entered(void **state)
{
    struct fixture *fixture = *state;
    struct log log;
    uint8_t digest[AUDIT_HASH_BYTES];

    put_product(fixture, "{\"first\":1}");
    put_product(fixture, "{\"first\":1}"); /* changes nothing */
    put_product(fixture, "{\"second\":2}");
    adjust(fixture, 5, OUTCOME_OK);
    adjust(fixture, -3, OUTCOME_OK);
    adjust(fixture, -100, OUTCOME_STOCK_CONFLICT);
    adjust(fixture, 0, OUTCOME_OK);
    assert_acts(fixture, AUDIT_OF_PRODUCT, "shirt", 5,
                (int[]){AUDIT_PRODUCT_CREATED, AUDIT_PRODUCT_CHANGED, -1});
    read_log(fixture, &log);
    assert_int_equal(log.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_memory_equal(&log.entries[i].origin, &owner, sizeof(owner));
    secrets_digest("{\"second\":2}", 12, digest);
    assert_memory_equal(log.entries[1].after.bytes, digest, sizeof(digest));
    assert_int_equal(log.entries[2].act, AUDIT_STOCK_ADJUSTED);
    assert_int_equal(audit_number(&log.entries[2].before), 10);
    assert_int_equal(audit_number(&log.entries[2].after), 15);
    assert_int_equal(audit_number(&log.entries[3].before), 15);
    assert_int_equal(audit_number(&log.entries[3].after), 12);
}

static struct reservation_id reserve(struct fixture *fixture, const char *key)
{
    struct command_line line = {.sku = {"shirt-m", 7}, .quantity = 1};
    struct command command = {
        .type = COMMAND_RESERVE,
        .principal = {{7}},
        .reserve = {.key = {key, strlen(key)}, .body = {"x", 1}, .lines = &line, .line_count = 1}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.hold.id;
}

static void end_hold(struct fixture *fixture, enum command_type type, bool by_staff,
                     const struct reservation_id *id)
{
    char text[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = type, .principal = {{7}}};
    struct message reply;

    engine_reservation_id(fixture->engine, id, text);
    command.reservation_id = (struct slice){text, RESERVATION_ID_LENGTH};
    if (by_staff)
        assert_int_equal(staff_does(fixture, &command, &reply), OUTCOME_OK);
    else
        assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
}

static void guests_are_not_entered(void **state)
{
    struct fixture *fixture = *state;
    struct reservation_id released;
    struct reservation_id converted;
    struct reservation_id own;
    struct log log;

    put_product(fixture, "{}");
    own = reserve(fixture, "a");
    end_hold(fixture, COMMAND_HOLD_EXTEND, false, &own);
    end_hold(fixture, COMMAND_HOLD_RELEASE, false, &own);
    read_log(fixture, &log);
    assert_int_equal(log.count, 1); /* the product */
    released = reserve(fixture, "b");
    converted = reserve(fixture, "c");
    end_hold(fixture, COMMAND_HOLD_RELEASE, true, &released);
    end_hold(fixture, COMMAND_HOLD_RELEASE, true, &released); /* again: nothing happens */
    end_hold(fixture, COMMAND_HOLD_CONVERT, true, &converted);
    read_log(fixture, &log);
    assert_int_equal(log.count, 3);
    assert_int_equal(log.entries[1].act, AUDIT_RESERVATION_RELEASED);
    assert_int_equal(log.entries[1].name[7], released.sequence);
    assert_int_equal(log.entries[2].act, AUDIT_RESERVATION_CONVERTED);
    assert_int_equal(log.entries[2].name[7], converted.sequence);
}

static void a_chain_goes_on_after_a_crash(void **state)
{
    struct fixture *fixture = *state;
    struct log log;

    put_product(fixture, "{}");
    for (int i = 0; i < 5; i++) {
        adjust(fixture, 1, OUTCOME_OK);
        assert_int_equal(fixture_crash(fixture), 0);
    }
    read_log(fixture, &log); /* follows it */
    assert_int_equal(log.count, 6);
}

/* What is not durable was not done, and was not entered. */
static void an_act_that_is_lost_is_not_entered(void **state)
{
    struct fixture *fixture = *state;
    struct command command = {.type = COMMAND_STOCK_ADJUST,
                              .authority = AUTHORITY_STAFF,
                              .origin = owner,
                              .stock = {.sku = {"shirt-m", 7}, .value = 1, .reason = {"x", 1}}};
    struct refusal refusal;
    struct log log;

    put_product(fixture, "{}");
    assert_int_equal(
        engine_submit(engine_shard(fixture->engine, 0), &command, fixture->next_cookie++, &refusal),
        OUTCOME_PENDING);
    fixture_step(fixture, false);
    assert_int_equal(fixture_crash(fixture), 0);
    read_log(fixture, &log);
    assert_int_equal(log.count, 1);
    adjust(fixture, 1, OUTCOME_OK);
    read_log(fixture, &log);
    assert_int_equal(log.count, 2);
    assert_int_equal(audit_number(&log.entries[1].before), 10);
}

static void a_head_of_another_secret_is_refused(void **state)
{
    struct fixture *fixture = *state;

    put_product(fixture, "{}");
    no_secrets.secret[0] = 1;
    assert_int_not_equal(fixture_crash(fixture), 0);
    no_secrets.secret[0] = 0;
    assert_int_equal(fixture_crash(fixture), 0);
}

/* ---- accounts ---- */

static enum outcome ask(struct fixture *fixture, const struct origin *origin,
                        const struct account_envelope *question, struct account_envelope *answer)
{
    struct account_envelope *envelope = account_envelope_create((enum account_call)question->call);
    struct command command = {.type = COMMAND_ACCOUNT, .origin = *origin, .account = envelope};
    struct message reply;
    enum outcome outcome;

    *envelope = *question;
    outcome = fixture_do(fixture, 0, &command, &reply);
    *answer = *envelope;
    envelope_free(envelope);
    return outcome;
}

static struct principal register_person(struct fixture *fixture, enum account_role role)
{
    struct account_envelope question = {.call = ACCOUNT_CALL_EMAIL_PREPARE,
                                        .index = {0, (uint8_t)(3 + role)}};
    struct account_envelope answer;

    assert_int_equal(ask(fixture, &visitor, &question, &answer), OUTCOME_OK);
    question.call = ACCOUNT_CALL_REGISTER;
    question.account = answer.account;
    question.role = (uint8_t)role;
    question.email_length = 7;
    question.sealed_length = 4;
    question.key.length = 4;
    question.password_length = 4;
    question.lifetime_ms = 1000;
    question.purpose = TOKEN_VERIFY;
    assert_int_equal(ask(fixture, &visitor, &question, &answer), OUTCOME_OK);
    return question.account;
}

struct account_case {
    enum account_call call;
    const struct origin *origin;
    int act; /* -1: none */
    enum outcome outcome;
    struct account_envelope with;
};

static void each_act_on_an_account_is_entered(void **state)
{
    struct fixture *fixture = *state;
    static const struct account_case cases[] = {
        {ACCOUNT_CALL_VERIFY, &visitor, AUDIT_EMAIL_VERIFIED, OUTCOME_OK, {0}},
        {ACCOUNT_CALL_VERIFY, &visitor, -1, OUTCOME_TOKEN_INVALID, {0}},
        {ACCOUNT_CALL_SESSION_OPEN,
         &visitor,
         AUDIT_LOGGED_IN,
         OUTCOME_OK,
         {.hash = {9}, .credentials = 1, .lifetime_ms = 10}},
        {ACCOUNT_CALL_SESSION_OPEN,
         &visitor,
         -1,
         OUTCOME_OK, /* the same once more */
         {.hash = {9}, .credentials = 1, .lifetime_ms = 10}},
        {ACCOUNT_CALL_SESSION_OPEN,
         &visitor,
         -1,
         OUTCOME_STALE,
         {.hash = {8}, .credentials = 7, .lifetime_ms = 10}},
        {ACCOUNT_CALL_SESSION_CHECK, &visitor, -1, OUTCOME_OK, {.hash = {9}}},
        {ACCOUNT_CALL_LOGIN_REFUSED, &visitor, -1, OUTCOME_OK, {0}}, /* a customer's: none */
        {ACCOUNT_CALL_SESSION_CLOSE, &visitor, AUDIT_LOGGED_OUT, OUTCOME_OK, {.hash = {9}}},
        {ACCOUNT_CALL_SESSION_CLOSE, &visitor, -1, OUTCOME_OK, {.hash = {9}}},
        {ACCOUNT_CALL_SESSION_CLOSE_ALL, &visitor, AUDIT_SESSIONS_ENDED, OUTCOME_OK, {0}},
        {ACCOUNT_CALL_NAME_SET, &visitor, -1, OUTCOME_OK, {.sealed_length = 3}},
        {ACCOUNT_CALL_NAME_SET, &owner, AUDIT_PROFILE_CHANGED, OUTCOME_OK, {.sealed_length = 3}},
        {ACCOUNT_CALL_PASSWORD_CHANGE,
         &visitor,
         AUDIT_PASSWORD_CHANGED,
         OUTCOME_OK,
         {.credentials = 1, .password_length = 3}},
        {ACCOUNT_CALL_TOKEN_ISSUE,
         &visitor,
         -1,
         OUTCOME_OK,
         {.purpose = TOKEN_RESET, .hash = {4}, .lifetime_ms = 10}},
        {ACCOUNT_CALL_PASSWORD_RESET,
         &visitor,
         AUDIT_PASSWORD_RESET,
         OUTCOME_OK,
         {.purpose = TOKEN_RESET, .hash = {4}, .password_length = 3}},
        {ACCOUNT_CALL_EMAIL_CHANGE,
         &visitor,
         -1,
         OUTCOME_OK,
         {.index = {0, 9}, .hash = {5}, .email_length = 3, .lifetime_ms = 10}},
        {ACCOUNT_CALL_EMAIL_CONFIRM,
         &visitor,
         AUDIT_EMAIL_CHANGED,
         OUTCOME_OK,
         {.index = {0, 9}, .hash = {5}}},
        {ACCOUNT_CALL_TOTP_SET,
         &visitor,
         AUDIT_SECOND_FACTOR_ON,
         OUTCOME_OK,
         {.sealed_length = 5, .recovery_count = 1, .recovery = {{6}}}},
        {ACCOUNT_CALL_TOTP_USE, &visitor, -1, OUTCOME_OK, {.totp_step = 5}},
        {ACCOUNT_CALL_RECOVERY_USE,
         &visitor,
         AUDIT_RECOVERY_CODE_USED,
         OUTCOME_OK,
         {.recovery = {{6}}}},
        {ACCOUNT_CALL_RECOVERY_USE, &visitor, -1, OUTCOME_TOKEN_INVALID, {.recovery = {{6}}}},
        {ACCOUNT_CALL_TOTP_SET, &visitor, AUDIT_SECOND_FACTOR_OFF, OUTCOME_OK, {0}},
        {ACCOUNT_CALL_ROLE_SET, &owner, AUDIT_ROLE_CHANGED, OUTCOME_OK, {.role = ROLE_SUPPORT}},
        {ACCOUNT_CALL_LOGIN_REFUSED, &visitor, AUDIT_LOGIN_REFUSED, OUTCOME_OK, {0}},
        {ACCOUNT_CALL_ROLE_SET, &owner, AUDIT_STAFF_REMOVED, OUTCOME_OK, {.role = ROLE_CUSTOMER}},
        {ACCOUNT_CALL_ERASE, &visitor, AUDIT_ACCOUNT_ERASED, OUTCOME_OK, {0}},
        {ACCOUNT_CALL_ERASE, &visitor, -1, OUTCOME_OK, {0}},
    };
    struct principal account = register_person(fixture, ROLE_CUSTOMER);
    int acts[64] = {AUDIT_ACCOUNT_REGISTERED};
    unsigned count = 1;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct account_envelope question = cases[i].with;
        struct account_envelope answer;

        question.call = (uint8_t)cases[i].call;
        question.account = account;
        assert_int_equal(ask(fixture, cases[i].origin, &question, &answer), cases[i].outcome);
        if (cases[i].act >= 0)
            acts[count++] = cases[i].act;
        acts[count] = -1;
        assert_acts(fixture, AUDIT_OF_ACCOUNT, account.bytes, 16, acts);
    }
}

static void staff_is_invited_and_removed(void **state)
{
    struct fixture *fixture = *state;
    struct principal account = register_person(fixture, ROLE_ORDERS);
    struct account_envelope erase = {.call = ACCOUNT_CALL_ERASE, .account = account};
    struct account_envelope answer;
    struct log log;

    assert_int_equal(ask(fixture, &owner, &erase, &answer), OUTCOME_OK);
    assert_acts(fixture, AUDIT_OF_ACCOUNT, account.bytes, 16,
                (int[]){AUDIT_STAFF_INVITED, AUDIT_STAFF_REMOVED, -1});
    read_log(fixture, &log);
    assert_memory_equal(log.entries[0].after.bytes, "orders", 6);
    assert_memory_equal(log.entries[1].before.bytes, "orders", 6);
    assert_int_equal(log.entries[1].origin.caller, AUDIT_BY_OWNER);
}

/* The journal is told of an erasure when nothing can bring the key back. */
static void an_erased_key_is_scrubbed_once_that_is_durable(void **state)
{
    struct fixture *fixture = *state;
    struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_ERASE);
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    struct account_envelope again = {.call = ACCOUNT_CALL_ERASE};
    struct account_envelope answer;
    struct refusal refusal;

    envelope->account = register_person(fixture, ROLE_CUSTOMER);
    again.account = envelope->account;
    assert_int_equal(journal_memory_scrubs(fixture->journal), 0);
    assert_int_equal(
        engine_submit(engine_shard(fixture->engine, 0), &command, fixture->next_cookie++, &refusal),
        OUTCOME_PENDING);
    fixture_step(fixture, false);
    assert_int_equal(journal_memory_scrubs(fixture->journal), 0);
    fixture_step(fixture, true);
    assert_int_equal(journal_memory_scrubs(fixture->journal), 1);
    envelope_free(envelope);
    assert_int_equal(ask(fixture, &visitor, &again, &answer), OUTCOME_OK);
    assert_int_equal(journal_memory_scrubs(fixture->journal), 1); /* nothing was erased */
}

static void a_role_comes_as_its_namesake(void **state)
{
    static const char *const names[ROLE_COUNT] = {
#define X(name, text) [ROLE_##name] = text,
        ACCOUNT_ROLES(X)
#undef X
    };

    (void)state;
    for (unsigned role = 0; role < ROLE_COUNT; role++)
        assert_string_equal(audit_caller_name(account_role_caller((enum account_role)role)),
                            names[role]);
}

static void of_an_address_its_network_is_kept(void **state)
{
    static const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 203, 0, 113, 77};
    static const uint8_t ipv6[16] = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct origin origin = {0};

    (void)state;
    origin_set_network(&origin, ipv6);
    assert_memory_equal(origin.network, ((uint8_t[]){6, 0x20, 1, 0xd, 0xb8, 1, 2, 3}), 8);
    origin_set_network(&origin, ipv4);
    assert_memory_equal(origin.network, ((uint8_t[]){4, 203, 0, 113, 0, 0, 0, 0}), 8);
}

static int set_up(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));

    assert_non_null(fixture);
    fixture_create(fixture, 2);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_staff_does_is_entered),
        TEST(guests_are_not_entered),
        TEST(a_chain_goes_on_after_a_crash),
        TEST(an_act_that_is_lost_is_not_entered),
        TEST(a_head_of_another_secret_is_refused),
        TEST(each_act_on_an_account_is_entered),
        TEST(staff_is_invited_and_removed),
        TEST(an_erased_key_is_scrubbed_once_that_is_durable),
        cmocka_unit_test(a_role_comes_as_its_namesake),
        cmocka_unit_test(of_an_address_its_network_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

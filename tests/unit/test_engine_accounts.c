/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts through the engine: loading and leaving memory, crashes, guests who become customers. */
#include "engine_fixture.h"

static const uint8_t mary[EMAIL_INDEX_BYTES] = {0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static const uint8_t paul[EMAIL_INDEX_BYTES] = {0, 7, 9, 9, 9, 9, 5, 6, 7, 8, 9};

/* Submits, runs; what came back is in *answer_out (zero if it was refused at once). */
static enum outcome ask(struct fixture *fixture, uint32_t shard,
                        const struct account_envelope *question,
                        struct account_envelope *answer_out)
{
    struct account_envelope *envelope = account_envelope_create((enum account_call)question->call);
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    struct message reply;
    enum outcome outcome;

    *envelope = *question;
    memset(answer_out, 0, sizeof(*answer_out));
    outcome = fixture_do(fixture, shard, &command, &reply);
    if (reply.type == MESSAGE_REPLY && reply.reply.answers == MESSAGE_ACCOUNT) {
        assert_ptr_equal(reply.reply.account, envelope);
        *answer_out = *envelope;
    }
    envelope_free(envelope);
    return outcome;
}

static struct account_envelope call_of(enum account_call call)
{
    return (struct account_envelope){.call = (uint8_t)call};
}

static void set_text(uint8_t *bytes, uint16_t *length, const char *string)
{
    *length = (uint16_t)strlen(string);
    memcpy(bytes, string, *length);
}

static enum outcome register_person(struct fixture *fixture, const uint8_t index[EMAIL_INDEX_BYTES],
                                    struct principal *account_out)
{
    struct account_envelope question = call_of(ACCOUNT_CALL_EMAIL_PREPARE);
    struct account_envelope answer;
    enum outcome outcome;

    memcpy(question.index, index, EMAIL_INDEX_BYTES);
    outcome = ask(fixture, 1, &question, &answer);
    *account_out = answer.account;
    if (outcome != OUTCOME_OK)
        return outcome;
    question.call = ACCOUNT_CALL_REGISTER;
    question.account = answer.account;
    question.verified = 1;
    set_text(question.email, &question.email_length, "sealed address");
    set_text(question.sealed, &question.sealed_length, "sealed name");
    question.key.length = 4;
    memcpy(question.key.bytes, "key!", 4);
    question.password_length = 4;
    memcpy(question.password_hash, "hash", 4);
    return ask(fixture, 0, &question, &answer);
}

static enum outcome find_person(struct fixture *fixture, const uint8_t index[EMAIL_INDEX_BYTES],
                                struct principal *account_out)
{
    struct account_envelope question = call_of(ACCOUNT_CALL_EMAIL_FIND);
    struct account_envelope answer;
    enum outcome outcome;

    memcpy(question.index, index, EMAIL_INDEX_BYTES);
    outcome = ask(fixture, 0, &question, &answer);
    *account_out = answer.account;
    return outcome;
}

static enum outcome open_session(struct fixture *fixture, const struct principal *account,
                                 uint8_t token, uint32_t credentials,
                                 struct account_envelope *answer_out)
{
    struct account_envelope question = call_of(ACCOUNT_CALL_SESSION_OPEN);

    question.account = *account;
    question.hash[0] = token;
    question.credentials = credentials;
    question.lifetime_ms = 3600 * 1000;
    return ask(fixture, 0, &question, answer_out);
}

static enum outcome check_session(struct fixture *fixture, const struct principal *account,
                                  uint8_t token, struct account_envelope *answer_out)
{
    struct account_envelope question = call_of(ACCOUNT_CALL_SESSION_CHECK);

    question.account = *account;
    question.hash[0] = token;
    return ask(fixture, 1, &question, answer_out);
}

static void an_address_has_one_account(void **state)
{
    struct fixture *fixture = *state;
    struct principal account;
    struct principal other;

    assert_int_equal(find_person(fixture, mary, &account), OUTCOME_NOT_FOUND);
    assert_int_equal(register_person(fixture, mary, &account), OUTCOME_OK);
    assert_int_equal(register_person(fixture, mary, &other), OUTCOME_EMAIL_TAKEN);
    assert_true(principal_equal(&account, &other));
    assert_int_equal(register_person(fixture, paul, &other), OUTCOME_OK);
    assert_false(principal_equal(&account, &other));
    assert_int_equal(find_person(fixture, mary, &other), OUTCOME_OK);
    assert_true(principal_equal(&account, &other));
}

static void an_account_outlives_crashes_and_leaves_memory(void **state)
{
    struct fixture *fixture = *state;
    struct principal account;
    struct account_envelope answer;
    struct account_envelope question = call_of(ACCOUNT_CALL_GET);

    register_person(fixture, mary, &account);
    assert_int_equal(open_session(fixture, &account, 7, 1, &answer), OUTCOME_OK);
    for (int round = 0; round < 2; round++) {
        for (uint8_t i = 0; i < 40; i++) { /* more than fit into memory */
            uint8_t index[EMAIL_INDEX_BYTES] = {0, i, 1, (uint8_t)(round + 1)};
            struct principal other;

            assert_int_equal(find_person(fixture, index, &other), OUTCOME_NOT_FOUND);
        }
        question.account = account;
        assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
        assert_memory_equal(answer.view.name, "sealed name", answer.view.name_length);
        assert_memory_equal(answer.key.bytes, "key!", 4);
        assert_int_equal(answer.view.session_count, 1);
        assert_int_equal(check_session(fixture, &account, 7, &answer), OUTCOME_OK);
        assert_int_equal(check_session(fixture, &account, 8, &answer), OUTCOME_NOT_FOUND);
        assert_int_equal(fixture_crash(fixture), 0);
    }
    assert_int_equal(register_person(fixture, paul, &account), OUTCOME_OK);
}

static void a_closed_session_moves_the_mark(void **state)
{
    struct fixture *fixture = *state;
    struct account_envelope question = call_of(ACCOUNT_CALL_SESSION_CLOSE);
    struct account_envelope answer;
    struct principal account;
    uint32_t mark;

    register_person(fixture, mary, &account);
    open_session(fixture, &account, 7, 1, &answer);
    assert_int_equal(check_session(fixture, &account, 7, &answer), OUTCOME_OK);
    mark = answer.mark;
    assert_int_equal(engine_mark(fixture->engine, &account), mark);
    question.account = account;
    question.hash[0] = 7;
    assert_int_equal(ask(fixture, 1, &question, &answer), OUTCOME_OK);
    assert_int_not_equal(engine_mark(fixture->engine, &account), mark);
    assert_int_equal(check_session(fixture, &account, 7, &answer), OUTCOME_NOT_FOUND);
    assert_int_equal(open_session(fixture, &account, 9, 2, &answer), OUTCOME_STALE);
}

static enum outcome adopt(struct fixture *fixture, const struct principal *guest,
                          const struct principal *customer)
{
    for (uint32_t shard = 0; shard < fixture->options.shards; shard++) {
        struct command command = {.type = COMMAND_HOLDS_ADOPT};
        struct message reply;

        command.adopt.shard = shard;
        command.adopt.body = (struct adopt_body){.guest = *guest, .customer = *customer};
        do {
            enum outcome outcome = fixture_do(fixture, 0, &command, &reply);

            if (outcome != OUTCOME_OK)
                return outcome;
            command.adopt.body.product = reply.reply.adopt.next_product;
        } while (reply.reply.adopt.more);
    }
    return OUTCOME_OK;
}

static void a_guest_becomes_a_customer(void **state)
{
    struct fixture *fixture = *state;
    struct account_envelope question = call_of(ACCOUNT_CALL_GUEST_END);
    struct account_envelope answer;
    struct principal account;
    struct principal guest = buyer(5);
    struct command_line line = {.sku = text("a"), .quantity = 1};
    struct command command = reserve_command(&line, 1, 5, "k");
    struct message first;
    struct message reply;

    fixture_product(fixture, "p1", "a", 5, 2);
    register_person(fixture, mary, &account);
    assert_int_equal(fixture_do(fixture, 0, &command, &first), OUTCOME_OK);

    question.guest = guest;
    question.account = account;
    assert_int_equal(engine_mark(fixture->engine, &guest), 0);
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
    assert_int_not_equal(engine_mark(fixture->engine, &guest), 0);
    assert_int_equal(adopt(fixture, &guest, &account), OUTCOME_OK);

    /* The hold is the customer's, its key too, and it counts for the limit; also after a crash. */
    for (int crashed = 0; crashed < 2; crashed++) {
        char name[RESERVATION_ID_LENGTH + 1];
        struct command get = {.type = COMMAND_HOLD_GET, .principal = account};

        engine_reservation_id(fixture->engine, &first.reply.hold.id, name);
        get.reservation_id = text(name);
        assert_int_equal(fixture_do(fixture, 0, &get, &reply), OUTCOME_OK);
        get.principal = guest;
        assert_int_equal(fixture_do(fixture, 0, &get, &reply), OUTCOME_NOT_FOUND);

        command.principal = account;
        command.aliases = &guest;
        command.alias_count = 1;
        command.reserve.key = text("k");
        assert_int_equal(fixture_do(fixture, 1, &command, &reply), OUTCOME_OK);
        assert_true(reply.reply.replayed);
        assert_int_equal(reply.reply.hold.id.sequence, first.reply.hold.id.sequence);
        command.reserve.key = text(crashed ? "l2" : "l1");
        assert_int_equal(fixture_do(fixture, 1, &command, &reply),
                         crashed ? OUTCOME_LIMIT_REACHED : OUTCOME_OK);
        assert_int_equal(fixture_crash(fixture), 0);
        assert_int_not_equal(engine_mark(fixture->engine, &guest), 0);
    }
    assert_stock(fixture, "a", 3, 2, 0);
    question.account = buyer(9);
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_STALE);
    question.call = ACCOUNT_CALL_GUEST_CHECK;
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
    assert_true(principal_equal(&answer.account, &account));
}

static struct principal make_customer(struct fixture *fixture, const struct principal *guest)
{
    struct account_envelope question = call_of(ACCOUNT_CALL_GUEST_END);
    struct account_envelope answer;

    register_person(fixture, mary, &question.account);
    question.guest = *guest;
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
    assert_int_equal(adopt(fixture, guest, &question.account), OUTCOME_OK);
    return question.account;
}

/* The key filter takes some of the customer's own keys for known that are not. */
static void every_key_of_a_guest_is_the_customers(void **state)
{
    enum { KEYS = 400 };
    struct fixture *fixture = *state;
    struct principal guest = buyer(5);
    struct principal account;
    struct command_line line = {.sku = text("a"), .quantity = 1};
    struct command command = reserve_command(&line, 1, 5, "");
    struct message reply;
    char key[16];

    fixture_product(fixture, "p1", "a", KEYS, 0);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        command.reserve.key = text(key);
        assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
        assert_false(reply.reply.replayed);
    }
    account = make_customer(fixture, &guest);
    command.principal = account;
    command.aliases = &guest;
    command.alias_count = 1;
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        command.reserve.key = text(key);
        assert_int_equal(fixture_do(fixture, 1, &command, &reply), OUTCOME_OK);
        assert_true(reply.reply.replayed);
    }
}

/* The guest's request is served after the adoption, and after the customer's repeat of it: a
 * shard's own mailbox is its last. */
static void a_guests_request_that_comes_too_late_has_no_effect(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = buyer(5);
    struct principal other = buyer(6);
    struct command_line line = {.sku = text("a"), .quantity = 1};
    struct command as_guest = reserve_command(&line, 1, 5, "k");
    struct command as_customer = as_guest;
    struct command adoption = {.type = COMMAND_HOLDS_ADOPT};
    uint64_t cookies[3];
    enum outcome outcome;
    uint32_t owner;

    fixture_product(fixture, "p1", "a", 5, 0);
    owner = engine_partition_shard(
        fixture->engine,
        directory_find_sku(engine_inspect_directory(fixture->engine), "a", 1)->product->partition);
    as_customer.principal = make_customer(fixture, &other);
    as_customer.aliases = &guest;
    as_customer.alias_count = 1;
    adoption.adopt.shard = owner;
    adoption.adopt.body = (struct adopt_body){guest, as_customer.principal, 0};

    cookies[0] = fixture_submit(fixture, owner, &as_guest, &outcome);
    cookies[1] = fixture_submit(fixture, 1 - owner, &adoption, &outcome);
    cookies[2] = fixture_submit(fixture, 1 - owner, &as_customer, &outcome);
    fixture_run(fixture);
    assert_int_equal(fixture->replies[cookies[0]].reply.outcome, OUTCOME_OVERLOADED);
    assert_int_equal(fixture->replies[cookies[1]].reply.outcome, OUTCOME_OK);
    assert_int_equal(fixture->replies[cookies[2]].reply.outcome, OUTCOME_OK);
    assert_stock(fixture, "a", 4, 1, 0);
}

static uint32_t shard_of(struct fixture *fixture, const char *sku)
{
    struct sku_entry *entry =
        directory_find_sku(engine_inspect_directory(fixture->engine), sku, strlen(sku));

    return engine_partition_shard(fixture->engine, entry->product->partition);
}

static void step_one(struct fixture *fixture, uint32_t shard)
{
    shard_step(engine_shard(fixture->engine, shard));
    committer_step(fixture->engine);
    if (journal_memory_pending(fixture->journal) != 0)
        journal_memory_complete(fixture->journal, COMMIT_OK, true);
}

/* One shard has adopted the guest while the other's line of its reservation is not asked for yet:
 * what the guest has there counts. */
static void a_limit_holds_while_shards_adopt_one_after_the_other(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = buyer(5);
    struct principal other = buyer(6);
    struct command_line lines[] = {{.quantity = 1}, {.sku = text("limited"), .quantity = 1}};
    struct command both = reserve_command(lines, 2, 5, "k");
    struct command adoption = {.type = COMMAND_HOLDS_ADOPT};
    struct command question = {.type = COMMAND_STOCK_GET, .stock = {.sku = text("limited")}};
    struct message reply;
    enum outcome outcome;
    uint64_t reserved;
    uint64_t adopted;
    char sku[8];
    uint32_t near;

    fixture->options.mailbox_max = 16;
    assert_int_equal(fixture_crash(fixture), 0);
    fixture_product(fixture, "limited", "limited", 5, 1);
    for (int i = 0;; i++) {
        snprintf(sku, sizeof(sku), "f%d", i % 1000);
        fixture_product(fixture, sku, sku, 5, 0);
        near = shard_of(fixture, sku);
        if (near != shard_of(fixture, "limited"))
            break;
    }
    lines[0].sku = text(sku);
    assert_int_equal(fixture_reserve(fixture, 0, 5, "first", "limited", 1, &reply), OUTCOME_OK);
    adoption.adopt.shard = near;
    adoption.adopt.body = (struct adopt_body){guest, make_customer(fixture, &other), 0};

    /* The first word to the other partition is lost in a full mailbox; it is said again later. */
    reserved = fixture_submit(fixture, near, &both, &outcome);
    assert_int_not_equal(reserved, 0);
    while (fixture_submit(fixture, near, &question, &outcome) != 0)
        ;
    assert_int_equal(outcome, OUTCOME_OVERLOADED);
    for (int i = 0; i < 4; i++)
        step_one(fixture, near);
    adopted = fixture_submit(fixture, 1 - near, &adoption, &outcome);
    assert_int_not_equal(adopted, 0);
    for (int i = 0; i < 4; i++)
        step_one(fixture, near);
    fixture_run(fixture);
    fixture_advance(fixture, 1000);
    assert_int_equal(fixture->replies[reserved].reply.outcome, OUTCOME_LIMIT_REACHED);
    assert_int_equal(fixture->replies[adopted].reply.outcome, OUTCOME_OK);
    assert_int_equal(adopt(fixture, &guest, &adoption.adopt.body.customer), OUTCOME_OK);
    assert_stock(fixture, "limited", 4, 1, 0);
    assert_stock(fixture, sku, 5, 0, 0);
}

static void a_token_is_used_once(void **state)
{
    struct fixture *fixture = *state;
    struct account_envelope question = call_of(ACCOUNT_CALL_TOKEN_ISSUE);
    struct account_envelope answer;
    struct principal account;

    register_person(fixture, mary, &account);
    open_session(fixture, &account, 7, 1, &answer);
    question.account = account;
    question.purpose = TOKEN_RESET;
    question.hash[0] = 1;
    question.lifetime_ms = 1000;
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
    question.call = ACCOUNT_CALL_PASSWORD_RESET;
    question.password_length = 3;
    memcpy(question.password_hash, "new", 3);
    question.hash[0] = 2;
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_TOKEN_INVALID);
    question.hash[0] = 1;
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
    assert_int_equal(answer.view.session_count, 0);
    assert_int_equal(answer.view.credentials, 2);
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_TOKEN_INVALID);
    question.call = ACCOUNT_CALL_TOKEN_ISSUE;
    ask(fixture, 0, &question, &answer);
    fixture_advance(fixture, 1000);
    question.call = ACCOUNT_CALL_PASSWORD_RESET;
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_TOKEN_INVALID);
}

static void nothing_stays_of_an_erased_account(void **state)
{
    struct fixture *fixture = *state;
    struct account_envelope question = call_of(ACCOUNT_CALL_ERASE);
    struct account_envelope answer;
    struct principal account;

    register_person(fixture, mary, &account);
    open_session(fixture, &account, 7, 1, &answer);
    question.account = account;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
        assert_int_equal(answer.has_old_index, !again);
        assert_int_equal(answer.view.state, ACCOUNT_ERASED);
        assert_int_equal(answer.view.email_length, 0);
        assert_int_equal(journal_memory_count(fixture->journal, RECORD_ACCOUNT_KEY), 0);
    }
    assert_int_equal(check_session(fixture, &account, 7, &answer), OUTCOME_NOT_FOUND);
    question.call = ACCOUNT_CALL_EMAIL_RELEASE;
    memcpy(question.index, mary, sizeof(mary));
    assert_int_equal(ask(fixture, 0, &question, &answer), OUTCOME_OK);
    assert_int_equal(register_person(fixture, mary, &answer.account), OUTCOME_OK);
    assert_false(principal_equal(&account, &answer.account));
}

static void account_ids_there_and_back(void **state)
{
    struct hash_key key = {{1, 2}};
    struct principal account = account_principal(4095, 77, &key);
    struct principal back;
    char text[ACCOUNT_ID_LENGTH + 1];
    uint32_t partition;
    uint32_t number;

    (void)state;
    account_id_format(&account, text);
    assert_true(account_id_parse(text, strlen(text), &back));
    assert_true(principal_equal(&account, &back));
    assert_true(account_principal_parse(&back, &key, &partition, &number));
    assert_int_equal(partition, 4095);
    assert_int_equal(number, 77);
    back.bytes[15] ^= 1;
    assert_false(account_principal_parse(&back, &key, &partition, &number));
    text[ACCOUNT_ID_LENGTH - 1] = '1'; /* bits that are no principal's */
    assert_false(account_id_parse(text, strlen(text), &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_has_one_account, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_account_outlives_crashes_and_leaves_memory,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_closed_session_moves_the_mark, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_guest_becomes_a_customer, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(every_key_of_a_guest_is_the_customers, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_limit_holds_while_shards_adopt_one_after_the_other,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_guests_request_that_comes_too_late_has_no_effect,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_token_is_used_once, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(nothing_stays_of_an_erased_account, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test(account_ids_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

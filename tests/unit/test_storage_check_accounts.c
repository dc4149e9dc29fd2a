/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit of accounts: what is sound, what is unfinished, and each planted fault. */
#include "test_storage_sound.h"

enum { MARY = 1, PAUL = 2 };

static struct principal person(uint32_t number)
{
    return (struct principal){{0, HOME, 0, 0, 0, (uint8_t)number, 9}};
}

static struct record *place(enum record_kind kind, uint32_t subject)
{
    struct record *record = test_record(&fixture.batch, kind, HOME, 0, 0);

    record->subject = subject;
    return record;
}

static struct account_record *account(uint32_t number)
{
    struct account_record *account = &place(RECORD_ACCOUNT, number)->account;

    account->principal = person(number);
    account->state = ACCOUNT_ACTIVE;
    account->next_id = 1;
    account->credentials = 1;
    account->email_index[0] = (uint8_t)number;
    return account;
}

static struct record *key_of(uint32_t number)
{
    struct record *record = place(RECORD_ACCOUNT_KEY, number);

    record->account_key.length = 1;
    return record;
}

/* The address of one, said to be another's. */
static struct record *address(uint32_t of, uint32_t said)
{
    struct record *record = place(RECORD_EMAIL, of);

    record->email.index[0] = (uint8_t)of;
    record->email.account = person(said);
    return record;
}

static void next_number(uint64_t next)
{
    place(RECORD_FLOOR, 1)->floor.next_sequence = next;
}

static void build_people(void)
{
    build_sound_store();
    for (uint32_t number = MARY; number <= PAUL; number++) {
        account(number);
        key_of(number);
        address(number, number);
    }
    next_number(3);
    place(RECORD_ALIAS, 77)->alias.customer = person(MARY);
    commit_batch();
}

static void plant_nothing(void)
{
    account(MARY);
}

static void plant_claimed_address(void)
{
    address(50, MARY);
}

static void plant_unreleased_address(void)
{
    account(MARY)->state = ACCOUNT_ERASED;
    key_of(MARY)->operation = RECORD_DELETE;
}

static void plant_lost_key(void)
{
    key_of(PAUL)->operation = RECORD_DELETE;
}

static void plant_key_of_nobody(void)
{
    key_of(3);
}

static void plant_key_of_erased(void)
{
    account(MARY)->state = ACCOUNT_ERASED;
}

static void plant_goodbye_without_mail(void)
{
    struct account_record *gone = account(MARY);

    gone->state = ACCOUNT_ERASED;
    gone->goodbye = 1;
    key_of(MARY)->operation = RECORD_DELETE;
    key_of(MARY)->sequence = 1;
}

/* Its last mail is there still, and that mail's key. */
static void plant_goodbye(void)
{
    struct record *mail;

    plant_goodbye_without_mail();
    mail = place(RECORD_MAIL, MARY);
    mail->sequence = 1;
    mail->mail.sealed_length = 1;
}

static void plant_goodbye_without_key(void)
{
    struct record *mail;
    struct account_record *gone = account(MARY);

    gone->state = ACCOUNT_ERASED;
    gone->goodbye = 1;
    key_of(MARY)->operation = RECORD_DELETE;
    mail = place(RECORD_MAIL, MARY);
    mail->sequence = 1;
    mail->mail.sealed_length = 1;
}

static void plant_goodbye_of_a_customer(void)
{
    key_of(PAUL)->sequence = 1;
}

static void erasure(uint32_t number)
{
    struct record *record = place(RECORD_ERASURE, number);

    record->erasure.account = person(number);
    record->erasure.wall_ms = TEST_WALL_MS;
}

/* Its orders are yet to forget it: the address that is not released is the other thing to do. */
static void plant_erasure(void)
{
    plant_unreleased_address();
    erasure(MARY);
}

static void plant_erasure_of_a_customer(void)
{
    erasure(PAUL);
}

static void plant_guest_of_nobody(void)
{
    struct record *record = place(RECORD_GUEST_OF, 9);

    record->guest_of.guest = person(5);
    record->sequence = guest_of_sequence(&record->guest_of.guest);
}

static void plant_lost_address(void)
{
    address(PAUL, PAUL)->operation = RECORD_DELETE;
}

static void plant_stolen_address(void)
{
    address(PAUL, MARY);
}

static void plant_address_of_nobody(void)
{
    address(50, 9);
}

static void plant_number_not_given(void)
{
    next_number(2);
}

static void plant_wrong_number(void)
{
    account(MARY)->principal = person(PAUL);
}

static void plant_alias_of_nobody(void)
{
    place(RECORD_ALIAS, 78)->alias.customer = person(9);
}

static void plant_mail_of_nobody(void)
{
    struct record *record = place(RECORD_MAIL, 9); /* there is no such account */

    record->sequence = 1;
    record->mail.sealed_length = 1;
}

static void test_accounts(void **state)
{
    static const struct {
        void (*plant)(void);
        enum check_result result;
        const char *line;
    } cases[] = {
        {plant_nothing, CHECK_OK, "1 unfinished"},
        {plant_claimed_address, CHECK_OK, "2 unfinished"},
        {plant_unreleased_address, CHECK_OK, "2 unfinished"},
        {plant_lost_key, CHECK_BROKEN, "the key of account 2 of partition 1 is missing"},
        {plant_key_of_nobody, CHECK_BROKEN, "a key of account 3 of partition 1, but no such"},
        {plant_key_of_erased, CHECK_BROKEN, "account 1 of partition 1 is erased, but its key"},
        {plant_goodbye, CHECK_OK, "2 unfinished"},
        {plant_goodbye_without_mail, CHECK_BROKEN, "the key of its last mail is there without it"},
        {plant_goodbye_without_key, CHECK_BROKEN, "the key of the last mail of account 1 of"},
        {plant_erasure, CHECK_OK, "3 unfinished"},
        {plant_erasure_of_a_customer, CHECK_BROKEN, "by its orders, and is not erased"},
        {plant_guest_of_nobody, CHECK_BROKEN, "a guest was account 9 of partition 1, which there"},
        {plant_goodbye_of_a_customer, CHECK_BROKEN, "last mail, and is not erased"},
        {plant_lost_address, CHECK_BROKEN, "the address of account 2 of partition 1 is not known"},
        {plant_stolen_address, CHECK_BROKEN,
         "the address of account 2 of partition 1 is not known"},
        {plant_address_of_nobody, CHECK_BROKEN, "is said to be of account 9 of partition 1"},
        {plant_number_not_given, CHECK_BROKEN, "has a number that was not given yet"},
        {plant_wrong_number, CHECK_BROKEN, "account 1 of partition 1 bears another's number"},
        {plant_alias_of_nobody, CHECK_BROKEN, "a guest became account 9 of partition 1"},
        {plant_mail_of_nobody, CHECK_BROKEN, "mail 1 of account 9 of partition 1 is nobody's"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!test_takes(i, 6))
            continue;
        build_people();
        cases[i].plant();
        commit_batch();
        close_store();
        if (run_check() != cases[i].result)
            fail_msg("%zu: %s", i, fixture.output);
        assert_output_has(cases[i].line);
        remove_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_accounts)};

    return cmocka_run_group_tests_name("storage check of accounts", tests, NULL, NULL);
}

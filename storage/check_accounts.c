/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: whose an address is, what an account needs to be read, who a guest became.
 *
 *   an account that is not erased   has its key, and its address says that it is this account's
 *   an erased one                   has no key, but the one of its last mail, as long as there is
 *                                   that mail
 *   an address                      is of an account that says so too, now or when a change of
 *                                   address ends (unfinished), or did until one (unfinished)
 *   a key, a guest, a mail          belong to an account that there is
 *   an erasure                      is of an erased account (unfinished)
 *   a number                        is below the one that is given next */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_private.h"
#include "vault.h"

/* Which account, across partitions: `partition << 32 | number`. */
static uint64_t account_name(const struct principal *principal)
{
    uint64_t name = 0;

    for (unsigned i = 0; i < 6; i++)
        name = name << 8 | principal->bytes[i];
    return name;
}

static uint64_t index_hash(const uint8_t index[EMAIL_INDEX_BYTES])
{
    uint64_t words[2];

    memcpy(words, index, sizeof(words));
    return hash_word(words[0]) + hash_word(words[1] ^ 0x5851f42d4c957f2du);
}

struct scanned {
    struct check *check;
    uint32_t partition;
    uint64_t next_number;
};

static bool visit_floor(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;

    if (record->subject == FLOOR_ACCOUNTS)
        scanned->next_number = record->floor.next_sequence;
    return true;
}

static bool visit_account(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check *check = scanned->check;
    struct check_account *account = check_vector_add(check, &check->accounts, sizeof(*account));

    if (account == NULL)
        return false;
    account->name = (uint64_t)record->partition << 32 | record->subject;
    account->principal = record->account.principal;
    account->is_erased = record->account.state == ACCOUNT_ERASED;
    account->goodbye = record->account.goodbye;
    account->index = index_hash(record->account.email_index);
    if (account_name(&record->account.principal) != account->name)
        check_broken(check, "account %" PRIu32 " of partition %" PRIu32 " bears another's number",
                     record->subject, record->partition);
    if (record->subject >= scanned->next_number)
        check_broken(check,
                     "account %" PRIu32 " of partition %" PRIu32
                     " has a number that was not given yet",
                     record->subject, record->partition);
    return true;
}

/* There are few vault keys, ever. */
void check_note_wrapping(struct check *check, const uint8_t *key, uint32_t length)
{
    struct check_wrapping_key *known =
        (struct check_wrapping_key *)(void *)check->wrapping_keys.items;
    struct vault_wrapped_key wrapped;
    uint64_t id;

    if (length != VAULT_WRAPPED_KEY_BYTES)
        return;
    memcpy(wrapped.bytes, key, sizeof(wrapped.bytes));
    id = vault_wrapped_key_id(&wrapped);
    for (size_t i = 0; i < check->wrapping_keys.count; i++) {
        if (known[i].id == id) {
            known[i].count++;
            return;
        }
    }
    known = check_vector_add(check, &check->wrapping_keys, sizeof(*known));
    if (known != NULL)
        *known = (struct check_wrapping_key){.id = id, .count = 1};
}

void check_accounts_print_keys(struct check *check)
{
    const struct check_wrapping_key *known =
        (const struct check_wrapping_key *)(const void *)check->wrapping_keys.items;

    for (size_t i = 0; check->vault_key_id != 0 && i < check->wrapping_keys.count; i++) {
        if (known[i].id != check->vault_key_id)
            fprintf(check->out,
                    "check: note: %" PRIu64 " data keys are wrapped by vault key %016" PRIx64
                    ", which is not current: serve with it as `previous` until "
                    "vault_keys_previous is 0\n",
                    known[i].count, known[i].id);
    }
}

static bool visit_key(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check_account *account = check_vector_find_64(
        &scanned->check->accounts, (uint64_t)record->partition << 32 | record->subject);

    check_note_wrapping(scanned->check, record->account_key.bytes, record->account_key.length);
    if (account == NULL)
        check_broken(scanned->check,
                     "there is a key of account %" PRIu32 " of partition %" PRIu32
                     ", but no such account",
                     record->subject, record->partition);
    else if (record->sequence == 1 && account->is_erased)
        account->has_goodbye_key = true;
    else if (record->sequence == 1)
        check_broken(scanned->check,
                     "account %" PRIu32 " of partition %" PRIu32
                     " has the key of an erased account's last mail, and is not erased",
                     record->subject, record->partition);
    else if (account->is_erased)
        check_broken(scanned->check,
                     "account %" PRIu32 " of partition %" PRIu32 " is erased, but its key is there",
                     record->subject, record->partition);
    else
        account->has_key = true;
    return true;
}

static bool visit_guest(void *arg, const struct record *record)
{
    struct check *check = ((struct scanned *)arg)->check;

    if (check_vector_find_64(&check->accounts,
                             (uint64_t)record->partition << 32 | record->subject) == NULL)
        check_broken(check,
                     "a guest was account %" PRIu32 " of partition %" PRIu32 ", which there is not",
                     record->subject, record->partition);
    return true;
}

static bool visit_erasure(void *arg, const struct record *record)
{
    struct check *check = ((struct scanned *)arg)->check;
    struct check_account *account =
        check_vector_find_64(&check->accounts, (uint64_t)record->partition << 32 | record->subject);

    if (account != NULL)
        account->is_being_forgotten = true;
    if (account == NULL || !account->is_erased ||
        account_name(&record->erasure.account) != account->name)
        check_broken(check,
                     "account %" PRIu32 " of partition %" PRIu32
                     " is being forgotten by its orders, and is not erased",
                     record->subject, record->partition);
    check->unfinished++;
    return true;
}

static bool visit_mail(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check_account *account = check_vector_find_64(
        &scanned->check->accounts, (uint64_t)record->partition << 32 | record->subject);

    if (account != NULL && record->sequence == account->goodbye)
        account->has_last_mail = true;
    if (account == NULL)
        check_broken(scanned->check,
                     "mail %" PRIu64 " of account %" PRIu32 " of partition %" PRIu32 " is nobody's",
                     record->sequence, record->subject, record->partition);
    return true;
}

static bool visit_email(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check_address *address =
        check_vector_add(scanned->check, &scanned->check->addresses, sizeof(*address));

    if (address == NULL)
        return false;
    address->index = index_hash(record->email.index);
    address->account = account_name(&record->email.account);
    return true;
}

static bool visit_alias(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    uint64_t *customer =
        check_vector_add(scanned->check, &scanned->check->customers, sizeof(*customer));

    if (customer == NULL)
        return false;
    *customer = account_name(&record->alias.customer);
    return true;
}

static void damaged(void *arg, const char *line)
{
    check_broken(((struct scanned *)arg)->check, "%s", line);
}

static void scan(struct scanned *scanned, enum record_kind kind, journal_visit visit)
{
    struct check *check = scanned->check;

    if (!check->out_of_memory &&
        !journal_rocksdb_scan(check->journal, kind, scanned->partition, visit, damaged, scanned))
        check_broken(check, "partition %" PRIu32 " cannot be read to its end", scanned->partition);
}

bool check_account_is_gone(const struct check *check, const struct principal *principal)
{
    const struct check_account *account =
        check_vector_find_64(&check->accounts, account_name(principal));

    return account != NULL && principal_equal(&account->principal, principal) &&
           account->is_erased && !account->is_being_forgotten;
}

/* Partitions and numbers ascend, so the vector of accounts is in order of their names. */
void check_accounts_partition(struct check *check, uint32_t partition)
{
    struct scanned scanned = {.check = check, .partition = partition, .next_number = 1};
    size_t first = check->accounts.count;

    scan(&scanned, RECORD_FLOOR, visit_floor);
    scan(&scanned, RECORD_ACCOUNT, visit_account);
    scan(&scanned, RECORD_ACCOUNT_KEY, visit_key);
    scan(&scanned, RECORD_MAIL, visit_mail);
    scan(&scanned, RECORD_EMAIL, visit_email);
    scan(&scanned, RECORD_ALIAS, visit_alias);
    scan(&scanned, RECORD_GUEST_OF, visit_guest);
    scan(&scanned, RECORD_ERASURE, visit_erasure);
    for (size_t i = first; i < check->accounts.count; i++) {
        const struct check_account *account =
            &((const struct check_account *)(const void *)check->accounts.items)[i];

        if (!account->is_erased && !account->has_key)
            check_broken(check,
                         "the key of account %" PRIu32 " of partition %" PRIu32 " is missing",
                         (uint32_t)account->name, partition);
        if (account->is_erased && account->has_last_mail && !account->has_goodbye_key)
            check_broken(check,
                         "the key of the last mail of account %" PRIu32 " of partition %" PRIu32
                         ", which is erased, is missing",
                         (uint32_t)account->name, partition);
        if (account->has_goodbye_key && !account->has_last_mail)
            check_broken(check,
                         "account %" PRIu32 " of partition %" PRIu32
                         " is erased, but the key of its last mail is there without it",
                         (uint32_t)account->name, partition);
    }
}

static int address_order(const void *a, const void *b)
{
    const struct check_address *left = a;
    const struct check_address *right = b;

    if (left->account != right->account)
        return left->account < right->account ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

static void check_address(struct check *check, const struct check_address *address)
{
    const struct check_account *account = check_vector_find_64(&check->accounts, address->account);

    if (account == NULL)
        check_broken(check,
                     "an address is said to be of account %" PRIu32 " of partition %" PRIu32
                     ", which there is not",
                     (uint32_t)address->account, (uint32_t)(address->account >> 32));
    else if (account->is_erased || account->index != address->index)
        check->unfinished++; /* claimed for a change, or not yet released after one */
}

void check_accounts(struct check *check)
{
    const struct check_account *accounts =
        (const struct check_account *)(const void *)check->accounts.items;
    const struct check_address *addresses =
        (const struct check_address *)(const void *)check->addresses.items;
    const uint64_t *customers = (const uint64_t *)(const void *)check->customers.items;

    if (check->addresses.count > 0)
        qsort(check->addresses.items, check->addresses.count, sizeof(*addresses), address_order);
    for (size_t i = 0; i < check->addresses.count; i++)
        check_address(check, &addresses[i]);
    for (size_t i = 0; i < check->accounts.count; i++) {
        struct check_address wanted = {.index = accounts[i].index, .account = accounts[i].name};

        if (!accounts[i].is_erased &&
            (check->addresses.count == 0 || bsearch(&wanted, addresses, check->addresses.count,
                                                    sizeof(wanted), address_order) == NULL))
            check_broken(check,
                         "the address of account %" PRIu32 " of partition %" PRIu32
                         " is not known as its own",
                         (uint32_t)accounts[i].name, (uint32_t)(accounts[i].name >> 32));
    }
    for (size_t i = 0; i < check->customers.count; i++)
        if (check_vector_find_64(&check->accounts, customers[i]) == NULL)
            check_broken(check,
                         "a guest became account %" PRIu32 " of partition %" PRIu32
                         ", which there is not",
                         (uint32_t)customers[i], (uint32_t)(customers[i] >> 32));
    check_vector_free(&check->accounts);
    check_vector_free(&check->addresses);
    check_vector_free(&check->customers);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_books.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/digest.h"

enum { ID_LETTERS = 24 };

struct known_key {
    uint64_t offset;
    int64_t at_ms;
    struct psp_hash hash;
};

/* Rings: `first` to `end` are kept, at the number modulo the capacity, a power of two. */
struct psp_books {
    struct psp_ledger *ledger;
    uint64_t seed;
    uint64_t entries; /* the number of the last */
    uint32_t names;   /* made for the next */
    bool has_webhook;

    struct psp_payment **payments;
    uint32_t payment_count, payment_capacity;

    struct psp_known *known;
    uint32_t known_count, known_capacity;
    struct psp_table known_by_id;

    struct psp_known_event *events;
    uint64_t event_first, event_end, event_capacity;
    struct psp_table event_by_id;

    struct known_key *keys;
    uint64_t key_first, key_end, key_capacity;
    struct psp_table key_by_text;

    struct psp_balance balances[PSP_CURRENCIES_MAX];
    uint32_t balance_count;

    const char *reason; /* why an entry was not taken */
};

/* ---- memory ---- */

/* Room for one more of `size` bytes, in an array that doubles. */
static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 64 : 2 * *capacity;
    array = realloc(array, *capacity * size);
    if (array == NULL)
        abort();
    return array;
}

/* The same for a ring: its elements keep their numbers. */
static void *grow_ring(void *ring, uint64_t first, uint64_t end, uint64_t *capacity, size_t size)
{
    uint64_t larger = *capacity == 0 ? 64 : 2 * *capacity;
    char *copy;

    if (end - first < *capacity)
        return ring;
    copy = calloc(larger, size);
    if (copy == NULL)
        abort();
    for (uint64_t i = first; i < end; i++)
        memcpy(copy + (i & (larger - 1)) * size, (char *)ring + (i & (*capacity - 1)) * size, size);
    free(ring);
    *capacity = larger;
    return copy;
}

static struct psp_hash hash_of(const char *text)
{
    return psp_hash_of(text, strlen(text));
}

/* ---- looking up ---- */

struct psp_ledger *psp_books_ledger(struct psp_books *books)
{
    return books->ledger;
}

uint32_t psp_books_position(const struct psp_books *books, const char *id)
{
    return psp_table_find(&books->known_by_id, hash_of(id));
}

const struct psp_known *psp_books_find(const struct psp_books *books, const char *id)
{
    uint32_t position = psp_books_position(books, id);

    return position != PSP_ABSENT ? &books->known[position] : NULL;
}

const struct psp_payment *psp_books_payment_at(const struct psp_books *books, uint32_t index)
{
    return books->payments[index];
}

const struct psp_payment *psp_books_payment(const struct psp_books *books, const char *id)
{
    const struct psp_known *known = psp_books_find(books, id);

    return known != NULL && known->object == PSP_OBJECT_INTENT ? books->payments[known->payment]
                                                               : NULL;
}

uint32_t psp_books_payment_count(const struct psp_books *books)
{
    return books->payment_count;
}

uint32_t psp_books_known_count(const struct psp_books *books)
{
    return books->known_count;
}

const struct psp_known *psp_books_known_at(const struct psp_books *books, uint32_t position)
{
    return &books->known[position];
}

uint64_t psp_books_event_first(const struct psp_books *books)
{
    return books->event_first;
}

uint64_t psp_books_event_end(const struct psp_books *books)
{
    return books->event_end;
}

static struct psp_known_event *event_at(const struct psp_books *books, uint64_t number)
{
    assert(number >= books->event_first && number < books->event_end);
    return &books->events[number & (books->event_capacity - 1)];
}

const struct psp_known_event *psp_books_event_at(const struct psp_books *books, uint64_t number)
{
    return event_at(books, number);
}

bool psp_books_event_find(const struct psp_books *books, const char *id, uint64_t *number_out)
{
    uint32_t low = psp_table_find(&books->event_by_id, hash_of(id));

    if (low == PSP_ABSENT)
        return false;
    /* Fewer than 2^32 are kept, so the low half tells which. */
    *number_out = books->event_first + (uint32_t)(low - (uint32_t)books->event_first);
    return true;
}

bool psp_books_key_find(const struct psp_books *books, const char *key, int64_t now_ms,
                        uint64_t *offset_out)
{
    uint32_t low = psp_table_find(&books->key_by_text, hash_of(key));
    const struct known_key *known;
    uint64_t number;

    if (low == PSP_ABSENT)
        return false;
    number = books->key_first + (uint32_t)(low - (uint32_t)books->key_first);
    known = &books->keys[number & (books->key_capacity - 1)];
    *offset_out = known->offset;
    return now_ms - known->at_ms < PSP_KEY_LIFE_MS;
}

uint32_t psp_books_balances(const struct psp_books *books, const struct psp_balance **balances_out)
{
    *balances_out = books->balances;
    return books->balance_count;
}

uint64_t psp_books_entry_count(const struct psp_books *books)
{
    return books->entries;
}

bool psp_books_entry(struct psp_books *books, uint64_t offset, struct psp_entry *entry_out)
{
    size_t length;
    const char *reason;
    const char *line = psp_ledger_read(books->ledger, offset, &length);

    return line != NULL && psp_entry_read(entry_out, line, length, &reason);
}

/* ---- taking an entry over ---- */

static struct psp_balance *balance_of(struct psp_books *books, const char *currency)
{
    struct psp_balance *balance;

    for (uint32_t i = 0; i < books->balance_count; i++) {
        if (strcmp(books->balances[i].currency, currency) == 0)
            return &books->balances[i];
    }
    if (books->balance_count == PSP_CURRENCIES_MAX)
        return NULL;
    balance = &books->balances[books->balance_count++];
    snprintf(balance->currency, sizeof(balance->currency), "%s", currency);
    return balance;
}

/* What the accounts hold of one payment, as its state says. */
static void payment_accounts(const struct psp_payment *payment, int64_t sign,
                             int64_t accounts[PSP_ACCOUNT_COUNT])
{
    int64_t authorised = psp_payment_authorised(payment);
    int64_t merchant = payment->amount_received - payment->amount_refunded;

    accounts[PSP_ACCOUNT_AUTHORISED] += sign * authorised;
    accounts[PSP_ACCOUNT_MERCHANT] += sign * merchant;
    accounts[PSP_ACCOUNT_REFUNDED] += sign * payment->amount_refunded;
    accounts[PSP_ACCOUNT_CUSTOMER] -= sign * (authorised + payment->amount_received);
}

/* Whether the postings are what happened to the payment; then they count. */
static bool take_postings(struct psp_books *books, const struct psp_entry *entry,
                          const struct psp_payment *before)
{
    struct psp_balance *balance = balance_of(books, entry->payment.currency);
    int64_t accounts[PSP_ACCOUNT_COUNT] = {0};

    if (balance == NULL)
        return false;
    payment_accounts(&entry->payment, 1, accounts);
    if (before != NULL)
        payment_accounts(before, -1, accounts);
    for (uint32_t i = 0; i < entry->posting_count; i++)
        accounts[entry->postings[i].account] -= entry->postings[i].minor;
    for (int i = 0; i < PSP_ACCOUNT_COUNT; i++) {
        if (accounts[i] != 0)
            return false;
    }
    for (uint32_t i = 0; i < entry->posting_count; i++)
        balance->accounts[entry->postings[i].account] += entry->postings[i].minor;
    return true;
}

static void know(struct psp_books *books, enum psp_object object, const char *id, uint32_t payment,
                 uint64_t offset)
{
    uint32_t position = psp_books_position(books, id);

    if (id[0] == 0)
        return;
    if (position == PSP_ABSENT) {
        position = books->known_count++;
        books->known = grow(books->known, position, &books->known_capacity, sizeof(*books->known));
        psp_table_put(&books->known_by_id, hash_of(id), position);
    }
    books->known[position] =
        (struct psp_known){.object = object, .payment = payment, .offset = offset};
    snprintf(books->known[position].id, sizeof(books->known[position].id), "%s", id);
}

static bool take_payment(struct psp_books *books, const struct psp_entry *entry, uint64_t offset)
{
    const struct psp_known *known = psp_books_find(books, entry->payment.id);
    uint32_t index = known != NULL ? known->payment : books->payment_count;

    if (!take_postings(books, entry, known != NULL ? books->payments[index] : NULL))
        return false;
    if (known == NULL) {
        books->payments =
            grow(books->payments, index, &books->payment_capacity, sizeof(struct psp_payment *));
        books->payments[index] = malloc(sizeof(struct psp_payment));
        if (books->payments[index] == NULL)
            abort();
        books->payment_count++;
    } else {
        psp_payment_free(books->payments[index]);
    }
    psp_payment_copy(books->payments[index], &entry->payment);
    know(books, PSP_OBJECT_INTENT, entry->payment.id, index, offset);
    know(books, PSP_OBJECT_CHARGE, entry->payment.charge_id, index, offset);
    for (uint32_t i = 0; i < entry->payment.refund_count; i++)
        know(books, PSP_OBJECT_REFUND, entry->payment.refunds[i].id, index, offset);
    return true;
}

static void take_events(struct psp_books *books, const struct psp_entry *entry, uint64_t offset)
{
    for (uint32_t i = 0; i < entry->event_count; i++) {
        struct psp_known_event *event;

        if (books->event_end - books->event_first == PSP_EVENTS_MAX)
            psp_table_remove(&books->event_by_id, event_at(books, books->event_first++)->hash);
        books->events = grow_ring(books->events, books->event_first, books->event_end,
                                  &books->event_capacity, sizeof(*books->events));
        event = event_at(books, books->event_end++);
        *event = (struct psp_known_event){
            .offset = offset,
            .hash = hash_of(entry->events[i].id),
            .payment = psp_books_find(books, entry->payment.id)->payment,
            .index = (uint8_t)i,
            .event = (uint8_t)entry->events[i].event,
            .is_delivered = !entry->has_webhook,
        };
        psp_table_put(&books->event_by_id, event->hash, (uint32_t)(books->event_end - 1));
    }
}

static void forget_key(struct psp_books *books)
{
    const struct known_key *oldest = &books->keys[books->key_first & (books->key_capacity - 1)];

    /* Used anew after its life, it is in the ring twice. */
    if (psp_table_find(&books->key_by_text, oldest->hash) == (uint32_t)books->key_first)
        psp_table_remove(&books->key_by_text, oldest->hash);
    books->key_first++;
}

static void take_key(struct psp_books *books, const struct psp_entry *entry, uint64_t offset)
{
    struct known_key *key;

    while (books->key_end > books->key_first &&
           (books->key_end - books->key_first == PSP_KEYS_MAX ||
            entry->at_ms - books->keys[books->key_first & (books->key_capacity - 1)].at_ms >=
                PSP_KEY_LIFE_MS))
        forget_key(books);
    books->keys = grow_ring(books->keys, books->key_first, books->key_end, &books->key_capacity,
                            sizeof(*books->keys));
    key = &books->keys[books->key_end & (books->key_capacity - 1)];
    *key = (struct known_key){offset, entry->at_ms, hash_of(entry->key)};
    psp_table_put(&books->key_by_text, key->hash, (uint32_t)books->key_end);
    books->key_end++;
}

/* False: the entry does not follow from those before it; the reason in `books`. */
static bool take(struct psp_books *books, const struct psp_entry *entry, uint64_t offset)
{
    uint64_t number;

    books->reason = "its number is not the next one";
    if (entry->number != books->entries + 1)
        return false;
    books->reason = "its postings are not what happened to its payment";
    if (entry->has_payment && !take_payment(books, entry, offset))
        return false;
    take_events(books, entry, offset);
    if (entry->key != NULL && entry->key[0] != 0 && entry->status != 0)
        take_key(books, entry, offset);
    if (entry->delivered != NULL && psp_books_event_find(books, entry->delivered, &number))
        event_at(books, number)->is_delivered = true;
    books->entries++;
    books->names = 0;
    return true;
}

/* ---- opening ---- */

static bool read_line(void *user, const char *line, size_t length, uint64_t offset)
{
    struct psp_books *books = user;
    struct psp_entry entry;
    bool is_taken;

    if (!psp_entry_read(&entry, line, length, &books->reason))
        return false;
    is_taken = take(books, &entry, offset);
    psp_entry_free(&entry);
    return is_taken;
}

enum psp_ledger_result psp_books_open(const char *path, uint64_t seed, struct psp_books **books_out,
                                      char *error, size_t error_size)
{
    struct psp_books *books = calloc(1, sizeof(*books));
    enum psp_ledger_result result;

    if (books == NULL)
        abort();
    books->seed = seed;
    error[0] = 0;
    result = psp_ledger_open(path, read_line, books, &books->ledger, error, error_size);
    if (result == PSP_LEDGER_DAMAGED && error[0] == 0)
        snprintf(error, error_size, "the ledger %s is damaged at entry %llu: %s", path,
                 (unsigned long long)books->entries + 1, books->reason);
    if (result != PSP_LEDGER_OPENED) {
        psp_books_close(books);
        books = NULL;
    }
    *books_out = books;
    return result;
}

void psp_books_close(struct psp_books *books)
{
    if (books == NULL)
        return;
    for (uint32_t i = 0; i < books->payment_count; i++) {
        psp_payment_free(books->payments[i]);
        free(books->payments[i]);
    }
    free(books->payments);
    free(books->known);
    free(books->events);
    free(books->keys);
    psp_table_free(&books->known_by_id);
    psp_table_free(&books->event_by_id);
    psp_table_free(&books->key_by_text);
    psp_ledger_close(books->ledger);
    free(books);
}

/* ---- changing ---- */

void psp_books_set_webhook(struct psp_books *books, bool has_webhook)
{
    books->has_webhook = has_webhook;
}

static void next_name(void *self, const char *prefix, char id_out[PSP_ID_MAX + 1])
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct psp_books *books = self;
    uint64_t input[3] = {books->seed, books->entries + 1, books->names++};
    uint8_t digest[DIGEST_SHA256_BYTES];
    size_t length = strlen(prefix);

    assert(length + ID_LETTERS <= PSP_ID_MAX);
    digest_sha256(input, sizeof(input), digest);
    memcpy(id_out, prefix, length);
    for (size_t i = 0; i < ID_LETTERS; i++)
        id_out[length + i] = letters[digest[i] % (sizeof(letters) - 1)];
    id_out[length + ID_LETTERS] = 0;
}

struct psp_naming psp_books_naming(struct psp_books *books, int64_t now_ms)
{
    return (struct psp_naming){.next = next_name, .self = books, .now_s = now_ms / 1000};
}

uint64_t psp_books_commit(struct psp_books *books, struct psp_entry *entry)
{
    size_t length;
    uint64_t offset;
    char *line;
    bool is_taken;

    entry->number = books->entries + 1;
    entry->has_webhook = books->has_webhook && entry->event_count > 0;
    for (uint32_t i = 0; i < entry->event_count; i++)
        next_name(books, "evt_", entry->events[i].id);
    line = psp_entry_write(entry, &length);
    assert(length <= PSP_LINE_MAX);
    offset = psp_ledger_append(books->ledger, line, length);
    is_taken = read_line(books, line, length - 1, offset);
    assert(is_taken);
    (void)is_taken;
    free(line);
    return offset;
}

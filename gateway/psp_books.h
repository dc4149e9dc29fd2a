/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway knows: payments, refunds, charges, events, idempotency keys and balances, all of
 * it read from the ledger's entries. One thread. */
#ifndef STAMPEDE_PSP_BOOKS_H
#define STAMPEDE_PSP_BOOKS_H

#include "psp_entry.h"
#include "psp_ledger.h"
#include "psp_table.h"

/* A payment, a charge or a refund, in the order in which they came. */
struct psp_known {
    enum psp_object object;
    uint32_t payment; /* psp_books_payment_at */
    uint64_t offset;  /* of the last entry that shows it */
    char id[PSP_ID_MAX + 1];
};

/* An event, by its number since the ledger began. */
struct psp_known_event {
    uint64_t offset; /* of its entry */
    struct psp_hash hash;
    uint32_t payment;  /* psp_books_payment_at */
    uint8_t index;     /* within the entry */
    uint8_t event;     /* enum psp_event */
    bool is_delivered; /* or for nobody */
};

struct psp_balance {
    char currency[4];
    int64_t accounts[PSP_ACCOUNT_COUNT];
};

struct psp_books;

/* `seed`: new IDs come from it and the number of the entry. */
enum psp_ledger_result psp_books_open(const char *path, uint64_t seed, struct psp_books **books_out,
                                      char *error, size_t error_size);
void psp_books_close(struct psp_books *books);
struct psp_ledger *psp_books_ledger(struct psp_books *books);

/* ---- looking up ---- */

/* NULL: not known. */
const struct psp_known *psp_books_find(const struct psp_books *books, const char *id);
const struct psp_payment *psp_books_payment_at(const struct psp_books *books, uint32_t index);
const struct psp_payment *psp_books_payment(const struct psp_books *books, const char *id);
uint32_t psp_books_payment_count(const struct psp_books *books);
/* All that is known, by position. */
uint32_t psp_books_known_count(const struct psp_books *books);
const struct psp_known *psp_books_known_at(const struct psp_books *books, uint32_t position);
uint32_t psp_books_position(const struct psp_books *books, const char *id);

/* Numbers from first to end - 1 are kept. */
uint64_t psp_books_event_first(const struct psp_books *books);
uint64_t psp_books_event_end(const struct psp_books *books);
const struct psp_known_event *psp_books_event_at(const struct psp_books *books, uint64_t number);
bool psp_books_event_find(const struct psp_books *books, const char *id, uint64_t *number_out);

/* The entry that answered this key within its life. */
bool psp_books_key_find(const struct psp_books *books, const char *key, int64_t now_ms,
                        uint64_t *offset_out);

uint32_t psp_books_balances(const struct psp_books *books, const struct psp_balance **balances_out);
uint64_t psp_books_entry_count(const struct psp_books *books);

/* Reads an entry again; false: the file cannot be read. psp_entry_free. */
bool psp_books_entry(struct psp_books *books, uint64_t offset, struct psp_entry *entry_out);

/* ---- changing ---- */

/* Whether the events of new entries are for a webhook; at first they are not. */
void psp_books_set_webhook(struct psp_books *books, bool has_webhook);

/* Names for what the next entry brings. */
struct psp_naming psp_books_naming(struct psp_books *books, int64_t now_ms);

/* Numbers the entry, names its events, appends it and takes over what it says; it is durable once
 * the ledger was flushed. Where it begins. */
uint64_t psp_books_commit(struct psp_books *books, struct psp_entry *entry);

#endif

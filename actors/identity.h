/* SPDX-License-Identifier: Apache-2.0 */
/* Who and what: principals, SKU numbers, reservation IDs.
 *
 * A reservation ID is 160 bits, written as `res_` and 32 characters of Crockford's base 32:
 *     time_ms:44 | partition:12 | sequence:40 | tag:64
 * so that IDs sort by time, route by themselves to their partition, name the record's key, and
 * cannot be guessed: the tag is a keyed hash (SipHash-2-4) of the rest under the store's secret.
 * An ID is therefore never stored: the record's key and creation time give it back. */
#ifndef STAMPEDE_IDENTITY_H
#define STAMPEDE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "shop_limits.h"

enum {
    RESERVATION_ID_LENGTH = 4 + 32, /* without the terminating zero */
    PRINCIPAL_TEXT_LENGTH = 2 + 32,
    ACCOUNT_ID_LENGTH = 4 + 26,
    DELIVERY_ID_LENGTH_MAX = RESERVATION_ID_LENGTH + 1 + 10,
};

/* Who asks. A guest's is 128 random bits; a customer's is made of its account:
 *     partition:16 | number:32 | tag:80
 * so that it routes by itself and is not guessable: the tag is a keyed hash of the rest. All zero
 * is nobody. */
struct principal {
    uint8_t bytes[16];
};

struct reservation_id {
    int64_t created_ms; /* wall clock */
    uint64_t sequence;  /* within the partition, from 1 */
    uint32_t partition;
};

/* A SKU's number in this store: `partition << 20 | number within the partition`; never reused. */
static inline uint32_t sku_id_make(uint32_t partition, uint32_t number)
{
    return partition << 20 | number;
}

static inline uint32_t sku_id_partition(uint32_t sku_id)
{
    return sku_id >> 20;
}

/* The number of one of several rows that an account has of a kind (its postal addresses, its
 * mails), and what the row's private fields are sealed for. They are sealed before the account's
 * actor sees them, so the number is drawn by whoever seals: 55 bits, so no two of an account's are
 * the same. As text 11 characters of Crockford's base 32: no run of digits as long as a card's. */
#define ROW_NUMBER_END (UINT64_C(1) << 55) /* exclusive */

enum { ROW_TEXT_LENGTH = 11 };

static inline bool row_number_is_valid(uint64_t number)
{
    return number >= 1 && number < ROW_NUMBER_END;
}

/* From 64 random bits. */
static inline uint64_t row_number_of(uint64_t random)
{
    return 1 + random % (ROW_NUMBER_END - 1);
}

/* Writes the number and a zero; reads one, 0 if it is malformed. */
void row_number_format(uint64_t number, char text_out[ROW_TEXT_LENGTH + 1]);
uint64_t row_number_parse(const char *text, size_t length);

bool principal_equal(const struct principal *a, const struct principal *b);

/* Writes `g_` and 32 hexadecimal digits and a zero; for staff and logs, not a credential. */
void principal_format(const struct principal *principal, char text_out[PRINCIPAL_TEXT_LENGTH + 1]);

/* Writes the ID's text and a zero. `secret` is the store's ID secret. */
void reservation_id_format(const struct reservation_id *id, const struct hash_key *secret,
                           char text_out[RESERVATION_ID_LENGTH + 1]);

/* Reads an ID; false if it is malformed or its tag is not this store's. */
bool reservation_id_parse(const char *text, size_t length, const struct hash_key *secret,
                          struct reservation_id *id_out);

/* An order's ID is made in the same way, and begins with `ord_`. */
void order_id_format(const struct reservation_id *id, const struct hash_key *secret,
                     char text_out[RESERVATION_ID_LENGTH + 1]);
bool order_id_parse(const char *text, size_t length, const struct hash_key *secret,
                    struct reservation_id *id_out);

/* And an event's that goes out, with `evt_`. */
void event_id_format(const struct reservation_id *id, const struct hash_key *secret,
                     char text_out[RESERVATION_ID_LENGTH + 1]);
bool event_id_parse(const char *text, size_t length, const struct hash_key *secret,
                    struct reservation_id *id_out);

/* A webhook's ID, of its event's time, partition and sequence: `msg_…`, the same whichever endpoint
 * it goes to; and that of its way to one endpoint: `dlv_…`, `_` and the endpoint's number. */
void message_id_format(const struct reservation_id *id, const struct hash_key *secret,
                       char text_out[RESERVATION_ID_LENGTH + 1]);
void delivery_id_format(const struct reservation_id *id, uint32_t endpoint,
                        const struct hash_key *secret, char text_out[DELIVERY_ID_LENGTH_MAX + 1]);
bool delivery_id_parse(const char *text, size_t length, const struct hash_key *secret,
                       struct reservation_id *id_out, uint32_t *endpoint_out);

/* An order's number in this store: what is kept by those that belong to it. Never 0. */
static inline uint64_t order_number(uint32_t partition, uint64_t sequence)
{
    return (uint64_t)partition << 40 | sequence;
}

/* The principal of an account, and back; false if it is not this store's. */
struct principal account_principal(uint32_t partition, uint32_t number,
                                   const struct hash_key *secret);
bool account_principal_parse(const struct principal *principal, const struct hash_key *secret,
                             uint32_t *partition_out, uint32_t *number_out);

/* Writes `cus_` and 26 characters of Crockford's base 32 and a zero; and back, whose tag is proven
 * by account_principal_parse only. */
void account_id_format(const struct principal *principal, char text_out[ACCOUNT_ID_LENGTH + 1]);
bool account_id_parse(const char *text, size_t length, struct principal *principal_out);

bool principal_is_nobody(const struct principal *principal);

/* Whether text is 1 to 64 of letters, digits, `. _ - / :` (SKUs and product IDs). */
bool sku_is_valid(const char *text, size_t length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Private fields of accounts: sealed before they go to the engine, opened when they come back
 * (engine/ports.h, vault). Any thread but where it says so. A value is bound to its account, its
 * field and its row, by what the row is found by, so that it opens there and nowhere else: also not
 * in another row of the same account. An account's key record is its wrapped data key. */
#ifndef STAMPEDE_API_PRIVATE_DATA_H
#define STAMPEDE_API_PRIVATE_DATA_H

#include "engine.h"

/* Numbers are stored with each value's authentication and never change their meaning. */
enum private_field {
    PRIVATE_EMAIL = 1, /* also one that waits to be confirmed */
    PRIVATE_NAME = 2,
    PRIVATE_TOTP = 3,
    PRIVATE_AGENT = 4,
    PRIVATE_ADDRESS = 5,
    PRIVATE_MAIL = 6,
    PRIVATE_ANSWER = 7, /* kept for an Idempotency-Key, in memory */
};

/* A field of one row. */
struct private_place {
    enum private_field field;
    uint64_t row;
};

/* Its address, or the one that it is to have: the row is the address itself, by its blind index,
 * which stands in the record beside the sealed value. So it may move when it is confirmed. */
struct private_place private_email(const uint8_t index[EMAIL_INDEX_BYTES]);
/* Of which an account has one: the row is the account. NAME, TOTP. */
struct private_place private_single(enum private_field field, const struct principal *account);
/* Of a session, by its token's hash. */
struct private_place private_agent(const uint8_t token_hash[TOKEN_HASH_BYTES]);
/* A postal address or a mail, by its number. */
struct private_place private_address(uint64_t id);
struct private_place private_mail(uint64_t number);
/* Of a call, by a hash of its key's scope. */
struct private_place private_answer(uint64_t call);

/* Draws the number of a new postal address or mail. The shard's thread. */
uint64_t private_row_draw(struct shard *shard);

/* A new key of an account. */
void private_key_make(const struct engine *engine, const struct principal *account,
                      struct account_key_record *key_out);

/* Seals into `sealed_out`; its length, or 0 if it does not fit or the key is not good. */
size_t private_seal(const struct engine *engine, const struct principal *account,
                    const struct account_key_record *key, struct private_place place,
                    const void *plain, size_t length, uint8_t *sealed_out, size_t capacity);

/* Opens into `plain_out` and writes a zero behind (not counted, but it needs room). False: it is
 * not what was sealed there, or does not fit. */
bool private_open(const struct engine *engine, const struct principal *account,
                  const struct account_key_record *key, struct private_place place,
                  const uint8_t *sealed, size_t length, char *plain_out, size_t capacity,
                  size_t *length_out);

#endif

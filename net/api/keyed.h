/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys of new products, of extensions and of what is done with orders, in memory. The
 * engine keeps durably those of reservations, checkouts, refunds, adjustments and, beside this,
 * extensions; releases and conversions need none, since their repeats answer the same. A payment
 * or a cancellation whose key is gone has no second effect either: the order says what it is. A key
 * is kept from its request's arrival (a repeat meanwhile is told so) to KEYED_RETENTION_MS after
 * its answer, while the process lives and there is room; a refused request's key is forgotten at
 * once. A product whose key is gone is a new request: refused where its ID or one of its SKUs
 * exists.
 *
 * Buyers' answers and those of staff are in tables of their own, and one buyer has at most
 * KEYED_SHARE_MAX of the buyers': what a buyer does drives out neither the staff's answers nor
 * other buyers', unless there are as many who use up their shares. One pair of tables for the
 * process, so that a repeat finds the first answer whichever shard it comes to. A mutex guards
 * them: these are writes of staff and single buyers, not of a sale's rush. */
#ifndef STAMPEDE_API_KEYED_H
#define STAMPEDE_API_KEYED_H

#include "api/api_shard.h"

enum {
    KEYED_STAFF_MAX = 4096,            /* keys of all staff */
    KEYED_BUYERS_MAX = 4096,           /* keys of all buyers */
    KEYED_SHARE_MAX = 64,              /* of one buyer */
    KEYED_BYTES_MAX = 8 * 1024 * 1024, /* kept answers of either */
    KEYED_RETENTION_MS = 24 * 3600 * 1000,
    KEYED_ORDER_RETENTION_MS = 7 * KEYED_RETENTION_MS, /* of what is done with orders */
};

/* NULL without memory. Start-up thread. */
struct keyed_table *keyed_table_create(void);
void keyed_table_destroy(struct keyed_table *table);

/* Looks at the key of a call that has one; `body` is what a repeat must say again. True: go on;
 * `entry_out` is to be settled or dropped, or NULL if there is no room to keep it. False: the call
 * has been answered (again). Within the handler. */
bool keyed_begin(struct api_call *call, struct slice body, struct keyed_entry **entry_out);

/* The request had its effect, and this is its answer: kept for repeats, and given to the client, if
 * it is still there (`exchange` may be NULL). `location` may be NULL. `entry` may be NULL: no key.
 */
void keyed_answer(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, int status, const char *location,
                  const char *body, size_t length);

/* The same for a customer's private answer, of at most KEYED_SEALED_MAX bytes: kept under the key
 * of the account, so that it goes with the account. A longer one is not kept. */
enum { KEYED_SEALED_MAX = 8192 };
void keyed_answer_private(struct api_shard *shard, struct keyed_entry *entry,
                          struct http_exchange *exchange, const struct principal *account,
                          const struct account_key_record *key, int status, const char *location,
                          const char *body, size_t length);

/* For answers with private data that are rendered again from a state without any, of `size` bytes:
 * what is kept is that state. */
enum keyed_state {
    KEYED_NEW,      /* go on; `entry_out` as above: to be kept or dropped */
    KEYED_REPEATED, /* `state_out` is what was kept: answer again */
    KEYED_REFUSED,  /* answered: in flight, or used with another body */
};
enum keyed_state keyed_begin_state(struct api_call *call, struct slice body, void *state_out,
                                   size_t size, struct keyed_entry **entry_out);
/* Of an order, for KEYED_ORDER_RETENTION_MS. `entry` may be NULL. Answers nothing. */
void keyed_keep_state(struct api_shard *shard, struct keyed_entry *entry, const void *state,
                      size_t size);

/* The request had no effect: its key may be tried again. `entry` may be NULL. Answers nothing. */
void keyed_drop(struct api_shard *shard, struct keyed_entry *entry);

/* Both at once: drops and answers with the refusal. */
void keyed_refuse(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, enum outcome outcome);

#endif

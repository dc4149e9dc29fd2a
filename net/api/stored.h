/* SPDX-License-Identifier: Apache-2.0 */
/* Reading stored records for a handler: products and ledgers. A read runs on the journal's pool and
 * comes back to the shard; until then nothing of the handler's is touched. Private to net/api. */
#ifndef STAMPEDE_API_STORED_H
#define STAMPEDE_API_STORED_H

#include "api/api_shard.h"

struct stored_read;

/* Takes the records, within the call, or `failed`. `exchange` is NULL when the client has gone. */
typedef void (*stored_answer)(struct stored_read *read, struct http_exchange *exchange,
                              bool failed);

struct stored_read {
    struct engine_read engine;
    struct api_shard *shard;
    uint64_t exchange_cookie;
    stored_answer answer;
    uint32_t limit; /* records of the page; one more is read, to see whether there is a next one */
    /* The rest is the handler's. */
    struct keyed_entry *key; /* of the creation whose result is read */
    void *user;
    char etag[64]; /* what the client says that it has */
    char location[256];
};

/* Starts a read, whose answer comes later. `limit` is at most LIST_PAGE_MAX. Returns the read, for
 * its handler's part to be filled in, or NULL, if it was refused: `refusal_out` says why. */
struct stored_read *stored_read_start(struct api_shard *shard, uint64_t exchange_cookie,
                                      enum record_kind kind, struct journal_key from,
                                      struct journal_key to, uint32_t limit, stored_answer answer,
                                      enum outcome *refusal_out);

/* For lists: the same for a call, answered with the refusal if there is one. */
void stored_list_start(struct api_call *call, enum record_kind kind, struct journal_key from,
                       struct journal_key to, uint32_t limit, stored_answer answer);

/* The next record; NULL to begin with, NULL at the end. */
const struct record *stored_next(const struct stored_read *read, const struct record *record);

#endif

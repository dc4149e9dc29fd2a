/* SPDX-License-Identifier: Apache-2.0 */
#include "api/stored.h"

#include <assert.h>
#include <stdlib.h>

static void finish(struct engine_read *engine_read)
{
    struct stored_read *read = engine_read->user;
    struct http_server *server = atomic_load_explicit(&read->shard->server, memory_order_relaxed);
    struct http_exchange *exchange =
        server == NULL ? NULL : http_exchange_from_cookie(server, read->exchange_cookie);

    read->answer(read, exchange, engine_read->read.failed);
    free(engine_read->read.result.bytes);
    free(read);
}

struct stored_read *stored_read_start(struct api_shard *shard, uint64_t exchange_cookie,
                                      enum record_kind kind, struct journal_key from,
                                      struct journal_key to, uint32_t limit, stored_answer answer,
                                      enum outcome *refusal_out)
{
    struct stored_read *read = calloc(1, sizeof(*read));

    assert(limit >= 1 && limit <= LIST_PAGE_MAX);
    *refusal_out = OUTCOME_OVERLOADED;
    if (read == NULL)
        return NULL;
    read->engine.read.kind = kind;
    read->engine.read.from = from;
    read->engine.read.to = to;
    read->engine.read.limit = limit + 1;
    read->engine.done = finish;
    read->engine.user = read;
    read->shard = shard;
    read->exchange_cookie = exchange_cookie;
    read->answer = answer;
    read->limit = limit;
    *refusal_out = engine_read_submit(shard->shard, &read->engine);
    if (*refusal_out == OUTCOME_PENDING)
        return read;
    free(read);
    return NULL;
}

void stored_list_start(struct api_call *call, enum record_kind kind, struct journal_key from,
                       struct journal_key to, uint32_t limit, stored_answer answer)
{
    enum outcome outcome;

    if (stored_read_start(call->shard, http_exchange_cookie(call->exchange), kind, from, to, limit,
                          answer, &outcome) == NULL)
        respond_outcome(call->exchange, outcome);
}

const struct record *stored_next(const struct stored_read *read, const struct record *record)
{
    const struct arena *result = &read->engine.read.result;
    size_t offset = 0;

    if (record != NULL)
        offset = (size_t)((const uint8_t *)record - result->bytes) + record->size;
    if (offset >= result->used)
        return NULL;
    return (const struct record *)(const void *)(result->bytes + offset);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about the catalogue that a finder answers (engine_work, is_finding): listings,
 * suggestions, the tree of categories. Here is what they have in common:
 *
 *   asked -> known?      answered from memory, with its entity tag
 *         -> under way?  whoever asks the same waits for that answer
 *         -> in line -> at the finders -> (what else it needs) -> answered, and kept
 *
 * An answer is kept until the catalogue's generation is another one, or its time is over: what it
 * says of stock, of units sold, or of what the search has not taken in yet, changes without one.
 * FINDINGS_AT_FINDERS of a shard's are at the finders, suggestions first; others wait in line here,
 * and beyond FINDINGS_MAX, or FINDING_WAITERS_MAX requests that wait, they are told to come again:
 * a sale never waits for browsing.
 *
 * Its shard's thread, but for `run`. Private to net/api. */
#ifndef STAMPEDE_API_FINDING_H
#define STAMPEDE_API_FINDING_H

#include "api/api_shard.h"
#include "api/browse_set.h"
#include "api/cached_page.h"
#include "api/page_cache.h"

enum {
    FINDINGS_MAX = 128,      /* under way on one shard, of up to 35 KiB and their answers */
    FINDINGS_AT_FINDERS = 4, /* of those */
    FINDINGS_AT_STORE = 4,   /* likewise: that read it */
    FINDING_WAITERS_MAX = 1024,
    FOUND_BYTES_MAX = 16 * 1024 * 1024, /* of answers that are kept, a shard */
    /* How long an answer is good, if the catalogue's generation stands: one that says something of
     * stock, of units sold, or of what the search has taken in; and any other. */
    FOUND_STOCK_MS = 500,
    FOUND_MS = 10000,
};

struct finding;

struct finding_kind {
    enum finding_name name; /* for /metrics */
    bool is_urgent;         /* before others */
    /* A finder's thread: only what the finding carries. `scratch` is its own meanwhile. */
    void (*run)(struct finding *finding, struct browse_scratch *scratch);
    /* The shard's: goes on, and in the end calls finding_answer or finding_refuse, once. */
    void (*ran)(struct finding *finding);
    /* Likewise, when it is its turn at the store (finding_may_read); may be NULL. */
    void (*read)(struct finding *finding);
    /* Frees it with all that it holds. */
    void (*destroy)(struct finding *finding);
};

struct finding_waiter {
    struct finding_waiter *next;
    uint64_t exchange_cookie;
    struct page_request request;
};

struct finding {
    struct engine_work work; /* first */
    const struct finding_kind *kind;
    struct api_shard *shard;
    const struct directory *directory; /* while it runs */
    struct search_port search;
    struct finding *next_in_line;
    struct finding *next_under_way;
    struct finding_waiter *waiters;
    struct browse_scratch *scratch;
    struct page_key key;
    uint64_t version; /* of the answer: it is good while this is what finding_version gives */
    uint32_t good_ms;
    const char *cache_control; /* NULL: as pages of products; a static text, or the API's */
    bool is_begun;
    bool is_at_store;
    uint64_t asked_ns;
};

struct findings;

/* NULL without memory. */
struct findings *findings_create(const struct hash_key *seed);
/* When the shards have stopped. */
void findings_destroy(struct findings *findings);

/* Whether somebody else's answer serves this call, now or soon, or it was refused: then all is
 * done. `key` tells the question from all others of all kinds; an answer to it is good for
 * `good_ms` at most. */
bool finding_is_served(struct api_call *call, const struct finding_kind *kind, const uint8_t *key,
                       size_t key_length, uint32_t good_ms);

/* Zeroed memory for one more, which begins with a `struct finding`; NULL: there is no room, and the
 * call has been refused. */
void *finding_make(struct api_call *call, const struct finding_kind *kind, size_t size);

/* Sends it on its way; it is not the caller's any more. Key and good_ms as they were asked for. */
void finding_start(struct api_call *call, struct finding *finding, const struct finding_kind *kind,
                   const uint8_t *key, size_t key_length, uint32_t good_ms);

/* Whether anybody waits for it still. */
bool finding_is_wanted(const struct finding *finding);

/* Whether it may read the store, from now on and to its end; if not, `read` is called when it may:
 * others need the store's readers, too. */
bool finding_may_read(struct finding *finding);

/* Answers all who wait with this JSON, and frees finding and writer. */
void finding_answer(struct finding *finding, struct writer *writer);
/* The same with a problem. */
void finding_refuse(struct finding *finding, enum outcome outcome);
/* The same where the search said that; not SEARCH_OK. */
void finding_refuse_search(struct finding *finding, enum search_outcome outcome);

#endif

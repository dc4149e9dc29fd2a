/* SPDX-License-Identifier: Apache-2.0 */
#include "api/finding.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/problems.h"

struct queue {
    struct finding *first;
    struct finding *last;
};

struct findings {
    struct hash_key seed;
    struct page_cache *answers;
    struct finding *under_way; /* by `next_under_way`; the newest first */
    struct queue queues[2];    /* those that are urgent, and others */
    uint32_t count;
    uint32_t waiters;
    uint32_t at_finders;
    struct queue readers; /* that wait for their turn at the store */
    uint32_t at_store;
    struct browse_scratch
        *scratches[FINDINGS_AT_FINDERS]; /* those that nobody uses, at the front */
    uint32_t scratch_count;
};

static void destroy(struct finding *finding);

struct findings *findings_create(const struct hash_key *seed)
{
    struct findings *findings = calloc(1, sizeof(*findings));

    if (findings == NULL)
        return NULL;
    findings->seed = *seed;
    findings->answers = page_cache_create(FOUND_BYTES_MAX);
    if (findings->answers != NULL)
        return findings;
    free(findings);
    return NULL;
}

void findings_destroy(struct findings *findings)
{
    if (findings == NULL)
        return;
    findings->readers = (struct queue){0}; /* nobody's turn comes any more */
    while (findings->under_way != NULL)
        destroy(findings->under_way);
    while (findings->scratch_count > 0)
        browse_scratch_destroy(findings->scratches[--findings->scratch_count]);
    page_cache_destroy(findings->answers);
    free(findings);
}

/* ---- what is told of them ---- */

static void count(struct api_shard *shard, const struct finding_kind *kind,
                  enum finding_result result)
{
    counter_add(&shard->counters.findings[kind->name][result], 1);
}

static void show_open(struct api_shard *shard)
{
    atomic_store_explicit(&shard->counters.findings_open, shard->findings->count,
                          memory_order_relaxed);
}

/* ---- keys and versions ---- */

static struct page_key key_of(const struct findings *findings, const uint8_t *key, size_t length)
{
    struct hash128 hash = hash_bytes_128(&findings->seed, key, length);

    return (struct page_key){hash.word[0], hash.word[1] | 1}; /* 0 is what pages of products have */
}

/* The catalogue's generation, and the time in pieces of `good_ms`, which begin at another moment
 * for each question: not all are old at once. */
static uint64_t version_of(const struct api_shard *shard, struct page_key key, uint32_t good_ms)
{
    struct engine *engine = shard->api->engine;
    uint64_t now_ms = (uint64_t)engine_now(engine).boot_ms;

    return engine_catalogue_generation(engine) << 24 |
           ((now_ms + key.first % good_ms) / good_ms & 0xffffff);
}

/* ---- those who wait ---- */

static bool join(struct finding *finding, struct http_exchange *exchange)
{
    struct findings *findings = finding->shard->findings;
    struct finding_waiter *waiter = NULL;

    if (findings->waiters < FINDING_WAITERS_MAX)
        waiter = malloc(sizeof(*waiter));
    if (waiter == NULL)
        return false;
    waiter->exchange_cookie = http_exchange_cookie(exchange);
    page_request_read(exchange, &waiter->request);
    waiter->next = finding->waiters;
    finding->waiters = waiter;
    findings->waiters++;
    return true;
}

static struct http_exchange *exchange_of(const struct finding *finding,
                                         const struct finding_waiter *waiter)
{
    struct http_server *server =
        atomic_load_explicit(&finding->shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, waiter->exchange_cookie);
}

bool finding_is_wanted(const struct finding *finding)
{
    const struct finding_waiter *waiter = finding->waiters;

    while (waiter != NULL && exchange_of(finding, waiter) == NULL)
        waiter = waiter->next;
    return waiter != NULL;
}

/* ---- its life ---- */

static void give_scratch(struct finding *finding)
{
    struct findings *findings = finding->shard->findings;

    if (finding->scratch != NULL)
        findings->scratches[findings->scratch_count++] = finding->scratch;
    finding->scratch = NULL;
}

static struct finding *take_first(struct queue *queue)
{
    struct finding *finding = queue->first;

    if (finding == NULL)
        return NULL;
    queue->first = finding->next_in_line;
    if (queue->first == NULL)
        queue->last = NULL;
    finding->next_in_line = NULL;
    return finding;
}

static void put_last(struct queue *queue, struct finding *finding)
{
    if (queue->last == NULL)
        queue->first = finding;
    else
        queue->last->next_in_line = finding;
    queue->last = finding;
}

bool finding_may_read(struct finding *finding)
{
    struct findings *findings = finding->shard->findings;

    if (finding->is_at_store)
        return true;
    if (findings->at_store == FINDINGS_AT_STORE) {
        put_last(&findings->readers, finding);
        return false;
    }
    findings->at_store++;
    finding->is_at_store = true;
    return true;
}

/* Who waits longest has its turn. */
static void leave_store(struct findings *findings)
{
    struct finding *next = take_first(&findings->readers);

    if (next == NULL) {
        findings->at_store--;
        return;
    }
    next->is_at_store = true;
    next->kind->read(next);
}

static void destroy(struct finding *finding)
{
    struct findings *findings = finding->shard->findings;
    struct finding **place = &findings->under_way;
    bool is_at_store;

    while (*place != finding)
        place = &(*place)->next_under_way;
    *place = finding->next_under_way;
    findings->count--;
    while (finding->waiters != NULL) {
        struct finding_waiter *waiter = finding->waiters;

        finding->waiters = waiter->next;
        findings->waiters--;
        free(waiter);
    }
    give_scratch(finding);
    show_open(finding->shard);
    is_at_store = finding->is_at_store;
    finding->kind->destroy(finding);
    if (is_at_store)
        leave_store(findings);
}

static void refuse(struct finding *finding, enum problem problem, const char *detail)
{
    for (const struct finding_waiter *waiter = finding->waiters; waiter != NULL;
         waiter = waiter->next) {
        struct http_exchange *exchange = exchange_of(finding, waiter);

        if (exchange != NULL)
            problem_respond(exchange, problem, detail);
    }
    destroy(finding);
}

void finding_refuse(struct finding *finding, enum outcome outcome)
{
    count(finding->shard, finding->kind,
          outcome == OUTCOME_OVERLOADED ? FINDING_WAS_OVERLOADED : FINDING_WAS_FAILED);
    refuse(finding, problem_of_outcome(outcome), "Try again in a moment.");
}

void finding_refuse_search(struct finding *finding, enum search_outcome outcome)
{
    assert(outcome != SEARCH_OK);
    /* An index that failed is built anew. */
    count(finding->shard, finding->kind,
          outcome == SEARCH_NOT_READY ? FINDING_WAS_NOT_READY : FINDING_WAS_FAILED);
    refuse(finding, PROBLEM_SEARCH_NOT_READY, "The search's index is being built.");
}

void finding_answer(struct finding *finding, struct writer *writer)
{
    struct api_shard *shard = finding->shard;
    struct page_cache *answers = shard->findings->answers;
    struct cached_page *page = NULL;
    bool is_kept;

    if (!writer->failed && writer_length(writer) <= API_ANSWER_BYTES_MAX)
        page = cached_page_create("application/json", finding->cache_control, writer->start,
                                  writer_length(writer));
    writer_free(writer);
    if (page == NULL) {
        finding_refuse(finding, OUTCOME_OVERLOADED);
        return;
    }
    counters_count_finding(&shard->counters, finding->kind->name, uv_hrtime() - finding->asked_ns);
    for (const struct finding_waiter *waiter = finding->waiters; waiter != NULL;
         waiter = waiter->next) {
        struct http_exchange *exchange = exchange_of(finding, waiter);

        if (exchange != NULL)
            cached_page_respond_later(page, exchange, &waiter->request);
    }
    is_kept = page_cache_put(answers, finding->key, finding->version, page);
    if (!is_kept)
        cached_page_destroy(page);
    destroy(finding);
}

/* ---- at the finders ---- */

static void begin_some(struct api_shard *shard);

static void work_run(struct engine_work *work)
{
    struct finding *finding = work->user;

    finding->kind->run(finding, finding->scratch);
}

static void work_done(struct engine_work *work)
{
    struct finding *finding = work->user;
    struct api_shard *shard = finding->shard;

    finding->directory = NULL;
    give_scratch(finding);
    shard->findings->at_finders--;
    begin_some(shard);
    if (engine_mode(shard->api->engine) == ENGINE_FAILED)
        finding_refuse(finding, OUTCOME_OUTCOME_UNKNOWN);
    else
        finding->kind->ran(finding);
}

static bool take_scratch(struct finding *finding)
{
    struct findings *findings = finding->shard->findings;

    finding->scratch = findings->scratch_count > 0 ? findings->scratches[--findings->scratch_count]
                                                   : browse_scratch_create();
    return finding->scratch != NULL;
}

static void begin(struct finding *finding)
{
    struct api_shard *shard = finding->shard;
    enum outcome outcome = OUTCOME_OVERLOADED;

    finding->is_begun = true;
    /* Before the directory is looked at: what changes from here on makes another version. */
    finding->version = version_of(shard, finding->key, finding->good_ms);
    finding->directory = shard_directory(shard->shard);
    finding->search = *engine_search(shard->api->engine);
    finding->work = (struct engine_work){.run = work_run,
                                         .done = work_done,
                                         .user = finding,
                                         .is_finding = true,
                                         .reads_directory = true};
    if (take_scratch(finding))
        outcome = engine_work_submit(shard->shard, &finding->work);
    if (outcome == OUTCOME_PENDING) {
        shard->findings->at_finders++;
        return;
    }
    counter_add(&shard->counters.workers_refused, 1);
    finding_refuse(finding, outcome);
}

static struct finding *take_next(struct findings *findings)
{
    struct finding *finding = take_first(&findings->queues[0]);

    return finding != NULL ? finding : take_first(&findings->queues[1]);
}

/* Whose turn it is go to the finders; what nobody waits for any more ends. */
static void begin_some(struct api_shard *shard)
{
    struct finding *finding;

    while (shard->findings->at_finders < FINDINGS_AT_FINDERS &&
           (finding = take_next(shard->findings)) != NULL) {
        if (finding_is_wanted(finding))
            begin(finding);
        else
            destroy(finding);
    }
}

/* ---- a call ---- */

static bool refuse_call(struct api_call *call, const struct finding_kind *kind,
                        enum finding_result result, enum outcome outcome)
{
    count(call->shard, kind, result);
    respond_outcome(call->exchange, outcome);
    return true;
}

bool finding_is_served(struct api_call *call, const struct finding_kind *kind, const uint8_t *key,
                       size_t key_length, uint32_t good_ms)
{
    struct api_shard *shard = call->shard;
    struct findings *findings = shard->findings;
    struct page_key hashed = key_of(findings, key, key_length);
    uint64_t version = version_of(shard, hashed, good_ms);
    struct finding *finding = findings->under_way;
    struct cached_page *page;

    if (engine_mode(shard->api->engine) == ENGINE_FAILED)
        return refuse_call(call, kind, FINDING_WAS_FAILED, OUTCOME_OUTCOME_UNKNOWN);
    page = page_cache_find(findings->answers, hashed, version);
    if (page != NULL) {
        count(shard, kind, FINDING_WAS_KNOWN);
        cached_page_respond(page, call->exchange);
        page_cache_weigh(findings->answers, page);
        return true;
    }
    while (finding != NULL &&
           (finding->key.first != hashed.first || finding->key.second != hashed.second ||
            (finding->is_begun && finding->version != version)))
        finding = finding->next_under_way;
    if (finding == NULL)
        return false;
    if (!join(finding, call->exchange))
        return refuse_call(call, kind, FINDING_WAS_OVERLOADED, OUTCOME_OVERLOADED);
    count(shard, kind, FINDING_WAS_JOINED);
    return true;
}

void *finding_make(struct api_call *call, const struct finding_kind *kind, size_t size)
{
    void *finding = call->shard->findings->count < FINDINGS_MAX ? calloc(1, size) : NULL;

    if (finding == NULL)
        refuse_call(call, kind, FINDING_WAS_OVERLOADED, OUTCOME_OVERLOADED);
    return finding;
}

void finding_start(struct api_call *call, struct finding *finding, const struct finding_kind *kind,
                   const uint8_t *key, size_t key_length, uint32_t good_ms)
{
    struct api_shard *shard = call->shard;
    struct findings *findings = shard->findings;

    assert(findings->count < FINDINGS_MAX);
    finding->kind = kind;
    finding->shard = shard;
    finding->key = key_of(findings, key, key_length);
    finding->good_ms = good_ms;
    finding->asked_ns = uv_hrtime();
    if (finding->cache_control == NULL)
        finding->cache_control = shard->api->page_cache_control;
    finding->next_under_way = findings->under_way;
    findings->under_way = finding;
    findings->count++;
    show_open(shard);
    if (!join(finding, call->exchange)) {
        count(shard, kind, FINDING_WAS_OVERLOADED);
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        destroy(finding);
        return;
    }
    put_last(&findings->queues[kind->is_urgent ? 0 : 1], finding);
    begin_some(shard);
}

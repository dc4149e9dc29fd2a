/* SPDX-License-Identifier: Apache-2.0 */
#include "api/product_page.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/product_draft.h"
#include "api/product_write.h"
#include "api/request.h"
#include "api/stored.h"

struct page_waiter {
    uint64_t exchange_cookie;
    struct page_request request;
};

/* A read of the store, and who waits for it. */
struct page_fill {
    const struct product_entry *product;
    uint32_t version; /* before the read began */
    uint32_t count;
    uint32_t capacity;
    struct page_waiter *waiters; /* at most as many as there are exchanges */
    struct page_fill *next;
};

bool product_pages_init(struct product_pages *pages, size_t bytes_max)
{
    pages->cache = page_cache_create(bytes_max);
    return pages->cache != NULL;
}

static void fill_free(struct page_fill *fill)
{
    free(fill->waiters);
    free(fill);
}

void product_pages_free(struct product_pages *pages)
{
    for (unsigned i = 0; i < PAGE_FILL_BUCKETS; i++) {
        while (pages->fills[i] != NULL) {
            struct page_fill *fill = pages->fills[i];

            pages->fills[i] = fill->next;
            fill_free(fill);
        }
    }
    page_cache_destroy(pages->cache);
    pages->cache = NULL;
}

/* ---- figures ---- */

static void publish(struct api_shard *shard)
{
    struct page_cache_figures figures = page_cache_figures(shard->pages.cache);
    struct api_counters *counters = &shard->counters;

    atomic_store_explicit(&counters->page_hits, figures.hits, memory_order_relaxed);
    atomic_store_explicit(&counters->page_misses, figures.misses, memory_order_relaxed);
    atomic_store_explicit(&counters->page_evictions, figures.evicted, memory_order_relaxed);
    atomic_store_explicit(&counters->page_bytes, figures.bytes, memory_order_relaxed);
    atomic_store_explicit(&counters->pages, figures.pages, memory_order_relaxed);
}

/* ---- fills ---- */

static struct page_fill **bucket_of(struct product_pages *pages,
                                    const struct product_entry *product)
{
    uint32_t place = product->partition * 31 + product->number;

    return &pages->fills[place % PAGE_FILL_BUCKETS];
}

/* The read under way that shows the product as of `version`, or NULL. */
static struct page_fill *fill_find(struct product_pages *pages, const struct product_entry *product,
                                   uint32_t version)
{
    struct page_fill *fill = *bucket_of(pages, product);

    while (fill != NULL && (fill->product != product || fill->version != version))
        fill = fill->next;
    return fill;
}

/* False: no memory. */
static bool fill_join(struct page_fill *fill, const struct http_exchange *exchange)
{
    if (fill->count == fill->capacity) {
        uint32_t capacity = fill->capacity == 0 ? 1 : fill->capacity * 2;
        struct page_waiter *waiters = realloc(fill->waiters, capacity * sizeof(*waiters));

        if (waiters == NULL)
            return false;
        fill->waiters = waiters;
        fill->capacity = capacity;
    }
    struct page_waiter *waiter = &fill->waiters[fill->count++];
    waiter->exchange_cookie = http_exchange_cookie(exchange);
    page_request_read(exchange, &waiter->request);
    return true;
}

static void fill_unlink(struct product_pages *pages, struct page_fill *fill)
{
    struct page_fill **place = bucket_of(pages, fill->product);

    while (*place != fill)
        place = &(*place)->next;
    *place = fill->next;
    pages->fill_count--;
}

/* What all who wait get: the page, or what went wrong. */
static void fill_answer(struct api_shard *shard, struct page_fill *fill, struct cached_page *page,
                        enum outcome outcome)
{
    struct http_server *server = atomic_load_explicit(&shard->server, memory_order_relaxed);

    for (uint32_t i = 0; i < fill->count && server != NULL; i++) {
        const struct page_waiter *waiter = &fill->waiters[i];
        struct http_exchange *exchange = http_exchange_from_cookie(server, waiter->exchange_cookie);

        if (exchange == NULL)
            continue;
        if (page != NULL)
            cached_page_respond_later(page, exchange, &waiter->request);
        else
            respond_outcome(exchange, outcome);
    }
}

struct cached_page *product_page_make(const struct api *api, const struct record *record)
{
    struct writer writer = writer_growing();
    struct cached_page *page = NULL;

    write_product_page(&writer, record);
    if (!writer.failed)
        page = cached_page_create("application/json", api->page_cache_control, writer.start,
                                  writer_length(&writer));
    writer_free(&writer);
    return page;
}

static void fill_done(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    struct api_shard *shard = read->shard;
    struct page_fill *fill = read->user;
    const struct product_entry *product = fill->product;
    const struct record *record = stored_next(read, NULL);
    struct page_key key = {.first = (uint64_t)(uintptr_t)product};
    enum outcome outcome = OUTCOME_OVERLOADED; /* no memory */
    struct cached_page *page = NULL;
    bool is_kept = false;

    (void)exchange; /* those who wait have their own */
    fill_unlink(&shard->pages, fill);
    if (failed)
        outcome = OUTCOME_OUTCOME_UNKNOWN;
    else if (record == NULL || record->product.status != PRODUCT_ACTIVE) /* no longer, by now */
        outcome = OUTCOME_NOT_FOUND;
    else
        page = product_page_make(shard->api, record);
    if (page != NULL && product_version(product) == fill->version)
        is_kept = page_cache_put(shard->pages.cache, key, fill->version, page);
    fill_answer(shard, fill, page, outcome);
    if (is_kept)
        page_cache_weigh(shard->pages.cache, page);
    else
        cached_page_destroy(page);
    publish(shard);
    fill_free(fill);
}

static enum outcome fill_start(struct api_call *call, const struct product_entry *product,
                               uint32_t version)
{
    struct product_pages *pages = &call->shard->pages;
    struct page_fill *fill = NULL;
    enum outcome outcome = OUTCOME_OVERLOADED;

    if (pages->fill_count < PAGE_FILLS_MAX)
        fill = calloc(1, sizeof(*fill));
    if (fill == NULL)
        return OUTCOME_OVERLOADED;
    fill->product = product;
    fill->version = version;
    if (fill_join(fill, call->exchange)) {
        struct stored_read *read = product_read_start(call->shard, 0, product, fill_done, &outcome);
        if (read != NULL) {
            read->user = fill;
            fill->next = *bucket_of(pages, product);
            *bucket_of(pages, product) = fill;
            pages->fill_count++;
            return OUTCOME_PENDING;
        }
    }
    fill_free(fill);
    return outcome;
}

/* ---- the call ---- */

void api_product_get(struct api_call *call)
{
    struct api_shard *shard = call->shard;
    char id[ID_TEXT_LENGTH_MAX + 1];
    size_t length;

    if (!request_path_id(call, id, &length))
        return;
    const struct product_entry *product =
        directory_find_product(shard_directory(shard->shard), id, length);
    if (product == NULL || product_entry_status(product) != PRODUCT_ACTIVE) {
        http_exchange_cache(call->exchange, HTTP_CACHE_REVALIDATE); /* it may come, or come back */
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such product.");
        return;
    }
    uint32_t version = product_version(product);
    struct page_key key = {.first = (uint64_t)(uintptr_t)product};
    struct cached_page *page = page_cache_find(shard->pages.cache, key, version);
    if (page != NULL) {
        cached_page_respond(page, call->exchange);
        page_cache_weigh(shard->pages.cache, page);
        publish(shard);
        return;
    }
    publish(shard);
    struct page_fill *fill = fill_find(&shard->pages, product, version);
    enum outcome outcome = OUTCOME_PENDING;
    if (fill == NULL)
        outcome = fill_start(call, product, version);
    else if (fill_join(fill, call->exchange))
        counter_add(&shard->counters.page_joins, 1);
    else
        outcome = OUTCOME_OVERLOADED;
    if (outcome != OUTCOME_PENDING)
        respond_outcome(call->exchange, outcome);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of rendered pages: versions, its bound, who makes way; and the page of a product
 * through the API: one read for all who wait, what is given after a change. */
#include "api/api_shard.h"
#include "api_fixture.h"

static struct service *service;

static struct cached_page *make_page(size_t length)
{
    char *body = malloc(length);

    assert_non_null(body);
    memset(body, 'a', length);
    struct cached_page *page = cached_page_create("text/plain", "public", body, length);
    assert_non_null(page);
    free(body);
    return page;
}

static struct page_key key_of(uint64_t number)
{
    return (struct page_key){.first = number};
}

/* Fails unless the cache takes it. */
static void put(struct page_cache *cache, uint64_t number, uint64_t version, size_t length)
{
    assert_true(page_cache_put(cache, key_of(number), version, make_page(length)));
}

static bool has(struct page_cache *cache, uint64_t number, uint64_t version)
{
    return page_cache_find(cache, key_of(number), version) != NULL;
}

static void another_version_is_another_page(void **state)
{
    (void)state;
    struct page_cache *cache = page_cache_create(1 << 20);

    assert_non_null(cache);
    assert_false(has(cache, 7, 1));
    put(cache, 7, 1, 100);
    assert_true(has(cache, 7, 1));
    assert_false(page_cache_find(cache, (struct page_key){.first = 7, .second = 1}, 1));
    assert_false(has(cache, 8, 1));
    assert_false(has(cache, 7, 2)); /* dropped by that */
    assert_int_equal(page_cache_figures(cache).outdated, 1);
    assert_int_equal(page_cache_figures(cache).pages, 0);
    assert_int_equal(page_cache_figures(cache).bytes, 0);
    put(cache, 7, 2, 100);
    put(cache, 7, 3, 200); /* in its place */
    assert_int_equal(page_cache_figures(cache).pages, 1);
    assert_false(has(cache, 7, 2));
    assert_int_equal(page_cache_figures(cache).pages, 0);
    page_cache_destroy(cache);
}

static void its_bytes_are_bounded(void **state)
{
    (void)state;
    enum { BYTES_MAX = 256 * 1024 };
    struct page_cache *cache = page_cache_create(BYTES_MAX);

    assert_non_null(cache);
    for (uint64_t i = 0; i < 2000; i++) {
        put(cache, i * 64, 1, 500 + i % 4000);
        assert_true(page_cache_figures(cache).bytes <= BYTES_MAX);
        assert_true(has(cache, i * 64, 1)); /* the newest is never who makes way for itself */
    }
    struct page_cache_figures figures = page_cache_figures(cache);
    assert_int_equal(figures.pages + figures.evicted, 2000);
    assert_true(figures.bytes > BYTES_MAX - 6000); /* and it is used */
    page_cache_destroy(cache);
}

static void what_is_asked_for_stays(void **state)
{
    (void)state;
    struct page_cache *cache = page_cache_create(128 * 1024);

    assert_non_null(cache);
    put(cache, 1, 1, 2000);
    for (uint64_t i = 2; i < 1000; i++) {
        put(cache, i, 1, 2000);
        assert_true(has(cache, 1, 1));
    }
    assert_false(has(cache, 2, 1));
    page_cache_destroy(cache);
}

static void what_is_too_large_stays_the_callers(void **state)
{
    (void)state;
    struct page_cache *cache = page_cache_create(16 * 1024);
    struct page_cache *none = page_cache_create(0);
    struct cached_page *page = make_page(2100);

    assert_true(cache != NULL && none != NULL);
    assert_false(page_cache_put(cache, key_of(1), 1, page));
    assert_false(page_cache_put(none, key_of(1), 1, page));
    assert_false(has(cache, 1, 1));
    assert_false(has(none, 1, 1));
    put(cache, 1, 1, 1000);
    assert_false(page_cache_put(cache, key_of(1), 2, page));
    assert_false(has(cache, 1, 1)); /* the older one is gone all the same */
    cached_page_destroy(page);
    page_cache_destroy(cache);
    page_cache_destroy(none);
}

/* A page grows by its codings; then others make way. */
static void what_grows_is_weighed(void **state)
{
    (void)state;
    enum { BYTES_MAX = 64 * 1024 };
    struct page_cache *cache = page_cache_create(BYTES_MAX);
    uint64_t count = 0;

    assert_non_null(cache);
    while (page_cache_figures(cache).evicted == 0)
        put(cache, ++count, 1, 4000);
    struct cached_page *page = page_cache_find(cache, key_of(count), 1);
    assert_non_null(page);
    size_t before = cached_page_bytes(page);
    cached_page_compress(page, CODING_GZIP, COMPRESS_SOON);
    cached_page_compress(page, CODING_BROTLI, COMPRESS_SOON);
    assert_true(cached_page_bytes(page) > before);
    before = page_cache_figures(cache).bytes;
    page_cache_weigh(cache, page);
    assert_true(page_cache_figures(cache).bytes != before);
    assert_true(page_cache_figures(cache).bytes <= BYTES_MAX);
    assert_true(has(cache, count, 1));
    page_cache_destroy(cache);
}

/* ---- through the API ---- */

static uint64_t counted(const _Atomic uint64_t *counter)
{
    return counter_read(counter);
}

static struct api_counters *counters(void)
{
    return &service->api->shards[0].counters;
}

static void start(void)
{
    service = service_new(1);
    service_start(service);
    service_product(service, "A", 5);
}

static unsigned answers(int client, char *text, size_t capacity)
{
    size_t used = 0;
    unsigned count = 0;

    for (unsigned turn = 0; turn < 2000; turn++) {
        ssize_t got = recv(client, text + used, capacity - 1 - used, MSG_DONTWAIT);
        if (got > 0)
            used += (size_t)got;
        text[used] = '\0';
        service_turn(service);
    }
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 200 OK")) != NULL; at++)
        count++;
    return count;
}

static void those_who_ask_together_share_a_read(void **state)
{
    (void)state;
    static const char request[] = "GET /v1/products/p-A HTTP/1.1\r\nHost: x\r\n\r\n";
    static char text[1 << 16];
    int clients[8];

    start();
    for (unsigned i = 0; i < 8; i++)
        clients[i] = service_connect(service);
    for (unsigned i = 0; i < 8; i++)
        service_send(service, clients[i], request, sizeof(request) - 1);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(answers(clients[i], text, sizeof(text)), 1);
    assert_int_equal(counted(&counters()->page_misses) + counted(&counters()->page_hits), 8);
    assert_int_equal(counted(&counters()->page_misses), 1 + counted(&counters()->page_joins));
    assert_int_equal(counted(&counters()->pages), 1);
    /* From here on from memory. */
    uint64_t misses = counted(&counters()->page_misses);
    assert_int_equal(service_call(service, "GET", "/v1/products/p-A", "", NULL), 200);
    assert_int_equal(counted(&counters()->page_misses), misses);
    for (unsigned i = 0; i < 8; i++)
        close(clients[i]);
    service_stop(service);
}

static void tag_of(char tag_out[64])
{
    const char *tag = strstr(service->answer, "ETag: ");

    assert_non_null(tag);
    snprintf(tag_out, 64, "%.*s", (int)strcspn(tag + 6, "\r"), tag + 6);
}

static void without_a_cache_all_is_read(void **state)
{
    (void)state;
    char tag[64];
    char header[128];

    service = service_new(1);
    service->options.page_cache_bytes = 0;
    service->options.page_max_age_s = 7;
    service->options.page_stale_s = 0;
    service_start(service);
    service_product(service, "A", 5);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(service_call(service, "GET", "/v1/products/p-A", "", NULL), 200);
        assert_non_null(strstr(service->answer, "Cache-Control: public, max-age=7\r\n"));
    }
    assert_int_equal(counted(&counters()->page_misses), 3);
    assert_int_equal(counted(&counters()->pages), 0);
    tag_of(tag);
    snprintf(header, sizeof(header), "If-None-Match: \"x\", W/%s\r\n", tag);
    assert_int_equal(service_call(service, "GET", "/v1/products/p-A", header, NULL), 304);
    service_stop(service);
}

/* The product's version rises with each change, whoever made it. */
static void a_change_is_seen_at_once(void **state)
{
    (void)state;
    char body[256];
    char wanted[64];

    start();
    for (unsigned price = 2; price < 10; price++) {
        assert_int_equal(service_call(service, "GET", "/v1/products/p-A", "", NULL), 200);
        snprintf(body, sizeof(body), "product,sku,name,price,currency,stock\np-A,A,x,%u.00,EUR,5\n",
                 price);
        assert_int_equal(service_call(service, "POST", "/v1/admin/import?format=csv",
                                      ADMIN "Content-Type: text/csv\r\n", body),
                         200);
        assert_true(service_said(service, "\"rejected\":0"));
        assert_int_equal(service_call(service, "GET", "/v1/products/p-A", "", NULL), 200);
        snprintf(wanted, sizeof(wanted), "\"price_minor\":%u00,", price);
        assert_true(service_said(service, wanted));
    }
    service_stop(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_version_is_another_page),
        cmocka_unit_test(its_bytes_are_bounded),
        cmocka_unit_test(what_is_asked_for_stays),
        cmocka_unit_test(what_is_too_large_stays_the_callers),
        cmocka_unit_test(what_grows_is_weighed),
        cmocka_unit_test(those_who_ask_together_share_a_read),
        cmocka_unit_test(without_a_cache_all_is_read),
        cmocka_unit_test(a_change_is_seen_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

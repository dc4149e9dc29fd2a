/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of storage/search: a store on disk, products in it, and a search beside it. */
#ifndef STAMPEDE_SEARCH_FIXTURE_H
#define STAMPEDE_SEARCH_FIXTURE_H

#include "test_storage_store.h"

#include <pthread.h>
#include <stdatomic.h>

#include "search/search.h"

enum { SHOP_READERS = 2, SHOP_PATIENCE_MS = 60 * 1000, SHOP_CHANGES_MAX = 4096 };

struct shop {
    struct fixture store;
    char folder[128]; /* of the index */
    struct search *search;
    struct search_port port;
    _Atomic bool is_full;           /* what the journal says */
    _Atomic uint32_t refused_reads; /* so many are refused, and as many then fail */
    _Atomic uint32_t failed_reads;
    /* What has been put into the batch. */
    uint32_t change_count;
    struct search_place changes[SHOP_CHANGES_MAX];
    char error[SEARCH_ERROR_BYTES];
    pthread_mutex_t log_lock;
    char logged[4096];
};

static inline int64_t shop_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void shop_pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static inline bool shop_is_full(void *self)
{
    struct shop *shop = self;

    return atomic_load(&shop->is_full);
}

static inline bool shop_counts_down(_Atomic uint32_t *count)
{
    uint32_t before = atomic_load(count);

    while (before > 0 && !atomic_compare_exchange_weak(count, &before, before - 1))
        continue;
    return before > 0;
}

static inline bool shop_read(void *self, struct journal_read *read)
{
    struct shop *shop = self;

    if (shop_counts_down(&shop->refused_reads))
        return false;
    if (shop_counts_down(&shop->failed_reads)) {
        read->failed = true;
        read->done(read);
        return true;
    }
    return shop->store.journal.read(shop->store.journal.self, read);
}

static inline uint64_t shop_last_commit(void *self)
{
    struct shop *shop = self;

    return shop->store.journal.last_commit(shop->store.journal.self);
}

static inline void shop_log(void *arg, bool is_failure, const char *line)
{
    struct shop *shop = arg;
    size_t length;

    (void)is_failure;
    pthread_mutex_lock(&shop->log_lock);
    length = strlen(shop->logged);
    snprintf(shop->logged + length, sizeof(shop->logged) - length, "%s\n", line);
    pthread_mutex_unlock(&shop->log_lock);
}

static inline bool shop_has_logged(struct shop *shop, const char *text)
{
    bool has;

    pthread_mutex_lock(&shop->log_lock);
    has = strstr(shop->logged, text) != NULL;
    pthread_mutex_unlock(&shop->log_lock);
    return has;
}

static inline bool shop_try_search(struct shop *shop)
{
    const struct search_options options = {
        .folder = shop->folder,
        .journal = {.self = shop,
                    .read = shop_read,
                    .last_commit = shop_last_commit,
                    .is_full = shop_is_full},
        .partitions = PARTITIONS,
        .store_id = shop->store.info.store_id,
        .incarnation = shop->store.info.incarnation,
        .readers = SHOP_READERS,
        .log = shop_log,
        .log_arg = shop,
    };

    shop->logged[0] = '\0';
    shop->search = search_open(&options, shop->error, sizeof(shop->error));
    if (shop->search != NULL)
        shop->port = search_port_get(shop->search);
    return shop->search != NULL;
}

static inline void shop_open_search(struct shop *shop)
{
    if (!shop_try_search(shop))
        fail_msg("%s", shop->error);
}

static inline void shop_set_up(struct shop *shop)
{
    snprintf(shop->folder, sizeof(shop->folder), "%s/search", shop->store.folder.path);
    pthread_mutex_init(&shop->log_lock, NULL);
}

/* A new store, without a search. */
static inline struct shop *shop_make(void)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    assert_non_null(shop);
    fixture_make(&shop->store);
    shop_set_up(shop);
    return shop;
}

static inline void shop_close_search(struct shop *shop)
{
    search_close(shop->search, true);
    shop->search = NULL;
}

static inline void shop_free(struct shop *shop)
{
    if (shop->search != NULL)
        shop_close_search(shop);
    storage_close(shop->store.storage);
    fixture_free(&shop->store);
    pthread_mutex_destroy(&shop->log_lock);
    free(shop);
}

/* ---- products ---- */

struct shop_product {
    const char *name;
    const char *brand;
    const char *category;
    const char *tag;
    const char *description;
};

static inline const char *shop_text(const char *text)
{
    return text == NULL ? "" : text;
}

/* Into the batch. */
static inline struct record *shop_put(struct shop *shop, struct search_place place,
                                      struct shop_product product)
{
    char document[4096];
    int length =
        snprintf(document, sizeof(document),
                 "{\"id\":\"p\",\"name\":\"%s\",\"description\":\"%s\",\"price_minor\":1,"
                 "\"currency\":\"EUR\",\"category\":\"%s\",\"brand\":\"%s\",\"tags\":["
                 "\"%s\"],\"images\":[],\"variants\":[{\"sku\":\"s\"}]}",
                 shop_text(product.name), shop_text(product.description),
                 shop_text(product.category), shop_text(product.brand), shop_text(product.tag));
    struct record *record;

    assert_true(length > 0 && (size_t)length < sizeof(document));
    assert_true(shop->change_count < SHOP_CHANGES_MAX);
    record = test_record(&shop->store.batch, RECORD_PRODUCT, place.partition, 0, (uint32_t)length);
    record->subject = place.number;
    snprintf(record->product.id, sizeof(record->product.id), "product-%u-%u", place.partition,
             place.number);
    memcpy(record->product.currency, "EUR", 4);
    record->product.variant_count = 1;
    record->product.updated_wall_ms = TEST_WALL_MS;
    record->product.document_length = (uint32_t)length;
    memcpy((char *)record + record_size(RECORD_PRODUCT, 0), document, (size_t)length);
    shop->changes[shop->change_count++] = place;
    return record;
}

/* The batch is durable; the search is told, if there is one. */
static inline void shop_commit(struct shop *shop)
{
    struct fixture *store = &shop->store;
    uint64_t number = store->journal.last_commit(store->journal.self) + 1;

    store->seen.count = 0;
    store->journal.commit(store->journal.self, test_batch_close(&store->batch, number), test_done,
                          &store->seen);
    assert_int_equal(store->seen.count, 1);
    assert_int_equal(store->seen.outcome, COMMIT_OK);
    store->watermark.advance(store->watermark.self, number);
    for (uint32_t i = 0; shop->search != NULL && i < shop->change_count; i++)
        shop->port.changed(shop->port.self, shop->changes[i]);
    test_batch_empty(&store->batch);
    shop->change_count = 0;
}

/* The i-th of many: each has the words "lamp" and "model", and one of its own. */
static inline struct search_place shop_place(uint32_t i)
{
    return (struct search_place){.partition = i % PARTITIONS, .number = i / PARTITIONS};
}

static inline const char *shop_word(uint32_t i)
{
    static _Thread_local char word[16];

    snprintf(word, sizeof(word), "q%c%c%c%cz", 'a' + (char)(i / 17576 % 26),
             'a' + (char)(i / 676 % 26), 'a' + (char)(i / 26 % 26), 'a' + (char)(i % 26));
    return word;
}

static inline void shop_put_many(struct shop *shop, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++) {
        char name[64];

        snprintf(name, sizeof(name), "Lamp model %s", shop_word(i));
        shop_put(shop, shop_place(i),
                 (struct shop_product){.name = name, .brand = "Acme", .category = "Home > Lamps"});
    }
}

/* ---- searching ---- */

/* How many it finds, or -1; whether the place is among them in `has_out` (NULL: of no interest). */
static inline int shop_find_at(struct shop *shop, const char *text, struct search_place place,
                               bool *has_out)
{
    struct search_result result;
    enum search_outcome outcome = shop->port.find(shop->port.self, text, strlen(text), &result);
    bool has = false;
    int count = outcome == SEARCH_OK ? (int)result.count : -1;

    for (uint32_t i = 0; i < result.count; i++)
        has |= result.hits[i].place.partition == place.partition &&
               result.hits[i].place.number == place.number;
    free(result.hits);
    if (has_out != NULL)
        *has_out = has;
    return count;
}

static inline int shop_find(struct shop *shop, const char *text)
{
    return shop_find_at(shop, text, (struct search_place){0}, NULL);
}

static inline bool shop_finds(struct shop *shop, const char *text, uint32_t i)
{
    bool has;

    shop_find_at(shop, text, shop_place(i), &has);
    return has;
}

static inline struct search_state shop_state(struct shop *shop)
{
    struct search_state state;

    shop->port.state(shop->port.self, &state);
    return state;
}

/* Until there is an index and nothing waits. */
static inline void shop_wait(struct shop *shop)
{
    int64_t end_ms = shop_now_ms() + SHOP_PATIENCE_MS;

    for (;;) {
        struct search_state state = shop_state(shop);

        if (state.is_ready && state.waiting == 0 && state.building_of == 0)
            return;
        if (shop_now_ms() > end_ms)
            fail_msg("the search is not ready in time:\n%s", shop->logged);
        shop_pause_ms(2);
    }
}

static inline void shop_wait_for_builds(struct shop *shop, uint64_t builds)
{
    int64_t end_ms = shop_now_ms() + SHOP_PATIENCE_MS;

    while (shop_state(shop).builds < builds) {
        if (shop_now_ms() > end_ms)
            fail_msg("no build in time:\n%s", shop->logged);
        shop_pause_ms(2);
    }
    shop_wait(shop);
}

/* Closes store and search, and opens both again. */
static inline void shop_reopen(struct shop *shop)
{
    if (shop->search != NULL)
        shop_close_search(shop);
    storage_close(shop->store.storage);
    reopen(&shop->store);
    shop_open_search(shop);
}

/* ---- processes ---- */

/* In a process of its own, which then dies. */
static inline struct shop *shop_in_body(struct fixture *store)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop->store = *store;
    reopen(&shop->store);
    shop_set_up(shop);
    return shop;
}

/* The body came to its end. */
static inline void shop_good(struct shop *shop)
{
    close(open(test_path(&shop->store.folder, "good"), O_WRONLY | O_CREAT, 0600));
}

static inline void in_a_good_process(const char *body)
{
    struct fixture store = {0};

    killed_store(&store, body);
    assert_int_equal(test_file_size(test_path(&store.folder, "good")), 0);
    fixture_free(&store);
}

#endif

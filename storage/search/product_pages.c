/* SPDX-License-Identifier: Apache-2.0 */
#include "search/product_pages.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

struct page {
    struct journal_read read;
    struct product_pages *pages;
    bool is_done; /* under the lock */
};

struct product_pages {
    struct journal_port journal;
    uint32_t first;
    uint32_t count;
    struct page ring[PRODUCT_PAGES_MAX];
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

struct product_pages *product_pages_create(const struct journal_port *journal)
{
    struct product_pages *pages = calloc(1, sizeof(*pages));

    if (pages == NULL)
        return NULL;
    pages->journal = *journal;
    pthread_mutex_init(&pages->lock, NULL);
    pthread_cond_init(&pages->changed, NULL);
    return pages;
}

void product_pages_destroy(struct product_pages *pages)
{
    if (pages == NULL)
        return;
    while (pages->count > 0) {
        product_pages_wait(pages);
        product_pages_done(pages);
    }
    pthread_cond_destroy(&pages->changed);
    pthread_mutex_destroy(&pages->lock);
    free(pages);
}

uint32_t product_pages_count(const struct product_pages *pages)
{
    return pages->count;
}

/* A thread of the journal's. */
static void on_read(struct journal_read *read)
{
    struct page *page = (struct page *)(void *)((char *)read - offsetof(struct page, read));
    struct product_pages *pages = page->pages;

    pthread_mutex_lock(&pages->lock);
    page->is_done = true;
    pthread_cond_signal(&pages->changed);
    pthread_mutex_unlock(&pages->lock);
}

void product_pages_ask(struct product_pages *pages, uint32_t partition, uint32_t from, uint32_t to)
{
    struct page *page = &pages->ring[(pages->first + pages->count) % PRODUCT_PAGES_MAX];

    assert(pages->count < PRODUCT_PAGES_MAX);
    pages->count++;
    *page = (struct page){
        .pages = pages,
        .read = {.kind = RECORD_PRODUCT,
                 .from = {.partition = partition, .subject = from},
                 .to = {.partition = partition, .subject = to + 1},
                 .limit = PRODUCT_PAGE_MAX,
                 .done = on_read},
    };
    if (!pages->journal.read(pages->journal.self, &page->read)) {
        page->read.failed = true;
        page->is_done = true;
    }
}

const struct journal_read *product_pages_wait(struct product_pages *pages)
{
    struct page *page = &pages->ring[pages->first];

    assert(pages->count > 0);
    pthread_mutex_lock(&pages->lock);
    while (!page->is_done)
        pthread_cond_wait(&pages->changed, &pages->lock);
    pthread_mutex_unlock(&pages->lock);
    return &page->read;
}

void product_pages_done(struct product_pages *pages)
{
    struct page *page = &pages->ring[pages->first];

    assert(pages->count > 0);
    if (!page->read.failed)
        free(page->read.result.bytes);
    pages->first = (pages->first + 1) % PRODUCT_PAGES_MAX;
    pages->count--;
}

const struct record *product_pages_record(const struct journal_read *page,
                                          const struct record *record)
{
    const uint8_t *at = page->result.bytes;

    if (page->failed || page->result.used == 0)
        return NULL;
    if (record != NULL)
        at = (const uint8_t *)record + record->size;
    return at == page->result.bytes + page->result.used ? NULL
                                                        : (const struct record *)(const void *)at;
}

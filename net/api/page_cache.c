/* SPDX-License-Identifier: Apache-2.0 */
#include "api/page_cache.h"

#include <assert.h>
#include <stdlib.h>

enum {
    BUCKETS_MIN = 64,
    BUCKETS_MAX = 1 << 20,
    PAGE_BYTES_USUAL = 2048, /* what the table is sized by */
};

struct entry {
    struct cached_page *page;
    struct page_key key;
    uint64_t version;
    size_t bytes;              /* as counted */
    struct entry *next_hashed; /* of its bucket */
    struct entry *next;        /* the ring of all, in the order in which the hand goes */
    struct entry *previous;
    bool was_used; /* since the hand came by */
};

struct page_cache {
    size_t bytes_max;
    size_t mask; /* of buckets */
    struct entry *hand;
    struct entry *found; /* the last one that was given out: what page_cache_weigh is about */
    struct page_cache_figures figures;
    struct entry *buckets[];
};

struct page_cache *page_cache_create(size_t bytes_max)
{
    size_t buckets = BUCKETS_MIN;

    while (buckets < BUCKETS_MAX && buckets * PAGE_BYTES_USUAL < bytes_max)
        buckets *= 2;
    struct page_cache *cache =
        calloc(1, sizeof(*cache) + (bytes_max == 0 ? 1 : buckets) * sizeof(struct entry *));
    if (cache == NULL)
        return NULL;
    cache->bytes_max = bytes_max;
    cache->mask = bytes_max == 0 ? 0 : buckets - 1;
    return cache;
}

static struct entry **bucket_of(struct page_cache *cache, struct page_key key)
{
    /* A pointer's low bits say little; the multiplication carries the others up (Knuth, 6.4). */
    uint64_t mixed = (key.first ^ key.second) * UINT64_C(0x9e3779b97f4a7c15);

    return &cache->buckets[(mixed >> 32) & cache->mask];
}

/* Where the pointer to the entry stands; what it points to is NULL where there is none. */
static struct entry **place_of(struct page_cache *cache, struct page_key key)
{
    struct entry **place = bucket_of(cache, key);

    while (*place != NULL &&
           ((*place)->key.first != key.first || (*place)->key.second != key.second))
        place = &(*place)->next_hashed;
    return place;
}

static void drop(struct page_cache *cache, struct entry *entry)
{
    struct entry **place = place_of(cache, entry->key);

    assert(*place == entry && cache->figures.bytes >= entry->bytes);
    *place = entry->next_hashed;
    if (entry->next == entry) {
        cache->hand = NULL;
    } else {
        entry->next->previous = entry->previous;
        entry->previous->next = entry->next;
        if (cache->hand == entry)
            cache->hand = entry->next;
    }
    if (cache->found == entry)
        cache->found = NULL;
    cache->figures.bytes -= entry->bytes;
    cache->figures.pages--;
    cached_page_destroy(entry->page);
    free(entry);
}

/* Until what is kept fits; `kept` stays. */
static void make_room(struct page_cache *cache, const struct entry *kept)
{
    while (cache->figures.bytes > cache->bytes_max) {
        struct entry *entry = cache->hand;

        assert(entry != NULL && (entry != kept || entry->next != entry));
        if (entry == kept || entry->was_used) {
            entry->was_used = false;
            cache->hand = entry->next;
            continue;
        }
        drop(cache, entry);
        cache->figures.evicted++;
    }
}

void page_cache_destroy(struct page_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->hand != NULL)
        drop(cache, cache->hand);
    free(cache);
}

struct cached_page *page_cache_find(struct page_cache *cache, struct page_key key, uint64_t version)
{
    struct entry *entry = *place_of(cache, key);

    cache->found = NULL;
    if (entry != NULL && entry->version != version) {
        cache->figures.outdated++;
        drop(cache, entry);
        entry = NULL;
    }
    if (entry == NULL) {
        cache->figures.misses++;
        return NULL;
    }
    cache->figures.hits++;
    entry->was_used = true;
    cache->found = entry;
    return entry->page;
}

static size_t bytes_of(const struct cached_page *page)
{
    return sizeof(struct entry) + cached_page_bytes(page);
}

bool page_cache_put(struct page_cache *cache, struct page_key key, uint64_t version,
                    struct cached_page *page)
{
    size_t bytes = bytes_of(page);
    struct entry **place = place_of(cache, key);

    cache->found = NULL;
    if (*place != NULL)
        drop(cache, *place);
    if (bytes > cache->bytes_max / PAGE_CACHE_SHARE)
        return false;
    struct entry *entry = malloc(sizeof(*entry));
    if (entry == NULL)
        return false;
    *entry = (struct entry){.page = page, .key = key, .version = version, .bytes = bytes};
    place = bucket_of(cache, key);
    entry->next_hashed = *place;
    *place = entry;
    /* Behind the hand: it is the last that it comes by. */
    if (cache->hand == NULL) {
        entry->next = entry->previous = entry;
        cache->hand = entry;
    } else {
        entry->next = cache->hand;
        entry->previous = cache->hand->previous;
        entry->previous->next = entry;
        entry->next->previous = entry;
    }
    cache->figures.bytes += bytes;
    cache->figures.pages++;
    cache->found = entry;
    make_room(cache, entry);
    return true;
}

void page_cache_weigh(struct page_cache *cache, const struct cached_page *page)
{
    struct entry *entry = cache->found;
    size_t bytes = bytes_of(page);

    if (entry == NULL || entry->page != page || entry->bytes == bytes)
        return;
    assert(bytes > entry->bytes);
    cache->figures.bytes += bytes - entry->bytes;
    entry->bytes = bytes;
    make_room(cache, entry);
}

struct page_cache_figures page_cache_figures(const struct page_cache *cache)
{
    return cache->figures;
}

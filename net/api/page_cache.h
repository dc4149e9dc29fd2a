/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's rendered pages (cached_page.h), by what they are of and in which version: an entry of
 * another version than is asked for is dropped on the spot, so that whoever changes a thing raises
 * its version and need not know who keeps pages of it.
 *
 * Bounded by the bytes that pages take, headers and list places included. Where there is no room
 * those make way that nobody has asked for since the hand last came by (CLOCK); a page of more than
 * a PAGE_CACHE_SHARE-th of the whole is not kept at all.
 *
 * One thread. */
#ifndef STAMPEDE_API_PAGE_CACHE_H
#define STAMPEDE_API_PAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/cached_page.h"

struct page_cache;

enum { PAGE_CACHE_SHARE = 8 };

/* What a page is of: a pointer and 0, or a hash of 128 bits. */
struct page_key {
    uint64_t first;
    uint64_t second;
};

struct page_cache_figures {
    uint64_t hits;
    uint64_t misses;
    uint64_t outdated; /* of those: of an older version */
    uint64_t evicted;  /* for want of room */
    uint64_t bytes;
    uint64_t pages;
};

/* With 0 bytes nothing is kept. NULL: no memory. */
struct page_cache *page_cache_create(size_t bytes_max);
void page_cache_destroy(struct page_cache *cache);

/* NULL: there is none of this version. Valid until the next call with this cache. */
struct cached_page *page_cache_find(struct page_cache *cache, struct page_key key,
                                    uint64_t version);

/* Keeps a page, in place of an older one. True: it is the cache's now, and valid until the next
 * call with it; false: it is too large, or there is no memory, and it stays the caller's. */
bool page_cache_put(struct page_cache *cache, struct page_key key, uint64_t version,
                    struct cached_page *page);

/* A page of this cache may have grown (a coding was made of it): others make way. The page itself
 * stays until the next call. */
void page_cache_weigh(struct page_cache *cache, const struct cached_page *page);

/* The owner's thread. */
struct page_cache_figures page_cache_figures(const struct page_cache *cache);

#endif

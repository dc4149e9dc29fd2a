/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a product (GET /v1/products/{id}), from the shard's cache:
 *
 *   hit   answered within the handler, from memory
 *   miss  one read of the store; whoever asks for the same product and version meanwhile waits for
 *         that one, and all are answered when it is there
 *
 * Coherence. A product's version (struct product_entry) is raised on the directory's shard when a
 * change is durable, before whoever made it is told. A page is kept as of the version that was seen
 * before its read began, and given only while it is the product's; a request joins a read only if
 * that began in its own version. So who was told of a change, or was told by somebody who was, sees
 * it on every shard at once. Private to net/api. */
#ifndef STAMPEDE_API_PRODUCT_PAGE_H
#define STAMPEDE_API_PRODUCT_PAGE_H

#include "api/page_cache.h"

enum {
    PAGE_FILL_BUCKETS = 64,
    PAGE_FILLS_MAX = 512, /* reads for pages under way on one shard; beyond: 503 */
};

struct api;
struct page_fill;
struct record;

/* Of a shard. */
struct product_pages {
    struct page_cache *cache;
    struct page_fill *fills[PAGE_FILL_BUCKETS]; /* under way */
    uint32_t fill_count;
};

/* False: no memory. */
bool product_pages_init(struct product_pages *pages, size_t bytes_max);
/* When the shards have stopped. */
void product_pages_free(struct product_pages *pages);

/* The page of a stored product; NULL without memory. */
struct cached_page *product_page_make(const struct api *api, const struct record *record);

#endif

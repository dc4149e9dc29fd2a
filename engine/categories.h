/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of categories. A category is a path: names joined by CATEGORY_SEPARATOR, from the widest
 * to the narrowest; each beginning of a path that ends with a name is a category, too. They come to
 * be by being named, have numbers from 1 on, a parent's below its children's, and are never
 * changed, moved or freed while the tree lives; those that no product is in any more stay. Names
 * count as they are written: a capital makes another category.
 *
 * At most CATEGORIES_MAX; a path beyond has no category, and is found by no filter. */
#ifndef STAMPEDE_CATEGORIES_H
#define STAMPEDE_CATEGORIES_H

#include <stdint.h>

#include "block_pool.h"
#include "hash.h"

#define CATEGORY_SEPARATOR " > "

enum {
    CATEGORIES_MAX = 1 << 16,
    CATEGORY_DEPTH_MAX = 8, /* what stands below is a part of the eighth name */
};

struct category {
    uint32_t parent; /* 0: none */
    uint32_t depth;  /* from 1 on */
    uint32_t path_length;
    uint32_t name_length; /* the path's last bytes */
    char path[];          /* UTF-8, as it was given first */
};

static inline const char *category_name(const struct category *category)
{
    return category->path + category->path_length - category->name_length;
}

struct categories;

/* NULL without memory. Categories are in blocks of the pool, and go with it. */
struct categories *categories_create(const struct hash_key *hash_key, struct block_pool *pool);
void categories_destroy(struct categories *categories);

/* The number of a path, with those above it, new ones if need be; 0 for an empty one, or where
 * memory or numbers are out. The directory's shard, or the start-up thread. */
uint32_t categories_number(struct categories *categories, const char *path, uint32_t length);

/* All there are: those below `categories_end`, from 1 on. Any thread. */
uint32_t categories_end(const struct categories *categories);
const struct category *categories_at(const struct categories *categories, uint32_t number);

#endif

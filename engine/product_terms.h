/* SPDX-License-Identifier: Apache-2.0 */
/* The words that products are sorted under: categories, brands, tags; each text once, under a small
 * number, so that products are compared and counted by numbers.
 *
 * A term is never changed, moved or freed while its table lives. Terms that no product has any more
 * stay: there are at most PRODUCT_TERMS_MAX, of 64 bytes and more. */
#ifndef STAMPEDE_PRODUCT_TERMS_H
#define STAMPEDE_PRODUCT_TERMS_H

#include <stdint.h>

#include "block_pool.h"
#include "categories.h"
#include "hash.h"

enum { PRODUCT_TERMS_MAX = 1 << 18 }; /* numbers are below it; 0 is none */

struct product_term {
    uint32_t number;
    uint32_t length;
    char text[]; /* UTF-8, as it was given first */
};

struct product_terms;

/* NULL without memory. Terms are in blocks of the pool, and go with it. */
struct product_terms *product_terms_create(const struct hash_key *hash_key,
                                           struct block_pool *pool);
void product_terms_destroy(struct product_terms *terms);

/* The number of a text, a new one if need be; 0 for an empty one, or where memory or numbers are
 * out. The directory's shard, or the start-up thread. */
uint32_t product_terms_number(struct product_terms *terms, const char *text, uint32_t length);

/* The same for a category's path, which then has its place in the tree. */
uint32_t product_terms_category_number(struct product_terms *terms, const char *path,
                                       uint32_t length);

/* Of a number that was read from a label; any thread. The term; and, if it is a category's, its
 * number in the tree, otherwise 0. */
const struct product_term *product_terms_at(const struct product_terms *terms, uint32_t number);
uint32_t product_terms_category(const struct product_terms *terms, uint32_t number);
const struct categories *product_terms_categories(const struct product_terms *terms);

#endif

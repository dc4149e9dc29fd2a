/* SPDX-License-Identifier: Apache-2.0 */
#include "product_terms.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Twice the numbers: half of it stays empty. Untouched, both cost addresses only. */
enum { PLACES = 2 * PRODUCT_TERMS_MAX };

struct product_terms {
    struct hash_key hash_key;
    struct block_pool *pool;
    uint32_t used;
    uint32_t *places;                /* numbers, by hash; the builder's only */
    struct product_term **by_number; /* readers see a term by the label that names it */
    _Atomic uint32_t *category_of;   /* by number, of those that are paths; likewise */
    struct categories *categories;
};

struct product_terms *product_terms_create(const struct hash_key *hash_key, struct block_pool *pool)
{
    struct product_terms *terms = calloc(1, sizeof(*terms));

    if (terms == NULL)
        return NULL;
    terms->hash_key = *hash_key;
    terms->pool = pool;
    terms->used = 1;
    terms->places = calloc(PLACES, sizeof(*terms->places));
    terms->by_number = calloc(PRODUCT_TERMS_MAX, sizeof(struct product_term *));
    terms->category_of = calloc(PRODUCT_TERMS_MAX, sizeof(*terms->category_of));
    terms->categories = categories_create(hash_key, pool);
    if (terms->places == NULL || terms->by_number == NULL || terms->category_of == NULL ||
        terms->categories == NULL) {
        product_terms_destroy(terms);
        return NULL;
    }
    return terms;
}

void product_terms_destroy(struct product_terms *terms)
{
    if (terms == NULL)
        return;
    free(terms->places);
    free(terms->by_number);
    free(terms->category_of);
    categories_destroy(terms->categories);
    free(terms);
}

uint32_t product_terms_number(struct product_terms *terms, const char *text, uint32_t length)
{
    struct product_term *term;
    uint32_t at;

    if (length == 0)
        return 0;
    at = (uint32_t)hash_bytes(&terms->hash_key, text, length) & (PLACES - 1);
    for (; terms->places[at] != 0; at = (at + 1) & (PLACES - 1)) {
        term = terms->by_number[terms->places[at]];
        if (term->length == length && memcmp(term->text, text, length) == 0)
            return term->number;
    }
    if (terms->used == PRODUCT_TERMS_MAX)
        return 0;
    term = block_take(terms->pool, sizeof(*term) + length);
    if (term == NULL)
        return 0;
    term->number = terms->used++;
    term->length = length;
    memcpy(term->text, text, length);
    terms->by_number[term->number] = term;
    terms->places[at] = term->number;
    return term->number;
}

const struct product_term *product_terms_at(const struct product_terms *terms, uint32_t number)
{
    assert(number > 0 && number < PRODUCT_TERMS_MAX && terms->by_number[number] != NULL);
    return terms->by_number[number];
}

uint32_t product_terms_category_number(struct product_terms *terms, const char *path,
                                       uint32_t length)
{
    uint32_t number = product_terms_number(terms, path, length);

    /* Relaxed: readers see it by a label that is published later. */
    if (number != 0 && atomic_load_explicit(&terms->category_of[number], memory_order_relaxed) == 0)
        atomic_store_explicit(&terms->category_of[number],
                              categories_number(terms->categories, path, length),
                              memory_order_relaxed);
    return number;
}

uint32_t product_terms_category(const struct product_terms *terms, uint32_t number)
{
    return atomic_load_explicit(&terms->category_of[number], memory_order_relaxed);
}

const struct categories *product_terms_categories(const struct product_terms *terms)
{
    return terms->categories;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "categories.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Twice the numbers: half of it stays empty. Untouched, both cost addresses only. */
enum { PLACES = 2 * CATEGORIES_MAX, SEPARATOR_LENGTH = sizeof(CATEGORY_SEPARATOR) - 1 };

struct categories {
    struct hash_key hash_key;
    struct block_pool *pool;
    uint32_t *places; /* numbers, by hash of the path; the builder's only */
    struct category **by_number;
    _Atomic uint32_t end; /* released behind what stands below it */
};

struct categories *categories_create(const struct hash_key *hash_key, struct block_pool *pool)
{
    struct categories *categories = calloc(1, sizeof(*categories));

    if (categories == NULL)
        return NULL;
    categories->hash_key = *hash_key;
    categories->pool = pool;
    categories->end = 1;
    categories->places = calloc(PLACES, sizeof(*categories->places));
    categories->by_number = calloc(CATEGORIES_MAX, sizeof(struct category *));
    if (categories->places == NULL || categories->by_number == NULL) {
        categories_destroy(categories);
        return NULL;
    }
    return categories;
}

void categories_destroy(struct categories *categories)
{
    if (categories == NULL)
        return;
    free(categories->places);
    free(categories->by_number);
    free(categories);
}

/* The number of this very path, or, with 0 there, the place for it. */
static uint32_t *find(const struct categories *categories, const char *path, uint32_t length)
{
    uint32_t at = (uint32_t)hash_bytes(&categories->hash_key, path, length) & (PLACES - 1);

    for (; categories->places[at] != 0; at = (at + 1) & (PLACES - 1)) {
        const struct category *category = categories->by_number[categories->places[at]];

        if (category->path_length == length && memcmp(category->path, path, length) == 0)
            break;
    }
    return &categories->places[at];
}

static uint32_t add(struct categories *categories, uint32_t *place, const struct category *made,
                    const char *path)
{
    uint32_t number = atomic_load_explicit(&categories->end, memory_order_relaxed);
    struct category *category;

    if (number == CATEGORIES_MAX)
        return 0;
    category = block_take(categories->pool, sizeof(*category) + made->path_length);
    if (category == NULL)
        return 0;
    memcpy(category, made, sizeof(*made));
    memcpy(category->path, path, made->path_length);
    categories->by_number[number] = category;
    *place = number;
    atomic_store_explicit(&categories->end, number + 1, memory_order_release);
    return number;
}

/* Where the name that begins at `start` ends. */
static uint32_t name_end(const char *path, uint32_t length, uint32_t start, uint32_t depth)
{
    if (depth == CATEGORY_DEPTH_MAX)
        return length;
    for (uint32_t at = start; at + SEPARATOR_LENGTH <= length; at++)
        if (memcmp(path + at, CATEGORY_SEPARATOR, SEPARATOR_LENGTH) == 0)
            return at;
    return length;
}

uint32_t categories_number(struct categories *categories, const char *path, uint32_t length)
{
    uint32_t number = 0;
    uint32_t start = 0;

    for (uint32_t depth = 1; start < length; depth++) {
        uint32_t end = name_end(path, length, start, depth);
        uint32_t *place = find(categories, path, end);
        struct category made = {
            .parent = number, .depth = depth, .path_length = end, .name_length = end - start};

        number = *place != 0 ? *place : add(categories, place, &made, path);
        if (number == 0 || end == length)
            return number;
        start = end + SEPARATOR_LENGTH;
    }
    return number;
}

uint32_t categories_end(const struct categories *categories)
{
    return atomic_load_explicit(&categories->end, memory_order_acquire);
}

const struct category *categories_at(const struct categories *categories, uint32_t number)
{
    assert(number > 0 && number < CATEGORIES_MAX && categories->by_number[number] != NULL);
    return categories->by_number[number];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which products a query names, in which order, and what there is among them. Here is no request
 * and no answer (browse.c): a search index may take this file's place.
 *
 * It looks at every product of the directory, so it runs on a worker. Words of `q` are looked for
 * as they stand: each must be a word, or a word's beginning, of name, category, brand or tags. */
#ifndef STAMPEDE_API_BROWSE_SET_H
#define STAMPEDE_API_BROWSE_SET_H

#include "api/product_draft.h"

enum {
    BROWSE_TERM_BYTES_MAX = 4 * PRODUCT_LABEL_MAX, /* category, brand, tag */
    BROWSE_TEXT_CHARACTERS_MAX = 200,              /* of q */
    BROWSE_TEXT_BYTES_MAX = 4 * BROWSE_TEXT_CHARACTERS_MAX,
    BROWSE_WORDS_MAX = 16,            /* of q; what follows is not looked for */
    BROWSE_KEY_MAX = 120,             /* bytes of a name that is sorted by */
    BROWSE_FACET_VALUES = 50,         /* the most frequent of each kind */
    BROWSE_PRICE_RANGES = 2 + 3 * 10, /* up to PRICE_MINOR_MAX */
};

/* By relevance: names that begin with the text, then those with all words in the name, then the
 * rest, each by name. Without q: the newest first. */
#define BROWSE_SORTS(X)                                                                            \
    X(RELEVANCE, "relevance")                                                                      \
    X(PRICE, "price")                                                                              \
    X(PRICE_DOWN, "-price")                                                                        \
    X(NAME, "name")                                                                                \
    X(NEWEST, "newest")

enum browse_sort {
#define X(name, text) BROWSE_##name,
    BROWSE_SORTS(X)
#undef X
        BROWSE_SORT_COUNT
};

/* Where a product stands in an order: by key, then by ID. */
struct browse_place {
    uint8_t key_length;
    uint8_t key[BROWSE_KEY_MAX + 1];
    char id[PRODUCT_ID_LENGTH_MAX + 1];
};

/* Folded text (browse_text.h); length 0: any. */
struct browse_term {
    size_t length;
    char text[BROWSE_TERM_BYTES_MAX + 1];
};

struct browse_query {
    struct browse_term terms[3]; /* category (its name, or slug), brand, tag */
    struct {
        size_t length;
        char text[BROWSE_TEXT_BYTES_MAX + 1];
    } q; /* folded */
    int64_t min_price;
    int64_t max_price;
    int8_t in_stock; /* -1: either */
    enum browse_sort sort;
    uint32_t limit; /* at most LIST_PAGE_MAX */
    bool is_continued;
    struct browse_place after;
};

struct browse_item {
    const struct product_entry *product;
    struct browse_place place;
};

struct browse_count {
    const struct product_term *term;
    uint32_t count;
};

struct browse_result {
    bool failed; /* no memory */
    uint32_t total;
    uint32_t item_count; /* one more than the page, where others follow */
    struct browse_item items[LIST_PAGE_MAX + 1];
    uint32_t value_counts[3]; /* category, brand, tag */
    struct browse_count values[3][BROWSE_FACET_VALUES];
    uint32_t prices[BROWSE_PRICE_RANGES]; /* counts */
};

/* Of the i-th range of prices, both included. */
int64_t browse_price_from(unsigned i);
int64_t browse_price_to(unsigned i);

/* A worker's thread, which reads the directory (engine_work). Entries and terms in the result stay
 * what they are for good. */
void browse_compute(const struct directory *directory, const struct browse_query *query,
                    struct browse_result *result_out);

/* Below 0, 0 or above: as memcmp. */
int browse_place_compare(const struct browse_place *a, const struct browse_place *b);

#endif

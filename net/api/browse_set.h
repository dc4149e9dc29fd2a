/* SPDX-License-Identifier: Apache-2.0 */
/* Which products a query names, in which order, and what there is among them. Here is no request
 * and no answer (browse.c), and no words: which products have those, the search says.
 *
 * It looks at each product that the search found, or at all of the directory, so it runs on a
 * worker. */
#ifndef STAMPEDE_API_BROWSE_SET_H
#define STAMPEDE_API_BROWSE_SET_H

#include "api/product_draft.h"

enum {
    BROWSE_TERM_BYTES_MAX = 4 * PRODUCT_LABEL_MAX, /* brand, tag */
    BROWSE_CATEGORY_CHARACTERS_MAX =               /* a whole path */
    CATEGORY_DEPTH_MAX * (PRODUCT_LABEL_MAX + (int)sizeof(CATEGORY_SEPARATOR) - 1),
    BROWSE_CATEGORY_BYTES_MAX = 4 * BROWSE_CATEGORY_CHARACTERS_MAX,
    BROWSE_TEXT_CHARACTERS_MAX = 200, /* of q */
    BROWSE_TEXT_BYTES_MAX = 4 * BROWSE_TEXT_CHARACTERS_MAX,
    BROWSE_KEY_MAX = 120,             /* bytes of what is sorted by */
    BROWSE_FACET_VALUES = 50,         /* the most frequent of each kind */
    BROWSE_PRICE_RANGES = 2 + 3 * 10, /* up to PRICE_MINOR_MAX */
};

/* By relevance: the search's rank, then how often a product was sold (to the power of two below,
 * so that a sale moves few), then by name. Without q: the newest first. By price: the cheapest
 * variant's. What is equal: by ID. */
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

/* Where a product stands in an order: by key, then by ID. Nothing of other products is in it: only
 * who changes moves. */
struct browse_place {
    uint8_t key_length;
    uint8_t key[BROWSE_KEY_MAX + 1];
    char id[PRODUCT_ID_LENGTH_MAX + 1];
};

enum browse_kind { BROWSE_CATEGORY, BROWSE_BRAND, BROWSE_TAG, BROWSE_KINDS };

struct browse_query {
    /* Folded text (browse_text.h); length 0: any. A category is a path, or the name or slug of any
     * category in one, and all below it. */
    struct slice terms[BROWSE_KINDS];
    struct slice q;    /* folded; the search's matter, but for whether there is one */
    int64_t min_price; /* a product is in where a variant is between them */
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
    struct slice text; /* a category's is its path */
    uint32_t count;
};

struct browse_result {
    uint32_t total;
    uint32_t item_count; /* one more than the page, where others follow */
    struct browse_item items[LIST_PAGE_MAX + 1];
    uint32_t value_counts[BROWSE_KINDS];
    struct browse_count values[BROWSE_KINDS][BROWSE_FACET_VALUES];
    uint32_t prices[BROWSE_PRICE_RANGES]; /* products that have a variant in the range */
};

/* Memory that one pass at a time works in; NULL without memory. */
struct browse_scratch;
struct browse_scratch *browse_scratch_create(void);
void browse_scratch_destroy(struct browse_scratch *scratch);

/* Of the i-th range of prices, both included. */
int64_t browse_price_from(unsigned i);
int64_t browse_price_to(unsigned i);

/* Whether shoppers may see it. Any thread. */
bool browse_is_shown(const struct product_entry *product);

/* A worker's thread, which reads the directory (engine_work). `hits` NULL: of all products. Entries
 * and texts in the result stay what they are for good. */
void browse_compute(const struct directory *directory, const struct browse_query *query,
                    const struct search_result *hits, struct browse_scratch *scratch,
                    struct browse_result *result_out);

/* How many products that are shown each category has, those below it included, by its number;
 * `counts` has room for categories_end, as it was asked before. in_stock as in a query. Likewise.
 */
void browse_count_categories(const struct directory *directory, int8_t in_stock, uint32_t *counts,
                             uint32_t end);

/* Below 0, 0 or above: as memcmp. */
int browse_place_compare(const struct browse_place *a, const struct browse_place *b);

#endif

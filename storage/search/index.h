/* SPDX-License-Identifier: Apache-2.0 */
/* One generation of the index, open: Groonga's database and what is kept in memory beside it.
 * Private to storage/search, the only files that include <groonga.h>.
 *
 *   Products         key: place (index_key); texts of its fields, CLEANED (search_text.h)
 *   Words            words of all fields, stemmed       .products: sections (enum index_section)
 *                                                                  and positions
 *   Forms            words of title, brand and category as they are written, not stemmed: what
 *                    is completed and corrected         .products: sections, no positions
 *   Suggestions      key: kind and cleaned text, of names, brands and categories (every name of a
 *                    path is one); .text cleaned, .shown as the shop writes it
 *   SuggestionWords  words of .text, not stemmed        .suggestions: positions
 *
 * All three lexicons split at blanks alone and fold what NormalizerNFKC150 folds: what a word is,
 * search_clean decides, for records and for queries. Record IDs are small, dense, and USED AGAIN
 * after a removal: they are good until the lock is given back, and never outlive it.
 *
 * Threads. Who looks holds the read side of the search's lock (the writer comes first: no second
 * read lock within one) and has a reader to itself. The persistent objects are shared; all that is
 * made with a context (cursors, bulks, temporary tables) belongs to it. One writer at a time, under
 * the write side, or before others know the index. */
#ifndef STAMPEDE_SEARCH_INDEX_H
#define STAMPEDE_SEARCH_INDEX_H

#include <groonga.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"
#include "records.h"
#include "search/synonyms.h"

enum index_section { /* of Words.products and Forms.products; they count from 1 */
                     SECTION_TITLE = 1,
                     SECTION_BRAND,
                     SECTION_CATEGORY, /* the last name of the path */
                     SECTION_PARENTS,  /* the names before it; from here on not in Forms */
                     SECTION_TAGS,
                     SECTION_DESCRIPTION,
                     SECTION_END,
};

enum {
    INDEX_TEXT_BYTES_MAX = 48 * 1024, /* of one cleaned field; what is longer is cut */
    INDEX_ERROR_BYTES = 512,
};

/* Of a product, by record ID. */
struct index_product {
    struct search_place place;
    /* Words, at most 255 each. */
    uint8_t title_words;
    uint8_t head_words; /* of the title before the first " - "; all of it where there is none */
    uint8_t brand_words;
    uint8_t category_words; /* of the path's last name */
};

/* Of a suggestion, by record ID. */
struct index_suggestion {
    uint64_t places;   /* index_key of all products that have it, XORed: of the one, if it is one */
    uint32_t products; /* how many have it; 0: no such row */
    uint8_t kind;      /* enum suggestion_kind */
};

struct query;
struct suggest;
struct search_index;

/* What a thread needs to look. */
struct index_reader {
    grn_ctx context;
    struct search_index *index;
    struct query *query; /* query.h, suggest.h: memory kept from one to the next */
    struct suggest *suggest;
    bool is_taken; /* the index's, under its `readers_lock` */
};

struct search_index {
    grn_obj *database;
    grn_obj *products;
    grn_obj *words;
    grn_obj *forms;
    grn_obj *suggestions;
    grn_obj *suggestion_words;
    /* Columns of Products, of type Text, by section; [0] is not used. */
    grn_obj *sections[SECTION_END];
    grn_obj *product_counts; /* index_product's words, as they are kept on disk */
    grn_obj *product_suggestions;
    grn_obj *suggestion_text;
    grn_obj *suggestion_shown; /* Text, UTF-8 */
    grn_obj *suggestion_products;
    grn_obj *suggestion_places;
    grn_obj *suggestion_kind;
    /* Index columns: (grn_ii *) for <groonga/ii.h>. NULL while it is filled for the first time. */
    grn_obj *words_index;
    grn_obj *forms_index;
    grn_obj *suggestions_index;

    uint32_t product_count;
    uint32_t products_end; /* above every record ID of Products */
    struct index_product *product_rows;
    uint32_t products_room;
    uint32_t suggestions_end; /* likewise */
    struct index_suggestion *suggestion_rows;
    uint32_t suggestions_room;

    const struct synonyms *synonyms; /* the search's */

    /* The rest is of index_*.c alone. */
    grn_ctx writer; /* the context of who opened it, and of who writes */
    struct index_room *room;
    char error[INDEX_ERROR_BYTES]; /* of the writer's last failure: one line for people */
    uint32_t reader_count;
    struct index_reader *readers;
    sem_t readers_free;
    pthread_mutex_t readers_lock;
};

static inline uint64_t index_key(struct search_place place)
{
    return (uint64_t)place.partition << 32 | place.number;
}

static inline struct search_place index_place(uint64_t key)
{
    return (struct search_place){.partition = (uint32_t)(key >> 32), .number = (uint32_t)key};
}

#endif

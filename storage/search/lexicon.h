/* SPDX-License-Identifier: Apache-2.0 */
/* From a word as it is typed to terms of the index: itself, what it begins, what it is a typing
 * error of. Private to storage/search; a reader's own, under the search's read lock. */
#ifndef STAMPEDE_SEARCH_LEXICON_H
#define STAMPEDE_SEARCH_LEXICON_H

#include "search/distance.h"
#include "search/index.h"
#include "search/readings.h"

struct alternative {
    grn_id term;     /* of Words */
    uint16_t weight; /* how surely it is meant, at most RANKING_ONE */
};

struct resolved {
    struct search_word word;
    bool is_last;
    bool is_optional;
    uint8_t count; /* 0: the index knows nothing like it */
    struct alternative alternatives[SEARCH_ALTERNATIVES_MAX];
    uint64_t cost;   /* postings of all of them, about */
    uint16_t weight; /* ranking_word_weight */
};

/* A word of a lexicon that may be meant. */
struct form {
    grn_id id;
    uint32_t count;  /* that have it, about; never 0 */
    uint32_t errors; /* from what is typed */
    uint32_t value;  /* greater: rather this */
};

struct lexicon {
    struct index_reader *reader;
    grn_obj tokens;
    struct distance_word typed;
    struct distance_word other;
};

/* The best of many, best first; of equals, the one that came first. */
struct forms {
    uint32_t count;
    uint32_t room;
    struct form *best;
};

/* `reader` has its context and its index. */
void lexicon_open(struct lexicon *lexicon, struct index_reader *reader);
void lexicon_close(struct lexicon *lexicon);

/* A readings_count: `arg` is the lexicon. Products, about; 0 only if there is none. */
uint32_t lexicon_count(void *arg, const char *word, size_t length);

/* `is_last`: it may not be typed to its end. */
void lexicon_resolve(struct lexicon *lexicon, const struct search_word *word, bool is_last,
                     struct resolved *resolved_out);

/* Of the words of `table` that begin with `word`, those that most have, by `index`; itself is left
 * out. */
void lexicon_complete(struct lexicon *lexicon, grn_obj *table, grn_obj *index, const char *word,
                      size_t length, struct forms *forms);

/* Those within `errors` typing errors that begin with the same character; `of_beginning`: or of
 * which a beginning is. Itself is left out. */
void lexicon_correct(struct lexicon *lexicon, grn_obj *table, grn_obj *index, const char *word,
                     size_t length, unsigned errors, bool of_beginning, struct forms *forms);

/* What has a word of an index's lexicon: about how many, 0 only for none. */
uint32_t lexicon_size(grn_ctx *context, grn_obj *index, grn_id id);

#endif

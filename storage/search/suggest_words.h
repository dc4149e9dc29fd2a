/* SPDX-License-Identifier: Apache-2.0 */
/* What the words typed so far may be, out of those that suggestions have. Private to
 * storage/search; as lexicon.h. */
#ifndef STAMPEDE_SEARCH_SUGGEST_WORDS_H
#define STAMPEDE_SEARCH_SUGGEST_WORDS_H

#include "search/lexicon.h"

enum {
    SUGGEST_ONE = 1024, /* what a word counts that is as it was typed so far */
    SUGGEST_FORMS_MAX = 3 + SUGGEST_COMPLETIONS_MAX + SUGGEST_CORRECTIONS_MAX,
};

struct suggest_form {
    grn_id id;      /* of SuggestionWords */
    uint16_t worth; /* of SUGGEST_ONE */
};

struct suggest_word {
    struct search_word word;
    bool is_open; /* not yet typed to its end */
    uint32_t count;
    struct suggest_form forms[SUGGEST_FORMS_MAX];
    uint64_t cost; /* postings of all of them, about */
};

/* What `word` and `is_open` may be: itself, with or without a plural's s, what it begins, and what
 * it is a typing error of where that is likelier. */
void suggest_word_resolve(struct lexicon *lexicon, struct suggest_word *word);

/* Only what it is a typing error of. */
void suggest_word_correct(struct lexicon *lexicon, struct suggest_word *word);

#endif

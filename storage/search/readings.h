/* SPDX-License-Identifier: Apache-2.0 */
/* What a question may mean: its words as they are, and as others would have written them: a synonym
 * in place of a phrase, two words as one (corn flour), one as two (facewash). Pure but for what it
 * asks of the index through `count`. */
#ifndef STAMPEDE_SEARCH_READINGS_H
#define STAMPEDE_SEARCH_READINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "search/search_bounds.h"
#include "search/synonyms.h"

struct search_word {
    uint8_t length;
    char text[SEARCH_WORD_BYTES_MAX + 1]; /* ended by a zero */
};

struct reading {
    uint8_t count;
    uint16_t worth; /* at most RANKING_ONE */
    struct search_word words[SEARCH_WORDS_MAX];
};

struct readings {
    uint32_t count;                         /* 0: there is no word */
    struct reading at[SEARCH_VARIANTS_MAX]; /* the first: as it was asked; each is different */
};

/* In how many products a word stands as it is written; 0: in none. */
typedef uint32_t readings_count(void *arg, const char *word, size_t length);

/* The words of a cleaned text, at most SEARCH_WORDS_MAX, each cut to SEARCH_WORD_BYTES_MAX. */
void reading_split(const char *cleaned, size_t length, struct reading *reading_out);

/* Of a cleaned question. `synonyms` may be NULL. */
void readings_make(const char *cleaned, size_t length, const struct synonyms *synonyms,
                   readings_count *count, void *arg, struct readings *readings_out);

/* Words that no product needs to have: for, with, of. */
bool reading_is_optional(const struct search_word *word);

#endif

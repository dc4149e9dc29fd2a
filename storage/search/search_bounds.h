/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds of a search: what one question may read, hold and answer, whatever it says. */
#ifndef STAMPEDE_SEARCH_BOUNDS_H
#define STAMPEDE_SEARCH_BOUNDS_H

enum {
    /* ---- a question ---- */
    SEARCH_QUERY_BYTES_MAX = 300,   /* looked at; the rest of a longer one is not */
    SEARCH_WORD_BYTES_MAX = 63,     /* of a word; what follows is not looked at */
    SEARCH_WORDS_MAX = 10,          /* the first ones */
    SEARCH_VARIANTS_MAX = 8,        /* readings of a question: synonyms, words joined and split */
    SEARCH_ALTERNATIVES_MAX = 24,   /* terms of the index that one word may stand for */
    SEARCH_COMPLETIONS_MAX = 10,    /* of them, what a word begins */
    SEARCH_CORRECTIONS_MAX = 6,     /* of them, what it is a typing error of */
    SEARCH_PREFIX_FORMS_MAX = 2000, /* words of the index read for completions */
    SEARCH_TYPO_FORMS_MAX = 65536,  /* words of the index compared for one typing error */
    SEARCH_POSTINGS_MAX = 1000000,  /* read for a question; beyond, it is answered in part */
    SEARCH_FULL_HITS_MIN = 10,   /* with fewer that have every word, those that lack some count */
    SEARCH_LOOSE_HITS_MAX = 100, /* of those, the best */
    SEARCH_ARENA_BYTES_MAX = 24 << 20, /* candidates' room of a reader */

    /* ---- a suggestion ---- */
    SUGGEST_QUERY_BYTES_MAX = 100,
    SUGGEST_WORDS_MAX = 8,
    SUGGEST_COMPLETIONS_MAX = 24,
    SUGGEST_CORRECTIONS_MAX = 8,
    SUGGEST_POSTINGS_MAX = 12000,  /* about 2 ms */
    SUGGEST_TEXTS_MAX = 2000,      /* whose own words are compared with the one typed last */
    SUGGEST_BEGINNINGS_MAX = 1000, /* of each kind, that begin with all that is typed */
    SUGGEST_SHORT_BYTES = 2,       /* one word of so few completes brands and categories alone */
    SUGGEST_BEST_MAX = 32,         /* looked at for texts that are the same */

    /* ---- the file of synonyms ---- */
    SYNONYMS_MAX = 4096,
    SYNONYM_BYTES_MAX = 63,  /* of either side, cleaned */
    SYNONYM_WORDS_MAX = 5,   /* of either side */
    SYNONYM_LINE_MAX = 1024, /* bytes */
    SYNONYM_FILE_MAX = 1 << 20,
    SYNONYM_FAULTS_MAX = 20, /* told; more are only counted */
};

#endif

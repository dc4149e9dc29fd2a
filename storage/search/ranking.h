/* SPDX-License-Identifier: Apache-2.0 */
/* How well a product fits a question, in whole numbers: the same on every machine, and coarse, so
 * that products that fit as well are equal and their popularity decides. Pure.
 *
 * Two sums. First how many of the words are missing; within that, in parts of RANKING_ONE:
 *   words      where each was found (RANKING_TITLE...), by how exactly, and how rare it is: up to 1
 *   phrase     0.25  neighbours in the question that are neighbours in the title
 *   head       0.15  of the title before its first " - ", how much was asked for
 *   cover      0.2   of the whole title, how much
 *   beginning  0.05  the title begins with a word that was asked for
 *   brand      0.35  by the share of the words that name it, if it was named in full
 *   category   0.15  every word is in the name of its own category; 0.4 if they are all of it; by
 *                    share 0.1 where only some are */
#ifndef STAMPEDE_SEARCH_RANKING_H
#define STAMPEDE_SEARCH_RANKING_H

#include <stdbool.h>
#include <stdint.h>

#include "search/search_bounds.h"

enum {
    RANKING_ONE = 4096,
    RANKING_STEP = RANKING_ONE / 256, /* what is nearer than this is equal */

    /* A word in a field. */
    RANKING_TITLE = RANKING_ONE,
    RANKING_BRAND = RANKING_ONE * 95 / 100,
    RANKING_CATEGORY = RANKING_ONE * 60 / 100,
    RANKING_TAGS = RANKING_ONE * 50 / 100,
    RANKING_PARENTS = RANKING_ONE * 35 / 100,
    RANKING_DESCRIPTION = RANKING_ONE * 30 / 100,

    RANKING_PHRASE = RANKING_ONE * 25 / 100,
    RANKING_HEAD = RANKING_ONE * 15 / 100,
    RANKING_COVER = RANKING_ONE * 20 / 100,
    RANKING_BEGINNING = RANKING_ONE * 5 / 100,
    RANKING_BRAND_NAMED = RANKING_ONE * 35 / 100,
    RANKING_CATEGORY_ALL = RANKING_ONE * 15 / 100,
    RANKING_CATEGORY_WHOLE = RANKING_ONE * 40 / 100,
    RANKING_CATEGORY_NEARLY = RANKING_ONE * 5 / 100, /* all words, but it has more: by share */
    RANKING_CATEGORY_SOME = RANKING_ONE * 10 / 100,

    RANKING_POSITIONS = 64, /* of a title, from its beginning */
};

/* What of a question the index knows; bit i is the word i. */
struct ranking_question {
    uint32_t count;
    uint16_t known;                    /* the index has it, or something near it */
    uint16_t needed;                   /* known, and not one like "for" */
    uint32_t unknown;                  /* words that would be needed, and are not known */
    uint32_t weights;                  /* the sum of `weight` */
    uint16_t weight[SEARCH_WORDS_MAX]; /* 0 for what is not known */
    uint16_t worth;                    /* of this reading of the question, at most RANKING_ONE */
};

/* Where a product has a question's words. */
struct ranking_match {
    uint16_t found;            /* bits of words */
    uint16_t brand;            /* of them, in the brand, and nearly as typed */
    uint16_t category;         /* of them, in the name of its own category */
    const uint16_t *scores;    /* by word: the best field's, times how exactly */
    const uint64_t *positions; /* by word: places in the title */
    /* Words that there are. */
    uint32_t title_words;
    uint32_t head_words;
    uint32_t brand_words;
    uint32_t category_words;
};

/* What a word weighs that `having` of `all` products have: by the logarithm of how rare it is, in
 * steps of a quarter of a doubling, so that a few products more or less do not move the ranks. */
uint16_t ranking_word_weight(uint32_t all, uint32_t having, bool is_optional);

/* 4 * log2 of `value` / 256, downwards; `value` is at least 256. */
uint32_t ranking_quarter_log2(uint64_t value);

/* One more place where a word was found. */
uint16_t ranking_word_score(uint16_t before, uint32_t found);

/* Greater is better; equal is as good. */
uint32_t ranking_of(const struct ranking_question *question, const struct ranking_match *match);

/* Words that are missing, of what ranking_of gave. */
uint32_t ranking_missing(uint32_t rank);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How many typing errors lie between two words: letters that are missing, too many, wrong, or two
 * neighbours swapped (restricted Damerau distance), counted by characters. Pure. */
#ifndef STAMPEDE_SEARCH_DISTANCE_H
#define STAMPEDE_SEARCH_DISTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "search/search_bounds.h"

enum { DISTANCE_MAX = 2 };

/* A word by its characters; of a longer one, the first. */
struct distance_word {
    uint32_t count;
    uint32_t letters[SEARCH_WORD_BYTES_MAX];
};

void distance_word_set(struct distance_word *word, const char *text, size_t length);

/* At most `max` (itself at most DISTANCE_MAX), else max + 1. `of_beginning`: to the nearest
 * beginning of `to`, for a word that is not yet typed to its end. */
unsigned distance(const struct distance_word *from, const struct distance_word *to, unsigned max,
                  bool of_beginning);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Words that mean the same: a file of lines `from = to`, each side of one or several words; empty
 * lines and those that begin with # are comments. Whoever asks for `from` finds `to` as well. */
#ifndef STAMPEDE_SEARCH_SYNONYMS_H
#define STAMPEDE_SEARCH_SYNONYMS_H

#include <stddef.h>

struct synonyms;

/* Reads a file; NULL as `path`: the list that is built in (data/search-synonyms.txt). NULL, with
 * one line for people in `error`, that names the line of the file: it cannot be read, or is not
 * of this form, or is longer than the bounds of synonyms.c. Start-up thread. */
struct synonyms *synonyms_open(const char *path, char *error, size_t error_size);

/* NULL is allowed. Nobody uses them any more. */
void synonyms_close(struct synonyms *synonyms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Words that mean the same: a file of lines `from = to`, each side of one or several words; empty
 * lines and those that begin with # are comments. Whoever asks for `from`, or for `from` with an s
 * after it, finds `to` as well. One `from` may have several lines. Both sides are read as questions
 * are (search_text.h): case, marks and symbols do not count.
 *
 * Read only once opened: any thread. */
#ifndef STAMPEDE_SEARCH_SYNONYMS_H
#define STAMPEDE_SEARCH_SYNONYMS_H

#include <stddef.h>
#include <stdint.h>

#include "search/search_bounds.h"

struct synonym { /* cleaned words, ended by a zero */
    char from[SYNONYM_BYTES_MAX + 1];
    char to[SYNONYM_BYTES_MAX + 1];
};

struct synonyms {
    uint32_t count;
    uint32_t room;
    struct synonym *rules; /* ascending by `from`, then by `to` */
};

struct synonym_fault {
    uint32_t line; /* from 1 */
    const char *message;
};

struct synonym_faults {
    uint32_t count; /* all; the first SYNONYM_FAULTS_MAX are told */
    struct synonym_fault faults[SYNONYM_FAULTS_MAX];
};

/* Reads a text; lines that have a fault are left out, and told. NULL: no memory. The caller closes
 * it. */
struct synonyms *synonyms_parse(const char *text, size_t length, struct synonym_faults *faults_out);

/* Reads a file; NULL as `path`: the list that is built in. NULL, with one line for people in
 * `error`, that names the line of the file: it cannot be read, or has a fault. Start-up thread. */
struct synonyms *synonyms_open(const char *path, char *error, size_t error_size);

/* NULL is allowed. Nobody uses them any more. */
void synonyms_close(struct synonyms *synonyms);

/* The rules from this phrase of cleaned words, from its singular if there are none; returns how
 * many, from `*first_out` on. NULL as `synonyms`: none. */
uint32_t synonyms_find(const struct synonyms *synonyms, const char *phrase, size_t length,
                       const struct synonym **first_out);

/* The list that is built in. */
extern const char synonyms_default[];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Search: fills the engine's search port from an index that is kept beside the journal.
 *
 * The index holds nothing that the journal's products do not say. So it is never repaired: where
 * it is missing, was not closed, belongs to another state of the journal, or fails in any way, it
 * is built anew from the products, in the background, and what was there is deleted. While there
 * is one, searches go on in the old one.
 *
 * Two threads of its own: one follows what changes, one builds. */
#ifndef STAMPEDE_SEARCH_H
#define STAMPEDE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

enum {
    SEARCH_ERROR_BYTES = 512, /* enough for every error line of search_open */
    SEARCH_CLOSE_MS = 5000,
    SEARCH_READERS_MAX = 64,
};

struct search_options {
    const char *folder; /* of the index alone; made where it is missing */
    /* `read` and `last_commit` are called, and `is_full`: nothing is taken in then. */
    struct journal_port journal;
    uint32_t partitions; /* of the store */
    uint64_t store_id;   /* which store, and which of its lives, an index is of */
    uint64_t incarnation;
    const char *synonyms; /* a file (synonyms.h); NULL: the list that is built in */
    uint32_t readers;     /* finds and suggestions at once (1 to SEARCH_READERS_MAX): more wait */
    /* Called with one line for people, without newline, on threads of its own and on those that
     * call the port. NULL: nobody is told. */
    void (*log)(void *arg, bool is_failure, const char *line);
    void *log_arg;
};

struct search;

/* Opens the index, or begins to build one, and returns at once: `state` tells when it is ready.
 * Before the first commit is given to the journal. NULL, with one line for people that names the
 * remedy in `error`: a part of Groonga is missing, the synonyms cannot be read, the folder cannot
 * be written. Start-up thread; one at a time in a process. */
struct search *search_open(const struct search_options *options, char *error, size_t error_size);

/* Valid until search_close. */
struct search_port search_port_get(struct search *search);

/* Takes in what has changed, closes the index so that the next start can use it, and joins the
 * threads. After the last commit, while the journal can still be read; nothing of the port is
 * called any more. Takes SEARCH_CLOSE_MS at most for what waits; if that is not enough, the next
 * start builds; so it does where not all that was committed is known to have been told by `changed`
 * (`was_told_all`). */
void search_close(struct search *search, bool was_told_all);

#endif

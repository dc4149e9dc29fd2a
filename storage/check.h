/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede check`: the offline audit. Recomputes every promise from ledger entries and holds, with
 * its own arithmetic, never from counters; counters are then compared with what it found. Opens the
 * store read-only; a store that a server has open is refused. */
#ifndef STAMPEDE_CHECK_H
#define STAMPEDE_CHECK_H

#include <stddef.h>
#include <stdio.h>

enum check_result {
    CHECK_OK = 0,
    CHECK_BROKEN = 1,  /* `out` names each broken promise, a line each, at most CHECK_LINES_MAX */
    CHECK_REFUSED = 2, /* it could not be checked: `error` says why */
};

enum { CHECK_LINES_MAX = 100 };

/* Audits the store in the data folder `path` and prints to `out` either
 *     check: audit log of 57 entries, digest 5d41…          (if there are any)
 *     check: ok 40 SKUs, 500 holds, 1040 ledger entries, commit 812, 0 unfinished, state 89ab…
 * (journal_rocksdb_content_hash: the same in a store and in what was restored from its backup) or
 * lines `check: broken: ...`, the last of which counts them. The result is the exit status. */
enum check_result check_store(const char *path, FILE *out, char *error, size_t error_size);

#endif

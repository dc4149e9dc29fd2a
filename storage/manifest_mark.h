/* SPDX-License-Identifier: Apache-2.0 */
/* How far RocksDB's MANIFEST had come, kept with the watermark.
 *
 * The MANIFEST says which tables there are, and only grows; one that lost its end, or an older one
 * in its place, is valid by itself: RocksDB opens it, deletes the tables that it does not name, and
 * serves a state that has a hole where a family's newest table was. The number of the newest commit
 * does not show that, for it is in another family. So what was there once must be there still. */
#ifndef STAMPEDE_MANIFEST_MARK_H
#define STAMPEDE_MANIFEST_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct manifest_mark {
    uint64_t number; /* of MANIFEST-<number>; 0: not known */
    uint64_t bytes;
};

/* What is in a journal's folder now. False if CURRENT names no file: RocksDB says what is wrong. */
bool manifest_mark_find(const char *journal, struct manifest_mark *mark_out);

/* Makes durable what was found. False if it is gone already, or that failed. */
bool manifest_mark_sync(const char *journal, const struct manifest_mark *mark);

/* Whether `found` cannot come after `known`. */
bool manifest_mark_is_older(const struct manifest_mark *found, const struct manifest_mark *known);

/* 0 if the journal's MANIFEST is as new as it was known to be, and whole so far, or -1 with
 * `error`. */
int manifest_mark_check(const char *journal, const struct manifest_mark *known, char *error,
                        size_t error_size);

#endif

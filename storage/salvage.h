/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a damaged journal is left: copies of it that can be opened without touching it. */
#ifndef STAMPEDE_SALVAGE_H
#define STAMPEDE_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal_rocksdb.h"

/* Copies a journal's folder to `target`, which must not exist, so that it can be opened for
 * writing: tables are hard links, for they never change; what RocksDB appends to or replaces in
 * place (logs, MANIFEST, CURRENT) is really copied. `refusal` is RocksDB's reason for not opening
 * the source: where it says that a log in the middle is lost or cut short, the logs after it are
 * left out, since applying them would leave a hole. 0, or -1 with `error`. */
int salvage_copy(const char *source, const char *target, const char *refusal, char *error,
                 size_t error_size);

struct salvage_findings {
    bool is_readable;     /* up to a point; otherwise the rest means nothing */
    uint64_t last_commit; /* the newest that can be recovered */
    struct journal_identity identity;
    char reason[256]; /* why not readable */
};

/* Finds out how much can be recovered, in a copy `scratch` that is removed again. */
void salvage_examine(const char *journal, const char *scratch, const char *refusal,
                     struct salvage_findings *findings_out);

/* Describes which commits are doubtful, for people: `recovered` can be had, `watermark` was durable
 * (has_watermark false: not known). */
void salvage_describe(const struct salvage_findings *findings, bool has_watermark,
                      uint64_t watermark, char *text_out, size_t text_size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a backup's manifest says, and the copying of files with their checksums. */
#ifndef STAMPEDE_BACKUP_MANIFEST_H
#define STAMPEDE_BACKUP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal_rocksdb.h"

enum {
    BACKUP_FORMAT = 1,
    BACKUP_NAME_MAX = 200,
    BACKUP_REASON_BYTES = 512,
    BACKUP_PATH_MAX = 4096,
    BACKUP_FILES_MAX = 100000,
    BACKUP_MANIFEST_BYTES_MAX = 16 << 20,
};

#define BACKUP_MANIFEST_NAME "BACKUP"
#define BACKUP_JOURNAL       "journal"

struct backup_file {
    uint64_t bytes;
    uint32_t checksum; /* CRC-32C */
    char name[BACKUP_NAME_MAX + 1];
    bool is_journal; /* in the folder `journal` */
};

struct backup_manifest {
    struct journal_identity identity;
    uint64_t last_commit;
    uint64_t state; /* journal_rocksdb_content_hash */
    uint64_t bytes; /* of all files */
    struct backup_file *files;
    uint32_t file_count;
    uint32_t file_capacity;
};

/* Room for one more file, zeroed; NULL without memory or past BACKUP_FILES_MAX. */
struct backup_file *backup_manifest_add(struct backup_manifest *manifest);
void backup_manifest_free(struct backup_manifest *manifest);

/* Writes it durably into a folder. 0, or -1 with `error`. */
int backup_manifest_write(const struct backup_manifest *manifest, const char *folder, char *error,
                          size_t error_size);

/* Reads it, all or nothing: it ends in its own checksum. 0, or -1 with `error`. Free it then. */
int backup_manifest_read(const char *folder, struct backup_manifest *manifest_out, char *error,
                         size_t error_size);

/* `folder` and a name in it; false if that is too long. */
bool backup_path(const char *folder, const char *name, char path_out[BACKUP_PATH_MAX]);

/* Copies a file, durably but for its folder, to a new one of mode 0600. `file` gets bytes and
 * checksum of what was read. 0, or -1 with `error`. */
int backup_file_copy(const char *source, const char *target, struct backup_file *file, char *error,
                     size_t error_size);

/* Opens the journal in `folder`, reads all of it, and fills in identity, commit and state of
 * `found_out`. With `kept_out` (then for restoring) it stays open. 0, or -1 with `error`. */
int backup_journal_read(const char *folder, struct backup_manifest *found_out,
                        struct journal_rocksdb **kept_out, char *error, size_t error_size);

#endif

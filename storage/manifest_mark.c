/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest_mark.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

enum { PATH_BYTES = 4352, CURRENT_BYTES_MAX = 64 };

static bool path_set(const char *journal, uint64_t number, char path_out[PATH_BYTES])
{
    int length = snprintf(path_out, PATH_BYTES, "%s/MANIFEST-%06" PRIu64, journal, number);

    return length > 0 && length < PATH_BYTES;
}

bool manifest_mark_find(const char *journal, struct manifest_mark *mark_out)
{
    static const char prefix[] = "MANIFEST-";
    char path[PATH_BYTES];
    char text[CURRENT_BYTES_MAX] = {0};
    char ignored[64];
    struct stat status;

    *mark_out = (struct manifest_mark){0};
    int length = snprintf(path, sizeof(path), "%s/CURRENT", journal);
    if (length <= 0 || length >= PATH_BYTES ||
        files_read(path, text, sizeof(text) - 1, NULL, ignored, sizeof(ignored)) < 0 ||
        strncmp(text, prefix, sizeof(prefix) - 1) != 0)
        return false;
    mark_out->number = strtoull(text + sizeof(prefix) - 1, NULL, 10);
    if (!path_set(journal, mark_out->number, path) || stat(path, &status) != 0)
        return false;
    mark_out->bytes = (uint64_t)status.st_size;
    return mark_out->number > 0;
}

static bool sync_one(const char *path, int flags)
{
    int file = open(path, flags | O_CLOEXEC);
    bool is_synced = file >= 0 && fsync(file) == 0;

    if (file >= 0)
        close(file);
    return is_synced;
}

bool manifest_mark_sync(const char *journal, const struct manifest_mark *mark)
{
    char path[PATH_BYTES];

    /* The folder too: CURRENT may just have been put in its place. */
    return path_set(journal, mark->number, path) && sync_one(path, O_RDONLY) &&
           sync_one(journal, O_RDONLY | O_DIRECTORY);
}

bool manifest_mark_is_older(const struct manifest_mark *found, const struct manifest_mark *known)
{
    return found->number < known->number ||
           (found->number == known->number && found->bytes < known->bytes);
}

/* Of RocksDB's log format: records in blocks, each with a header (checksum, length, kind); a record
 * that does not fit is cut in pieces, and less than a header's room at a block's end is left. */
enum { BLOCK_BYTES = 32768, HEADER_BYTES = 7, LENGTH_AT = 4, KIND_AT = 6, KIND_MAX = 4 };

/* Whether what begins within the first `known` bytes is whole. RocksDB reads over a header of
 * zeros, takes a record that is longer than the file for one that a crash cut off, and one of a
 * kind for recycled logs for an old one, each without a word; what is in the records it checks
 * itself. */
static bool is_whole(int file, uint64_t known, uint64_t bytes)
{
    for (uint64_t at = 0; at < known;) {
        uint64_t room = BLOCK_BYTES - at % BLOCK_BYTES;
        uint8_t header[HEADER_BYTES];
        uint32_t length;

        if (room < HEADER_BYTES) {
            at += room;
            continue;
        }
        if (pread(file, header, sizeof(header), (off_t)at) != HEADER_BYTES)
            return false;
        length = HEADER_BYTES + header[LENGTH_AT] + 256U * header[LENGTH_AT + 1];
        if (header[KIND_AT] == 0 || header[KIND_AT] > KIND_MAX || length > room ||
            at + length > bytes)
            return false;
        at += length;
    }
    return true;
}

/* Another file than the known one was whole at its beginning when CURRENT was made to name it. */
static bool has_damage(const char *journal, const struct manifest_mark *found,
                       const struct manifest_mark *known)
{
    char path[PATH_BYTES];
    uint64_t begun = found->number == known->number ? known->bytes : 1;
    int file = path_set(journal, found->number, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool is_damaged = file >= 0 && !is_whole(file, begun, found->bytes);

    if (file >= 0)
        close(file);
    return is_damaged;
}

int manifest_mark_check(const char *journal, const struct manifest_mark *known, char *error,
                        size_t error_size)
{
    struct manifest_mark found;

    if (!manifest_mark_find(journal, &found))
        return 0;
    if (!manifest_mark_is_older(&found, known)) {
        if (!has_damage(journal, &found, known))
            return 0;
        return files_error(error, error_size,
                           "the journal is damaged (records of its MANIFEST-%06" PRIu64
                           " are broken): which tables there were is lost: restore a backup",
                           found.number);
    }
    return files_error(error, error_size,
                       "the journal is damaged (its MANIFEST-%06" PRIu64 " has %" PRIu64
                       " bytes, but MANIFEST-%06" PRIu64 " had %" PRIu64
                       " once): which tables there were is lost: restore a backup",
                       found.number, found.bytes, known->number, known->bytes);
}

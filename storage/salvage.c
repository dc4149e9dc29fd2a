/* SPDX-License-Identifier: Apache-2.0 */
#include "salvage.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

enum { COPY_CHUNK_BYTES = 1 << 16 };

/* ---- copying ---- */

static bool name_ends(const char *name, const char *end)
{
    size_t length = strlen(name);
    size_t end_length = strlen(end);

    return length > end_length && strcmp(name + length - end_length, end) == 0;
}

/* RocksDB's own diary, and its lock: no data. */
static bool is_left_out(const char *name)
{
    return strcmp(name, "LOCK") == 0 || strncmp(name, "LOG", 3) == 0;
}

/* The log that a refusal names: `Missing WAL with log number: 22`, `Size mismatch: WAL (log number:
 * 22)`. UINT64_MAX if it names none. */
static uint64_t named_log(const char *refusal)
{
    static const char label[] = "log number: ";
    const char *found = strstr(refusal, label);

    return found != NULL ? strtoull(found + strlen(label), NULL, 10) : UINT64_MAX;
}

static int file_copy(int source_folder, int target_folder, const char *name)
{
    static _Thread_local uint8_t chunk[COPY_CHUNK_BYTES];
    int source = openat(source_folder, name, O_RDONLY | O_CLOEXEC);
    int target = openat(target_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int failure = source < 0 || target < 0 ? errno : 0;
    off_t offset = 0;

    while (failure == 0) {
        ssize_t got = read(source, chunk, sizeof(chunk));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            failure = got < 0 ? errno : 0;
            break;
        }
        failure = files_write_all(target, chunk, (size_t)got, offset);
        offset += got;
    }
    if (failure == 0 && fsync(target) != 0)
        failure = errno;
    if (source >= 0)
        close(source);
    if (target >= 0)
        close(target);
    return failure;
}

static int entry_copy(int source_folder, int target_folder, const char *name)
{
    if (name_ends(name, ".sst"))
        return linkat(source_folder, name, target_folder, name, 0) == 0 ? 0 : errno;
    return file_copy(source_folder, target_folder, name);
}

static int folder_copy(DIR *source, int target_folder, uint64_t last_log)
{
    const struct dirent *entry;
    int failure = 0;

    while (failure == 0 && (entry = readdir(source)) != NULL) {
        struct stat status;

        if (fstatat(dirfd(source), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            return errno;
        if (!S_ISREG(status.st_mode) || is_left_out(entry->d_name))
            continue;
        if (name_ends(entry->d_name, ".log") && strtoull(entry->d_name, NULL, 10) > last_log)
            continue;
        failure = entry_copy(dirfd(source), target_folder, entry->d_name);
    }
    return failure;
}

int salvage_copy(const char *source, const char *target, const char *refusal, char *error,
                 size_t error_size)
{
    DIR *folder = opendir(source);
    int failure;

    if (folder == NULL)
        return files_error(error, error_size, "cannot read %s: %s", source, files_reason(errno));
    if (mkdir(target, 0700) != 0) {
        failure = errno;
        closedir(folder);
        return files_error(error, error_size, "cannot create %s: %s", target,
                           files_reason(failure));
    }
    int target_folder = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    failure = target_folder < 0 ? errno : folder_copy(folder, target_folder, named_log(refusal));
    if (failure == 0 && fsync(target_folder) != 0)
        failure = errno;
    if (target_folder >= 0)
        close(target_folder);
    closedir(folder);
    if (failure == 0)
        return files_sync_parent(target, error, error_size);
    char ignored[64];
    files_remove_folder(target, ignored, sizeof(ignored));
    return files_error(error, error_size, "cannot copy %s to %s: %s", source, target,
                       files_reason(failure));
}

/* ---- examining ---- */

static void log_nothing(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

void salvage_examine(const char *journal, const char *scratch, const char *refusal,
                     struct salvage_findings *findings_out)
{
    struct journal_rocksdb_options options = {
        .path = scratch, .mode = JOURNAL_SALVAGE, .log = log_nothing};
    struct journal_rocksdb *opened;
    char ignored[64];

    *findings_out = (struct salvage_findings){0};
    if (files_exist(scratch)) /* of an examination that was killed */
        files_remove_folder(scratch, ignored, sizeof(ignored));
    if (salvage_copy(journal, scratch, refusal, findings_out->reason,
                     sizeof(findings_out->reason)) != 0)
        return;
    if (journal_rocksdb_open(&options, &opened, findings_out->reason,
                             sizeof(findings_out->reason)) == JOURNAL_OPENED) {
        findings_out->is_readable = true;
        findings_out->last_commit = journal_rocksdb_last_commit(opened);
        findings_out->identity = journal_rocksdb_identity(opened);
        journal_rocksdb_close(opened);
    }
    files_remove_folder(scratch, ignored, sizeof(ignored));
}

void salvage_describe(const struct salvage_findings *findings, bool has_watermark,
                      uint64_t watermark, char *text_out, size_t text_size)
{
    uint64_t recovered = findings->last_commit;

    if (!findings->is_readable)
        snprintf(text_out, text_size, "nothing can be recovered from it (%s): restore a backup",
                 findings->reason);
    else if (!has_watermark)
        snprintf(text_out, text_size,
                 "commits after %" PRIu64 " are doubtful (how many there were is not known)",
                 recovered);
    else if (recovered < watermark)
        snprintf(text_out, text_size,
                 "commits %" PRIu64 " to %" PRIu64
                 " are doubtful, and any later ones (recoverable: %" PRIu64
                 ", known durable: %" PRIu64 ")",
                 recovered + 1, watermark, recovered, watermark);
    else
        snprintf(text_out, text_size,
                 "commits after %" PRIu64
                 " are doubtful, if there were any: those of the last 100 ms before the crash "
                 "(known durable: %" PRIu64 ")",
                 recovered, watermark);
}

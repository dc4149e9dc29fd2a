/* SPDX-License-Identifier: Apache-2.0 */
#include "backup_manifest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "files.h"

enum { COPY_CHUNK_BYTES = 1 << 18 };

bool backup_path(const char *folder, const char *name, char path_out[BACKUP_PATH_MAX])
{
    int length = snprintf(path_out, BACKUP_PATH_MAX, "%s/%s", folder, name);

    return length > 0 && length < BACKUP_PATH_MAX;
}

struct backup_file *backup_manifest_add(struct backup_manifest *manifest)
{
    if (manifest->file_count == manifest->file_capacity) {
        uint32_t capacity = manifest->file_capacity > 0 ? manifest->file_capacity * 2 : 64;
        struct backup_file *grown =
            capacity > 2 * BACKUP_FILES_MAX
                ? NULL
                : realloc(manifest->files, capacity * sizeof(*manifest->files));

        if (grown == NULL)
            return NULL;
        manifest->files = grown;
        manifest->file_capacity = capacity;
    }
    struct backup_file *file = &manifest->files[manifest->file_count++];
    *file = (struct backup_file){0};
    return file;
}

void backup_manifest_free(struct backup_manifest *manifest)
{
    free(manifest->files);
    *manifest = (struct backup_manifest){0};
}

/* ---- its text ---- */

static void text_print(const struct backup_manifest *manifest, FILE *text)
{
    fprintf(text,
            "Stampede backup\nformat %d\nstore %016" PRIx64 "\nincarnation %" PRIu64
            "\npartitions %" PRIu32 "\ncommit %" PRIu64 "\nstate %016" PRIx64 "\nfiles %" PRIu32
            "\n",
            BACKUP_FORMAT, manifest->identity.store_id, manifest->identity.incarnation,
            manifest->identity.partitions, manifest->last_commit, manifest->state,
            manifest->file_count);
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        const struct backup_file *file = &manifest->files[i];

        fprintf(text, "%08" PRIx32 " %" PRIu64 " %s%s\n", file->checksum, file->bytes,
                file->is_journal ? BACKUP_JOURNAL "/" : "", file->name);
    }
}

/* The whole text, with its checksum at the end; NULL without memory. */
static char *text_make(const struct backup_manifest *manifest, size_t *length_out)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, length_out);

    if (stream == NULL)
        return NULL;
    text_print(manifest, stream);
    if (fflush(stream) == 0)
        fprintf(stream, "checksum %08" PRIx32 "\n", crc32c(0, text, *length_out));
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

int backup_manifest_write(const struct backup_manifest *manifest, const char *folder, char *error,
                          size_t error_size)
{
    char path[BACKUP_PATH_MAX];
    size_t length = 0;
    char *text = text_make(manifest, &length);

    if (text == NULL || !backup_path(folder, BACKUP_MANIFEST_NAME, path)) {
        free(text);
        return files_error(error, error_size, "out of memory");
    }
    int result = files_create(path, text, length, error, error_size);
    free(text);
    return result;
}

/* One line `CHECKSUM BYTES NAME`. The name is one, and leads nowhere else. */
static bool file_parse(struct backup_manifest *manifest, const char *line)
{
    static const char prefix[] = BACKUP_JOURNAL "/";
    struct backup_file *file = backup_manifest_add(manifest);
    char path[BACKUP_NAME_MAX + sizeof(prefix) + 1];
    const char *name = path;

    /* NOLINTNEXTLINE(cert-err34-c): what was read must give the same text again */
    if (file == NULL || sscanf(line, "%8" SCNx32 " %20" SCNu64 " %207[A-Za-z0-9._/-]",
                               &file->checksum, &file->bytes, path) != 3)
        return false;
    if (strncmp(path, prefix, sizeof(prefix) - 1) == 0) {
        file->is_journal = true;
        name += sizeof(prefix) - 1;
    }
    if (strchr(name, '/') != NULL || strlen(name) > BACKUP_NAME_MAX || name[0] == '.' ||
        name[0] == '\0')
        return false;
    memcpy(file->name, name, strlen(name) + 1);
    manifest->bytes += file->bytes;
    return true;
}

static bool text_parse(struct backup_manifest *manifest, char *text)
{
    uint32_t count = 0;
    int format = 0;
    int read = 0;

    /* NOLINTNEXTLINE(cert-err34-c): likewise */
    if (sscanf(text,
               "Stampede backup format %d store %16" SCNx64 " incarnation %" SCNu64
               " partitions %" SCNu32 " commit %" SCNu64 " state %16" SCNx64 " files %" SCNu32
               "\n%n",
               &format, &manifest->identity.store_id, &manifest->identity.incarnation,
               &manifest->identity.partitions, &manifest->last_commit, &manifest->state, &count,
               &read) != 7 ||
        format != BACKUP_FORMAT || read == 0 || count > BACKUP_FILES_MAX)
        return false;
    for (char *line = text + read; count > 0; count--) {
        char *end = strchr(line, '\n');

        if (end == NULL || !file_parse(manifest, line))
            return false;
        line = end + 1;
    }
    return true;
}

int backup_manifest_read(const char *folder, struct backup_manifest *manifest_out, char *error,
                         size_t error_size)
{
    char path[BACKUP_PATH_MAX];
    char *text = calloc(1, BACKUP_MANIFEST_BYTES_MAX + 1);
    char *again = NULL;
    size_t length = 0;

    *manifest_out = (struct backup_manifest){0};
    if (text == NULL || !backup_path(folder, BACKUP_MANIFEST_NAME, path)) {
        free(text);
        return files_error(error, error_size, "out of memory");
    }
    int result = 0;
    if (!files_exist(path))
        result = files_error(error, error_size,
                             "%s is not a backup, or one that was never completed: it has no "
                             "manifest (" BACKUP_MANIFEST_NAME ")",
                             folder);
    else if (files_read(path, text, BACKUP_MANIFEST_BYTES_MAX, NULL, error, error_size) < 0)
        result = -1;
    /* What was understood must give the same text again, its checksum included. */
    else if (!text_parse(manifest_out, text) ||
             (again = text_make(manifest_out, &length)) == NULL || strcmp(again, text) != 0)
        result = files_error(error, error_size,
                             "the manifest %s is damaged, or of another version: use another "
                             "backup",
                             path);
    free(again);
    free(text);
    if (result != 0)
        backup_manifest_free(manifest_out);
    return result;
}

/* ---- files ---- */

/* 0, or an errno value. */
static int bytes_copy(int source, int target, struct backup_file *file)
{
    uint8_t *chunk = malloc(COPY_CHUNK_BYTES);
    int failure = chunk == NULL ? ENOMEM : 0;

    file->bytes = 0;
    file->checksum = 0;
    while (failure == 0) {
        ssize_t got = read(source, chunk, COPY_CHUNK_BYTES);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            failure = got < 0 ? errno : 0;
            break;
        }
        failure = files_write_all(target, chunk, (size_t)got, (off_t)file->bytes);
        file->checksum = crc32c(file->checksum, chunk, (size_t)got);
        file->bytes += (uint64_t)got;
    }
    free(chunk);
    if (failure == 0 && fsync(target) != 0)
        failure = errno;
    return failure;
}

int backup_file_copy(const char *source, const char *target, struct backup_file *file, char *error,
                     size_t error_size)
{
    int from = open(source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (from < 0)
        return files_error(error, error_size, "cannot read %s: %s", source, files_reason(errno));
    int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int failure = to < 0 ? errno : bytes_copy(from, to, file);
    close(from);
    if (to >= 0 && close(to) != 0 && failure == 0)
        failure = errno;
    if (failure != 0)
        return files_error(error, error_size, "cannot copy %s to %s: %s", source, target,
                           files_reason(failure));
    return 0;
}

/* ---- the journal of a backup ---- */

/* What the journal said last on this thread. */
static _Thread_local char logged[256];

static void log_keep(void *arg, const char *line)
{
    (void)arg;
    snprintf(logged, sizeof(logged), "%s", line);
}

int backup_journal_read(const char *folder, struct backup_manifest *found_out,
                        struct journal_rocksdb **kept_out, char *error, size_t error_size)
{
    char path[BACKUP_PATH_MAX];
    struct journal_rocksdb_options options = {
        .path = path,
        .mode = kept_out != NULL ? JOURNAL_RESTORE : JOURNAL_READ_ONLY,
        .log = log_keep,
    };
    struct journal_rocksdb *journal;
    char reason[256];

    if (!backup_path(folder, BACKUP_JOURNAL, path))
        return files_error(error, error_size, "the path is too long: %s", folder);
    if (journal_rocksdb_open(&options, &journal, reason, sizeof(reason)) != JOURNAL_OPENED)
        return files_error(error, error_size, "the copy of the journal in %s does not open: %s",
                           folder, reason);
    found_out->identity = journal_rocksdb_identity(journal);
    found_out->last_commit = journal_rocksdb_last_commit(journal);
    if (!journal_rocksdb_verify(journal, &found_out->state)) {
        journal_rocksdb_close(journal);
        return files_error(error, error_size, "the copy of the journal in %s is damaged: %s",
                           folder, logged);
    }
    if (kept_out == NULL)
        journal_rocksdb_close(journal);
    else
        *kept_out = journal;
    return 0;
}

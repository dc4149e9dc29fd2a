/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "backup_manifest.h"
#include "data_folder.h"
#include "files.h"
#include "vault_file.h"
#include "watermark_file.h"

struct restore {
    const char *source;
    struct data_folder folder;
    struct backup_manifest wanted; /* as the manifest says */
    struct backup_manifest found;  /* as the copy is; without files */
    uint64_t incarnation;
    bool is_damaged;       /* the backup, not the target */
    uint64_t vault_key_id; /* which the store needs, and no backup holds */
    char journal_path[DATA_FOLDER_PATH_MAX];
};

static int space_check(const struct restore *restore, char *error, size_t error_size)
{
    uint64_t free_bytes = files_free_bytes(restore->folder.path);

    if (free_bytes >= restore->wanted.bytes)
        return 0;
    return files_error(error, error_size,
                       "the disk of %s has %" PRIu64 " MiB free, the store needs %" PRIu64
                       " MiB: free some space, or give a folder on another disk",
                       restore->folder.path, free_bytes >> 20, (restore->wanted.bytes >> 20) + 1);
}

static int file_restore(struct restore *restore, const struct backup_file *wanted, char *error,
                        size_t error_size)
{
    struct backup_file found = *wanted;
    char source_folder[BACKUP_PATH_MAX];
    char source[BACKUP_PATH_MAX];
    char target[BACKUP_PATH_MAX];

    snprintf(source_folder, sizeof(source_folder), "%s%s", restore->source,
             wanted->is_journal ? "/" BACKUP_JOURNAL : "");
    if (!backup_path(source_folder, wanted->name, source) ||
        !backup_path(wanted->is_journal ? restore->journal_path : restore->folder.path,
                     wanted->name, target))
        return files_error(error, error_size, "the path is too long: %s", restore->source);
    if (!files_exist(source)) {
        restore->is_damaged = true;
        return files_error(error, error_size,
                           "the backup is damaged: %s is missing: use another backup", source);
    }
    if (backup_file_copy(source, target, &found, error, error_size) != 0)
        return -1;
    if (found.bytes == wanted->bytes && found.checksum == wanted->checksum)
        return 0;
    restore->is_damaged = true;
    return files_error(error, error_size,
                       "the backup is damaged: %s is not what was backed up (%" PRIu64
                       " bytes, %" PRIu64 " expected; checksum %08" PRIx32 ", %08" PRIx32
                       " expected): use another backup",
                       source, found.bytes, wanted->bytes, found.checksum, wanted->checksum);
}

static int files_restore(struct restore *restore, char *error, size_t error_size)
{
    if (mkdir(restore->journal_path, 0700) != 0)
        return files_error(error, error_size, "cannot create %s: %s", restore->journal_path,
                           files_reason(errno));
    for (uint32_t i = 0; i < restore->wanted.file_count; i++) {
        if (file_restore(restore, &restore->wanted.files[i], error, error_size) != 0)
            return -1;
    }
    return files_sync_folder(restore->journal_path, error, error_size);
}

/* The same state as was backed up; then a life of its own. */
static int journal_restore(struct restore *restore, char *error, size_t error_size)
{
    const struct backup_manifest *wanted = &restore->wanted;
    const struct backup_manifest *found = &restore->found;
    struct journal_rocksdb *journal;
    char reason[256];

    if (backup_journal_read(restore->folder.path, &restore->found, &journal, error, error_size) !=
        0) {
        restore->is_damaged = true;
        return -1;
    }
    int result = 0;
    if (found->identity.store_id != wanted->identity.store_id ||
        found->identity.incarnation != wanted->identity.incarnation ||
        found->last_commit != wanted->last_commit || found->state != wanted->state) {
        restore->is_damaged = true;
        result = files_error(error, error_size,
                             "the backup is damaged: its journal ends at commit %" PRIu64
                             " with state %016" PRIx64 ", the manifest says %" PRIu64
                             " and %016" PRIx64 ": use another backup",
                             found->last_commit, found->state, wanted->last_commit, wanted->state);
    } else if (journal_rocksdb_begin_incarnation(journal, restore->incarnation, reason,
                                                 sizeof(reason)) != 0) {
        result = files_error(error, error_size, "cannot write the journal in %s: %s",
                             restore->folder.path, reason);
    }
    journal_rocksdb_close(journal);
    return result;
}

static int steps_run(struct restore *restore, char *error, size_t error_size)
{
    struct watermark watermark = {.store_id = restore->wanted.identity.store_id,
                                  .incarnation = restore->incarnation,
                                  .commit_number = restore->wanted.last_commit};
    struct secrets secrets;
    char path[DATA_FOLDER_PATH_MAX];

    if (space_check(restore, error, error_size) != 0 ||
        files_restore(restore, error, error_size) != 0 ||
        journal_restore(restore, error, error_size) != 0)
        return -1;
    data_folder_path(&restore->folder, "watermark", path);
    if (watermark_replace(path, &watermark, error, error_size) != 0)
        return -1;
    restore->folder.store_id = restore->wanted.identity.store_id;
    if (vault_file_needs(&restore->folder, &restore->vault_key_id, error, error_size) != 0) {
        restore->is_damaged = true;
        return -1;
    }
    if (data_folder_secret(&restore->folder, &secrets, error, error_size) != 0)
        return -1;
    secrets_close(&secrets);
    return data_folder_set_ready(&restore->folder, restore->incarnation, error, error_size);
}

/* Empties the folder again, so that the restore can be repeated. */
static void target_abandon(const struct restore *restore)
{
    char path[DATA_FOLDER_PATH_MAX];
    char ignored[BACKUP_REASON_BYTES];

    files_remove_folder(restore->journal_path, ignored, sizeof(ignored));
    for (uint32_t i = 0; i < restore->wanted.file_count; i++) {
        const struct backup_file *file = &restore->wanted.files[i];

        if (file->is_journal)
            continue;
        data_folder_path(&restore->folder, file->name, path);
        unlink(path);
    }
    data_folder_path(&restore->folder, "watermark", path);
    unlink(path);
}

static uint64_t next_incarnation(const struct restore *restore, int64_t wall_ms)
{
    uint64_t next = restore->wanted.identity.incarnation + 1;
    uint64_t seconds = wall_ms > 0 ? (uint64_t)wall_ms / 1000 : 0;

    return seconds > next ? seconds : next;
}

enum backup_result backup_restore(const char *source, const char *data, int64_t wall_ms, FILE *out,
                                  char *error, size_t error_size)
{
    struct restore restore = {.source = source};
    int result = -1;

    if (strlen(source) + 64 > BACKUP_PATH_MAX) {
        files_error(error, error_size, "the path is too long: %s", source);
        return BACKUP_REFUSED;
    }
    if (backup_manifest_read(source, &restore.wanted, error, error_size) != 0)
        return BACKUP_DAMAGED;
    if (data_folder_open(data, DATA_FOLDER_RESTORE, &restore.folder, error, error_size) == 0) {
        data_folder_path(&restore.folder, BACKUP_JOURNAL, restore.journal_path);
        restore.incarnation = next_incarnation(&restore, wall_ms);
        result = steps_run(&restore, error, error_size);
        if (result == 0)
            fprintf(out,
                    "restore: ok commit %" PRIu64 ", state %016" PRIx64 ", incarnation %" PRIu64
                    ", in %s: what was acknowledged after that commit is not in it\n"
                    "restore: it needs the vault key %016" PRIx64
                    ", which no backup holds: put its file there as %s, or give it to serve with "
                    "--vault-key-file\n",
                    restore.found.last_commit, restore.found.state, restore.incarnation,
                    restore.folder.path, restore.vault_key_id, VAULT_KEY_NAME);
        else
            target_abandon(&restore);
        data_folder_close(&restore.folder);
    }
    backup_manifest_free(&restore.wanted);
    if (result == 0)
        return BACKUP_OK;
    return restore.is_damaged ? BACKUP_DAMAGED : BACKUP_REFUSED;
}

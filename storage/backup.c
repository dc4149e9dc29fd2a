/* SPDX-License-Identifier: Apache-2.0 */
#include "backup.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup_manifest.h"
#include "control.h"
#include "data_folder.h"
#include "files.h"
#include "vault_file.h"

struct backup {
    const char *target;
    struct data_folder folder; /* locked where no server has it open */
    int socket;                /* else the server that keeps a copy for us; or -1 */
    uint64_t acknowledged;     /* all up to this commit must be in it */
    struct backup_manifest manifest;
    bool made_target;
    char source_journal[BACKUP_PATH_MAX];
    char target_journal[BACKUP_PATH_MAX];
};

/* ---- the source ---- */

static int secret_check(struct backup *backup, char *error, size_t error_size)
{
    struct secrets secrets;
    uint64_t vault_key_id;

    if (data_folder_secret(&backup->folder, &secrets, error, error_size) != 0)
        return -1;
    secrets_close(&secrets);
    return vault_file_needs(&backup->folder, &vault_key_id, error, error_size) == 0 ? 0 : -1;
}

/* A copy by the server, or the folder itself where there is none. */
static int source_open(struct backup *backup, const char *data, char *error, size_t error_size)
{
    char reason[BACKUP_REASON_BYTES];

    if (data_folder_read(data, &backup->folder, error, error_size) != 0)
        return -1;
    if (!backup->folder.is_ready)
        return files_error(error, error_size,
                           "the store in %s was never completed: there is "
                           "nothing to back up",
                           data);
    if (secret_check(backup, error, error_size) != 0)
        return -1;
    switch (control_request_backup(backup->folder.path, &backup->socket, &backup->acknowledged,
                                   error, error_size)) {
    case CONTROL_GRANTED:
        data_folder_path(&backup->folder, "journal.backup", backup->source_journal);
        return 0;
    case CONTROL_REFUSED:
        return -1;
    case CONTROL_NOBODY:
        break;
    }
    if (data_folder_open(data, DATA_FOLDER_EXISTING, &backup->folder, reason, sizeof(reason)) != 0)
        return files_error(error, error_size,
                           "%s (where that is a server: it takes no backups now; it may be "
                           "starting or stopping)",
                           reason);
    data_folder_path(&backup->folder, "journal", backup->source_journal);
    return 0;
}

static void source_close(struct backup *backup)
{
    if (backup->socket >= 0)
        close(backup->socket);
    data_folder_close(&backup->folder);
}

/* ---- the target ---- */

static int target_check_empty(const struct backup *backup, char *error, size_t error_size)
{
    DIR *folder = opendir(backup->target);
    const struct dirent *entry;
    int result = 0;

    if (folder == NULL)
        return files_error(error, error_size, "cannot read %s: %s: give a new folder",
                           backup->target, files_reason(errno));
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0)
            result = files_error(error, error_size,
                                 "%s is not empty (it contains %.40s): give an empty or a new "
                                 "folder for the backup",
                                 backup->target, entry->d_name);
    }
    closedir(folder);
    return result;
}

/* A backup in the data folder would be lost with it, and is foreign there. */
static int target_check_outside(const struct backup *backup, char *error, size_t error_size)
{
    struct stat data;
    struct stat parent;
    char path[BACKUP_PATH_MAX];

    if (!backup_path(backup->target, "..", path))
        return files_error(error, error_size, "the path is too long: %s", backup->target);
    if (stat(backup->folder.path, &data) != 0 || stat(path, &parent) != 0 ||
        data.st_dev != parent.st_dev || data.st_ino != parent.st_ino)
        return 0;
    return files_error(error, error_size,
                       "%s is in the data folder: give a folder elsewhere, best on another disk",
                       backup->target);
}

static int target_open(struct backup *backup, char *error, size_t error_size)
{
    if (strlen(backup->target) + 64 > BACKUP_PATH_MAX)
        return files_error(error, error_size, "the path is too long: %s", backup->target);
    if (mkdir(backup->target, 0700) == 0)
        backup->made_target = true;
    else if (errno != EEXIST)
        return files_error(error, error_size, "cannot create the folder %s: %s", backup->target,
                           files_reason(errno));
    else if (target_check_empty(backup, error, error_size) != 0)
        return -1;
    if (target_check_outside(backup, error, error_size) != 0)
        return -1;
    backup_path(backup->target, BACKUP_JOURNAL, backup->target_journal);
    return 0;
}

/* What was begun goes again; what was there, an empty folder, stays. */
static void target_abandon(const struct backup *backup)
{
    char path[BACKUP_PATH_MAX];
    char ignored[BACKUP_REASON_BYTES];

    if (backup->target_journal[0] != '\0')
        files_remove_folder(backup->target_journal, ignored, sizeof(ignored));
    for (uint32_t i = 0; i < backup->manifest.file_count; i++) {
        const struct backup_file *file = &backup->manifest.files[i];

        if (!file->is_journal && backup_path(backup->target, file->name, path))
            unlink(path);
    }
    if (backup->made_target)
        rmdir(backup->target);
}

/* ---- what goes into it ---- */

static int file_plan(struct backup *backup, const char *folder, const char *name, bool is_journal,
                     char *error, size_t error_size)
{
    struct backup_file *file = backup_manifest_add(&backup->manifest);
    char path[BACKUP_PATH_MAX];
    struct stat status;

    if (file == NULL || strlen(name) > BACKUP_NAME_MAX || !backup_path(folder, name, path))
        return files_error(error, error_size, "too many files, or out of memory");
    snprintf(file->name, sizeof(file->name), "%s", name);
    file->is_journal = is_journal;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return files_error(error, error_size, "cannot read %s: %s", path, files_reason(errno));
    file->bytes = (uint64_t)status.st_size;
    backup->manifest.bytes += file->bytes;
    return 0;
}

/* RocksDB's lock and diary are no data. */
static bool is_journal_file(const char *name)
{
    return name[0] != '.' && strcmp(name, "LOCK") != 0 && strncmp(name, "LOG", 3) != 0;
}

static int files_plan(struct backup *backup, char *error, size_t error_size)
{
    DIR *folder = opendir(backup->source_journal);
    const struct dirent *entry;
    char path[BACKUP_PATH_MAX];
    int result = 0;

    if (folder == NULL)
        return files_error(error, error_size, "cannot read %s: %s", backup->source_journal,
                           files_reason(errno));
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        if (is_journal_file(entry->d_name))
            result =
                file_plan(backup, backup->source_journal, entry->d_name, true, error, error_size);
    }
    closedir(folder);
    if (result == 0)
        result = file_plan(backup, backup->folder.path, "secret.key", false, error, error_size);
    /* What private data is found by; its key, vault.key, stays outside: vault_file.h. */
    if (result == 0)
        result = file_plan(backup, backup->folder.path, VAULT_FILE_NAME, false, error, error_size);
    if (result == 0 && backup_path(backup->folder.path, "admin.key", path) && files_exist(path))
        result = file_plan(backup, backup->folder.path, "admin.key", false, error, error_size);
    return result;
}

static int space_check(const struct backup *backup, char *error, size_t error_size)
{
    uint64_t free_bytes = files_free_bytes(backup->target);

    if (free_bytes >= backup->manifest.bytes)
        return 0;
    return files_error(error, error_size,
                       "the disk of %s has %" PRIu64 " MiB free, the backup needs %" PRIu64
                       " MiB: free some space, or give a folder on another disk",
                       backup->target, free_bytes >> 20, (backup->manifest.bytes >> 20) + 1);
}

static int files_copy(struct backup *backup, char *error, size_t error_size)
{
    if (mkdir(backup->target_journal, 0700) != 0)
        return files_error(error, error_size, "cannot create %s: %s", backup->target_journal,
                           files_reason(errno));
    backup->manifest.bytes = 0;
    for (uint32_t i = 0; i < backup->manifest.file_count; i++) {
        struct backup_file *file = &backup->manifest.files[i];
        char source[BACKUP_PATH_MAX];
        char target[BACKUP_PATH_MAX];

        if (!backup_path(file->is_journal ? backup->source_journal : backup->folder.path,
                         file->name, source) ||
            !backup_path(file->is_journal ? backup->target_journal : backup->target, file->name,
                         target))
            return files_error(error, error_size, "the path is too long: %s", backup->target);
        if (backup_file_copy(source, target, file, error, error_size) != 0)
            return -1;
        backup->manifest.bytes += file->bytes;
    }
    return files_sync_folder(backup->target_journal, error, error_size);
}

/* RocksDB writes a diary even where it only reads; whatever is not in the manifest goes. */
static void diary_remove(const struct backup *backup)
{
    static const char *const names[] = {"LOG", "LOCK"};
    char path[BACKUP_PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (backup_path(backup->target_journal, names[i], path))
            unlink(path);
    }
}

/* A backup that was not read is a hope. */
static int copy_verify(struct backup *backup, char *error, size_t error_size)
{
    struct backup_manifest *manifest = &backup->manifest;

    int result = backup_journal_read(backup->target, manifest, NULL, error, error_size);
    diary_remove(backup);
    if (result != 0)
        return -1;
    if (manifest->identity.store_id != backup->folder.store_id ||
        manifest->identity.incarnation != backup->folder.incarnation)
        return files_error(error, error_size,
                           "the journal in %s is of another store or incarnation than its marker: "
                           "see `stampede repair`",
                           backup->folder.path);
    if (manifest->last_commit < backup->acknowledged)
        return files_error(error, error_size,
                           "the copy ends at commit %" PRIu64 ", but %" PRIu64
                           " was acknowledged: run it again",
                           manifest->last_commit, backup->acknowledged);
    return 0;
}

static int steps_run(struct backup *backup, char *error, size_t error_size)
{
    if (files_plan(backup, error, error_size) != 0 || space_check(backup, error, error_size) != 0 ||
        files_copy(backup, error, error_size) != 0 || copy_verify(backup, error, error_size) != 0 ||
        backup_manifest_write(&backup->manifest, backup->target, error, error_size) != 0)
        return -1;
    return files_sync_parent(backup->target, error, error_size);
}

enum backup_result backup_make(const char *data, const char *target, FILE *out, char *error,
                               size_t error_size)
{
    struct backup backup = {.target = target, .socket = -1};
    const struct backup_manifest *manifest = &backup.manifest;
    int result = -1;

    backup.folder.lock_file = -1;
    /* The target first: a copy by the server is made for nothing otherwise. */
    if (data_folder_read(data, &backup.folder, error, error_size) == 0 &&
        target_open(&backup, error, error_size) == 0 &&
        source_open(&backup, data, error, error_size) == 0)
        result = steps_run(&backup, error, error_size);
    if (result == 0)
        fprintf(out,
                "backup: ok commit %" PRIu64 ", state %016" PRIx64 ", %" PRIu32 " files, %" PRIu64
                " bytes, in %s\n",
                manifest->last_commit, manifest->state, manifest->file_count, manifest->bytes,
                target);
    else
        target_abandon(&backup);
    source_close(&backup);
    backup_manifest_free(&backup.manifest);
    return result == 0 ? BACKUP_OK : BACKUP_REFUSED;
}

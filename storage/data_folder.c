/* SPDX-License-Identifier: Apache-2.0 */
#include "data_folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "files.h"
#include "secrets_file.h"

enum { MARKER_BYTES_MAX = 256, MARKER_CHECKSUM_BYTES = 32 };

static const char marker_name[] = "STAMPEDE";
static const char lock_name[] = "lock";

void data_folder_path(const struct data_folder *folder, const char *name,
                      char path_out[DATA_FOLDER_PATH_MAX])
{
    int length = snprintf(path_out, DATA_FOLDER_PATH_MAX, "%s/%s", folder->path, name);

    assert(length > 0 && length < DATA_FOLDER_PATH_MAX);
    (void)length;
}

/* ---- the marker ---- */

static void marker_format(const struct data_folder *folder, char text_out[MARKER_BYTES_MAX])
{
    int length = snprintf(text_out, MARKER_BYTES_MAX,
                          "Stampede data folder\nformat %d\nstore %016" PRIx64
                          "\nincarnation %" PRIu64 "\nsecret %016" PRIx64 "\nstate %s\n",
                          STORE_FORMAT, folder->store_id, folder->incarnation, folder->secret_mark,
                          folder->is_ready ? "ready" : "creating");

    assert(length > 0 && length < MARKER_BYTES_MAX - MARKER_CHECKSUM_BYTES);
    snprintf(text_out + length, MARKER_CHECKSUM_BYTES, "checksum %08" PRIx32 "\n",
             crc32c(0, text_out, (size_t)length));
}

static int marker_write(const struct data_folder *folder, char *error, size_t error_size)
{
    char path[DATA_FOLDER_PATH_MAX];
    char text[MARKER_BYTES_MAX];

    data_folder_path(folder, marker_name, path);
    marker_format(folder, text);
    return files_replace(path, text, strlen(text), error, error_size);
}

static int marker_read(struct data_folder *folder, char *error, size_t error_size)
{
    char path[DATA_FOLDER_PATH_MAX];
    char text[MARKER_BYTES_MAX] = {0};
    char again[MARKER_BYTES_MAX];
    char state[16] = {0};
    char reason[384];
    int format = 0;

    data_folder_path(folder, marker_name, path);
    ssize_t length = files_read(path, text, sizeof(text) - 1, NULL, reason, sizeof(reason));
    if (length == FILES_NO_DISK) {
        files_error(error, error_size, "%s", reason);
        return FILES_NO_DISK;
    }
    if (length < 0) {
        files_error(error, error_size, "%s: restore it from a backup of this data folder", reason);
        return DATA_FOLDER_DAMAGED;
    }
    /* NOLINTNEXTLINE(cert-err34-c): what was read must give the same text again, below */
    int fields =
        sscanf(text,
               "Stampede data folder format %d store %16" SCNx64 " incarnation %" SCNu64
               " secret %16" SCNx64 " state %15s",
               &format, &folder->store_id, &folder->incarnation, &folder->secret_mark, state);
    if (fields >= 1 && format != STORE_FORMAT)
        return files_error(error, error_size,
                           "%s was made by another version of Stampede (format %d, this one knows "
                           "format %d): use that version",
                           folder->path, format, STORE_FORMAT);
    folder->is_ready = strcmp(state, "ready") == 0;
    marker_format(folder, again);
    if (fields == 5 && strcmp(text, again) == 0 && folder->incarnation != 0)
        return 0;
    files_error(error, error_size, "%s is damaged: restore it from a backup of this data folder",
                path);
    return DATA_FOLDER_DAMAGED;
}

/* ---- whose folder ---- */

static bool is_ours(const char *name)
{
    /* What an interrupted first start may leave before the marker, and a fresh file system's own.
     */
    static const char *const names[] = {".", "..", "lock", "STAMPEDE.new", "lost+found"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* 0 if nothing foreign is in the folder. */
static int folder_check_empty(const char *path, char *error, size_t error_size)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    int result = 0;

    if (folder == NULL)
        return files_call_error(
            errno, error, error_size,
            "cannot read the data folder %s: %s: give one of this user with --data", path,
            files_reason(errno));
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        if (!is_ours(entry->d_name))
            result = files_error(error, error_size,
                                 "%s is not empty and not a Stampede data folder (it contains "
                                 "%.40s): give an empty or a new folder with --data",
                                 path, entry->d_name);
    }
    closedir(folder);
    return result;
}

static int folder_make(const char *path, char *error, size_t error_size)
{
    struct stat status;

    if (mkdir(path, 0700) == 0)
        return files_sync_parent(path, error, error_size);
    if (errno != EEXIST)
        return files_call_error(
            errno, error, error_size, "cannot create the data folder %s: %s: %s", path,
            files_reason(errno),
            errno == ENOENT ? "make the folder above it first, or give another with --data"
                            : "give another one with --data");
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return files_error(error, error_size, "%s is not a folder: give another one with --data",
                           path);
    return 0;
}

/* Whether the folder may be used, before anything in it is touched. */
static int folder_examine(const struct data_folder *folder, enum data_folder_mode mode, char *error,
                          size_t error_size)
{
    char marker[DATA_FOLDER_PATH_MAX];

    data_folder_path(folder, marker_name, marker);
    if (!files_exist(marker)) {
        if (mode == DATA_FOLDER_EXISTING)
            return files_error(
                error, error_size,
                "there is no Stampede data folder at %s: give the store's with --data, or "
                "begin one there with stampede serve",
                folder->path);
        int result = folder_check_empty(folder->path, error, error_size);
        if (result != 0)
            return result;
    }
    if (access(folder->path, R_OK | W_OK | X_OK) != 0)
        return files_call_error(
            errno, error, error_size,
            "the data folder %s is not writable for this user: %s: give it to this user "
            "(chown), or give another one with --data",
            folder->path, files_reason(errno));
    return 0;
}

/* ---- the lock ---- */

static int lock_refused(const struct data_folder *folder, const char *path, char *error,
                        size_t error_size)
{
    char text[32] = {0};
    char ignored[64];
    long holder = 0;

    if (files_read(path, text, sizeof(text) - 1, NULL, ignored, sizeof(ignored)) > 0)
        holder = strtol(text, NULL, 10);
    return files_error(error, error_size,
                       "the data folder %s is in use by process %ld: stop it first, or give "
                       "another folder with --data",
                       folder->path, holder);
}

static int lock_take(struct data_folder *folder, char *error, size_t error_size)
{
    char path[DATA_FOLDER_PATH_MAX];
    char text[32];

    data_folder_path(folder, lock_name, path);
    int file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return files_call_error(
            errno, error, error_size,
            "the data folder %s is not writable: %s: %s: give another one with --data",
            folder->path, lock_name, files_reason(errno));
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        int failure = errno;

        close(file);
        if (failure == EWOULDBLOCK)
            return lock_refused(folder, path, error, error_size);
        return files_call_error(failure, error, error_size,
                                "cannot lock %s: %s: give a folder on a local disk with --data",
                                path, files_reason(failure));
    }
    /* The pid only serves the other one's message; on a full disk it does without. */
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(file, 0) == 0)
        (void)files_write_all(file, text, (size_t)length, 0);
    folder->lock_file = file;
    return 0;
}

/* ---- open and close ---- */

static int folder_adopt(struct data_folder *folder, char *error, size_t error_size)
{
    if (chmod(folder->path, 0700) != 0)
        return files_call_error(
            errno, error, error_size,
            "cannot make %s private: %s: give a folder of this user's own with --data",
            folder->path, files_reason(errno));
    secrets_random(&folder->store_id, sizeof(folder->store_id));
    folder->incarnation = 1;
    folder->is_ready = false;
    return marker_write(folder, error, error_size);
}

static int path_set(struct data_folder *folder, const char *path, char *error, size_t error_size)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 0 || length >= sizeof(folder->path))
        return files_error(error, error_size, "--data needs the path of a folder");
    memcpy(folder->path, path, length);
    return 0;
}

static int folder_check_restorable(const struct data_folder *folder, char *error, size_t error_size)
{
    char marker[DATA_FOLDER_PATH_MAX];

    data_folder_path(folder, marker_name, marker);
    if (!files_exist(marker))
        return 0;
    return files_error(error, error_size,
                       "there is a store in %s already: give an empty or a new folder with --data",
                       folder->path);
}

/* The marker of a locked folder, or a new one. */
static int folder_begin(struct data_folder *folder, enum data_folder_mode mode, char *error,
                        size_t error_size)
{
    char marker[DATA_FOLDER_PATH_MAX];

    if (mode == DATA_FOLDER_RESTORE)
        return 0;
    data_folder_path(folder, marker_name, marker);
    if (!files_exist(marker))
        return folder_adopt(folder, error, error_size);
    int result = marker_read(folder, error, error_size);
    if (result != 0)
        return result;
    if (mode == DATA_FOLDER_EXISTING && !folder->is_ready)
        return files_error(error, error_size,
                           "the store in %s was never completed: start the server on it first",
                           folder->path);
    return 0;
}

int data_folder_open(const char *path, enum data_folder_mode mode, struct data_folder *folder_out,
                     char *error, size_t error_size)
{
    struct data_folder folder = {.lock_file = -1};
    int result = path_set(&folder, path, error, error_size);

    if (result == 0 && mode == DATA_FOLDER_RESTORE)
        result = folder_check_restorable(&folder, error, error_size);
    if (result == 0 && mode != DATA_FOLDER_EXISTING)
        result = folder_make(folder.path, error, error_size);
    if (result == 0)
        result = folder_examine(&folder, mode, error, error_size);
    if (result == 0)
        result = lock_take(&folder, error, error_size);
    if (result == 0)
        result = folder_begin(&folder, mode, error, error_size);
    if (result != 0) {
        data_folder_close(&folder);
        return result;
    }
    *folder_out = folder;
    return 0;
}

int data_folder_read(const char *path, struct data_folder *folder_out, char *error,
                     size_t error_size)
{
    *folder_out = (struct data_folder){.lock_file = -1};
    int result = path_set(folder_out, path, error, error_size);

    if (result == 0)
        result = folder_examine(folder_out, DATA_FOLDER_EXISTING, error, error_size);
    if (result == 0)
        result = marker_read(folder_out, error, error_size);
    return result;
}

int data_folder_secret(struct data_folder *folder, struct secrets *secrets_out, char *error,
                       size_t error_size)
{
    char path[DATA_FOLDER_PATH_MAX];

    data_folder_path(folder, "secret.key", path);
    int result = secrets_open(path, !folder->is_ready, secrets_out, error, error_size);
    if (result != 0)
        return result;
    uint64_t mark = secrets_mark(secrets_out);
    if (!folder->is_ready)
        folder->secret_mark = mark;
    if (folder->secret_mark == mark)
        return 0;
    secrets_close(secrets_out);
    return files_error(error, error_size,
                       "%s is damaged, or of another store: restore it from a backup", path);
}

int data_folder_set_ready(struct data_folder *folder, uint64_t incarnation, char *error,
                          size_t error_size)
{
    assert(folder->lock_file >= 0 && incarnation >= folder->incarnation);
    folder->is_ready = true;
    folder->incarnation = incarnation;
    return marker_write(folder, error, error_size);
}

void data_folder_close(struct data_folder *folder)
{
    if (folder->lock_file >= 0)
        close(folder->lock_file);
    folder->lock_file = -1;
}

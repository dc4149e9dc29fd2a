/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

int files_error(char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;

    assert(error != NULL && error_size > 0);
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return -1;
}

int files_call_error(int failure, char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;

    assert(error != NULL && error_size > 0);
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return failure == EIO || failure == ENOSPC || failure == EDQUOT ? FILES_NO_DISK : -1;
}

const char *files_reason(int failure)
{
    const char *text = strerrordesc_np(failure);

    return text != NULL ? text : "unknown error";
}

int files_write_all(int file, const void *bytes, size_t length, off_t offset)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        ssize_t written = pwrite(file, at, length, offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : ENOSPC;
        at += written;
        offset += written;
        length -= (size_t)written;
    }
    return 0;
}

int files_sync_folder(const char *path, char *error, size_t error_size)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failure;

    if (folder < 0)
        return files_call_error(errno, error, error_size, "cannot open %s: %s", path,
                                files_reason(errno));
    failure = fsync(folder) != 0 ? errno : 0;
    close(folder);
    if (failure != 0)
        return files_call_error(failure, error, error_size, "cannot sync %s: %s", path,
                                files_reason(failure));
    return 0;
}

/* The folder that a path stands in; false if the path is too long. */
static bool parent_get(const char *path, char parent_out[PATH_BYTES])
{
    int length = snprintf(parent_out, PATH_BYTES, "%s", path);

    if (length < 0 || length >= PATH_BYTES)
        return false;
    while (length > 1 && parent_out[length - 1] == '/')
        parent_out[--length] = '\0';
    char *slash = strrchr(parent_out, '/');
    if (slash == NULL)
        snprintf(parent_out, PATH_BYTES, ".");
    else
        slash[slash == parent_out ? 1 : 0] = '\0';
    return true;
}

int files_sync_parent(const char *path, char *error, size_t error_size)
{
    char parent[PATH_BYTES];

    if (!parent_get(path, parent))
        return files_error(error, error_size, "the path is too long: %s", path);
    return files_sync_folder(parent, error, error_size);
}

/* Writes, syncs and closes a file that was just opened. */
static int file_finish(int file, const char *path, const void *bytes, size_t length, char *error,
                       size_t error_size)
{
    int failure = files_write_all(file, bytes, length, 0);

    if (failure == 0 && fsync(file) != 0)
        failure = errno;
    if (close(file) != 0 && failure == 0)
        failure = errno;
    if (failure != 0)
        return files_call_error(failure, error, error_size, "cannot write %s: %s", path,
                                files_reason(failure));
    return 0;
}

/* The name of a file while it is written, which a crash may leave behind. */
static int draft_write(const char *path, const void *bytes, size_t length,
                       char draft_out[PATH_BYTES], char *error, size_t error_size)
{
    int printed = snprintf(draft_out, PATH_BYTES, "%s.new", path);

    if (printed < 0 || printed >= PATH_BYTES)
        return files_error(error, error_size, "the path is too long: %s", path);
    unlink(draft_out);
    int file = open(draft_out, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return files_call_error(errno, error, error_size, "cannot create %s: %s", draft_out,
                                files_reason(errno));
    int result = file_finish(file, draft_out, bytes, length, error, error_size);
    if (result != 0)
        unlink(draft_out);
    return result;
}

int files_replace(const char *path, const void *bytes, size_t length, char *error,
                  size_t error_size)
{
    char draft[PATH_BYTES];
    int result = draft_write(path, bytes, length, draft, error, error_size);

    if (result != 0)
        return result;
    if (rename(draft, path) != 0) {
        int failure = errno;

        unlink(draft);
        return files_call_error(failure, error, error_size, "cannot replace %s: %s", path,
                                files_reason(failure));
    }
    return files_sync_parent(path, error, error_size);
}

int files_create(const char *path, const void *bytes, size_t length, char *error, size_t error_size)
{
    if (files_exist(path))
        return files_error(error, error_size, "%s is already there", path);
    return files_replace(path, bytes, length, error, error_size);
}

ssize_t files_read(const char *path, void *bytes_out, size_t capacity, unsigned *mode_out,
                   char *error, size_t error_size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    size_t length = 0;
    char more;

    if (file < 0)
        return files_call_error(errno, error, error_size, "cannot read %s: %s", path,
                                files_reason(errno));
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(file);
        return files_error(error, error_size, "%s is not a file", path);
    }
    for (;;) {
        bool is_over = length == capacity;
        ssize_t got = is_over ? read(file, &more, 1)
                              : read(file, (uint8_t *)bytes_out + length, capacity - length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        if (got < 0 || is_over) {
            int failure = got < 0 ? errno : EFBIG;

            close(file);
            return files_call_error(failure, error, error_size, "cannot read %s: %s", path,
                                    files_reason(failure));
        }
        length += (size_t)got;
    }
    close(file);
    if (mode_out != NULL)
        *mode_out = status.st_mode & 07777u;
    return (ssize_t)length;
}

bool files_exist(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

/* Removes all entries of a folder; folders among them must be empty. */
static int folder_empty(int folder_file)
{
    DIR *folder = fdopendir(folder_file);
    const struct dirent *entry;
    int failure = 0;

    if (folder == NULL) {
        failure = errno;
        close(folder_file);
        return failure;
    }
    while (failure == 0 && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(folder_file, entry->d_name, 0) != 0 &&
            unlinkat(folder_file, entry->d_name, AT_REMOVEDIR) != 0)
            failure = errno;
    }
    closedir(folder);
    return failure;
}

int files_remove_folder(const char *path, char *error, size_t error_size)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int failure = folder < 0 ? errno : folder_empty(folder);

    if (failure == 0 && rmdir(path) != 0)
        failure = errno;
    if (failure != 0)
        return files_call_error(failure, error, error_size, "cannot remove %s: %s", path,
                                files_reason(failure));
    return files_sync_parent(path, error, error_size);
}

bool files_can_bypass_cache(const char *path)
{
    static _Alignas(4096) const uint8_t block[4096];
    char parent[PATH_BYTES];
    int file = open(path, O_WRONLY | O_TMPFILE | O_DIRECT | O_CLOEXEC, 0600);

    if (file < 0 && errno == ENOENT && parent_get(path, parent))
        file = open(parent, O_WRONLY | O_TMPFILE | O_DIRECT | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    bool can = pwrite(file, block, sizeof(block), 0) == (ssize_t)sizeof(block);
    close(file);
    return can;
}

uint64_t files_free_bytes(const char *path)
{
    struct statvfs status;

    if (statvfs(path, &status) != 0)
        return UINT64_MAX;
    return (uint64_t)status.f_bavail * status.f_frsize;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The mail folder: every mail as a file of its own, for demonstrations, tests, and shops that have
 * another program carry them. A file appears whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outbound/outbound_private.h"

int mail_folder_open(const char *path, char *error, size_t error_size)
{
    int folder;

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        snprintf(error, error_size, "cannot make the mail folder %.300s: %s", path,
                 strerror(errno));
        return -1;
    }
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        snprintf(error, error_size, "cannot open the mail folder %.300s: %s", path,
                 strerror(errno));
    else if (faccessat(folder, ".", W_OK | X_OK, 0) != 0) {
        snprintf(error, error_size, "cannot write to the mail folder %.300s: %s", path,
                 strerror(errno));
        close(folder);
        folder = -1;
    }
    return folder;
}

static bool write_all(int file, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, bytes, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static bool name_is_valid(const char *name)
{
    size_t length = strlen(name);

    return length >= 1 && length <= OUTBOUND_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
               length;
}

bool mail_folder_write(int folder, const struct outbound_job *job)
{
    char name[OUTBOUND_NAME_MAX + 8];
    char temporary[OUTBOUND_NAME_MAX + 8];
    int file;
    bool written;

    if (!name_is_valid(job->name))
        return false;
    snprintf(name, sizeof(name), "%s.eml", job->name);
    snprintf(temporary, sizeof(temporary), ".%s.new", job->name);
    unlinkat(folder, temporary, 0); /* left by a crash */
    file = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return false;
    written = write_all(file, job->body, job->body_length);
    written = close(file) == 0 && written;
    written = written && renameat(folder, temporary, folder, name) == 0;
    if (!written)
        unlinkat(folder, temporary, 0);
    return written;
}

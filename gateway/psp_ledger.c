/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "psp_limits.h"

enum { MODE = 0600, PATH_BYTES = 4096 };

struct psp_ledger {
    int fd;
    uint64_t written; /* bytes of the file */
    char *waiting;    /* behind them */
    size_t waiting_length;
    size_t waiting_capacity;
    char line[PSP_LINE_MAX + 1];
};

/* ---- opening ---- */

/* Gives the whole lines of what was read; returns the bytes that they take, or -1. */
static ssize_t give_lines(struct psp_ledger *ledger, size_t length, psp_ledger_line on_line,
                          void *user)
{
    size_t taken = 0;

    for (;;) {
        const char *line = ledger->line + taken;
        const char *end = memchr(line, '\n', length - taken);

        if (end == NULL)
            return (ssize_t)taken;
        if (!on_line(user, line, (size_t)(end - line), ledger->written + taken))
            return -1;
        taken = (size_t)(end + 1 - ledger->line);
    }
}

/* Gives the whole lines; sets `written` to the end of the last of them. */
static enum psp_ledger_result read_lines(struct psp_ledger *ledger, psp_ledger_line on_line,
                                         void *user, char *error, size_t error_size)
{
    for (;;) {
        ssize_t got = pread(ledger->fd, ledger->line, PSP_LINE_MAX, (off_t)ledger->written);
        ssize_t taken;

        if (got < 0) {
            snprintf(error, error_size, "cannot read the ledger: %s", strerror(errno));
            return PSP_LEDGER_REFUSED;
        }
        taken = give_lines(ledger, (size_t)got, on_line, user);
        if (taken < 0)
            return PSP_LEDGER_DAMAGED;
        if (taken == 0 && got == PSP_LINE_MAX) {
            snprintf(error, error_size, "the line at byte %llu is longer than any that is written",
                     (unsigned long long)ledger->written);
            return PSP_LEDGER_DAMAGED;
        }
        if (taken == 0)
            return PSP_LEDGER_OPENED;
        ledger->written += (uint64_t)taken;
    }
}

/* A new file's name must survive as well. */
static bool sync_folder(const char *path)
{
    char copy[PATH_BYTES];
    int folder;
    bool is_synced;

    snprintf(copy, sizeof(copy), "%s", path);
    folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    is_synced = fsync(folder) == 0;
    close(folder);
    return is_synced;
}

static enum psp_ledger_result open_file(struct psp_ledger *ledger, const char *path, char *error,
                                        size_t error_size)
{
    struct stat status;

    ledger->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, MODE);
    if (ledger->fd < 0) {
        snprintf(error, error_size, "cannot open the ledger %s: %s", path, strerror(errno));
        return errno == ENOSPC ? PSP_LEDGER_NO_DISK : PSP_LEDGER_REFUSED;
    }
    if (fstat(ledger->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        snprintf(error, error_size, "the ledger %s is no file", path);
        return PSP_LEDGER_REFUSED;
    }
    if (flock(ledger->fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(error, error_size, "another gateway has the ledger %s open", path);
        return PSP_LEDGER_REFUSED;
    }
    if (!sync_folder(path)) {
        snprintf(error, error_size, "cannot sync the folder of %s: %s", path, strerror(errno));
        return PSP_LEDGER_NO_DISK;
    }
    return PSP_LEDGER_OPENED;
}

enum psp_ledger_result psp_ledger_open(const char *path, psp_ledger_line on_line, void *user,
                                       struct psp_ledger **ledger_out, char *error,
                                       size_t error_size)
{
    struct psp_ledger *ledger = calloc(1, sizeof(*ledger));
    enum psp_ledger_result result;

    if (ledger == NULL)
        abort();
    result = open_file(ledger, path, error, error_size);
    if (result == PSP_LEDGER_OPENED)
        result = read_lines(ledger, on_line, user, error, error_size);
    if (result == PSP_LEDGER_OPENED && ftruncate(ledger->fd, (off_t)ledger->written) != 0) {
        snprintf(error, error_size, "cannot mend the ledger's end: %s", strerror(errno));
        result = PSP_LEDGER_NO_DISK;
    }
    if (result != PSP_LEDGER_OPENED) {
        psp_ledger_close(ledger);
        ledger = NULL;
    }
    *ledger_out = ledger;
    return result;
}

void psp_ledger_close(struct psp_ledger *ledger)
{
    if (ledger == NULL)
        return;
    if (ledger->fd >= 0)
        close(ledger->fd);
    free(ledger->waiting);
    free(ledger);
}

/* ---- adding and reading ---- */

uint64_t psp_ledger_append(struct psp_ledger *ledger, const char *line, size_t length)
{
    uint64_t offset = ledger->written + ledger->waiting_length;

    if (ledger->waiting_length + length > ledger->waiting_capacity) {
        ledger->waiting_capacity = 2 * (ledger->waiting_length + length);
        ledger->waiting = realloc(ledger->waiting, ledger->waiting_capacity);
        if (ledger->waiting == NULL)
            abort();
    }
    memcpy(ledger->waiting + ledger->waiting_length, line, length);
    ledger->waiting_length += length;
    return offset;
}

bool psp_ledger_is_dirty(const struct psp_ledger *ledger)
{
    return ledger->waiting_length > 0;
}

bool psp_ledger_flush(struct psp_ledger *ledger)
{
    size_t done = 0;

    while (done < ledger->waiting_length) {
        ssize_t put = write(ledger->fd, ledger->waiting + done, ledger->waiting_length - done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        done += (size_t)put;
    }
    if (done > 0 && fdatasync(ledger->fd) != 0)
        return false;
    ledger->written += done;
    ledger->waiting_length = 0;
    return true;
}

const char *psp_ledger_read(struct psp_ledger *ledger, uint64_t offset, size_t *length_out)
{
    const char *from = ledger->line;
    const char *end;
    size_t length;

    if (offset >= ledger->written) {
        from = ledger->waiting + (offset - ledger->written);
        length = ledger->waiting_length - (size_t)(offset - ledger->written);
    } else {
        ssize_t got = pread(ledger->fd, ledger->line, PSP_LINE_MAX, (off_t)offset);

        if (got <= 0)
            return NULL;
        length = (size_t)got;
    }
    end = memchr(from, '\n', length);
    if (end == NULL)
        return NULL;
    *length_out = (size_t)(end - from);
    return from;
}

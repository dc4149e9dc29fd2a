/* SPDX-License-Identifier: Apache-2.0 */
/* A library to be preloaded into the server (LD_PRELOAD) that makes its disk fail, or kills it, at
 * a chosen system call. One fault a process, from the environment:
 *
 *   FAULT_CALLS   names of calls, with commas between (see `calls`)
 *   FAULT_PATHS   shell pattern of the absolute paths that count; `*` matches `/` too
 *   FAULT_NTH     the first of these calls that is struck, counted from 1 over all threads
 *   FAULT_TIMES   how many are struck from there on; 0: all
 *   FAULT_ACTION  kill    SIGKILL in place of the call
 *                 torn    half of what is to be written is, then SIGKILL
 *                 short   half of what is to be written is, and the call says so
 *                 lie     nothing is done, and the call says that it was
 *                 a number: nothing is done, and the call fails with this errno
 *   FAULT_ARMED   calls count only while this file exists (optional)
 *   FAULT_ODDS    RocksDB's own kill points, one in so many (optional; works alone)
 *
 * The first call that is struck is told on standard error: `fault: CALL NTH NANOSECONDS PATH`, the
 * time by CLOCK_MONOTONIC. RocksDB tells its own on standard output: `Crashing at FILE:LINE`. It
 * ends itself there by SIGTERM, which the server would take for a polite request: `kill` below. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    ERRNO_DECIMAL = 10,
    PATH_BYTES = 4096,
    LINE_BYTES = PATH_BYTES + 256,
};

enum action { ACTION_NONE, ACTION_KILL, ACTION_TORN, ACTION_SHORT, ACTION_LIE, ACTION_ERROR };

enum call {
    CALL_WRITE,
    CALL_PWRITE,
    CALL_FSYNC,
    CALL_FDATASYNC,
    CALL_OPEN,      /* for creating */
    CALL_OPEN_READ, /* what is there */
    CALL_RENAME,
    CALL_UNLINK,
    CALL_FTRUNCATE,
    CALL_FALLOCATE,
    CALL_COUNT,
};

static const char *const calls[CALL_COUNT] = {
    "write",     "pwrite", "fsync",  "fdatasync", "open",
    "open_read", "rename", "unlink", "ftruncate", "fallocate",
};

static struct {
    bool is_on;
    bool calls[CALL_COUNT];
    const char *paths;
    const char *armed;
    long nth;
    long times;
    enum action action;
    int error;
} fault;

static atomic_long calls_seen;

static enum action action_read(const char *text, int *error_out)
{
    static const char *const names[] = {
        [ACTION_KILL] = "kill",
        [ACTION_TORN] = "torn",
        [ACTION_SHORT] = "short",
        [ACTION_LIE] = "lie",
    };

    for (int i = ACTION_KILL; i <= ACTION_LIE; i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum action)i;
    }
    *error_out = (int)strtol(text, NULL, ERRNO_DECIMAL);
    return *error_out > 0 ? ACTION_ERROR : ACTION_NONE;
}

static bool names_call(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* A mistake in what the test asked for must not pass for a disk without faults. */
static void refuse(const char *what)
{
    fprintf(stderr, "faults: %s\n", what);
    _exit(99);
}

static long number_read(const char *name, long otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtol(text, NULL, ERRNO_DECIMAL) : otherwise;
}

static void kill_points_set(long odds)
{
    int *(*instance)(void);

    *(void **)&instance = dlsym(RTLD_DEFAULT, "_ZN7rocksdb9KillPoint11GetInstanceEv");
    if (instance == NULL)
        refuse("this RocksDB has no kill points");
    *instance() = (int)odds; /* its first member */
}

__attribute__((constructor)) static void faults_read(void)
{
    const char *list = getenv("FAULT_CALLS");
    const char *action = getenv("FAULT_ACTION");
    long odds = number_read("FAULT_ODDS", 0);

    if (odds > 0)
        kill_points_set(odds);
    if (list == NULL)
        return;
    fault.paths = getenv("FAULT_PATHS");
    fault.armed = getenv("FAULT_ARMED");
    fault.nth = number_read("FAULT_NTH", 1);
    fault.times = number_read("FAULT_TIMES", 1);
    if (action != NULL)
        fault.action = action_read(action, &fault.error);
    for (int i = 0; i < CALL_COUNT; i++) {
        fault.calls[i] = names_call(list, calls[i]);
        fault.is_on |= fault.calls[i];
    }
    if (!fault.is_on || fault.paths == NULL || fault.action == ACTION_NONE || fault.nth < 1)
        refuse("FAULT_CALLS, FAULT_PATHS, FAULT_NTH or FAULT_ACTION is wrong");
}

static void fault_tell(enum call call, const char *path, long nth)
{
    char line[LINE_BYTES];
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int length = snprintf(line, sizeof(line), "fault: %s %ld %lld %s\n", calls[call], nth,
                          (long long)now.tv_sec * 1000000000 + now.tv_nsec, path);
    syscall(SYS_write, STDERR_FILENO, line, (size_t)length);
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

/* What is to become of this call. ACTION_KILL does not return. */
static enum action fault_of_path(enum call call, const char *path)
{
    if (fnmatch(fault.paths, path, 0) != 0)
        return ACTION_NONE;
    if (fault.armed != NULL && access(fault.armed, F_OK) != 0)
        return ACTION_NONE;
    long nth = 1 + atomic_fetch_add(&calls_seen, 1);
    if (nth < fault.nth || (fault.times > 0 && nth >= fault.nth + fault.times))
        return ACTION_NONE;
    if (nth == fault.nth)
        fault_tell(call, path, nth);
    if (fault.action == ACTION_KILL)
        die();
    return fault.action;
}

static enum action fault_of(enum call call, const char *path)
{
    char absolute[PATH_BYTES];

    if (!fault.is_on || !fault.calls[call])
        return ACTION_NONE;
    if (path[0] == '/')
        return fault_of_path(call, path);
    if (getcwd(absolute, sizeof(absolute)) == NULL)
        return ACTION_NONE;
    size_t length = strlen(absolute);
    snprintf(absolute + length, sizeof(absolute) - length, "/%s", path);
    return fault_of_path(call, absolute);
}

static enum action fault_of_file(enum call call, int file)
{
    char name[64];
    char path[PATH_BYTES];

    if (!fault.is_on || !fault.calls[call])
        return ACTION_NONE;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof(path) - 1);
    if (length <= 0 || path[0] != '/')
        return ACTION_NONE;
    path[length] = '\0';
    return fault_of_path(call, path);
}

/* A call that is struck and has no half: its result. */
static int fault_result(enum action action)
{
    if (action == ACTION_TORN)
        die();
    if (action != ACTION_ERROR)
        return 0;
    errno = fault.error;
    return -1;
}

/* ---- the calls ---- */

ssize_t write(int file, const void *bytes, size_t length)
{
    enum action action = fault_of_file(CALL_WRITE, file);

    if (action == ACTION_NONE)
        return syscall(SYS_write, file, bytes, length);
    if (action == ACTION_LIE)
        return (ssize_t)length;
    if (action == ACTION_ERROR)
        return fault_result(action);
    long written = syscall(SYS_write, file, bytes, length / 2);
    if (action == ACTION_TORN)
        die();
    return written;
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset)
{
    enum action action = fault_of_file(CALL_PWRITE, file);

    if (action == ACTION_NONE)
        return syscall(SYS_pwrite64, file, bytes, length, offset);
    if (action == ACTION_LIE)
        return (ssize_t)length;
    if (action == ACTION_ERROR)
        return fault_result(action);
    /* Direct I/O takes whole blocks only: half of one is none. */
    long written = syscall(SYS_pwrite64, file, bytes, length / 2 & ~(size_t)4095, offset);
    if (action == ACTION_TORN)
        die();
    return written;
}

int fsync(int file)
{
    enum action action = fault_of_file(CALL_FSYNC, file);

    return action == ACTION_NONE ? (int)syscall(SYS_fsync, file) : fault_result(action);
}

int fdatasync(int file)
{
    enum action action = fault_of_file(CALL_FDATASYNC, file);

    return action == ACTION_NONE ? (int)syscall(SYS_fdatasync, file) : fault_result(action);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if ((flags & O_CREAT) != 0) {
        va_list arguments;

        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    enum action action = fault_of((flags & O_CREAT) != 0 ? CALL_OPEN : CALL_OPEN_READ, path);
    if (action != ACTION_NONE) {
        errno = action == ACTION_ERROR ? fault.error : EIO;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int rename(const char *source, const char *target)
{
    enum action action = fault_of(CALL_RENAME, target);

    return action == ACTION_NONE ? (int)syscall(SYS_rename, source, target) : fault_result(action);
}

int unlink(const char *path)
{
    enum action action = fault_of(CALL_UNLINK, path);

    return action == ACTION_NONE ? (int)syscall(SYS_unlink, path) : fault_result(action);
}

int ftruncate(int file, off_t length)
{
    enum action action = fault_of_file(CALL_FTRUNCATE, file);

    return action == ACTION_NONE ? (int)syscall(SYS_ftruncate, file, length) : fault_result(action);
}

int fallocate(int file, int mode, off_t offset, off_t length)
{
    enum action action = fault_of_file(CALL_FALLOCATE, file);

    return action == ACTION_NONE ? (int)syscall(SYS_fallocate, file, mode, offset, length)
                                 : fault_result(action);
}

int kill(pid_t process, int number)
{
    if (process == getpid() && number == SIGTERM)
        number = SIGKILL;
    return (int)syscall(SYS_kill, process, number);
}

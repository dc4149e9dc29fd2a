/* SPDX-License-Identifier: Apache-2.0 */
/* Small files and folders, durably: what is reported as done survives a power cut, entries of the
 * folder included. Errors are lines for people, with the path and the reason. Blocking; start-up
 * and the watermark's thread only. */
#ifndef STAMPEDE_FILES_H
#define STAMPEDE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Instead of -1, where the disk is full or fails: nobody need do anything, later it may work. From
 * every function here that says `-1 with error`. */
enum { FILES_NO_DISK = -3 };

/* Formats one line into `error`; returns -1, so that callers can return it. */
int files_error(char *error, size_t error_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Likewise, of a call that failed with this errno value: FILES_NO_DISK if that says so. */
int files_call_error(int failure, char *error, size_t error_size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What an errno value means; a static string. Any thread. */
const char *files_reason(int failure);

/* 0, or an errno value. */
int files_write_all(int file, const void *bytes, size_t length, off_t offset);

/* Syncs a folder: its entries are durable then. 0, or -1 with `error`. */
int files_sync_folder(const char *path, char *error, size_t error_size);

/* Syncs the folder that a path stands in. */
int files_sync_parent(const char *path, char *error, size_t error_size);

/* Makes a new file with these contents, durably; never over another. 0, -1 with `error`. */
int files_create(const char *path, const void *bytes, size_t length, char *error,
                 size_t error_size);

/* Puts a file in the place of another, durably, whole or not at all. 0, or -1 with `error`. */
int files_replace(const char *path, const void *bytes, size_t length, char *error,
                  size_t error_size);

/* Reads at most `capacity` bytes; returns how many, or -1 with `error`. A file that is longer is an
 * error. `mode_out` (may be NULL) gets its permissions. */
ssize_t files_read(const char *path, void *bytes_out, size_t capacity, unsigned *mode_out,
                   char *error, size_t error_size);

/* Whether the path exists (as anything). */
bool files_exist(const char *path);

/* Removes a folder with all in it (empty folders inside at most). 0, or -1. */
int files_remove_folder(const char *path, char *error, size_t error_size);

/* Whether files of a folder (or, while it is missing, of the one that it will stand in) can be
 * written past the page cache, in blocks of 4 KiB. Leaves nothing behind. */
bool files_can_bypass_cache(const char *path);

/* Bytes that may still be written to the file system of `path`; UINT64_MAX if it cannot be told. */
uint64_t files_free_bytes(const char *path);

#endif

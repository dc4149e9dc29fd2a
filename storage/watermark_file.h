/* SPDX-License-Identifier: Apache-2.0 */
/* The newest commit known durable, kept apart from the journal, so that a journal that lost its end
 * (a deleted log opens as an empty one without error) is noticed.
 *
 * Two slots of 4 KiB, each with a checksum; the older one is overwritten, so a torn write costs at
 * most one step back. Its own thread writes and syncs it when the number advanced, at most every
 * WATERMARK_PERIOD_MS, off the answers' path, and once more when it is closed. */
#ifndef STAMPEDE_WATERMARK_FILE_H
#define STAMPEDE_WATERMARK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest_mark.h"

enum {
    WATERMARK_FORMAT = 2,
    WATERMARK_SLOT_BYTES = 4096,
    WATERMARK_SLOTS = 2,
    WATERMARK_PERIOD_MS = 100,
};

struct watermark {
    uint64_t store_id;
    uint64_t incarnation;
    uint64_t epoch; /* grows with each write; the higher slot is the newer */
    uint64_t commit_number;
    struct manifest_mark manifest;
};

enum watermark_state {
    WATERMARK_INTACT, /* at least one slot is */
    WATERMARK_MISSING,
    WATERMARK_DAMAGED,    /* no slot is */
    WATERMARK_UNREADABLE, /* the disk fails */
};

/* Reads the newer intact slot. Offline tools. */
enum watermark_state watermark_load(const char *path, struct watermark *watermark_out);

/* Writes a new file in place of whatever is there, durably. 0, or -1 with `error`. */
int watermark_replace(const char *path, const struct watermark *watermark, char *error,
                      size_t error_size);

struct watermark_file;

struct watermark_file_options {
    const char *path;
    uint64_t store_id; /* whose watermark it must be */
    uint64_t incarnation;
    bool create; /* a new store's: made where it is missing */
    /* Called on the thread every WATERMARK_PERIOD_MS, after writing; may block. May be NULL. */
    void (*tick)(void *arg);
    void *tick_arg;
};

/* Opens the file and starts the thread. 0, or -1 with one line for people in `error`: missing,
 * damaged, another store's; likewise FILES_NO_DISK where the disk or the system fails. */
int watermark_file_open(const struct watermark_file_options *options,
                        struct watermark_file **file_out, char *error, size_t error_size);

/* The number on file when it was opened. */
uint64_t watermark_file_read(const struct watermark_file *file);

/* This commit is durable; numbers only grow. Never blocks; any thread. */
void watermark_file_advance(struct watermark_file *file, uint64_t commit_number);

/* What the journal's MANIFEST is known to be, durably; goes into the next write. On the thread that
 * calls `tick`, only. */
void watermark_file_set_manifest(struct watermark_file *file, const struct manifest_mark *manifest);

/* As it was set, or on file when it was opened; likewise. */
struct manifest_mark watermark_file_manifest(const struct watermark_file *file);

/* Whether a write or a sync failed: from then on nothing is written, and no commit should be
 * acknowledged. Any thread. */
bool watermark_file_has_failed(const struct watermark_file *file);

/* Ends the thread after a last write. */
void watermark_file_close(struct watermark_file *file);

#endif

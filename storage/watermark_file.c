/* SPDX-License-Identifier: Apache-2.0 */
#include "watermark_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bytes.h"
#include "crc32c.h"
#include "files.h"

enum {
    FILE_BYTES = WATERMARK_SLOTS * WATERMARK_SLOT_BYTES,
    CHECKSUM_AT = WATERMARK_SLOT_BYTES - 4,
};

#define WATERMARK_MAGIC UINT64_C(0x5354414d50574d4b) /* "STAMPWMK" */

struct watermark_file {
    struct watermark last; /* as on file; the thread's, once it runs */
    uint64_t read_number;
    struct manifest_mark manifest; /* to be written; the thread's */
    int file;
    int wake; /* an eventfd: end of the thread */
    void (*tick)(void *arg);
    void *tick_arg;
    pthread_t thread;
    _Atomic uint64_t number; /* written by advance, read by the thread: a value by itself */
    atomic_bool has_failed;
};

/* ---- slots: the epoch's parity says which ---- */

static void slot_encode(const struct watermark *watermark, uint8_t slot_out[WATERMARK_SLOT_BYTES])
{
    uint8_t *at = slot_out;

    memset(slot_out, 0, WATERMARK_SLOT_BYTES);
    at = bytes_put(at, WATERMARK_MAGIC, 8);
    at = bytes_put(at, WATERMARK_FORMAT, 4);
    at = bytes_put(at, watermark->store_id, 8);
    at = bytes_put(at, watermark->incarnation, 8);
    at = bytes_put(at, watermark->epoch, 8);
    at = bytes_put(at, watermark->commit_number, 8);
    at = bytes_put(at, watermark->manifest.number, 8);
    at = bytes_put(at, watermark->manifest.bytes, 8);
    assert(at <= slot_out + CHECKSUM_AT);
    bytes_put(slot_out + CHECKSUM_AT, crc32c(0, slot_out, CHECKSUM_AT), 4);
}

static bool slot_decode(const uint8_t slot[WATERMARK_SLOT_BYTES], struct watermark *watermark_out)
{
    if (bytes_get(slot + CHECKSUM_AT, 4) != crc32c(0, slot, CHECKSUM_AT) ||
        bytes_get(slot, 8) != WATERMARK_MAGIC || bytes_get(slot + 8, 4) != WATERMARK_FORMAT)
        return false;
    *watermark_out = (struct watermark){
        .store_id = bytes_get(slot + 12, 8),
        .incarnation = bytes_get(slot + 20, 8),
        .epoch = bytes_get(slot + 28, 8),
        .commit_number = bytes_get(slot + 36, 8),
        .manifest = {.number = bytes_get(slot + 44, 8), .bytes = bytes_get(slot + 52, 8)},
    };
    return true;
}

enum watermark_state watermark_load(const char *path, struct watermark *watermark_out)
{
    uint8_t bytes[FILE_BYTES];
    char ignored[64];
    bool is_found = false;

    if (!files_exist(path))
        return WATERMARK_MISSING;
    ssize_t length = files_read(path, bytes, sizeof(bytes), NULL, ignored, sizeof(ignored));
    if (length == FILES_NO_DISK)
        return WATERMARK_UNREADABLE;
    for (unsigned i = 0; i < WATERMARK_SLOTS; i++) {
        struct watermark slot;

        if (length < (ssize_t)(i + 1) * WATERMARK_SLOT_BYTES ||
            !slot_decode(bytes + (size_t)i * WATERMARK_SLOT_BYTES, &slot) ||
            slot.epoch % WATERMARK_SLOTS != i) /* a misdirected write */
            continue;
        if (!is_found || slot.epoch > watermark_out->epoch)
            *watermark_out = slot;
        is_found = true;
    }
    return is_found ? WATERMARK_INTACT : WATERMARK_DAMAGED;
}

int watermark_replace(const char *path, const struct watermark *watermark, char *error,
                      size_t error_size)
{
    uint8_t bytes[FILE_BYTES];
    struct watermark slot = *watermark;

    for (unsigned i = 0; i < WATERMARK_SLOTS; i++, slot.epoch++)
        slot_encode(&slot, bytes + slot.epoch % WATERMARK_SLOTS * WATERMARK_SLOT_BYTES);
    return files_replace(path, bytes, sizeof(bytes), error, error_size);
}

/* ---- the thread ---- */

/* Overwrites the older slot: the newer one stays whatever happens now. */
static void number_write(struct watermark_file *file)
{
    uint64_t number = atomic_load_explicit(&file->number, memory_order_relaxed);
    struct watermark next = file->last;
    uint8_t slot[WATERMARK_SLOT_BYTES];

    bool is_newer = number > file->last.commit_number ||
                    manifest_mark_is_older(&file->last.manifest, &file->manifest);
    if (!is_newer || atomic_load_explicit(&file->has_failed, memory_order_relaxed))
        return;
    next.epoch++;
    next.commit_number = number;
    next.manifest = file->manifest;
    slot_encode(&next, slot);
    off_t offset = (off_t)(next.epoch % WATERMARK_SLOTS) * WATERMARK_SLOT_BYTES;
    if (files_write_all(file->file, slot, sizeof(slot), offset) != 0 ||
        fdatasync(file->file) != 0) {
        /* What is on disk now cannot be known any more: never tried again. */
        atomic_store_explicit(&file->has_failed, true, memory_order_relaxed);
        return;
    }
    file->last = next;
}

static void *thread_run(void *arg)
{
    struct watermark_file *file = arg;
    struct pollfd wake = {.fd = file->wake, .events = POLLIN};

    while (poll(&wake, 1, WATERMARK_PERIOD_MS) <= 0) {
        number_write(file);
        if (file->tick != NULL)
            file->tick(file->tick_arg);
    }
    number_write(file);
    return NULL;
}

/* ---- open and close ---- */

static int file_check(const struct watermark_file_options *options, struct watermark *found_out,
                      char *error, size_t error_size)
{
    static const char mend[] = "see `stampede repair`, or restore it from a backup";

    switch (watermark_load(options->path, found_out)) {
    case WATERMARK_MISSING:
        return files_error(error, error_size,
                           "the watermark %s is missing: what the journal holds cannot be proven "
                           "complete; %s",
                           options->path, mend);
    case WATERMARK_DAMAGED:
        return files_error(error, error_size,
                           "damaged watermark %s: what the journal holds cannot be proven "
                           "complete; %s",
                           options->path, mend);
    case WATERMARK_UNREADABLE:
        return files_call_error(EIO, error, error_size, "cannot read %s: %s", options->path,
                                files_reason(EIO));
    case WATERMARK_INTACT:
        break;
    }
    if (found_out->store_id != options->store_id || found_out->incarnation != options->incarnation)
        return files_error(error, error_size,
                           "the watermark %s is of another store (or of incarnation %" PRIu64
                           " of this one, which is in incarnation %" PRIu64 "); %s",
                           options->path, found_out->incarnation, options->incarnation, mend);
    return 0;
}

int watermark_file_open(const struct watermark_file_options *options,
                        struct watermark_file **file_out, char *error, size_t error_size)
{
    struct watermark found = {.store_id = options->store_id, .incarnation = options->incarnation};
    int result = 0;

    if (options->create && !files_exist(options->path))
        result = watermark_replace(options->path, &found, error, error_size);
    if (result == 0)
        result = file_check(options, &found, error, error_size);
    if (result != 0)
        return result;
    struct watermark_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        files_error(error, error_size, "out of memory");
        return FILES_NO_DISK;
    }
    file->last = found;
    file->last.manifest = options->create ? (struct manifest_mark){0} : found.manifest;
    file->read_number = found.commit_number;
    if (!options->create) /* while a store is made, its journal may begin again */
        file->manifest = found.manifest;
    file->tick = options->tick;
    file->tick_arg = options->tick_arg;
    atomic_init(&file->number, found.commit_number);
    atomic_init(&file->has_failed, false);
    file->file = open(options->path, O_RDWR | O_CLOEXEC);
    file->wake = eventfd(0, EFD_CLOEXEC);
    if (file->file < 0 || file->wake < 0) {
        files_error(error, error_size, "cannot open %s: %s", options->path, files_reason(errno));
        goto close_files;
    }
    *file_out = file; /* before the first tick */
    if (pthread_create(&file->thread, NULL, thread_run, file) != 0) {
        files_error(error, error_size, "cannot start the watermark's thread");
        goto close_files;
    }
    return 0;

close_files:
    if (file->file >= 0)
        close(file->file);
    if (file->wake >= 0)
        close(file->wake);
    free(file);
    return FILES_NO_DISK;
}

uint64_t watermark_file_read(const struct watermark_file *file)
{
    return file->read_number;
}

void watermark_file_advance(struct watermark_file *file, uint64_t commit_number)
{
    atomic_store_explicit(&file->number, commit_number, memory_order_relaxed);
}

void watermark_file_set_manifest(struct watermark_file *file, const struct manifest_mark *manifest)
{
    file->manifest = *manifest;
}

struct manifest_mark watermark_file_manifest(const struct watermark_file *file)
{
    return file->manifest;
}

bool watermark_file_has_failed(const struct watermark_file *file)
{
    return atomic_load_explicit(&file->has_failed, memory_order_relaxed);
}

void watermark_file_close(struct watermark_file *file)
{
    uint64_t one = 1;
    ssize_t written = write(file->wake, &one, sizeof(one));

    assert(written == (ssize_t)sizeof(one));
    (void)written;
    pthread_join(file->thread, NULL);
    close(file->wake);
    close(file->file);
    free(file);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Space kept back for a full disk: a file that is deleted when the store cannot be opened
 * otherwise, and the flag `is_full`, by which new obligations are refused while there is still room
 * to finish old ones. Refreshed by whoever calls ballast_tick; the flag may be read by any thread.
 */
#ifndef STAMPEDE_BALLAST_H
#define STAMPEDE_BALLAST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ballast_options {
    const char *folder; /* of the store; kept by the caller */
    const char *path;   /* of the file; kept by the caller */
    uint64_t bytes;
    uint64_t low_water_bytes; /* less free space than this: full */
    /* Free bytes of the file system that a path is on. NULL: files_free_bytes. */
    uint64_t (*free_bytes)(const char *path);
};

struct ballast {
    struct ballast_options options;
    bool is_there;
    atomic_bool is_full;
};

/* Takes over the file as it is, or makes it where there is room. Start-up thread. */
void ballast_open(struct ballast *ballast, const struct ballast_options *options);

/* Deletes the file: its space is free. is_full holds until ballast_tick could make it again. False
 * if there was none. */
bool ballast_release(struct ballast *ballast);

/* Looks at the free space; makes the file again where that leaves the low-water mark, with
 * `headroom` bytes on top of it. Returns true if is_full changed. One thread at a time. */
bool ballast_tick(struct ballast *ballast, uint64_t headroom);

static inline bool ballast_is_full(struct ballast *ballast)
{
    return atomic_load_explicit(&ballast->is_full, memory_order_relaxed);
}

#endif

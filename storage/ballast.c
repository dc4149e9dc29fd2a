/* SPDX-License-Identifier: Apache-2.0 */
#include "ballast.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

/* Makes the file with its blocks allocated; one that is there only in part is removed again. */
static bool file_make(const struct ballast_options *options)
{
    int file = open(options->path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool is_made;

    if (file < 0)
        return false;
    is_made = options->bytes == 0 || posix_fallocate(file, 0, (off_t)options->bytes) == 0;
    close(file);
    if (!is_made)
        unlink(options->path);
    return is_made;
}

static bool file_is_whole(const struct ballast_options *options)
{
    struct stat status;

    return lstat(options->path, &status) == 0 && (uint64_t)status.st_size == options->bytes &&
           (uint64_t)status.st_blocks * 512 >= options->bytes;
}

void ballast_open(struct ballast *ballast, const struct ballast_options *options)
{
    ballast->options = *options;
    if (ballast->options.free_bytes == NULL)
        ballast->options.free_bytes = files_free_bytes;
    atomic_init(&ballast->is_full, true);
    ballast->is_there = file_is_whole(options);
    ballast_tick(ballast, 0);
}

bool ballast_release(struct ballast *ballast)
{
    ballast->is_there = false;
    atomic_store_explicit(&ballast->is_full, true, memory_order_relaxed);
    return unlink(ballast->options.path) == 0;
}

bool ballast_tick(struct ballast *ballast, uint64_t headroom)
{
    const struct ballast_options *options = &ballast->options;
    uint64_t low_water_bytes = options->low_water_bytes + headroom;
    uint64_t free_bytes = options->free_bytes(options->folder);
    bool was_full = ballast_is_full(ballast);

    if (!ballast->is_there && free_bytes >= options->bytes &&
        free_bytes - options->bytes >= low_water_bytes) {
        ballast->is_there = file_make(options);
        free_bytes = options->free_bytes(options->folder);
    }
    bool is_full = !ballast->is_there || free_bytes < low_water_bytes;
    atomic_store_explicit(&ballast->is_full, is_full, memory_order_relaxed);
    return is_full != was_full;
}

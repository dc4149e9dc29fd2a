/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 24, EACH_MS = 100 };

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_begin(struct progress *progress, uint64_t size, bool has_quotes)
{
    *progress = (struct progress){.is_shown = isatty(STDERR_FILENO) == 1,
                                  .has_quotes = has_quotes,
                                  .size = size,
                                  .begun_ms = now_ms()};
    progress->shown_ms = progress->begun_ms;
}

const char *progress_line(const struct progress *progress, int64_t elapsed_ms,
                          char line_out[PROGRESS_LINE_BYTES])
{
    uint64_t elapsed = elapsed_ms > 0 ? (uint64_t)elapsed_ms : 1;
    double mebibytes = (double)progress->bytes / (1 << 20);
    uint64_t rate = progress->rows * 1000 / elapsed;
    uint64_t bytes = progress->bytes < progress->size ? progress->bytes : progress->size;
    char bar[BAR_WIDTH + 1];

    if (progress->size == 0) {
        snprintf(line_out, PROGRESS_LINE_BYTES, "%.1f MiB  %llu rows  %llu rows/s", mebibytes,
                 (unsigned long long)progress->rows, (unsigned long long)rate);
        return line_out;
    }
    int filled = (int)(bytes * BAR_WIDTH / progress->size);
    uint64_t left_s = bytes == 0 ? 0 : (progress->size - bytes) * (elapsed / 100 + 1) / bytes / 10;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[BAR_WIDTH] = 0;
    snprintf(line_out, PROGRESS_LINE_BYTES,
             "[%s] %3d %%  %.1f of %.1f MiB  %llu rows/s  %llu:%02llu left", bar,
             (int)(bytes * 100 / progress->size), mebibytes, (double)progress->size / (1 << 20),
             (unsigned long long)rate, (unsigned long long)(left_s / 60),
             (unsigned long long)(left_s % 60));
    return line_out;
}

void progress_add(struct progress *progress, const char *bytes, size_t length)
{
    char line[PROGRESS_LINE_BYTES];
    int64_t now;

    if (!progress->is_shown)
        return;
    progress->bytes += length;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"' && progress->has_quotes)
            progress->is_quoted = !progress->is_quoted;
        else if (bytes[i] == '\n' && !progress->is_quoted)
            progress->rows++;
    }
    now = now_ms();
    if (now - progress->shown_ms < EACH_MS)
        return;
    progress->shown_ms = now;
    /* What an older, longer line has left is cleared. */
    fprintf(stderr, "\r%s\033[K", progress_line(progress, now - progress->begun_ms, line));
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->is_shown && progress->shown_ms != progress->begun_ms)
        fputs("\r\033[K", stderr);
    progress->is_shown = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on standard error for what takes long: bytes, rows a second, time left. Nothing where that
 * is no terminal. */
#ifndef STAMPEDE_PROGRESS_H
#define STAMPEDE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool is_shown;
    bool has_quotes; /* line ends between quotation marks end no row */
    bool is_quoted;
    uint64_t size; /* 0: not known */
    uint64_t bytes;
    uint64_t rows;
    int64_t begun_ms;
    int64_t shown_ms;
};

enum { PROGRESS_LINE_BYTES = 160 };

/* `size` in bytes, 0: not known. */
void progress_begin(struct progress *progress, uint64_t size, bool has_quotes);
/* So much has been done. */
void progress_add(struct progress *progress, const char *bytes, size_t length);
/* Takes the bar away. */
void progress_end(struct progress *progress);

/* The bar as it is after `elapsed_ms`. Returns `line_out`. Pure. */
const char *progress_line(const struct progress *progress, int64_t elapsed_ms,
                          char line_out[PROGRESS_LINE_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one JSON object a line on standard error, each written by one write(2), so that lines of
 * several threads do not mix. For start, stop, what staff change, and errors; never one per request
 * of a sale. Tokens and keys never go into it. Any thread.
 *
 *     struct log_line line;
 *     log_begin(&line, LOG_INFO, "product_created", now.wall_ms);
 *     log_text(&line, "product", id);
 *     log_end(&line);
 */
#ifndef STAMPEDE_API_LOG_H
#define STAMPEDE_API_LOG_H

#include <stdint.h>

#include "api/render.h"

enum log_level { LOG_INFO, LOG_WARNING, LOG_ERROR };

enum {
    LOG_LINE_BYTES_MAX = 2048,
    LOG_VALUE_BYTES_MAX = 256, /* of one text; more is cut off */
};

struct log_line {
    struct writer writer;
    char memory[LOG_LINE_BYTES_MAX];
};

/* `event` is a word of a fixed set: what a machine would look for. */
void log_begin(struct log_line *line, enum log_level level, const char *event, int64_t wall_ms);

/* A member; one that does not fit into the line any more is left out. */
void log_text(struct log_line *line, const char *name, const char *value);
void log_bytes(struct log_line *line, const char *name, const char *value, size_t length);
void log_number(struct log_line *line, const char *name, int64_t value);

void log_end(struct log_line *line);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Writing text: JSON, RFC 3339 times, HTML. A writer fills memory that it was given (hot paths: the
 * answer's own buffer, whose size the caller has computed as a bound; running over it is a bug and
 * asserts), or memory of its own that grows (pages and lists). A growing writer that gets no memory
 * takes no more and says so in `failed`. Pure but for that memory. */
#ifndef STAMPEDE_API_RENDER_H
#define STAMPEDE_API_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine.h"

struct writer {
    char *start;
    char *at;
    char *end;
    bool grows;
    bool failed;
};

enum {
    RENDER_TIME_LENGTH = 24, /* 2026-11-27T18:10:00.000Z */
    RENDER_NUMBER_LENGTH_MAX = 20,
};

/* Over memory of the caller's. */
struct writer writer_fixed(char *memory, size_t capacity);

/* Over memory that grows, to be freed by writer_free. */
struct writer writer_growing(void);
void writer_free(struct writer *writer);

static inline size_t writer_length(const struct writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

/* Of write_bytes: makes room where none is left. False: a growing writer can get none, and takes
 * nothing from now on. */
bool writer_grow(struct writer *writer, size_t length);

/* Here for its callers' literals, whose copying is then a few moves. */
static inline void write_bytes(struct writer *writer, const char *bytes, size_t length)
{
    if (length > (size_t)(writer->end - writer->at) && !writer_grow(writer, length))
        return;
    if (length > 0)
        memcpy(writer->at, bytes, length);
    writer->at += length;
}

static inline void write_text(struct writer *writer, const char *text)
{
    write_bytes(writer, text, strlen(text));
}

static inline void write_byte(struct writer *writer, char byte)
{
    write_bytes(writer, &byte, 1);
}

/* A string literal. */
#define write_literal(writer, literal) write_bytes((writer), "" literal, sizeof(literal) - 1)

void write_unsigned(struct writer *writer, uint64_t value);
void write_signed(struct writer *writer, int64_t value);
void write_boolean(struct writer *writer, bool value);

/* A JSON string with its quotes. `text` is UTF-8. */
void write_json_string(struct writer *writer, const char *text, size_t length);

/* A time with its quotes, from milliseconds since 1970 (0 up to the year 9999). */
void write_json_time(struct writer *writer, int64_t wall_ms);

/* Text with the characters that mean something in HTML replaced. */
void write_html(struct writer *writer, const char *text, size_t length);

/* Writes RENDER_TIME_LENGTH characters, no zero. */
void render_time(int64_t wall_ms, char text_out[RENDER_TIME_LENGTH]);

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, nothing beyond U+10FFFF);
 * `characters_out` (may be NULL) gets the number of code points. */
bool text_is_utf8(const char *text, size_t length, size_t *characters_out);

#endif

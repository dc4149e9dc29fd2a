/* SPDX-License-Identifier: Apache-2.0 */
#include "api/log.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

enum {
    /* Every byte of a text may need six. */
    MEMBER_BYTES_MAX = 6 * LOG_VALUE_BYTES_MAX + 64,
    LOG_NAME_LENGTH_MAX = 40,
};

_Static_assert(MEMBER_BYTES_MAX + 256 < LOG_LINE_BYTES_MAX, "the first members always fit");

void log_begin(struct log_line *line, enum log_level level, const char *event, int64_t wall_ms)
{
    static const char *const levels[] = {"info", "warning", "error"};

    line->writer = writer_fixed(line->memory, sizeof(line->memory));
    write_literal(&line->writer, "{\"at\":");
    write_json_time(&line->writer, wall_ms < 0 ? 0 : wall_ms);
    write_literal(&line->writer, ",\"level\":\"");
    write_text(&line->writer, levels[level]);
    write_literal(&line->writer, "\",\"event\":\"");
    write_text(&line->writer, event);
    write_byte(&line->writer, '"');
}

/* Writes `,"name":`; false if there is no room for a value of `value_max` bytes after it. */
static bool begin_member(struct log_line *line, const char *name, size_t value_max)
{
    assert(strlen(name) <= LOG_NAME_LENGTH_MAX);
    size_t room = (size_t)(line->writer.end - line->writer.at);
    if (room < strlen(name) + value_max + sizeof(",\"\":}\n"))
        return false;
    write_literal(&line->writer, ",\"");
    write_text(&line->writer, name);
    write_literal(&line->writer, "\":");
    return true;
}

/* A copy with a question mark for each control of ISO 6429's second set (U+0080 to U+009F): some
 * terminals take U+009B for ESC [. Those of ASCII are escaped as JSON has it. Returns its length.
 */
static size_t without_controls(const char *value, size_t length,
                               char clean_out[LOG_VALUE_BYTES_MAX])
{
    size_t kept = 0;

    for (size_t i = 0; i < length; i++) {
        clean_out[kept] = value[i];
        if ((unsigned char)value[i] == 0xc2 && i + 1 < length &&
            ((unsigned char)value[i + 1] & 0xe0) == 0x80) {
            clean_out[kept] = '?';
            i++;
        }
        kept++;
    }
    return kept;
}

void log_bytes(struct log_line *line, const char *name, const char *value, size_t length)
{
    char clean[LOG_VALUE_BYTES_MAX];

    if (length > LOG_VALUE_BYTES_MAX) {
        length = LOG_VALUE_BYTES_MAX;
        while (length > 0 && ((unsigned char)value[length] & 0xc0) == 0x80)
            length--; /* not within a character */
    }
    length = without_controls(value, length, clean);
    if (begin_member(line, name, 6 * length + 2))
        write_json_string(&line->writer, clean, length);
}

void log_text(struct log_line *line, const char *name, const char *value)
{
    log_bytes(line, name, value, strlen(value));
}

void log_number(struct log_line *line, const char *name, int64_t value)
{
    if (begin_member(line, name, RENDER_NUMBER_LENGTH_MAX + 1))
        write_signed(&line->writer, value);
}

void log_end(struct log_line *line)
{
    write_literal(&line->writer, "}\n");
    /* A log that cannot be written is no reason to stop serving. */
    ssize_t written = write(STDERR_FILENO, line->memory, writer_length(&line->writer));
    (void)written;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Incremental HTTP/1.1 response parser, and the one JSON look-up that the hot path needs. */
#include "load_response.h"

#include <string.h>
#include <strings.h>

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* The line at `at`, without its end; *next_out is where the one after it begins. */
static bool line_find(const char *data, size_t length, size_t at, struct load_text *line_out,
                      size_t *next_out)
{
    const char *end = memchr(data + at, '\n', length - at);
    if (end == NULL) {
        return false;
    }
    size_t line_length = (size_t)(end - (data + at));
    *next_out = at + line_length + 1;
    if (line_length > 0 && data[at + line_length - 1] == '\r') {
        line_length--;
    }
    *line_out = (struct load_text){.data = data + at, .length = line_length};
    return true;
}

/* A decimal number that fills the text. */
static bool number_read(struct load_text text, size_t max, size_t *value_out)
{
    size_t value = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!is_digit(text.data[i]) || value > max / 10) {
            return false;
        }
        value = value * 10 + (size_t)(text.data[i] - '0');
    }
    *value_out = value;
    return text.length > 0 && value <= max;
}

static bool status_line_read(struct load_text line, int *status_out)
{
    if (line.length < 12 || memcmp(line.data, "HTTP/1.", 7) != 0 || line.data[8] != ' ') {
        return false;
    }
    const char *code = line.data + 9;
    if (!is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2])) {
        return false;
    }
    *status_out = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    return *status_out >= 100;
}

/* The value of the header, without the blanks around it, when its name is `name`. */
static bool header_is(struct load_text line, const char *name, size_t name_length,
                      struct load_text *value_out)
{
    if (line.length <= name_length || line.data[name_length] != ':' ||
        strncasecmp(line.data, name, name_length) != 0) {
        return false;
    }
    const char *start = line.data + name_length + 1;
    const char *end = line.data + line.length;
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }
    while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *value_out = (struct load_text){.data = start, .length = (size_t)(end - start)};
    return true;
}

static bool text_equals(struct load_text text, const char *expected)
{
    return text.length == strlen(expected) && strncasecmp(text.data, expected, text.length) == 0;
}

#define HEADER_IS(line, name, value_out) header_is(line, name, sizeof(name) - 1, value_out)

/* False when the header makes the answer one that cannot be framed. */
static bool header_read(struct load_response_parser *parser, struct load_text line)
{
    struct load_text value;
    size_t number = 0;
    switch (line.data[0] | 0x20) { /* most headers are told apart by their first letter */
    case 'c':
        if (HEADER_IS(line, "Content-Length", &value)) {
            bool again = parser->has_length;
            if (!number_read(value, LOAD_RESPONSE_BODY_BYTES_MAX, &number) ||
                (again && number != parser->body_length)) {
                return false;
            }
            parser->has_length = true;
            parser->body_length = number;
        } else if (HEADER_IS(line, "Connection", &value)) {
            parser->response.close = text_equals(value, "close");
        }
        return true;
    case 't':
        if (HEADER_IS(line, "Transfer-Encoding", &value)) {
            parser->chunked = text_equals(value, "chunked");
            return parser->chunked;
        }
        return true;
    case 'i':
        if (HEADER_IS(line, "Idempotent-Replayed", &value)) {
            parser->response.replayed = text_equals(value, "true");
        }
        return true;
    case 'r':
        if (HEADER_IS(line, "Retry-After", &value) && number_read(value, 86400, &number)) {
            parser->response.retry_after_s = (uint32_t)number;
        }
        return true;
    default:
        return true;
    }
}

/* After the empty line that ends the head: how is the body framed? */
static enum load_response_result head_finish(struct load_response_parser *parser)
{
    int status = parser->response.status;
    parser->body_at = parser->line_at;
    if (status < 200) {
        /* An interim answer: the real one follows it. */
        *parser = (struct load_response_parser){.line_at = parser->line_at};
        return LOAD_RESPONSE_PARTIAL;
    }
    if (parser->chunked && parser->has_length) {
        return LOAD_RESPONSE_BROKEN;
    }
    if (status == 204 || status == 304) {
        parser->chunked = false;
        parser->body_length = 0;
    } else if (parser->chunked) {
        parser->body_length = 0;
    } else if (!parser->has_length) {
        return LOAD_RESPONSE_BROKEN; /* a body that ends with the connection: none of ours does */
    }
    parser->in_body = true;
    return LOAD_RESPONSE_PARTIAL;
}

static enum load_response_result head_parse(struct load_response_parser *parser, const char *data,
                                            size_t length)
{
    struct load_text line;
    size_t next = 0;
    while (!parser->in_body) {
        if (!line_find(data, length, parser->line_at, &line, &next)) {
            return length - parser->line_at > LOAD_RESPONSE_HEAD_BYTES_MAX ? LOAD_RESPONSE_BROKEN
                                                                           : LOAD_RESPONSE_PARTIAL;
        }
        if (next > LOAD_RESPONSE_HEAD_BYTES_MAX) {
            return LOAD_RESPONSE_BROKEN;
        }
        parser->line_at = next;
        if (parser->response.status == 0) {
            if (!status_line_read(line, &parser->response.status)) {
                return LOAD_RESPONSE_BROKEN;
            }
        } else if (line.length == 0) {
            if (head_finish(parser) == LOAD_RESPONSE_BROKEN) {
                return LOAD_RESPONSE_BROKEN;
            }
        } else if (!header_read(parser, line)) {
            return LOAD_RESPONSE_BROKEN;
        }
    }
    return LOAD_RESPONSE_COMPLETE;
}

static bool chunk_size_read(struct load_text line, size_t *size_out)
{
    size_t size = 0;
    size_t digits = 0;
    for (; digits < line.length && line.data[digits] != ';' && line.data[digits] != ' '; digits++) {
        char character = (char)(line.data[digits] | 0x20);
        size_t digit = is_digit(character)                    ? (size_t)(character - '0')
                       : character >= 'a' && character <= 'f' ? (size_t)(character - 'a' + 10)
                                                              : 16;
        if (digit == 16 || size > LOAD_RESPONSE_BODY_BYTES_MAX / 16) {
            return false;
        }
        size = size * 16 + digit;
    }
    *size_out = size;
    return digits > 0;
}

/* Moves each chunk that has arrived down to the end of what is decoded. */
static enum load_response_result chunks_parse(struct load_response_parser *parser, char *data,
                                              size_t length)
{
    struct load_text line;
    size_t next = 0;
    for (;;) {
        if (!line_find(data, length, parser->line_at, &line, &next)) {
            return LOAD_RESPONSE_PARTIAL;
        }
        if (parser->in_trailers) {
            parser->line_at = next;
            if (line.length == 0) {
                return LOAD_RESPONSE_COMPLETE;
            }
            continue;
        }
        size_t size = 0;
        if (!chunk_size_read(line, &size) ||
            parser->body_length + size > LOAD_RESPONSE_BODY_BYTES_MAX) {
            return LOAD_RESPONSE_BROKEN;
        }
        if (size == 0) {
            parser->in_trailers = true;
            parser->line_at = next;
            continue;
        }
        if (length < next + size + 2) {
            return LOAD_RESPONSE_PARTIAL;
        }
        if (memcmp(data + next + size, "\r\n", 2) != 0) {
            return LOAD_RESPONSE_BROKEN;
        }
        memmove(data + parser->body_at + parser->body_length, data + next, size);
        parser->body_length += size;
        parser->line_at = next + size + 2;
    }
}

enum load_response_result load_response_parse(struct load_response_parser *parser, char *data,
                                              size_t length, struct load_response *response_out)
{
    if (!parser->in_body) {
        enum load_response_result head = head_parse(parser, data, length);
        if (head != LOAD_RESPONSE_COMPLETE) {
            return head;
        }
    }
    if (parser->chunked) {
        enum load_response_result body = chunks_parse(parser, data, length);
        if (body != LOAD_RESPONSE_COMPLETE) {
            return body;
        }
    } else if (length - parser->body_at < parser->body_length) {
        return LOAD_RESPONSE_PARTIAL;
    }
    *response_out = parser->response;
    response_out->body = data + parser->body_at;
    response_out->body_length = parser->body_length;
    response_out->consumed =
        parser->chunked ? parser->line_at : parser->body_at + parser->body_length;
    *parser = (struct load_response_parser){0};
    return LOAD_RESPONSE_COMPLETE;
}

/* Past the string whose opening quote is at `at`: the index of its closing quote, or `length`. */
static size_t string_end(const char *body, size_t length, size_t at, bool *escaped_out)
{
    *escaped_out = false;
    for (size_t i = at + 1; i < length; i++) {
        if (body[i] == '"') {
            return i;
        }
        if (body[i] == '\\') {
            *escaped_out = true;
            i++;
        }
    }
    return length;
}

static size_t blanks_skip(const char *body, size_t length, size_t at)
{
    while (at < length &&
           (body[at] == ' ' || body[at] == '\t' || body[at] == '\r' || body[at] == '\n')) {
        at++;
    }
    return at;
}

bool load_response_find_string(const char *body, size_t length, const char *name,
                               struct load_text *value_out)
{
    size_t name_length = strlen(name);
    unsigned depth = 0;
    bool escaped = false;
    for (size_t i = 0; i < length; i++) {
        char character = body[i];
        if (character == '{' || character == '[') {
            depth++;
        } else if (character == '}' || character == ']') {
            depth--;
        } else if (character == '"') {
            size_t end = string_end(body, length, i, &escaped);
            size_t after = blanks_skip(body, length, end + 1);
            bool wanted = depth == 1 && after < length && body[after] == ':' &&
                          end - i - 1 == name_length &&
                          memcmp(body + i + 1, name, name_length) == 0;
            if (!wanted) {
                i = end;
                continue;
            }
            size_t value = blanks_skip(body, length, after + 1);
            if (value >= length || body[value] != '"') {
                return false;
            }
            size_t value_end = string_end(body, length, value, &escaped);
            *value_out =
                (struct load_text){.data = body + value + 1, .length = value_end - value - 1};
            return value_end < length && !escaped;
        }
    }
    return false;
}

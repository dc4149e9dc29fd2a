/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/mail.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Of an encoded word: with "=?UTF-8?B?", "?=" and the longest header's name a line stays within 78
 * (RFC 2047, 2). A multiple of 3. */
enum {
    WORD_BYTES = 39,
    PLAIN_BYTES = 60, /* of a header's value that stays as it is, if it is ASCII */
    LINE_MAX_CHARACTERS = 76,
    BASE64_LINE_BYTES = 57,
    HEADERS_MAX = 4096,
};

/* ---- UTF-8 ---- */

/* The character that begins here and its bytes; 0 if there is none (RFC 3629: no surrogates, no
 * longer forms, nothing beyond U+10FFFF). */
static size_t read_character(const unsigned char *text, size_t length, uint32_t *character_out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    uint32_t character;

    if ((text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4 || bytes > length)
        return 0;
    character = bytes == 1 ? text[0] : text[0] & (0x7fU >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (text[i] & 0x3fU);
    }
    if (character < least[bytes] || character > 0x10ffff ||
        (character >= 0xd800 && character <= 0xdfff))
        return 0;
    *character_out = character;
    return bytes;
}

static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x2028 ||
           character == 0x2029;
}

bool mail_is_text(const char *text, size_t length, const char *controls)
{
    uint32_t character;

    for (size_t at = 0, bytes; at < length; at += bytes) {
        bytes = read_character((const unsigned char *)text + at, length - at, &character);
        if (bytes == 0 || character == 0)
            return false;
        if (is_control(character) &&
            (character >= 0x80 || strchr(controls, (int)character) == NULL))
            return false;
    }
    return true;
}

/* ---- addresses ---- */

static bool is_ascii_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

static bool local_part_is_valid(const char *text, size_t length)
{
    if (length == 0 || length > MAIL_LOCAL_MAX || text[0] == '.' || text[length - 1] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (strchr(" ()<>[]:;,\\\"@", text[i]) != NULL)
            return false;
        if (text[i] == '.' && text[i + 1] == '.')
            return false;
    }
    return true;
}

static bool label_is_valid(const char *text, size_t length)
{
    if (length == 0 || length > 63 || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_ascii_letter_or_digit(text[i]) && text[i] != '-' && (unsigned char)text[i] < 0x80)
            return false;
    }
    return true;
}

static bool domain_is_valid(const char *text, size_t length)
{
    size_t labels = 0;
    bool is_number = true;

    for (size_t at = 0; at <= length; labels++) {
        const char *dot = memchr(text + at, '.', length - at);
        size_t label = dot == NULL ? length - at : (size_t)(dot - text) - at;

        if (!label_is_valid(text + at, label))
            return false;
        is_number = true;
        for (size_t i = at; i < at + label; i++)
            is_number = is_number && text[i] >= '0' && text[i] <= '9';
        at += label + 1;
    }
    return labels >= 2 && !is_number; /* a last label of digits: an IPv4 address */
}

bool mail_address_is_valid(const char *text, size_t length)
{
    const char *at;

    if (length > MAIL_ADDRESS_MAX || length == 0 || !mail_is_text(text, length, ""))
        return false;
    at = memchr(text, '@', length);
    if (at == NULL)
        return false;
    return local_part_is_valid(text, (size_t)(at - text)) &&
           domain_is_valid(at + 1, length - (size_t)(at - text) - 1);
}

static void lower(char *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] + ('a' - 'A'));
    }
}

static void copy_address(const char *text, size_t length, char copy_out[MAIL_ADDRESS_MAX + 1])
{
    if (length > MAIL_ADDRESS_MAX)
        length = MAIL_ADDRESS_MAX;
    memcpy(copy_out, text, length);
    copy_out[length] = 0;
}

void mail_address_normalise(const char *text, size_t length,
                            char normalised_out[MAIL_ADDRESS_MAX + 1])
{
    copy_address(text, length, normalised_out);
    lower(normalised_out, strcspn(normalised_out, "@"), strlen(normalised_out));
}

void mail_address_index_form(const char *text, size_t length, char form_out[MAIL_ADDRESS_MAX + 1])
{
    copy_address(text, length, form_out);
    lower(form_out, 0, strlen(form_out));
}

/* ---- writing ---- */

struct sink {
    char *target;
    size_t size;
    size_t length; /* beyond `size`: it did not fit */
};

static void put(struct sink *sink, const char *bytes, size_t length)
{
    if (sink->length + length <= sink->size)
        memcpy(sink->target + sink->length, bytes, length);
    sink->length += length;
}

static void put_text(struct sink *sink, const char *text)
{
    put(sink, text, strlen(text));
}

static void put_base64(struct sink *sink, const unsigned char *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};

        put(sink, four, sizeof(four));
    }
}

/* ---- headers ---- */

static bool is_plain(const char *text)
{
    if (strlen(text) > PLAIN_BYTES || strstr(text, "=?") != NULL || text[0] == ' ')
        return false;
    for (const char *at = text; *at != 0; at++) {
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            return false;
    }
    return true;
}

/* Encoded words (RFC 2047), none of which ends within a character. */
static void put_encoded(struct sink *sink, const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = strlen(text);

    for (size_t at = 0; at < length;) {
        size_t word = length - at < WORD_BYTES ? length - at : WORD_BYTES;

        while (at + word < length && (bytes[at + word] & 0xc0) == 0x80)
            word--;
        put_text(sink, at == 0 ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        put_base64(sink, bytes + at, word);
        put_text(sink, "?=");
        at += word;
    }
}

static void put_header_text(struct sink *sink, const char *text)
{
    if (is_plain(text))
        put_text(sink, text);
    else
        put_encoded(sink, text);
}

static void put_display_name(struct sink *sink, const char *name)
{
    if (name[0] == 0)
        return;
    if (is_plain(name)) {
        put_text(sink, "\"");
        for (; *name != 0; name++) {
            if (*name == '"' || *name == '\\')
                put_text(sink, "\\");
            put(sink, name, 1);
        }
        put_text(sink, "\"\r\n ");
    } else {
        put_encoded(sink, name);
        put_text(sink, "\r\n ");
    }
}

/* RFC 5322, 3.3; in UTC. */
static void put_date(struct sink *sink, int64_t wall_ms)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm time = {0};
    char text[64];

    gmtime_r(&seconds, &time);
    snprintf(text, sizeof(text), "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n",
             days[time.tm_wday], time.tm_mday, months[time.tm_mon], time.tm_year + 1900,
             time.tm_hour, time.tm_min, time.tm_sec);
    put_text(sink, text);
}

/* <id@domain of the sender>; a domain beyond ASCII gives a byte each a hyphen. */
static void put_message_id(struct sink *sink, const struct mail_message *message)
{
    put_text(sink, "Message-ID: <");
    put_text(sink, message->id);
    for (const char *at = strchr(message->from_address, '@'); *at != 0; at++)
        put(sink, (unsigned char)*at < 0x80 ? at : "-", 1);
    put_text(sink, ">\r\n");
}

static void put_headers(struct sink *sink, const struct mail_message *message)
{
    put_date(sink, message->wall_ms);
    put_text(sink, "From: ");
    put_display_name(sink, message->from_name);
    put_text(sink, "<");
    put_text(sink, message->from_address);
    put_text(sink, ">\r\nTo: <");
    put_text(sink, message->to_address);
    put_text(sink, ">\r\nSubject: ");
    put_header_text(sink, message->subject);
    put_text(sink, "\r\n");
    put_message_id(sink, message);
    /* RFC 3834, 5: no answering machine replies to it. */
    put_text(sink, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
}

/* ---- parts ---- */

static bool is_quoted(const char *text, const char *end)
{
    unsigned char byte = (unsigned char)*text;

    if (byte == ' ' || byte == '\t')
        return text + 1 == end || text[1] == '\n';
    return byte != '\n' && (byte < ' ' || byte > '~' || byte == '=');
}

/* Quoted-printable (RFC 2045, 6.7): lines of 76 characters at most. */
static void put_quoted(struct sink *sink, const char *text, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *end = text + length;
    size_t column = 0;

    for (; text < end; text++) {
        bool quoted = is_quoted(text, end);
        size_t width = quoted ? 3 : 1;

        if (*text == '\n') {
            put_text(sink, "\r\n");
            column = 0;
            continue;
        }
        if (column + width > LINE_MAX_CHARACTERS - 1) { /* one is the soft break's own */
            put_text(sink, "=\r\n");
            column = 0;
        }
        if (quoted) {
            unsigned char byte = (unsigned char)*text;
            char three[3] = {'=', digits[byte >> 4], digits[byte & 15]};

            put(sink, three, sizeof(three));
        } else {
            put(sink, text, 1);
        }
        column += width;
    }
    if (column > 0)
        put_text(sink, "\r\n");
}

struct base64_line {
    unsigned char bytes[BASE64_LINE_BYTES];
    size_t used;
};

static void end_base64_line(struct sink *sink, struct base64_line *line)
{
    put_base64(sink, line->bytes, line->used);
    put_text(sink, "\r\n");
    line->used = 0;
}

static void put_base64_byte(struct sink *sink, struct base64_line *line, char byte)
{
    line->bytes[line->used++] = (unsigned char)byte;
    if (line->used == BASE64_LINE_BYTES)
        end_base64_line(sink, line);
}

/* Base64 of the text with CRLF at its lines' ends, as it is sent (RFC 2045, 6.8; RFC 2046, 4.1.1).
 */
static void put_base64_lines(struct sink *sink, const char *text, size_t length)
{
    struct base64_line line = {.used = 0};

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put_base64_byte(sink, &line, '\r');
        put_base64_byte(sink, &line, text[i]);
    }
    if (line.used > 0)
        end_base64_line(sink, &line);
}

/* Quoted-printable where most of it can be read as it is, else base64. */
static void put_part(struct sink *sink, const char *type, const char *text)
{
    size_t length = strlen(text);
    size_t quoted = 0;

    for (size_t i = 0; i < length; i++)
        quoted += is_quoted(text + i, text + length);
    put_text(sink, "Content-Type: ");
    put_text(sink, type);
    put_text(sink, "; charset=utf-8\r\nContent-Transfer-Encoding: ");
    if (quoted * 4 <= length) {
        put_text(sink, "quoted-printable\r\n\r\n");
        put_quoted(sink, text, length);
    } else {
        put_text(sink, "base64\r\n\r\n");
        put_base64_lines(sink, text, length);
    }
}

/* No part has a line that begins with "--=_": neither encoding writes "=_". */
static void put_boundary(struct sink *sink, const char *id, const char *end)
{
    put_text(sink, "\r\n--=_");
    put_text(sink, id);
    put_text(sink, end);
}

/* ---- the message ---- */

static bool is_line(const char *text, size_t most)
{
    size_t length = strlen(text);

    return length <= most && mail_is_text(text, length, "");
}

static bool is_part(const char *text)
{
    size_t length = strlen(text);

    return length <= MAIL_PART_MAX && mail_is_text(text, length, "\n\t");
}

static bool is_id(const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++) {
        if (!is_ascii_letter_or_digit(text[i]) && text[i] != '-' && text[i] != '_')
            return false;
    }
    return length >= 1 && length <= MAIL_ID_MAX;
}

static bool is_valid(const struct mail_message *message)
{
    return is_id(message->id) && message->wall_ms >= 0 &&
           message->wall_ms < (int64_t)253402300800 * 1000 && /* the year 10000 */
           mail_address_is_valid(message->from_address, strlen(message->from_address)) &&
           mail_address_is_valid(message->to_address, strlen(message->to_address)) &&
           is_line(message->from_name, MAIL_NAME_MAX) &&
           is_line(message->subject, MAIL_SUBJECT_MAX) && is_part(message->text) &&
           is_part(message->html);
}

size_t mail_compose_bound(const struct mail_message *message)
{
    /* A byte gives three, and a soft break each 73; or, as base64, at most two and a third. */
    return HEADERS_MAX + 4 * (strlen(message->text) + strlen(message->html));
}

bool mail_compose(const struct mail_message *message, char *target, size_t size, size_t *length_out)
{
    struct sink sink = {.target = target, .size = size};

    if (!is_valid(message))
        return false;
    put_headers(&sink, message);
    if (message->html[0] == 0) {
        put_part(&sink, "text/plain", message->text);
    } else {
        put_text(&sink, "Content-Type: multipart/alternative;\r\n boundary=\"=_");
        put_text(&sink, message->id);
        put_text(&sink, "\"\r\n");
        put_boundary(&sink, message->id, "\r\n");
        put_part(&sink, "text/plain", message->text);
        put_boundary(&sink, message->id, "\r\n");
        put_part(&sink, "text/html", message->html);
        put_boundary(&sink, message->id, "--\r\n");
    }
    *length_out = sink.length;
    return sink.length <= size;
}

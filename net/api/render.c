/* SPDX-License-Identifier: Apache-2.0 */
#include "api/render.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/words.h"

enum { WRITER_BYTES_FIRST = 4096 };

struct writer writer_fixed(char *memory, size_t capacity)
{
    return (struct writer){.start = memory, .at = memory, .end = memory + capacity};
}

struct writer writer_growing(void)
{
    return (struct writer){.grows = true};
}

void writer_free(struct writer *writer)
{
    assert(writer->grows);
    free(writer->start);
    *writer = writer_growing();
}

bool writer_grow(struct writer *writer, size_t length)
{
    assert(writer->grows); /* otherwise the caller's bound was wrong */
    if (writer->failed)
        return false;
    size_t used = writer->start == NULL ? 0 : writer_length(writer);
    size_t capacity = used == 0 ? WRITER_BYTES_FIRST : used * 2;
    if (capacity < used + length)
        capacity = used + length;
    char *memory = realloc(writer->start, capacity);
    if (memory == NULL) {
        writer->failed = true;
        writer->end = writer->at;
        return false;
    }
    writer->start = memory;
    writer->at = memory + used;
    writer->end = memory + capacity;
    return true;
}

void write_unsigned(struct writer *writer, uint64_t value)
{
    char digits[RENDER_NUMBER_LENGTH_MAX];
    size_t start = sizeof(digits);

    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    write_bytes(writer, digits + start, sizeof(digits) - start);
}

void write_signed(struct writer *writer, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;

    if (value < 0) {
        write_byte(writer, '-');
        magnitude = 0 - magnitude;
    }
    write_unsigned(writer, magnitude);
}

void write_boolean(struct writer *writer, bool value)
{
    if (value)
        write_literal(writer, "true");
    else
        write_literal(writer, "false");
}

static void write_json_escape(struct writer *writer, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    char letter = '\0';

    switch (byte) {
    case '"':
    case '\\':
        letter = (char)byte;
        break;
    case '\n':
        letter = 'n';
        break;
    case '\r':
        letter = 'r';
        break;
    case '\t':
        letter = 't';
        break;
    default:
        break;
    }
    if (letter == '\0') {
        write_bytes(writer, escape, sizeof(escape));
    } else {
        escape[1] = letter;
        write_bytes(writer, escape, 2);
    }
}

static bool word_has_escape(uint64_t word)
{
    return word_has_control(word) || word_has(word, '"') || word_has(word, '\\');
}

void write_json_string(struct writer *writer, const char *text, size_t length)
{
    bool is_plain = !words_any(text, length, word_has_escape);
    size_t plain = 0; /* where the run of bytes that need no escape began */

    write_byte(writer, '"');
    for (size_t i = 0; i < length && !is_plain; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f)
            continue;
        write_bytes(writer, text + plain, i - plain);
        write_json_escape(writer, byte);
        plain = i + 1;
    }
    write_bytes(writer, text + plain, length - plain);
    write_byte(writer, '"');
}

static void put_digits(char *target, unsigned digits, unsigned value)
{
    while (digits-- > 0) {
        target[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* The proleptic Gregorian calendar by eras of 400 years that begin on 1 March, so that the leap day
 * is the last of its year (Howard Hinnant's derivation of civil dates from days). */
void render_time(int64_t wall_ms, char text_out[RENDER_TIME_LENGTH])
{
    enum { DAYS_TO_1970 = 719468, DAYS_OF_ERA = 146097 };

    assert(wall_ms >= 0 && wall_ms < 253402300800000); /* the year 10000 */
    uint64_t seconds = (uint64_t)wall_ms / 1000;
    unsigned of_day = (unsigned)(seconds % 86400);
    unsigned days = (unsigned)(seconds / 86400) + DAYS_TO_1970;
    unsigned era = days / DAYS_OF_ERA;
    unsigned of_era = days % DAYS_OF_ERA;
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted_month = (5 * of_year + 2) / 153; /* 0 is March */
    unsigned day = of_year - (153 * shifted_month + 2) / 5 + 1;
    unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    unsigned year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);

    memcpy(text_out, "0000-00-00T00:00:00.000Z", RENDER_TIME_LENGTH);
    put_digits(text_out, 4, year);
    put_digits(text_out + 5, 2, month);
    put_digits(text_out + 8, 2, day);
    put_digits(text_out + 11, 2, of_day / 3600);
    put_digits(text_out + 14, 2, of_day / 60 % 60);
    put_digits(text_out + 17, 2, of_day % 60);
    put_digits(text_out + 20, 3, (unsigned)(wall_ms % 1000));
}

void write_json_time(struct writer *writer, int64_t wall_ms)
{
    char text[RENDER_TIME_LENGTH + 2];

    text[0] = '"';
    render_time(wall_ms, text + 1);
    text[RENDER_TIME_LENGTH + 1] = '"';
    write_bytes(writer, text, sizeof(text));
}

void write_html(struct writer *writer, const char *text, size_t length)
{
    size_t plain = 0;

    for (size_t i = 0; i < length; i++) {
        const char *entity = NULL;
        if (text[i] == '&')
            entity = "&amp;";
        else if (text[i] == '<')
            entity = "&lt;";
        else if (text[i] == '>')
            entity = "&gt;";
        else if (text[i] == '"')
            entity = "&quot;";
        if (entity == NULL)
            continue;
        write_bytes(writer, text + plain, i - plain);
        write_text(writer, entity);
        plain = i + 1;
    }
    write_bytes(writer, text + plain, length - plain);
}

/* The length of the sequence that this byte begins and the bits that it gives; 0: it begins none.
 */
static unsigned sequence_length(unsigned char first, uint32_t *bits)
{
    if (first < 0x80) {
        *bits = first;
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0) {
        *bits = first & 0x1fu;
        return 2;
    }
    if (first >= 0xe0 && first < 0xf0) {
        *bits = first & 0x0fu;
        return 3;
    }
    if (first >= 0xf0 && first < 0xf5) {
        *bits = first & 0x07u;
        return 4;
    }
    return 0;
}

bool text_is_utf8(const char *text, size_t length, size_t *characters_out)
{
    size_t characters = 0;

    for (size_t i = 0; i < length; characters++) {
        uint32_t point = 0;
        unsigned bytes = sequence_length((unsigned char)text[i], &point);
        if (bytes == 0 || length - i < bytes)
            return false;
        for (unsigned j = 1; j < bytes; j++) {
            unsigned char next = (unsigned char)text[i + j];
            if ((next & 0xc0) != 0x80)
                return false;
            point = point << 6 | (next & 0x3fu);
        }
        bool is_surrogate = point >= 0xd800 && point < 0xe000;
        bool is_overlong = (bytes == 3 && point < 0x800) || (bytes == 4 && point < 0x10000);
        if (is_surrogate || is_overlong || point > 0x10ffff)
            return false;
        i += bytes;
    }
    if (characters_out != NULL)
        *characters_out = characters;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/import_text.h"

#include <stdio.h>
#include <string.h>

/* ---- encodings ---- */

const char *import_file_encoding(const char *text, size_t length)
{
    static const struct {
        const char *begins;
        size_t length;
        const char *name;
    } marks[] = {
        /* The longer ones first: one of UTF-32 begins as one of UTF-16 does. */
        {"\xff\xfe\0\0", 4, "UTF-32 (little-endian)"},
        {"\0\0\xfe\xff", 4, "UTF-32 (big-endian)"},
        {"\xff\xfe", 2, "UTF-16 (little-endian)"},
        {"\xfe\xff", 2, "UTF-16 (big-endian)"},
        {"PK\x03\x04", 4, "a spreadsheet or ZIP archive, not text"},
        {"\x1f\x8b", 2, "gzip, not text"},
        {"\xd0\xcf\x11\xe0", 4, "an old spreadsheet, not text"},
    };

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (length >= marks[i].length && memcmp(text, marks[i].begins, marks[i].length) == 0)
            return marks[i].name;
    }
    /* Without a mark: every other byte of plain letters is zero. */
    if (length >= 4 && text[0] != 0 && text[1] == 0 && text[2] != 0 && text[3] == 0)
        return "UTF-16 (little-endian)";
    if (length >= 4 && text[0] == 0 && text[1] != 0 && text[2] == 0 && text[3] != 0)
        return "UTF-16 (big-endian)";
    return NULL;
}

const char *import_cell_encoding(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];

        /* Control characters in the one, letters and quotation marks in the other. */
        if (byte >= 0x80 && byte < 0xa0)
            return "Windows-1252";
    }
    return "ISO 8859-1 (Latin-1)";
}

/* ---- formulas ---- */

/* Where a formula would begin behind apostrophes; `quotes_out` gets how many there are. */
static bool begins_formula(struct slice text, size_t *quotes_out)
{
    size_t quotes = 0;

    while (quotes < text.length && text.text[quotes] == '\'')
        quotes++;
    *quotes_out = quotes;
    return quotes < text.length && memchr("=+-@\t\r", text.text[quotes], 6) != NULL;
}

bool import_cell_needs_guard(struct slice text)
{
    size_t quotes;

    return begins_formula(text, &quotes);
}

struct slice import_cell_unguard(struct slice text)
{
    size_t quotes;

    if (!begins_formula(text, &quotes) || quotes == 0)
        return text;
    return (struct slice){text.text + 1, text.length - 1};
}

/* ---- names ---- */

enum { NAME_MARK_LENGTH = 9 }; /* '-' and eight digits */

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && memchr("._-/:", byte, 5) != NULL);
}

static uint32_t name_hash(const struct slice *texts, uint32_t count)
{
    static const struct hash_key key = {{0x6e616d6573, 0x6f66726f7773}};
    uint64_t hash = count;

    for (uint32_t i = 0; i < count; i++)
        hash = hash * 31 + hash_bytes(&key, texts[i].text, texts[i].length);
    return (uint32_t)(hash ^ hash >> 32);
}

static struct slice finish_name(char target[IMPORT_NAME_MAX], size_t used, bool is_marked,
                                const struct slice *texts, uint32_t count)
{
    char mark[NAME_MARK_LENGTH + 1];

    while (used > 0 && is_marked && target[used - 1] == '-')
        used--;
    if (!is_marked)
        return (struct slice){target, used};
    if (used > IMPORT_NAME_MAX - NAME_MARK_LENGTH)
        used = IMPORT_NAME_MAX - NAME_MARK_LENGTH;
    snprintf(mark, sizeof(mark), "-%08x", (unsigned)name_hash(texts, count));
    memcpy(target + used, used == 0 ? mark + 1 : mark, used == 0 ? 8 : NAME_MARK_LENGTH);
    return (struct slice){target, used + (used == 0 ? 8 : NAME_MARK_LENGTH)};
}

struct slice import_name_make(char target[IMPORT_NAME_MAX], const struct slice *texts,
                              uint32_t count, bool is_marked, bool *is_exact_out)
{
    size_t used = 0;
    bool is_exact = true;
    bool is_whole = true;

    for (uint32_t i = 0; i < count && is_whole; i++) {
        bool was_replaced = false;

        if (i > 0 && used < IMPORT_NAME_MAX)
            target[used++] = '-';
        for (size_t at = 0; at < texts[i].length && is_whole; at++) {
            char byte = texts[i].text[at];
            bool is_fit = is_name_byte(byte);

            is_exact = is_exact && is_fit;
            if (!is_fit && was_replaced)
                continue;
            was_replaced = !is_fit;
            is_whole = used < IMPORT_NAME_MAX;
            if (is_whole)
                target[used++] = is_fit ? byte : '-';
        }
    }
    while (used > 0 && !is_exact && target[used - 1] == '-')
        used--;
    if (is_exact_out != NULL)
        *is_exact_out = is_exact && is_whole;
    return finish_name(target, used, is_marked || !is_whole || used == 0, texts, count);
}

struct slice import_name_slug(char target[IMPORT_NAME_MAX], struct slice text)
{
    struct slice name = import_name_make(target, &text, 1, false, NULL);
    size_t from = 0;

    for (size_t i = 0; i < name.length; i++) {
        if (target[i] >= 'A' && target[i] <= 'Z')
            target[i] = (char)(target[i] | 0x20);
    }
    while (from + 1 < name.length && target[from] == '-')
        from++;
    return (struct slice){target + from, name.length - from};
}

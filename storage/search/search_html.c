/* SPDX-License-Identifier: Apache-2.0 */
#include "search/search_html.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "search/search_text.h"

enum { ENTITY_BYTES_MAX = 10 }; /* between & and ; */

struct entity {
    const char *name;
    char is;
};

static const struct entity entities[] = {
    {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"rsquo", '\''},
};

/* What a text has no more of is not looked for again. */
struct markup {
    const char *text;
    size_t length;
    bool no_end;     /* no '>' ahead */
    bool no_comment; /* no end of one ahead */
};

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static bool begins(const struct markup *markup, size_t at, const char *word)
{
    for (; *word != '\0'; word++, at++) {
        if (at >= markup->length || lower(markup->text[at]) != *word)
            return false;
    }
    return true;
}

/* Where `word` ends that begins at `at` or later; the text's end if there is none. */
static size_t end_of(const struct markup *markup, size_t at, const char *word)
{
    for (; at < markup->length; at++) {
        if (begins(markup, at, word))
            return at + strlen(word);
    }
    return markup->length;
}

static size_t comment_end(struct markup *markup, size_t at)
{
    size_t end;

    if (markup->no_comment)
        return 0;
    end = end_of(markup, at + 4, "-->");
    if (end < markup->length || begins(markup, markup->length - 3, "-->"))
        return end;
    markup->no_comment = true;
    return 0;
}

/* Where the tag that begins at `at` ends, with what is not text after it; 0: it is none. */
static size_t tag_end(struct markup *markup, size_t at)
{
    char next = at + 1 < markup->length ? lower(markup->text[at + 1]) : ' ';
    const char *end;

    if (markup->no_end || ((next < 'a' || next > 'z') && strchr("/!?", next) == NULL))
        return 0;
    if (begins(markup, at, "<!--")) {
        size_t comment = comment_end(markup, at);

        if (comment != 0)
            return comment;
    }
    if (begins(markup, at, "<script"))
        return end_of(markup, end_of(markup, at, "</script"), ">");
    if (begins(markup, at, "<style"))
        return end_of(markup, end_of(markup, at, "</style"), ">");
    end = memchr(markup->text + at, '>', markup->length - at);
    markup->no_end = end == NULL;
    return end == NULL ? 0 : (size_t)(end - markup->text) + 1;
}

static uint32_t number_of(const char *digits, size_t length)
{
    bool is_hex = length > 0 && lower(digits[0]) == 'x';
    uint32_t code = 0;

    for (size_t i = is_hex; i < length; i++) {
        char digit = lower(digits[i]);
        bool is_digit = digit >= '0' && digit <= '9';

        if (!is_digit && !(is_hex && digit >= 'a' && digit <= 'f'))
            return ' ';
        code = code * (is_hex ? 16 : 10) + (uint32_t)(is_digit ? digit - '0' : digit - 'a' + 10);
        if (code > 0x10FFFF)
            return ' ';
    }
    return code == 0 || (code >= 0xD800 && code <= 0xDFFF) ? ' ' : code;
}

/* Bytes of the entity at `at`, 0: it is none; what it is. */
static size_t entity_at(const struct markup *markup, size_t at, uint32_t *code_out)
{
    size_t room = markup->length - at - 1;
    const char *name = markup->text + at + 1;
    const char *end = memchr(name, ';', room < ENTITY_BYTES_MAX ? room : ENTITY_BYTES_MAX);
    size_t length = end != NULL ? (size_t)(end - name) : 0;

    if (length < 2)
        return 0;
    *code_out = ' ';
    if (name[0] == '#') {
        *code_out = number_of(name + 1, length - 1);
        return length + 2;
    }
    for (size_t i = 0; i < length; i++) {
        if ((lower(name[i]) < 'a' || lower(name[i]) > 'z') && (name[i] < '0' || name[i] > '9'))
            return 0;
    }
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        if (strlen(entities[i].name) == length && memcmp(entities[i].name, name, length) == 0)
            *code_out = (unsigned char)entities[i].is;
    }
    return length + 2;
}

size_t search_html_text(const char *text, size_t length, char *out)
{
    struct markup markup = {.text = text, .length = length};
    size_t to = 0;

    for (size_t at = 0; at < length;) {
        uint32_t code;
        size_t end = text[at] == '<' ? tag_end(&markup, at) : 0;
        size_t entity = text[at] == '&' ? entity_at(&markup, at, &code) : 0;

        if (end != 0) {
            out[to++] = ' ';
            at = end;
        } else if (entity != 0) {
            char bytes[4];
            size_t count = search_utf8_put(code, bytes);

            memcpy(out + to, bytes, count);
            to += count;
            at += entity;
        } else {
            out[to++] = text[at++];
        }
    }
    return to;
}

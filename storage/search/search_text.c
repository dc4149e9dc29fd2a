/* SPDX-License-Identifier: Apache-2.0 */
#include "search/search_text.h"

#include <string.h>

#include "search/search_fold.h"

#define REPLACEMENT 0xFFFDu

enum kind {
    NO_LETTER,
    LETTER,
    DIGIT,
    UNSPACED, /* of a script that writes no blanks between words */
    MARK,     /* belongs to the letter before, or is not seen */
};

struct range {
    uint32_t first;
    uint32_t last;
    enum kind kind;
};

/* Beyond ASCII, ascending; what is in none is a letter. Marks of direction and joiners do not end
 * a word; a zero-width space does. */
static const struct range ranges[] = {
    {0x80, 0xA9, NO_LETTER},        {0xAB, 0xAC, NO_LETTER},       {0xAD, 0xAD, MARK},
    {0xAE, 0xB4, NO_LETTER},        {0xB6, 0xB9, NO_LETTER},       {0xBB, 0xBF, NO_LETTER},
    {0xD7, 0xD7, NO_LETTER},        {0xF7, 0xF7, NO_LETTER},       {0x300, 0x36F, MARK},
    {0x60C, 0x60C, NO_LETTER},      {0x61B, 0x61C, NO_LETTER},     {0x61F, 0x61F, NO_LETTER},
    {0x6D4, 0x6D4, NO_LETTER},      {0x964, 0x965, NO_LETTER},     {0xE01, 0xEFF, UNSPACED},
    {0x1000, 0x109F, UNSPACED},     {0x1361, 0x1361, NO_LETTER},   {0x1780, 0x17FF, UNSPACED},
    {0x2000, 0x200B, NO_LETTER},    {0x200C, 0x200F, MARK},        {0x2010, 0x2029, NO_LETTER},
    {0x202A, 0x202E, MARK},         {0x202F, 0x205F, NO_LETTER},   {0x2060, 0x2069, MARK},
    {0x206A, 0x2BFF, NO_LETTER},    {0x3000, 0x3004, NO_LETTER},   {0x3005, 0x3005, UNSPACED},
    {0x3006, 0x3006, NO_LETTER},    {0x3007, 0x3007, UNSPACED},    {0x3008, 0x3040, NO_LETTER},
    {0x3041, 0x309F, UNSPACED},     {0x30A0, 0x30A0, NO_LETTER},   {0x30A1, 0x30FA, UNSPACED},
    {0x30FB, 0x30FB, NO_LETTER},    {0x30FC, 0x30FF, UNSPACED},    {0x31F0, 0x31FF, UNSPACED},
    {0x3400, 0x9FFF, UNSPACED},     {0xD800, 0xF8FF, NO_LETTER},   {0xF900, 0xFAFF, UNSPACED},
    {0xFE00, 0xFE0F, MARK},         {0xFE10, 0xFE6F, NO_LETTER},   {0xFEFF, 0xFEFF, MARK},
    {0xFF00, 0xFF0F, NO_LETTER},    {0xFF10, 0xFF19, DIGIT},       {0xFF1A, 0xFF20, NO_LETTER},
    {0xFF3B, 0xFF40, NO_LETTER},    {0xFF5B, 0xFF65, NO_LETTER},   {0xFF66, 0xFF9F, UNSPACED},
    {0xFFE0, 0xFFFF, NO_LETTER},    {0x1F000, 0x1FFFF, NO_LETTER}, {0x20000, 0x3FFFF, UNSPACED},
    {0xE0000, 0x10FFFF, NO_LETTER},
};

/* Words of which the second form is what is indexed; never longer than the first. */
struct spelling {
    const char *first;
    const char *second; /* NULL: one word */
    const char *to;
};

static const struct spelling spellings[] = {
    {"extra", "large", "xlarge"}, {"xtra", "large", "xlarge"}, {"x", "large", "xlarge"},
    {"watts", NULL, "w"},         {"watt", NULL, "w"},         {"litres", NULL, "l"},
    {"litre", NULL, "l"},         {"liters", NULL, "l"},       {"liter", NULL, "l"},
    {"ltr", NULL, "l"},           {"ltrs", NULL, "l"},         {"lt", NULL, "l"},
    {"gms", NULL, "g"},           {"gm", NULL, "g"},           {"grams", NULL, "g"},
    {"gram", NULL, "g"},          {"kgs", NULL, "kg"},         {"inches", NULL, "inch"},
    {"mls", NULL, "ml"},
};

struct word {
    const char *text;
    size_t length;
};

struct cleaner {
    char *out;
    size_t length;
    size_t room; /* without the zero */
    size_t word; /* where the last word begins */
    bool is_full;
    bool is_query;
    enum kind last;
    uint32_t lone; /* the last character of a run without blanks that is not yet in a pair; 0 */
    bool has_pair; /* the run has more than one */
};

size_t search_utf8_take(const char *text, size_t length, uint32_t *code_out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t bytes = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    uint32_t code;

    *code_out = REPLACEMENT;
    if (bytes == 1) {
        *code_out = first;
        return 1;
    }
    if (bytes == 0 || first > 0xF4)
        return 1;
    code = first & (0xFFu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if (i == length || ((unsigned char)text[i] & 0xC0) != 0x80)
            return i;
        code = code << 6 | ((unsigned char)text[i] & 0x3F);
    }
    if (code >= least[bytes] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF))
        *code_out = code;
    return bytes;
}

size_t search_utf8_cut(const char *text, size_t length, size_t bytes)
{
    if (length <= bytes)
        return length;
    for (size_t back = 0; back < 4 && back <= bytes; back++) {
        if (((unsigned char)text[bytes - back] & 0xC0) != 0x80)
            return bytes - back;
    }
    return bytes;
}

static enum kind kind_of(uint32_t code)
{
    size_t low = 0;
    size_t high = sizeof ranges / sizeof ranges[0];

    if (code < 0x80) {
        if ((code | 0x20) >= 'a' && (code | 0x20) <= 'z')
            return LETTER;
        return code >= '0' && code <= '9' ? DIGIT : NO_LETTER;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (code > ranges[middle].last)
            low = middle + 1;
        else if (code < ranges[middle].first)
            high = middle;
        else
            return ranges[middle].kind;
    }
    return LETTER;
}

size_t search_utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* The word that does not fit goes as a whole. */
static void put_bytes(struct cleaner *cleaner, const char *bytes, size_t length)
{
    if (cleaner->is_full)
        return;
    if (length > cleaner->room - cleaner->length) {
        cleaner->is_full = true;
        cleaner->length = cleaner->word;
        return;
    }
    memcpy(cleaner->out + cleaner->length, bytes, length);
    cleaner->length += length;
}

static void put_blank(struct cleaner *cleaner)
{
    if (cleaner->length == 0 || cleaner->out[cleaner->length - 1] == ' ')
        return;
    put_bytes(cleaner, " ", 1);
    cleaner->word = cleaner->length;
}

static void put_code(struct cleaner *cleaner, uint32_t code)
{
    char bytes[4];

    put_bytes(cleaner, bytes, search_utf8_put(code, bytes));
}

static void put_letter(struct cleaner *cleaner, uint32_t code)
{
    size_t low = 0;
    size_t high = search_fold_count;

    if (code >= 'A' && code <= 'Z')
        code += 'a' - 'A';
    if (code < 0x80) {
        put_code(cleaner, code);
        return;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (code > search_folds[middle].from) {
            low = middle + 1;
        } else if (code < search_folds[middle].from) {
            high = middle;
        } else {
            put_bytes(cleaner, search_folds[middle].to, search_folds[middle].length);
            return;
        }
    }
    put_code(cleaner, code);
}

/* The run of characters without blanks is over: its last one alone is a word too, so that what asks
 * for it finds it; a question that has pairs does not ask for it. */
static void end_run(struct cleaner *cleaner)
{
    if (cleaner->lone != 0 && !(cleaner->is_query && cleaner->has_pair)) {
        put_blank(cleaner);
        put_code(cleaner, cleaner->lone);
    }
    if (cleaner->lone != 0)
        put_blank(cleaner);
    cleaner->lone = 0;
    cleaner->has_pair = false;
}

static void put_unspaced(struct cleaner *cleaner, uint32_t code)
{
    put_blank(cleaner);
    if (cleaner->lone != 0) {
        put_code(cleaner, cleaner->lone);
        put_code(cleaner, code);
        put_blank(cleaner);
        cleaner->has_pair = true;
    }
    cleaner->lone = code;
}

static bool is_word_byte(char byte)
{
    return ((unsigned char)byte & 0x80) != 0 || kind_of((unsigned char)byte) != NO_LETTER;
}

/* Bytes of an apostrophe and the s after it that ends the word; 0: there is no apostrophe. */
static size_t apostrophe(const char *text, size_t length, uint32_t code, size_t bytes)
{
    if (code != '\'' && code != 0x2019 && code != 0x2BC)
        return 0;
    if (bytes < length && (text[bytes] == 's' || text[bytes] == 'S') &&
        (bytes + 1 == length || !is_word_byte(text[bytes + 1])))
        return bytes + 1;
    return bytes;
}

static void clean_code(struct cleaner *cleaner, uint32_t code)
{
    enum kind kind = kind_of(code);

    if (kind == MARK)
        return;
    if (kind != UNSPACED)
        end_run(cleaner);
    if (code >= 0xFF01 && code <= 0xFF5E)
        code -= 0xFF01 - '!';
    if (kind == UNSPACED) {
        put_unspaced(cleaner, code);
    } else if (code == '&') {
        put_blank(cleaner);
        put_bytes(cleaner, "and", 3);
        put_blank(cleaner);
    } else if (kind == NO_LETTER) {
        put_blank(cleaner);
    } else {
        if (kind != cleaner->last)
            put_blank(cleaner);
        put_letter(cleaner, code);
    }
    cleaner->last = kind;
}

static bool word_is(struct word word, const char *text)
{
    return text != NULL && strlen(text) == word.length && memcmp(word.text, text, word.length) == 0;
}

static struct word word_at(const char *text, size_t length, size_t at)
{
    const char *end = at < length ? memchr(text + at, ' ', length - at) : NULL;

    return (struct word){.text = text + at,
                         .length = end != NULL   ? (size_t)(end - text) - at
                                   : at < length ? length - at
                                                 : 0};
}

/* How the word at `at`, or it and the next, is spelt; `taken_out`: how many bytes that covers. */
static struct word spelt(const char *text, size_t length, size_t at, size_t *taken_out)
{
    struct word word = word_at(text, length, at);
    struct word next = word_at(text, length, at + word.length + 1);

    *taken_out = word.length;
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        const struct spelling *spelling = &spellings[i];

        if (!word_is(word, spelling->first))
            continue;
        if (spelling->second != NULL) {
            if (!word_is(next, spelling->second))
                continue;
            *taken_out = word.length + 1 + next.length;
        }
        return (struct word){.text = spelling->to, .length = strlen(spelling->to)};
    }
    return word;
}

/* One spelling for units and sizes, and no "and". In place: nothing becomes longer. */
static size_t spell(char *text, size_t length, bool keeps_and)
{
    size_t to = 0;
    size_t at = 0;

    if (word_is((struct word){.text = text, .length = length}, "and"))
        return length;
    while (at < length) {
        size_t taken;
        struct word word = spelt(text, length, at, &taken);

        if (keeps_and || !word_is(word, "and")) {
            if (to > 0)
                text[to++] = ' ';
            memmove(text + to, word.text, word.length);
            to += word.length;
        }
        at += taken + 1;
    }
    return to;
}

size_t search_clean(const char *text, size_t length, unsigned flags, char *out, size_t room)
{
    struct cleaner cleaner = {
        .out = out, .room = room - 1, .is_query = (flags & SEARCH_CLEAN_QUERY) != 0};

    for (size_t at = 0; at < length && !cleaner.is_full;) {
        uint32_t code;
        size_t bytes = search_utf8_take(text + at, length - at, &code);
        size_t dropped = apostrophe(text + at, length - at, code, bytes);

        if (dropped == 0)
            clean_code(&cleaner, code);
        at += dropped > 0 ? dropped : bytes;
    }
    end_run(&cleaner);
    while (cleaner.length > 0 && out[cleaner.length - 1] == ' ')
        cleaner.length--;
    cleaner.length = spell(out, cleaner.length, (flags & SEARCH_CLEAN_KEEP_AND) != 0);
    out[cleaner.length] = '\0';
    return cleaner.length;
}

bool search_text_is_open(const char *text, size_t length)
{
    size_t last = length;
    uint32_t code;

    if (length == 0)
        return false;
    do {
        last--;
    } while (last > 0 && length - last < 4 && ((unsigned char)text[last] & 0xC0) == 0x80);
    search_utf8_take(text + last, length - last, &code);
    return kind_of(code) != NO_LETTER;
}

unsigned search_word_count(const char *cleaned, size_t length)
{
    unsigned count = length > 0;

    for (size_t i = 0; i < length; i++)
        count += cleaned[i] == ' ';
    return count;
}

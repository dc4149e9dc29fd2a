/* SPDX-License-Identifier: Apache-2.0 */
#include "search/readings.h"

#include <string.h>

#include "search/ranking.h"
#include "search/search_text.h"

enum {
    WORTH_SYNONYM = RANKING_ONE * 97 / 100,
    WORTH_JOINED = RANKING_ONE * 98 / 100,
    WORTH_SPLIT = RANKING_ONE * 97 / 100,
    WORTH_SPLIT_KNOWN = RANKING_ONE * 90 / 100, /* the word is known as it is */
    SPLIT_HALF_MIN = 3,                         /* bytes */
    SPLIT_COUNT_MIN = 1,                        /* products that have either half */
    SPLIT_KNOWN_COUNT_MIN = 5,                  /* where some have the word as it is */
};

/* Where in a reading words are put in place of others. */
struct replacement {
    uint32_t first;
    uint32_t count;
    const char *text; /* one or several words */
    size_t length;
};

static void word_set(struct search_word *word, const char *text, size_t length)
{
    length = search_utf8_cut(text, length, SEARCH_WORD_BYTES_MAX);
    word->length = (uint8_t)length;
    memcpy(word->text, text, length);
    word->text[length] = '\0';
}

/* False: the reading has no room for all of them. */
static bool words_append(struct reading *reading, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        const char *blank = memchr(text + at, ' ', length - at);
        size_t bytes = blank != NULL ? (size_t)(blank - text) - at : length - at;

        if (bytes > 0 && reading->count == SEARCH_WORDS_MAX)
            return false;
        if (bytes > 0)
            word_set(&reading->words[reading->count++], text + at, bytes);
        at += bytes + 1;
    }
    return true;
}

void reading_split(const char *cleaned, size_t length, struct reading *reading_out)
{
    reading_out->count = 0;
    reading_out->worth = RANKING_ONE;
    words_append(reading_out, cleaned, length);
}

static bool same(const struct reading *a, const struct reading *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->words[i].length != b->words[i].length ||
            memcmp(a->words[i].text, b->words[i].text, a->words[i].length) != 0)
            return false;
    }
    return true;
}

/* What has no room, or is there already, is left out. */
static void reading_add(struct readings *readings, const struct replacement *with, uint16_t worth)
{
    const struct reading *asked = &readings->at[0];
    struct reading *reading = &readings->at[readings->count];

    if (readings->count == SEARCH_VARIANTS_MAX)
        return;
    reading->count = 0;
    reading->worth = worth;
    for (uint32_t i = 0; i < with->first; i++)
        reading->words[reading->count++] = asked->words[i];
    if (!words_append(reading, with->text, with->length))
        return;
    for (uint32_t i = with->first + with->count; i < asked->count; i++) {
        if (reading->count == SEARCH_WORDS_MAX)
            return;
        reading->words[reading->count++] = asked->words[i];
    }
    for (uint32_t i = 0; i < readings->count; i++) {
        if (same(reading, &readings->at[i]))
            return;
    }
    readings->count++;
}

/* `count` words from `first` on, with `between` between them; 0: they do not fit. */
static size_t phrase_of(const struct reading *asked, uint32_t first, uint32_t count,
                        const char *between, char *out, size_t room)
{
    size_t length = 0;

    for (uint32_t i = first; i < first + count; i++) {
        size_t gap = i > first ? strlen(between) : 0;

        if (length + gap + asked->words[i].length >= room)
            return 0;
        memcpy(out + length, between, gap);
        memcpy(out + length + gap, asked->words[i].text, asked->words[i].length);
        length += gap + asked->words[i].length;
    }
    out[length] = '\0';
    return length;
}

/* Longer phrases first: they say more. */
static void synonyms_add(struct readings *readings, const struct synonyms *synonyms)
{
    const struct reading *asked = &readings->at[0];
    uint32_t longest = asked->count < SYNONYM_WORDS_MAX ? asked->count : SYNONYM_WORDS_MAX;
    char phrase[SYNONYM_BYTES_MAX + 2];

    for (uint32_t count = longest; count > 0; count--) {
        for (uint32_t first = 0; first + count <= asked->count; first++) {
            size_t length = phrase_of(asked, first, count, " ", phrase, sizeof phrase);
            const struct synonym *rules;
            uint32_t found = synonyms_find(synonyms, phrase, length, &rules);

            for (uint32_t i = 0; i < found; i++) {
                struct replacement with = {.first = first,
                                           .count = count,
                                           .text = rules[i].to,
                                           .length = strlen(rules[i].to)};

                reading_add(readings, &with, WORTH_SYNONYM);
            }
        }
    }
}

static void joined_add(struct readings *readings, readings_count *count, void *arg)
{
    const struct reading *asked = &readings->at[0];
    char text[SEARCH_WORD_BYTES_MAX + 1];

    for (uint32_t i = 0; i + 1 < asked->count; i++) {
        struct replacement with = {.first = i, .count = 2, .text = text};

        with.length = phrase_of(asked, i, 2, "", text, sizeof text);
        if (with.length > 0 && count(arg, text, with.length) > 0)
            reading_add(readings, &with, WORTH_JOINED);
    }
}

static bool is_character_start(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

/* Where the word falls into two of which the rarer is as frequent as can be; 0: nowhere. */
static size_t cut_of(const struct search_word *word, bool is_known, readings_count *count,
                     void *arg)
{
    uint32_t best = (is_known ? SPLIT_KNOWN_COUNT_MIN : SPLIT_COUNT_MIN) - 1;
    size_t cut = 0;

    for (size_t at = SPLIT_HALF_MIN; at + SPLIT_HALF_MIN <= word->length; at++) {
        uint32_t first = is_character_start(word->text[at]) ? count(arg, word->text, at) : 0;
        uint32_t second = first > best ? count(arg, word->text + at, word->length - at) : 0;

        if (first > best && second > best) {
            best = first < second ? first : second;
            cut = at;
        }
    }
    return cut;
}

static void split_add(struct readings *readings, readings_count *count, void *arg)
{
    const struct reading *asked = &readings->at[0];

    for (uint32_t i = 0; i < asked->count; i++) {
        const struct search_word *word = &asked->words[i];
        bool is_known = count(arg, word->text, word->length) > 0;
        size_t cut = cut_of(word, is_known, count, arg);
        char text[SEARCH_WORD_BYTES_MAX + 2];
        struct replacement with = {.first = i, .count = 1, .text = text};

        if (cut == 0)
            continue;
        memcpy(text, word->text, cut);
        text[cut] = ' ';
        memcpy(text + cut + 1, word->text + cut, word->length - cut);
        with.length = word->length + 1u;
        reading_add(readings, &with, is_known ? WORTH_SPLIT_KNOWN : WORTH_SPLIT);
    }
}

void readings_make(const char *cleaned, size_t length, const struct synonyms *synonyms,
                   readings_count *count, void *arg, struct readings *readings_out)
{
    readings_out->count = 0;
    reading_split(cleaned, length, &readings_out->at[0]);
    if (readings_out->at[0].count == 0)
        return;
    readings_out->count = 1;
    synonyms_add(readings_out, synonyms);
    joined_add(readings_out, count, arg);
    split_add(readings_out, count, arg);
}

bool reading_is_optional(const struct search_word *word)
{
    static const char *const optional[] = {"for", "with", "and", "of", "the",
                                           "in",  "to",   "a",   "no", "l"};

    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        if (strcmp(word->text, optional[i]) == 0)
            return true;
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The search's own texts: any bytes as a question, as a product's description, and as a file of
 * synonyms. What is cleaned is clean, within its room, and its readings are within their bounds.
 *
 * Input: of what kind it is; then the bytes. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "search/distance.h"
#include "search/ranking.h"
#include "search/readings.h"
#include "search/search_html.h"
#include "search/search_text.h"
#include "search/synonyms.h"

/* Words that the index would know: by their own bytes, so that questions are split and joined. */
static uint32_t count_of(void *arg, const char *word, size_t length)
{
    (void)arg;
    return (uint32_t)(fuzz_hash(FUZZ_HASH_START, word, length) % 3 == 0 ? 9 : 0);
}

static void check_cleaned(const char *cleaned, size_t length)
{
    bool is_blank = true;

    for (size_t at = 0; at < length;) {
        uint32_t code;

        at += search_utf8_take(cleaned + at, length - at, &code);
        assert(code != 0xFFFD && (code == ' ' || code > '/'));
        assert(code != ' ' || !is_blank);
        is_blank = code == ' ';
    }
    assert(length == 0 || !is_blank);
    assert(cleaned[length] == '\0');
}

static void check_readings(const struct readings *readings)
{
    assert(readings->count <= SEARCH_VARIANTS_MAX);
    for (uint32_t i = 0; i < readings->count; i++) {
        const struct reading *reading = &readings->at[i];

        assert(reading->count > 0 && reading->count <= SEARCH_WORDS_MAX);
        assert(reading->worth > 0 && reading->worth <= RANKING_ONE);
        for (uint32_t k = 0; k < reading->count; k++) {
            const struct search_word *word = &reading->words[k];

            assert(word->length > 0 && word->length <= SEARCH_WORD_BYTES_MAX);
            assert(strlen(word->text) == word->length);
            assert(memchr(word->text, ' ', word->length) == NULL);
        }
    }
}

static void check_distances(const struct reading *reading)
{
    for (uint32_t i = 1; i < reading->count; i++) {
        struct distance_word a;
        struct distance_word b;

        distance_word_set(&a, reading->words[i - 1].text, reading->words[i - 1].length);
        distance_word_set(&b, reading->words[i].text, reading->words[i].length);
        assert(distance(&a, &b, DISTANCE_MAX, false) == distance(&b, &a, DISTANCE_MAX, false));
        assert(distance(&a, &b, DISTANCE_MAX, true) <= distance(&a, &b, DISTANCE_MAX, false));
        assert(distance(&a, &a, 0, false) == 0);
    }
}

static void ask(const char *text, size_t length, unsigned flags, const struct synonyms *synonyms)
{
    size_t room = SEARCH_CLEAN_ROOM(length);
    char *cleaned = malloc(room);
    struct readings readings;
    size_t count;

    assert(cleaned != NULL);
    count = search_clean(text, length, flags, cleaned, room);
    assert(count < room - 1);
    check_cleaned(cleaned, count);
    readings_make(cleaned, count, synonyms, count_of, NULL, &readings);
    check_readings(&readings);
    if (readings.count > 0)
        check_distances(&readings.at[0]);
    search_text_is_open(text, length);
    free(cleaned);
    if (length > 0) { /* in a room that is too small */
        char small[40];
        size_t fits = search_clean(text, length, flags, small, 1 + length % (sizeof small - 1));

        check_cleaned(small, fits);
    }
}

static void parse(const char *text, size_t length)
{
    struct synonym_faults faults;
    struct synonyms *synonyms = synonyms_parse(text, length, &faults);

    assert(synonyms != NULL && synonyms->count <= SYNONYMS_MAX);
    for (uint32_t i = 0; i < synonyms->count; i++) {
        const struct synonym *rule = &synonyms->rules[i];
        const struct synonym *first;
        uint32_t found = synonyms_find(synonyms, rule->from, strlen(rule->from), &first);

        assert(found > 0 && first <= rule && rule < first + found);
        check_cleaned(rule->from, strlen(rule->from));
        check_cleaned(rule->to, strlen(rule->to));
    }
    ask(text, length < 400 ? length : 400, SEARCH_CLEAN_QUERY, synonyms);
    synonyms_close(synonyms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t length = size - 1;

    if (data[0] < 4) {
        ask(text, length, data[0], NULL);
    } else if (data[0] == 4) {
        parse(text, length);
    } else {
        char *out = malloc(size);

        assert(out != NULL);
        ask(out, search_html_text(text, length, out), SEARCH_CLEAN_DOCUMENT, NULL);
        free(out);
    }
    return 0;
}

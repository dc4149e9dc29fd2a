/* SPDX-License-Identifier: Apache-2.0 */
#include "search/suggest_words.h"

#include <string.h>

#include <groonga/ii.h>

#include "search/search_text.h"

enum {
    WORTH_WHOLE = SUGGEST_ONE * 30 / 100, /* more, for a word that is rarely the beginning of one */
    WORTH_NUMBER = SUGGEST_ONE * 90 / 100, /* in the singular for the plural, or the reverse */
    CORRECTED_LETTERS_MIN = 3,
    CORRECTED_TWICE_LETTERS_MIN = 8,
    RARE_MAX = 5,        /* suggestions with a word: fewer, and it may be an error */
    LIKELIER_FACTOR = 2, /* of an error's word against a rare one that is there */
};

static const uint16_t error_worth[DISTANCE_MAX + 1] = {SUGGEST_ONE, SUGGEST_ONE * 3 / 10,
                                                       SUGGEST_ONE / 10};

static uint32_t form_size(struct lexicon *lexicon, grn_id id)
{
    return lexicon_size(&lexicon->reader->context, lexicon->reader->index->suggestions_index, id);
}

static void form_add(struct suggest_word *word, grn_id id, uint32_t size, uint32_t worth)
{
    for (uint32_t i = 0; i < word->count; i++) {
        if (word->forms[i].id == id)
            return;
    }
    if (size == 0 || word->count == SUGGEST_FORMS_MAX)
        return;
    word->forms[word->count++] = (struct suggest_form){.id = id, .worth = (uint16_t)worth};
    word->cost += size;
}

static grn_id form_find(struct lexicon *lexicon, const char *text, size_t length,
                        uint32_t *size_out)
{
    grn_id id = grn_table_get(&lexicon->reader->context, lexicon->reader->index->suggestion_words,
                              text, (unsigned)length);

    *size_out = id != GRN_ID_NIL ? form_size(lexicon, id) : 0;
    return id;
}

/* The word without the s it ends with, or with one. */
static void number_add(struct lexicon *lexicon, struct suggest_word *word)
{
    char text[SEARCH_WORD_BYTES_MAX + 2];
    size_t length = word->word.length;
    uint32_t size;
    grn_id id;

    memcpy(text, word->word.text, length);
    if (length > 2 && text[length - 1] == 's')
        length--;
    else
        text[length++] = 's';
    id = form_find(lexicon, text, length, &size);
    form_add(word, id, size, WORTH_NUMBER);
}

/* Adds what it begins; returns how many suggestions have one of these, about. */
static uint32_t complete(struct lexicon *lexicon, struct suggest_word *word)
{
    struct search_index *index = lexicon->reader->index;
    struct form best[SUGGEST_COMPLETIONS_MAX];
    struct forms forms = {.room = SUGGEST_COMPLETIONS_MAX, .best = best};
    uint32_t having = 0;

    lexicon_complete(lexicon, index->suggestion_words, index->suggestions_index, word->word.text,
                     word->word.length, &forms);
    for (uint32_t i = 0; i < forms.count; i++) {
        uint32_t size = form_size(lexicon, best[i].id);

        form_add(word, best[i].id, size, SUGGEST_ONE);
        having += size;
    }
    return having;
}

/* Adds what it is an error of, if that is so much likelier than what `having` suggestions have. */
static void correct(struct lexicon *lexicon, struct suggest_word *word, uint32_t having)
{
    struct search_index *index = lexicon->reader->index;
    struct form best[SUGGEST_CORRECTIONS_MAX];
    struct forms forms = {.room = SUGGEST_CORRECTIONS_MAX, .best = best};
    size_t letters;

    distance_word_set(&lexicon->typed, word->word.text, word->word.length);
    letters = lexicon->typed.count;
    if (letters < CORRECTED_LETTERS_MIN)
        return;
    lexicon_correct(lexicon, index->suggestion_words, index->suggestions_index, word->word.text,
                    word->word.length, letters >= CORRECTED_TWICE_LETTERS_MIN ? 2 : 1,
                    word->is_open, &forms);
    for (uint32_t i = 0; i < forms.count; i++) {
        if (best[i].errors > 0 && best[i].count >= having * LIKELIER_FACTOR)
            form_add(word, best[i].id, form_size(lexicon, best[i].id), error_worth[best[i].errors]);
    }
}

void suggest_word_resolve(struct lexicon *lexicon, struct suggest_word *word)
{
    uint32_t whole;
    uint32_t begun = 0;
    grn_id id = form_find(lexicon, word->word.text, word->word.length, &whole);

    word->count = 0;
    word->cost = 0;
    form_add(word, id, whole, SUGGEST_ONE);
    if (word->is_open)
        begun = complete(lexicon, word);
    if (whole > 0)
        word->forms[0].worth +=
            (uint16_t)((uint64_t)WORTH_WHOLE * whole / ((uint64_t)whole + begun));
    number_add(lexicon, word);
    if (whole + begun <= RARE_MAX)
        correct(lexicon, word, whole + begun);
}

void suggest_word_correct(struct lexicon *lexicon, struct suggest_word *word)
{
    word->count = 0;
    word->cost = 0;
    correct(lexicon, word, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways lead to a suggestion: its text begins with all that is typed (the keys of Suggestions
 * are in order), or it has all the words, in any order, the last perhaps only begun, each perhaps
 * mistyped (SuggestionWords). Both give it a score; the best are read, those of the same text shown
 * once. */
#include "search/suggest.h"

#include <stdlib.h>
#include <string.h>

#include <groonga/ii.h>

#include "search/ranking.h"
#include "search/search_text.h"
#include "search/suggest_words.h"

enum {
    CLEAN_ROOM = SEARCH_CLEAN_ROOM(SUGGEST_QUERY_BYTES_MAX),
    SCORE_FIRST = SUGGEST_ONE * 50 / 100,  /* the text begins with the first word */
    SCORE_BEGINS = SUGGEST_ONE * 30 / 100, /* and with all that is typed */
    SCORE_BRAND = SUGGEST_ONE * 50 / 100,
    SCORE_CATEGORY = SUGGEST_ONE * 40 / 100,
    SCORE_PRODUCTS = SUGGEST_ONE * 14 / 1000, /* each quarter of a doubling of those that have it */
};

struct candidate {
    grn_id record;
    uint8_t found;  /* bits of words */
    bool is_first;  /* its text begins with the first word */
    uint16_t score; /* of its words */
};

struct scored {
    grn_id record;
    uint32_t score;
};

struct suggest {
    struct index_reader *reader;
    struct lexicon lexicon;
    grn_obj text;

    size_t typed_length;
    char typed[CLEAN_ROOM]; /* cleaned */
    bool is_open;
    uint32_t word_count;
    struct suggest_word words[SUGGEST_WORDS_MAX];

    uint32_t postings_left;
    uint32_t candidate_count;
    struct candidate candidates[SUGGEST_POSTINGS_MAX];
    uint32_t *candidate_of; /* by record ID; right if the candidate says so */
    uint32_t records_end;

    uint32_t best_count;
    struct scored best[SUGGEST_BEST_MAX];
};

_Static_assert(SUGGEST_WORDS_MAX <= 8, "words are bits of a byte");

struct suggest *suggest_create(struct index_reader *reader)
{
    struct suggest *suggest = calloc(1, sizeof *suggest);

    if (suggest == NULL)
        return NULL;
    suggest->reader = reader;
    lexicon_open(&suggest->lexicon, reader);
    GRN_TEXT_INIT(&suggest->text, 0);
    return suggest;
}

void suggest_destroy(struct suggest *suggest)
{
    if (suggest == NULL)
        return;
    GRN_OBJ_FIN(&suggest->reader->context, &suggest->text);
    lexicon_close(&suggest->lexicon);
    free(suggest->candidate_of);
    free(suggest);
}

static bool records_reserve(struct suggest *suggest)
{
    uint32_t end = suggest->reader->index->suggestions_end;

    if (end <= suggest->records_end && suggest->candidate_of != NULL)
        return true;
    free(suggest->candidate_of);
    suggest->records_end = end + end / 8 + 1024;
    suggest->candidate_of = calloc(suggest->records_end, sizeof *suggest->candidate_of);
    return suggest->candidate_of != NULL;
}

static bool typed_take(struct suggest *suggest, const char *text, size_t length)
{
    size_t bytes = search_utf8_cut(text, length, SUGGEST_QUERY_BYTES_MAX);
    struct reading reading;

    suggest->is_open = search_text_is_open(text, bytes);
    suggest->typed_length = search_clean(text, bytes, SEARCH_CLEAN_QUERY | SEARCH_CLEAN_KEEP_AND,
                                         suggest->typed, sizeof suggest->typed);
    reading_split(suggest->typed, suggest->typed_length, &reading);
    suggest->word_count = reading.count < SUGGEST_WORDS_MAX ? reading.count : SUGGEST_WORDS_MAX;
    for (uint32_t i = 0; i < suggest->word_count; i++) {
        suggest->words[i].word = reading.words[i];
        suggest->words[i].is_open = suggest->is_open && i + 1u == reading.count;
    }
    return suggest->word_count > 0;
}

/* ---- the best ---- */

static void best_add(struct suggest *suggest, grn_id record, uint32_t score)
{
    uint32_t at = 0;

    while (at < suggest->best_count && suggest->best[at].record != record)
        at++;
    if (at < suggest->best_count) {
        if (suggest->best[at].score >= score)
            return;
    } else if (suggest->best_count < SUGGEST_BEST_MAX) {
        suggest->best_count++;
    } else {
        at--;
        if (suggest->best[at].score >= score)
            return;
    }
    while (at > 0 && suggest->best[at - 1].score < score) {
        suggest->best[at] = suggest->best[at - 1];
        at--;
    }
    suggest->best[at] = (struct scored){.record = record, .score = score};
}

/* What it is, and how many products have it. */
static uint32_t row_score(const struct suggest *suggest, grn_id record)
{
    const struct index_suggestion *row = &suggest->reader->index->suggestion_rows[record];
    uint32_t score = row->kind == SUGGESTION_BRAND      ? SCORE_BRAND
                     : row->kind == SUGGESTION_CATEGORY ? SCORE_CATEGORY
                                                        : 0;

    return score + SCORE_PRODUCTS * ranking_quarter_log2(((uint64_t)row->products + 1) << 8);
}

static bool is_there(const struct suggest *suggest, grn_id record)
{
    const struct search_index *index = suggest->reader->index;

    return record < index->suggestions_end && index->suggestion_rows[record].products > 0;
}

/* ---- texts that begin so ---- */

static void beginnings_take(struct suggest *suggest, enum suggestion_kind kind)
{
    grn_ctx *context = &suggest->reader->context;
    char key[CLEAN_ROOM + 2];
    size_t length = suggest->typed_length + 1;
    grn_table_cursor *cursor;
    grn_id record;

    key[0] = (char)('0' + kind);
    memcpy(key + 1, suggest->typed, suggest->typed_length);
    cursor =
        grn_table_cursor_open(context, suggest->reader->index->suggestions, key, (unsigned)length,
                              NULL, 0, 0, SUGGEST_BEGINNINGS_MAX, GRN_CURSOR_PREFIX);
    if (cursor == NULL)
        return;
    while ((record = grn_table_cursor_next(context, cursor)) != GRN_ID_NIL) {
        void *found;
        size_t bytes = (size_t)grn_table_cursor_get_key(context, cursor, &found);
        bool is_whole = bytes == length || ((const char *)found)[length] == ' ';

        if (is_there(suggest, record) && (suggest->is_open || is_whole))
            best_add(suggest, record,
                     suggest->word_count * SUGGEST_ONE + SCORE_FIRST + SCORE_BEGINS +
                         row_score(suggest, record));
    }
    grn_table_cursor_close(context, cursor);
}

/* ---- texts that have the words ---- */

static struct candidate *candidate_find(struct suggest *suggest, grn_id record, bool makes)
{
    uint32_t at;

    if (record >= suggest->records_end)
        return NULL;
    at = suggest->candidate_of[record];
    if (at < suggest->candidate_count && suggest->candidates[at].record == record)
        return &suggest->candidates[at]; /* it is there: one cache line less to fetch */
    if (!makes || suggest->candidate_count == SUGGEST_POSTINGS_MAX || !is_there(suggest, record))
        return NULL;
    at = suggest->candidate_count++;
    suggest->candidate_of[record] = at;
    suggest->candidates[at] = (struct candidate){.record = record};
    return &suggest->candidates[at];
}

static void form_take(struct suggest *suggest, uint32_t word, const struct suggest_form *form,
                      bool makes)
{
    grn_ctx *context = &suggest->reader->context;
    grn_ii *ii = (grn_ii *)suggest->reader->index->suggestions_index;
    uint8_t bit = (uint8_t)(1u << word);
    grn_ii_cursor *cursor = grn_ii_cursor_open(context, ii, form->id, GRN_ID_NIL, GRN_ID_MAX,
                                               (int)grn_ii_get_n_elements(context, ii), 0);
    const grn_posting *posting;

    if (cursor == NULL)
        return;
    while (suggest->postings_left > 0 && (posting = grn_ii_cursor_next(context, cursor)) != NULL) {
        struct candidate *candidate = candidate_find(suggest, posting->rid, makes);
        const grn_posting *place;

        suggest->postings_left--;
        if (candidate == NULL || (candidate->found & bit) != 0)
            continue;
        candidate->found |= bit;
        candidate->score = (uint16_t)(candidate->score + form->worth);
        place = word == 0 ? grn_ii_cursor_next_pos(context, cursor) : NULL;
        if (place != NULL && place->pos == 0)
            candidate->is_first = true;
    }
    grn_ii_cursor_close(context, cursor);
}

/* Those that have not all of `words` go. */
static void candidates_keep(struct suggest *suggest, uint8_t words)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < suggest->candidate_count; i++) {
        if ((suggest->candidates[i].found & words) != words)
            continue;
        suggest->candidates[kept] = suggest->candidates[i];
        suggest->candidate_of[suggest->candidates[kept].record] = kept;
        kept++;
    }
    suggest->candidate_count = kept;
}

static void word_take(struct suggest *suggest, uint32_t word, bool makes)
{
    const struct suggest_word *resolved = &suggest->words[word];

    for (uint32_t i = 0; i < resolved->count; i++)
        form_take(suggest, word, &resolved->forms[i], makes);
}

static const char *text_of(struct suggest *suggest, grn_obj *column, grn_id record,
                           size_t *length_out)
{
    GRN_BULK_REWIND(&suggest->text);
    grn_obj_get_value(&suggest->reader->context, column, record, &suggest->text);
    *length_out = GRN_TEXT_LEN(&suggest->text);
    return GRN_TEXT_VALUE(&suggest->text);
}

/* How many words of the text begin with the word. */
static uint32_t beginnings_of(const char *text, size_t length, const struct search_word *word)
{
    uint32_t count = 0;

    for (size_t at = 0; at + word->length <= length;) {
        const char *blank = memchr(text + at, ' ', length - at);

        count += memcmp(text + at, word->text, word->length) == 0;
        if (blank == NULL)
            break;
        at = (size_t)(blank - text) + 1;
    }
    return count;
}

/* The candidates' own texts say whether they have a word that begins like the last: of a short
 * beginning, the index has too many to know which of them stand beside the other words. */
static bool last_from_texts(struct suggest *suggest, uint32_t word)
{
    const struct search_word *last = &suggest->words[word].word;
    uint32_t needed = 1;
    bool is_found = false;

    if (suggest->candidate_count > SUGGEST_TEXTS_MAX)
        return false;
    for (uint32_t i = 0; i < word; i++) /* "olive o": not olive itself */
        needed += beginnings_of(suggest->words[i].word.text, suggest->words[i].word.length, last);
    for (uint32_t i = 0; i < suggest->candidate_count; i++) {
        struct candidate *candidate = &suggest->candidates[i];
        size_t length;
        const char *text =
            text_of(suggest, suggest->reader->index->suggestion_text, candidate->record, &length);

        if (beginnings_of(text, length, last) < needed)
            continue;
        candidate->found |= (uint8_t)(1u << word);
        candidate->score = (uint16_t)(candidate->score + SUGGEST_ONE);
        is_found = true;
    }
    return is_found;
}

static uint32_t cheapest(const struct suggest *suggest, uint8_t among)
{
    uint32_t best = SUGGEST_WORDS_MAX;

    for (uint32_t i = 0; i < suggest->word_count; i++) {
        if ((among >> i & 1) != 0 &&
            (best == SUGGEST_WORDS_MAX || suggest->words[i].cost < suggest->words[best].cost))
            best = i;
    }
    return best;
}

/* The words that are typed to their end, the rarest first. */
static void whole_words_take(struct suggest *suggest, uint8_t words)
{
    uint8_t done = 0;

    while (words != 0 && (done == 0 || suggest->candidate_count > 0)) {
        uint32_t word = cheapest(suggest, words);

        word_take(suggest, word, done == 0);
        words &= (uint8_t) ~(1u << word);
        done |= (uint8_t)(1u << word);
        candidates_keep(suggest, done);
    }
}

static void last_take(struct suggest *suggest, uint32_t word)
{
    bool is_only = word == 0;

    if (!is_only && last_from_texts(suggest, word))
        return;
    if (is_only || suggest->candidate_count > SUGGEST_TEXTS_MAX)
        suggest_word_resolve(&suggest->lexicon, &suggest->words[word]);
    else
        suggest_word_correct(&suggest->lexicon, &suggest->words[word]);
    word_take(suggest, word, is_only);
}

static void words_take(struct suggest *suggest)
{
    uint32_t count = suggest->word_count;
    bool is_open = suggest->words[count - 1].is_open;
    uint32_t whole = is_open ? count - 1 : count;
    uint8_t all = (uint8_t)((1u << count) - 1);

    for (uint32_t i = 0; i < whole; i++)
        suggest_word_resolve(&suggest->lexicon, &suggest->words[i]);
    whole_words_take(suggest, (uint8_t)((1u << whole) - 1));
    if (is_open && (whole == 0 || suggest->candidate_count > 0))
        last_take(suggest, count - 1);
    for (uint32_t i = 0; i < suggest->candidate_count; i++) {
        const struct candidate *candidate = &suggest->candidates[i];

        if (candidate->found == all)
            best_add(suggest, candidate->record,
                     candidate->score + (candidate->is_first ? SCORE_FIRST : 0u) +
                         row_score(suggest, candidate->record));
    }
}

/* ---- the answer ---- */

/* The same words were shown already: as a brand, say, and again as a name. */
static bool is_shown(const char *text, size_t length, const struct suggestion *suggestions,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char shown[SEARCH_CLEAN_ROOM(SEARCH_TEXT_BYTES_MAX)];
        size_t bytes = search_clean(suggestions[i].text, suggestions[i].length,
                                    SEARCH_CLEAN_KEEP_AND, shown, sizeof shown);

        if (bytes == length && memcmp(shown, text, length) == 0)
            return true;
    }
    return false;
}

static void show(struct suggest *suggest, grn_id record, struct suggestion *suggestion_out)
{
    const struct index_suggestion *row = &suggest->reader->index->suggestion_rows[record];
    size_t length;
    const char *text = text_of(suggest, suggest->reader->index->suggestion_shown, record, &length);

    length = search_utf8_cut(text, length, SEARCH_TEXT_BYTES_MAX);
    suggestion_out->kind = row->kind;
    suggestion_out->has_place = row->kind == SUGGESTION_PRODUCT && row->products == 1;
    suggestion_out->place = index_place(suggestion_out->has_place ? row->places : 0);
    suggestion_out->length = (uint16_t)length;
    memcpy(suggestion_out->text, text, length);
}

static uint32_t best_show(struct suggest *suggest,
                          struct suggestion suggestions_out[SEARCH_SUGGESTIONS_MAX])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < suggest->best_count && count < SEARCH_SUGGESTIONS_MAX; i++) {
        grn_id record = suggest->best[i].record;
        size_t length;
        const char *text =
            text_of(suggest, suggest->reader->index->suggestion_text, record, &length);

        if (!is_shown(text, length, suggestions_out, count))
            show(suggest, record, &suggestions_out[count++]);
    }
    return count;
}

enum search_outcome suggest_run(struct index_reader *reader, const char *text, size_t length,
                                struct suggestion suggestions_out[SEARCH_SUGGESTIONS_MAX],
                                uint32_t *count_out)
{
    struct suggest *suggest = reader->suggest;
    bool is_short;

    *count_out = 0;
    if (!records_reserve(suggest))
        return SEARCH_FAILED;
    if (!typed_take(suggest, text, length))
        return SEARCH_OK;
    suggest->postings_left = SUGGEST_POSTINGS_MAX;
    suggest->candidate_count = 0;
    suggest->best_count = 0;
    is_short = suggest->typed_length <= SUGGEST_SHORT_BYTES;
    beginnings_take(suggest, SUGGESTION_BRAND);
    beginnings_take(suggest, SUGGESTION_CATEGORY);
    if (!is_short) {
        beginnings_take(suggest, SUGGESTION_PRODUCT);
        words_take(suggest);
    }
    if (reader->context.rc != GRN_SUCCESS)
        return SEARCH_FAILED;
    *count_out = best_show(suggest, suggestions_out);
    return reader->context.rc == GRN_SUCCESS ? SEARCH_OK : SEARCH_FAILED;
}

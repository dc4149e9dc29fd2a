/* SPDX-License-Identifier: Apache-2.0 */
#include "search/lexicon.h"

#include <string.h>

#include <groonga/ii.h>

#include "search/ranking.h"
#include "search/search_text.h"

enum {
    WEIGHT_COMPLETION = RANKING_ONE * 90 / 100,
    WEIGHT_COMPLETION_KNOWN = RANKING_ONE * 60 / 100, /* of a word that is one by itself */
    WEIGHT_CORRECTION = RANKING_ONE * 95 / 100,
    WEIGHT_CORRECTION_KNOWN = RANKING_ONE * 60 / 100,
    COMPLETED_BYTES_MIN = 2,
    CORRECTED_LETTERS_MIN = 4,
    CORRECTED_TWICE_LETTERS_MIN = 8,       /* two errors at once */
    CORRECTED_TWICE_LATER_LETTERS_MIN = 6, /* where one led to nothing */
    CORRECTED_FORM_MAX = 3,  /* products that have it as written: fewer, and it may be an error */
    LIKELIER_FACTOR = 50,    /* if not fewer, so many more that have what it is an error of */
    CORRECTED_TERM_MAX = 20, /* the same of its stem */
    CORRECTED_TERMS_MAX = 4, /* completions: fewer, and it may be an error */
    EXACT_SIZE_MAX = 64,     /* estimates below are looked after */
};

/* How much less likely an error more makes it: 0.55 each. */
static const uint16_t likely[DISTANCE_MAX + 1] = {RANKING_ONE, 2253, 1239};

void lexicon_open(struct lexicon *lexicon, struct index_reader *reader)
{
    lexicon->reader = reader;
    GRN_RECORD_INIT(&lexicon->tokens, GRN_OBJ_VECTOR,
                    grn_obj_id(&reader->context, reader->index->words));
}

void lexicon_close(struct lexicon *lexicon)
{
    GRN_OBJ_FIN(&lexicon->reader->context, &lexicon->tokens);
}

/* Groonga's estimate counts what is gone: a small one is looked after. */
uint32_t lexicon_size(grn_ctx *context, grn_obj *index, grn_id id)
{
    grn_ii *ii = (grn_ii *)index;
    uint32_t size = grn_ii_estimate_size(context, ii, id);
    grn_ii_cursor *cursor;

    if (size == 0 || size > EXACT_SIZE_MAX)
        return size;
    cursor = grn_ii_cursor_open(context, ii, id, GRN_ID_NIL, GRN_ID_MAX,
                                (int)grn_ii_get_n_elements(context, ii), 0);
    size = 0;
    while (cursor != NULL && size < EXACT_SIZE_MAX && grn_ii_cursor_next(context, cursor) != NULL)
        size++;
    if (cursor != NULL)
        grn_ii_cursor_close(context, cursor);
    return size;
}

uint32_t lexicon_count(void *arg, const char *word, size_t length)
{
    struct lexicon *lexicon = arg;
    grn_ctx *context = &lexicon->reader->context;
    struct search_index *index = lexicon->reader->index;
    grn_id form = grn_table_get(context, index->forms, word, (unsigned)length);

    return form == GRN_ID_NIL ? 0 : lexicon_size(context, index->forms_index, form);
}

/* The term of a word as it is written, GRN_ID_NIL if there is none. */
static grn_id term_of(struct lexicon *lexicon, const char *word, size_t length)
{
    grn_ctx *context = &lexicon->reader->context;
    const grn_id *terms;

    GRN_BULK_REWIND(&lexicon->tokens);
    grn_table_tokenize(context, lexicon->reader->index->words, word, (unsigned)length,
                       &lexicon->tokens, GRN_FALSE);
    if (GRN_BULK_VSIZE(&lexicon->tokens) < sizeof(grn_id))
        return GRN_ID_NIL;
    terms = (const grn_id *)(const void *)GRN_BULK_HEAD(&lexicon->tokens);
    return terms[0];
}

static void form_add(struct forms *forms, const struct form *form)
{
    uint32_t at = forms->count;

    if (at == forms->room && (at == 0 || forms->best[at - 1].value >= form->value))
        return;
    if (at < forms->room)
        forms->count++;
    else
        at--;
    while (at > 0 && forms->best[at - 1].value < form->value) {
        forms->best[at] = forms->best[at - 1];
        at--;
    }
    forms->best[at] = *form;
}

/* `errors` of the best that it could be, with so many that have it. */
static uint32_t value_of(uint32_t count, unsigned errors)
{
    return likely[errors] * ranking_quarter_log2(((uint64_t)count + 2) << 8);
}

void lexicon_complete(struct lexicon *lexicon, grn_obj *table, grn_obj *index, const char *word,
                      size_t length, struct forms *forms)
{
    grn_ctx *context = &lexicon->reader->context;
    grn_table_cursor *cursor =
        grn_table_cursor_open(context, table, word, (unsigned)length, NULL, 0, 0,
                              SEARCH_PREFIX_FORMS_MAX, GRN_CURSOR_PREFIX);
    grn_id id;

    if (cursor == NULL)
        return;
    while ((id = grn_table_cursor_next(context, cursor)) != GRN_ID_NIL) {
        struct form form = {.id = id, .count = grn_ii_estimate_size(context, (grn_ii *)index, id)};
        void *key;
        int bytes = grn_table_cursor_get_key(context, cursor, &key);

        form.value = value_of(form.count, 0);
        if (form.count > 0 && (size_t)bytes != length)
            form_add(forms, &form);
    }
    grn_table_cursor_close(context, cursor);
}

/* Without looking at its letters: whether a word of so many bytes can be near. */
static bool length_is_near(const struct distance_word *typed, size_t length, size_t bytes,
                           unsigned errors, bool of_beginning)
{
    if (typed->count != length)
        return true;
    return bytes + errors >= length && (of_beginning || bytes <= length + errors);
}

void lexicon_correct(struct lexicon *lexicon, grn_obj *table, grn_obj *index, const char *word,
                     size_t length, unsigned errors, bool of_beginning, struct forms *forms)
{
    grn_ctx *context = &lexicon->reader->context;
    uint32_t code;
    size_t first = search_utf8_take(word, length, &code);
    grn_table_cursor *cursor = grn_table_cursor_open(context, table, word, (unsigned)first, NULL, 0,
                                                     0, SEARCH_TYPO_FORMS_MAX, GRN_CURSOR_PREFIX);
    grn_id id;

    if (cursor == NULL)
        return;
    distance_word_set(&lexicon->typed, word, length);
    while ((id = grn_table_cursor_next(context, cursor)) != GRN_ID_NIL) {
        struct form form = {.id = id};
        void *key;
        size_t bytes = (size_t)grn_table_cursor_get_key(context, cursor, &key);
        unsigned far;

        if (!length_is_near(&lexicon->typed, length, bytes, errors, of_beginning))
            continue;
        distance_word_set(&lexicon->other, key, bytes);
        far = distance(&lexicon->typed, &lexicon->other, errors, of_beginning);
        if (far > errors || (far == 0 && bytes == length))
            continue;
        form.count = grn_ii_estimate_size(context, (grn_ii *)index, id);
        form.value = value_of(form.count, far);
        form.errors = far;
        if (form.count > 0)
            form_add(forms, &form);
    }
    grn_table_cursor_close(context, cursor);
}

static void alternative_add(struct resolved *resolved, grn_id term, uint32_t weight)
{
    if (term == GRN_ID_NIL)
        return;
    for (uint32_t i = 0; i < resolved->count; i++) {
        struct alternative *other = &resolved->alternatives[i];

        if (other->term == term) {
            if (other->weight < weight)
                other->weight = (uint16_t)weight;
            return;
        }
    }
    if (resolved->count < SEARCH_ALTERNATIVES_MAX)
        resolved->alternatives[resolved->count++] =
            (struct alternative){.term = term, .weight = (uint16_t)weight};
}

/* Forms become terms; returns what has one of them, about. */
static uint32_t forms_add(struct lexicon *lexicon, const struct forms *forms, uint32_t weight,
                          struct resolved *resolved)
{
    grn_ctx *context = &lexicon->reader->context;
    struct search_index *index = lexicon->reader->index;
    uint32_t having = 0;

    for (uint32_t i = 0; i < forms->count; i++) {
        const struct form *form = &forms->best[i];
        char key[GRN_TABLE_MAX_KEY_SIZE];
        int bytes;

        if (lexicon_size(context, index->forms_index, form->id) == 0)
            continue;
        bytes = grn_table_get_key(context, index->forms, form->id, key, sizeof key);
        alternative_add(resolved, term_of(lexicon, key, (size_t)bytes),
                        weight * likely[form->errors] / RANKING_ONE);
        having += form->count;
    }
    return having;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* What the word begins. */
static uint32_t complete(struct lexicon *lexicon, uint32_t form_count, struct resolved *resolved)
{
    struct search_index *index = lexicon->reader->index;
    const struct search_word *word = &resolved->word;
    struct form best[SEARCH_COMPLETIONS_MAX];
    struct forms forms = {.room = SEARCH_COMPLETIONS_MAX, .best = best};

    if (!resolved->is_last || word->length < COMPLETED_BYTES_MIN || is_digit(word->text[0]))
        return 0;
    lexicon_complete(lexicon, index->forms, index->forms_index, word->text, word->length, &forms);
    return forms_add(lexicon, &forms, form_count > 0 ? WEIGHT_COMPLETION_KNOWN : WEIGHT_COMPLETION,
                     resolved);
}

/* Those that so many more products have than the word as it is typed that it is an error, though
 * some product has it too. */
static void keep_likelier(struct forms *forms, uint32_t form_count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < forms->count; i++) {
        if (forms->best[i].count >= form_count * LIKELIER_FACTOR)
            forms->best[kept++] = forms->best[i];
    }
    forms->count = kept;
}

/* What the word is a typing error of. */
static uint32_t correct(struct lexicon *lexicon, uint32_t form_count, uint32_t having,
                        struct resolved *resolved)
{
    struct search_index *index = lexicon->reader->index;
    const struct search_word *word = &resolved->word;
    struct form best[SEARCH_CORRECTIONS_MAX];
    struct forms forms = {.room = SEARCH_CORRECTIONS_MAX, .best = best};
    bool is_rare = form_count < CORRECTED_FORM_MAX;
    unsigned errors = 1;

    distance_word_set(&lexicon->typed, word->text, word->length);
    if (lexicon->typed.count < CORRECTED_LETTERS_MIN)
        return 0;
    if (is_rare && lexicon->typed.count >= CORRECTED_TWICE_LETTERS_MIN)
        errors = 2;
    lexicon_correct(lexicon, index->forms, index->forms_index, word->text, word->length, errors,
                    false, &forms);
    if (forms.count == 0 && having == 0 && errors == 1 &&
        lexicon->typed.count >= CORRECTED_TWICE_LATER_LETTERS_MIN)
        lexicon_correct(lexicon, index->forms, index->forms_index, word->text, word->length, 2,
                        false, &forms);
    if (!is_rare)
        keep_likelier(&forms, form_count);
    return forms_add(lexicon, &forms, having > 0 ? WEIGHT_CORRECTION_KNOWN : WEIGHT_CORRECTION,
                     resolved);
}

void lexicon_resolve(struct lexicon *lexicon, const struct search_word *word, bool is_last,
                     struct resolved *resolved_out)
{
    grn_ctx *context = &lexicon->reader->context;
    struct search_index *index = lexicon->reader->index;
    uint32_t form_count = lexicon_count(lexicon, word->text, word->length);
    grn_id term = term_of(lexicon, word->text, word->length);
    uint32_t having = term != GRN_ID_NIL ? lexicon_size(context, index->words_index, term) : 0;

    *resolved_out = (struct resolved){
        .word = *word, .is_last = is_last, .is_optional = reading_is_optional(word)};
    if (having > 0)
        alternative_add(resolved_out, term, RANKING_ONE);
    having += complete(lexicon, form_count, resolved_out);
    if (having <= CORRECTED_TERM_MAX && resolved_out->count < CORRECTED_TERMS_MAX &&
        !resolved_out->is_optional && !is_digit(word->text[0]))
        having += correct(lexicon, form_count, having, resolved_out);
    if (resolved_out->count > 0)
        resolved_out->weight =
            ranking_word_weight(index->product_count, having, resolved_out->is_optional);
    for (uint32_t i = 0; i < resolved_out->count; i++)
        resolved_out->cost += grn_ii_estimate_size(context, (grn_ii *)index->words_index,
                                                   resolved_out->alternatives[i].term);
}

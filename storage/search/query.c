/* SPDX-License-Identifier: Apache-2.0 */
/* A question's words become terms (lexicon.h) in each of its readings (readings.h); the terms'
 * postings say which products have them, and where; from that comes the rank (ranking.h).
 *
 * Strictly first: a product must have every word that it needs. The rarest word's postings make the
 * candidates, the others' only mark them, and those that lack one go after each. If few are left,
 * again loosely: what has any of the words.
 *
 * Candidates lie in an arena, each as long as the reading has words; `candidate_of` and `hit_of`
 * find them by record ID and need no clearing: an entry is right only if what it points to says
 * so. Nothing is allocated but for the answer, and for these two when the index has grown. */
#include "search/query.h"

#include <stdlib.h>
#include <string.h>

#include <groonga/ii.h>

#include "search/lexicon.h"
#include "search/ranking.h"
#include "search/search_text.h"

enum {
    RESOLVED_MAX = SEARCH_VARIANTS_MAX * SEARCH_WORDS_MAX,
    QUERY_CLEAN_ROOM = SEARCH_CLEAN_ROOM(SEARCH_QUERY_BYTES_MAX),
    BRAND_WEIGHT_MIN = RANKING_ONE / 2, /* of an alternative that names a brand */
    SCORE_CELLS = 1024,                 /* of RANKING_STEP; what is better is the last's */
    RANK_CELLS = (SEARCH_WORDS_MAX + 1) * SCORE_CELLS,
};

/* After it, in the arena: positions[], then scores[], each by word. */
struct candidate {
    grn_id record;
    uint16_t found;
    uint16_t brand;
    uint16_t category;
};

struct found {
    grn_id record;
    uint32_t rank;
};

struct query {
    struct index_reader *reader;
    struct lexicon lexicon;

    struct readings readings;
    uint32_t resolved_count;
    struct resolved resolved[RESOLVED_MAX];
    /* By reading and word; of `resolved`. */
    struct resolved *words[SEARCH_VARIANTS_MAX][SEARCH_WORDS_MAX];
    struct ranking_question questions[SEARCH_VARIANTS_MAX];

    uint64_t postings_left;
    bool is_partial;

    /* Of the reading that is looked for. */
    uint8_t *arena;
    size_t stride;
    uint32_t candidate_count;
    uint32_t candidates_max;

    /* Of all readings. */
    uint32_t hit_count;
    struct found *hits;
    uint32_t *hit_of;       /* by record ID */
    uint32_t *candidate_of; /* by record ID */
    uint32_t records_end;   /* above every record ID that they have room for */
    uint32_t cells[RANK_CELLS];
};

/* Where a word's scores are found, by section. */
static const uint16_t section_worth[SECTION_END] = {
    [SECTION_TITLE] = RANKING_TITLE,       [SECTION_BRAND] = RANKING_BRAND,
    [SECTION_CATEGORY] = RANKING_CATEGORY, [SECTION_PARENTS] = RANKING_PARENTS,
    [SECTION_TAGS] = RANKING_TAGS,         [SECTION_DESCRIPTION] = RANKING_DESCRIPTION,
};

struct query *query_create(struct index_reader *reader)
{
    struct query *query = calloc(1, sizeof *query);

    if (query == NULL)
        return NULL;
    query->reader = reader;
    query->arena = malloc(SEARCH_ARENA_BYTES_MAX);
    if (query->arena == NULL) {
        free(query);
        return NULL;
    }
    lexicon_open(&query->lexicon, reader);
    return query;
}

void query_destroy(struct query *query)
{
    if (query == NULL)
        return;
    lexicon_close(&query->lexicon);
    free(query->arena);
    free(query->hits);
    free(query->hit_of);
    free(query->candidate_of);
    free(query);
}

/* Room for every record ID there is. False: no memory. */
static bool records_reserve(struct query *query)
{
    uint32_t end = query->reader->index->products_end;

    if (end <= query->records_end && query->hits != NULL)
        return true;
    free(query->hits);
    free(query->hit_of);
    free(query->candidate_of);
    end += end / 8 + 1024;
    query->records_end = end;
    query->hits = malloc(end * sizeof *query->hits);
    query->hit_of = calloc(end, sizeof *query->hit_of);
    query->candidate_of = calloc(end, sizeof *query->candidate_of);
    if (query->hits != NULL && query->hit_of != NULL && query->candidate_of != NULL)
        return true;
    free(query->hits);
    free(query->hit_of);
    free(query->candidate_of);
    query->hits = NULL;
    query->hit_of = NULL;
    query->candidate_of = NULL;
    query->records_end = 0;
    return false;
}

/* ---- readings and their words ---- */

/* The same word of two readings is looked up once. */
static struct resolved *resolve(struct query *query, const struct search_word *word, bool is_last)
{
    struct resolved *resolved;

    for (uint32_t i = 0; i < query->resolved_count; i++) {
        resolved = &query->resolved[i];
        if (resolved->is_last == is_last && strcmp(resolved->word.text, word->text) == 0)
            return resolved;
    }
    resolved = &query->resolved[query->resolved_count++];
    lexicon_resolve(&query->lexicon, word, is_last, resolved);
    return resolved;
}

static void question_set(struct query *query, uint32_t at, bool is_open)
{
    const struct reading *reading = &query->readings.at[at];
    struct ranking_question *question = &query->questions[at];

    *question = (struct ranking_question){.count = reading->count, .worth = reading->worth};
    for (uint32_t i = 0; i < reading->count; i++) {
        bool is_last = is_open && i + 1u == reading->count;
        struct resolved *word = resolve(query, &reading->words[i], is_last);
        uint16_t bit = (uint16_t)(1u << i);

        query->words[at][i] = word;
        question->weight[i] = word->weight;
        question->weights += word->weight;
        if (word->count == 0) {
            question->unknown += !word->is_optional;
            continue;
        }
        question->known |= bit;
        if (!word->is_optional)
            question->needed |= bit;
    }
    if (question->needed == 0)
        question->needed = question->known;
}

/* False: there is nothing to look for. */
static bool readings_take(struct query *query, const char *text, size_t length)
{
    char cleaned[QUERY_CLEAN_ROOM];
    size_t bytes = search_utf8_cut(text, length, SEARCH_QUERY_BYTES_MAX);
    bool is_open = search_text_is_open(text, bytes);
    size_t count = search_clean(text, bytes, SEARCH_CLEAN_QUERY, cleaned, sizeof cleaned);

    query->resolved_count = 0;
    readings_make(cleaned, count, query->reader->index->synonyms, lexicon_count, &query->lexicon,
                  &query->readings);
    for (uint32_t i = 0; i < query->readings.count; i++)
        question_set(query, i, is_open);
    return query->readings.count > 0;
}

/* ---- candidates ---- */

static struct candidate *candidate_at(const struct query *query, uint32_t at)
{
    return (struct candidate *)(void *)(query->arena + at * query->stride);
}

static uint64_t *positions_of(struct candidate *candidate)
{
    return (uint64_t *)(void *)((uint8_t *)candidate + ((sizeof *candidate + 7) & ~(size_t)7));
}

static uint16_t *scores_of(struct candidate *candidate, uint32_t words)
{
    return (uint16_t *)(void *)(positions_of(candidate) + words);
}

static void candidates_clear(struct query *query, uint32_t words)
{
    size_t bytes = ((sizeof(struct candidate) + 7) & ~(size_t)7) + words * sizeof(uint64_t) +
                   words * sizeof(uint16_t);

    query->stride = (bytes + 7) & ~(size_t)7;
    query->candidates_max = (uint32_t)(SEARCH_ARENA_BYTES_MAX / query->stride);
    query->candidate_count = 0;
}

/* NULL: it is none, or there is no room for it. */
static struct candidate *candidate_find(struct query *query, grn_id record, bool makes)
{
    uint32_t at;
    struct candidate *candidate;

    if (record >= query->records_end)
        return NULL;
    at = query->candidate_of[record];
    if (at < query->candidate_count) {
        candidate = candidate_at(query, at);
        if (candidate->record == record)
            return candidate;
    }
    if (!makes)
        return NULL;
    if (query->candidate_count == query->candidates_max) {
        query->is_partial = true;
        return NULL;
    }
    candidate = candidate_at(query, query->candidate_count);
    memset(candidate, 0, query->stride);
    candidate->record = record;
    query->candidate_of[record] = query->candidate_count++;
    return candidate;
}

static void posting_take(struct query *query, grn_ii_cursor *cursor, const grn_posting *posting,
                         struct candidate *candidate, const struct ranking_question *question,
                         uint32_t word, uint32_t weight)
{
    uint16_t *scores = scores_of(candidate, question->count);
    uint16_t bit = (uint16_t)(1u << word);

    if (posting->sid >= SECTION_END)
        return;
    candidate->found |= bit;
    scores[word] =
        ranking_word_score(scores[word], weight * section_worth[posting->sid] / RANKING_ONE);
    if (posting->sid == SECTION_TITLE) {
        const grn_posting *place;

        while ((place = grn_ii_cursor_next_pos(&query->reader->context, cursor)) != NULL) {
            if (place->pos < RANKING_POSITIONS)
                positions_of(candidate)[word] |= UINT64_C(1) << place->pos;
        }
    } else if (posting->sid == SECTION_BRAND && weight > BRAND_WEIGHT_MIN) {
        candidate->brand |= bit;
    } else if (posting->sid == SECTION_CATEGORY) {
        candidate->category |= bit;
    }
}

static void term_take(struct query *query, const struct ranking_question *question, uint32_t word,
                      const struct alternative *alternative, bool makes)
{
    grn_ctx *context = &query->reader->context;
    grn_ii *ii = (grn_ii *)query->reader->index->words_index;
    grn_ii_cursor *cursor =
        grn_ii_cursor_open(context, ii, alternative->term, GRN_ID_NIL, GRN_ID_MAX,
                           (int)grn_ii_get_n_elements(context, ii), 0);
    const grn_posting *posting;

    if (cursor == NULL)
        return;
    while ((posting = grn_ii_cursor_next(context, cursor)) != NULL) {
        struct candidate *candidate;

        if (query->postings_left == 0) {
            query->is_partial = true;
            break;
        }
        query->postings_left--;
        candidate = candidate_find(query, posting->rid, makes);
        if (candidate != NULL)
            posting_take(query, cursor, posting, candidate, question, word, alternative->weight);
    }
    grn_ii_cursor_close(context, cursor);
}

static void word_take(struct query *query, uint32_t reading, uint32_t word, bool makes)
{
    const struct resolved *resolved = query->words[reading][word];

    for (uint32_t i = 0; i < resolved->count; i++)
        term_take(query, &query->questions[reading], word, &resolved->alternatives[i], makes);
}

/* Those that have not all of `words` go. */
static void candidates_keep(struct query *query, uint16_t words)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < query->candidate_count; i++) {
        struct candidate *candidate = candidate_at(query, i);

        if ((candidate->found & words) != words)
            continue;
        if (kept != i)
            memcpy(candidate_at(query, kept), candidate, query->stride);
        query->candidate_of[candidate_at(query, kept)->record] = kept;
        kept++;
    }
    query->candidate_count = kept;
}

static uint32_t cheapest(const struct query *query, uint32_t reading, uint16_t among)
{
    uint32_t best = SEARCH_WORDS_MAX;

    for (uint32_t i = 0; i < query->questions[reading].count; i++) {
        if ((among >> i & 1) != 0 &&
            (best == SEARCH_WORDS_MAX ||
             query->words[reading][i]->cost < query->words[reading][best]->cost))
            best = i;
    }
    return best;
}

static void take_strictly(struct query *query, uint32_t reading)
{
    const struct ranking_question *question = &query->questions[reading];
    uint16_t left = question->needed;
    uint16_t done = 0;

    while (left != 0 && (done == 0 || query->candidate_count > 0)) {
        uint32_t word = cheapest(query, reading, left);

        word_take(query, reading, word, done == 0);
        left &= (uint16_t) ~(1u << word);
        done |= (uint16_t)(1u << word);
        candidates_keep(query, done);
    }
    for (uint32_t i = 0; i < question->count && query->candidate_count > 0; i++) {
        if ((question->known & ~question->needed & 1u << i) != 0)
            word_take(query, reading, i, false);
    }
}

/* The rarest first: where the bound is met, what says least is missing. What has none but the most
 * frequent word is no hit, unless there are hardly any. */
static void take_loosely(struct query *query, uint32_t reading)
{
    const struct ranking_question *question = &query->questions[reading];
    uint16_t left = question->needed;

    while (left != 0) {
        uint32_t word = cheapest(query, reading, left);

        left &= (uint16_t) ~(1u << word);
        word_take(query, reading, word, left != 0 || query->candidate_count < SEARCH_FULL_HITS_MIN);
    }
    for (uint32_t i = 0; i < question->count; i++) {
        if ((question->known & ~question->needed & 1u << i) != 0)
            word_take(query, reading, i, false);
    }
}

/* ---- hits ---- */

static void hit_add(struct query *query, grn_id record, uint32_t rank)
{
    uint32_t at = query->hit_of[record];

    if (at < query->hit_count && query->hits[at].record == record) {
        if (query->hits[at].rank < rank)
            query->hits[at].rank = rank;
        return;
    }
    query->hit_of[record] = query->hit_count;
    query->hits[query->hit_count++] = (struct found){.record = record, .rank = rank};
}

static void candidates_rank(struct query *query, uint32_t reading)
{
    const struct ranking_question *question = &query->questions[reading];

    for (uint32_t i = 0; i < query->candidate_count; i++) {
        struct candidate *candidate = candidate_at(query, i);
        const struct index_product *product =
            &query->reader->index->product_rows[candidate->record];
        struct ranking_match match = {
            .found = candidate->found,
            .brand = candidate->brand,
            .category = candidate->category,
            .scores = scores_of(candidate, question->count),
            .positions = positions_of(candidate),
            .title_words = product->title_words,
            .head_words = product->head_words,
            .brand_words = product->brand_words,
            .category_words = product->category_words,
        };

        hit_add(query, candidate->record, ranking_of(question, &match));
    }
}

static void readings_run(struct query *query, bool loosely)
{
    query->hit_count = 0;
    for (uint32_t i = 0; i < query->readings.count; i++) {
        candidates_clear(query, query->questions[i].count);
        if (loosely)
            take_loosely(query, i);
        else
            take_strictly(query, i);
        candidates_rank(query, i);
    }
}

/* Whether something else can be found when words may be missing. */
static bool is_looser(const struct query *query)
{
    for (uint32_t i = 0; i < query->readings.count; i++) {
        uint16_t needed = query->questions[i].needed;

        if ((needed & (needed - 1)) != 0)
            return true;
    }
    return false;
}

static uint32_t least_missing(const struct query *query, uint32_t *count_out)
{
    uint32_t least = UINT32_MAX;

    *count_out = 0;
    for (uint32_t i = 0; i < query->hit_count; i++) {
        uint32_t missing = ranking_missing(query->hits[i].rank);

        if (missing < least) {
            least = missing;
            *count_out = 0;
        }
        *count_out += missing == least;
    }
    return least;
}

static uint32_t cell_of(uint32_t rank)
{
    uint32_t missing = ranking_missing(rank);
    uint32_t score = rank & 0xFFFF;

    if (missing > SEARCH_WORDS_MAX)
        missing = SEARCH_WORDS_MAX;
    return (SEARCH_WORDS_MAX - missing) * SCORE_CELLS +
           (score < SCORE_CELLS ? score : SCORE_CELLS - 1);
}

/* The lowest cell of those ranks that the best SEARCH_LOOSE_HITS_MAX lie in: where a whole cell
 * does not fit, none of it is taken. */
static uint32_t lowest_cell(struct query *query)
{
    uint32_t count = 0;
    uint32_t cell = RANK_CELLS;

    memset(query->cells, 0, sizeof query->cells);
    for (uint32_t i = 0; i < query->hit_count; i++)
        query->cells[cell_of(query->hits[i].rank)]++;
    while (cell > 0 && count + query->cells[cell - 1] <= SEARCH_LOOSE_HITS_MAX)
        count += query->cells[--cell];
    return cell;
}

/* What lacks no more words than the best does; where that is little, the best of the others too. */
static enum search_outcome result_take(struct query *query, struct search_result *result_out)
{
    uint32_t count;
    uint32_t least = least_missing(query, &count);
    bool is_few = count < SEARCH_FULL_HITS_MIN;
    uint32_t lowest = is_few ? lowest_cell(query) : RANK_CELLS;

    result_out->is_partial = query->is_partial;
    if (query->hit_count == 0)
        return SEARCH_OK;
    result_out->hits = malloc((is_few ? query->hit_count : count) * sizeof *result_out->hits);
    if (result_out->hits == NULL)
        return SEARCH_FAILED;
    for (uint32_t i = 0; i < query->hit_count; i++) {
        const struct found *hit = &query->hits[i];

        if (ranking_missing(hit->rank) > least && cell_of(hit->rank) < lowest)
            continue;
        result_out->hits[result_out->count++] = (struct search_hit){
            .place = query->reader->index->product_rows[hit->record].place, .rank = hit->rank};
    }
    return SEARCH_OK;
}

enum search_outcome query_run(struct index_reader *reader, const char *text, size_t length,
                              struct search_result *result_out)
{
    struct query *query = reader->query;
    uint32_t full = 0;

    *result_out = (struct search_result){0};
    if (!records_reserve(query))
        return SEARCH_FAILED;
    if (!readings_take(query, text, length))
        return reader->context.rc == GRN_SUCCESS ? SEARCH_OK : SEARCH_FAILED;
    query->postings_left = SEARCH_POSTINGS_MAX;
    query->is_partial = false;
    readings_run(query, false);
    for (uint32_t i = 0; i < query->hit_count && full < SEARCH_FULL_HITS_MIN; i++)
        full += ranking_missing(query->hits[i].rank) == 0;
    if (full < SEARCH_FULL_HITS_MIN && is_looser(query))
        readings_run(query, true);
    if (reader->context.rc != GRN_SUCCESS)
        return SEARCH_FAILED;
    return result_take(query, result_out);
}

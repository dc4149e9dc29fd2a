/* SPDX-License-Identifier: Apache-2.0 */
/* Products that have all the words, all as good; no suggestions: until query.c and suggest.c. */
#include <groonga.h>

#include <groonga/ii.h>
#include <stdlib.h>
#include <string.h>

#include "search/query.h"
#include "search/search_text.h"
#include "search/suggest.h"

struct query {
    char cleaned[SEARCH_CLEAN_ROOM(SEARCH_TEXT_BYTES_MAX)];
};

struct query *query_create(struct index_reader *reader)
{
    (void)reader;
    return calloc(1, sizeof(struct query));
}

void query_destroy(struct query *query)
{
    free(query);
}

static void count_word(struct index_reader *reader, const char *word, size_t length, uint8_t *found,
                       uint8_t before)
{
    struct search_index *index = reader->index;
    grn_ctx *context = &reader->context;
    grn_ii *ii = (grn_ii *)index->words_index;
    grn_obj ids;

    GRN_RECORD_INIT(&ids, GRN_OBJ_VECTOR, grn_obj_id(context, index->words));
    grn_table_tokenize(context, index->words, word, (unsigned)length, &ids, GRN_FALSE);
    if (GRN_BULK_VSIZE(&ids) >= sizeof(grn_id)) {
        grn_ii_cursor *cursor =
            grn_ii_cursor_open(context, ii, GRN_RECORD_VALUE(&ids), GRN_ID_NIL, GRN_ID_MAX,
                               (int)grn_ii_get_n_elements(context, ii), 0);
        const grn_posting *posting;

        while (cursor != NULL && (posting = grn_ii_cursor_next(context, cursor)) != NULL) {
            if (found[posting->rid] == before)
                found[posting->rid] = (uint8_t)(before + 1);
        }
        if (cursor != NULL)
            grn_ii_cursor_close(context, cursor);
    }
    GRN_OBJ_FIN(context, &ids);
}

enum search_outcome query_run(struct index_reader *reader, const char *text, size_t length,
                              struct search_result *result_out)
{
    struct search_index *index = reader->index;
    char *cleaned = reader->query->cleaned;
    uint8_t *found = calloc(index->products_end + 1, 1);
    uint8_t words = 0;

    length =
        search_clean(text, length, SEARCH_CLEAN_QUERY, cleaned, sizeof(reader->query->cleaned));
    result_out->hits = calloc(index->products_end + 1, sizeof(result_out->hits[0]));
    for (char *at = cleaned; at < cleaned + length; words++) {
        char *end = strchrnul(at, ' ');

        count_word(reader, at, (size_t)(end - at), found, words);
        at = end + 1;
    }
    for (uint32_t id = 1; words > 0 && id < index->products_end; id++) {
        if (found[id] == words)
            result_out->hits[result_out->count++] =
                (struct search_hit){.place = index->product_rows[id].place, .rank = 1};
    }
    free(found);
    return SEARCH_OK;
}

struct suggest *suggest_create(struct index_reader *reader)
{
    (void)reader;
    return calloc(1, 1);
}

void suggest_destroy(struct suggest *suggest)
{
    free(suggest);
}

enum search_outcome suggest_run(struct index_reader *reader, const char *text, size_t length,
                                struct suggestion suggestions_out[SEARCH_SUGGESTIONS_MAX],
                                uint32_t *count_out)
{
    (void)reader;
    (void)text;
    (void)length;
    (void)suggestions_out;
    *count_out = 0;
    return SEARCH_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* An index as a whole: opened, with its rows in memory; its readers; closed. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/index_life.h"
#include "search/query.h"
#include "search/suggest.h"

enum { PATH_BYTES = 4096, ROWS_FIRST = 1024 };

/* ---- rows in memory ---- */

/* Room for one more, zeroed; twice as many when there is none. False without memory. */
static bool row_at(void **rows, uint32_t *room, uint32_t *end, grn_id id, size_t bytes)
{
    uint32_t wanted = *room > 0 ? *room : ROWS_FIRST;

    while (wanted <= id)
        wanted *= 2;
    if (wanted > *room) {
        uint8_t *grown = realloc(*rows, wanted * bytes);

        if (grown == NULL)
            return false;
        memset(grown + *room * bytes, 0, (wanted - *room) * bytes);
        *rows = grown;
        *room = wanted;
    }
    if (*end <= id)
        *end = id + 1;
    return true;
}

bool index_product_row(struct search_index *index, grn_id id)
{
    void *rows = index->product_rows;
    bool is_there = row_at(&rows, &index->products_room, &index->products_end, id,
                           sizeof(index->product_rows[0]));

    index->product_rows = rows;
    return is_there;
}

bool index_suggestion_row(struct search_index *index, grn_id id)
{
    void *rows = index->suggestion_rows;
    bool is_there = row_at(&rows, &index->suggestions_room, &index->suggestions_end, id,
                           sizeof(index->suggestion_rows[0]));

    index->suggestion_rows = rows;
    return is_there;
}

/* ---- readers ---- */

bool index_add_readers(struct search_index *index, uint32_t count)
{
    assert(index->readers == NULL && count >= 1);
    index->readers = calloc(count, sizeof(index->readers[0]));
    if (index->readers == NULL)
        return index_failed(index, "readers");
    while (index->reader_count < count) {
        struct index_reader *reader = &index->readers[index->reader_count];

        reader->index = index;
        if (grn_ctx_init(&reader->context, 0) != GRN_SUCCESS)
            return index_failed(index, "readers");
        index->reader_count++;
        if (grn_ctx_use(&reader->context, index->database) != GRN_SUCCESS)
            return index_failed(index, "readers");
        reader->query = query_create(reader);
        reader->suggest = suggest_create(reader);
        if (reader->query == NULL || reader->suggest == NULL)
            return index_failed(index, "readers");
    }
    for (uint32_t i = 0; i < count; i++)
        sem_post(&index->readers_free);
    return true;
}

struct index_reader *index_reader_take(struct search_index *index)
{
    struct index_reader *reader = index->readers;

    while (sem_wait(&index->readers_free) != 0)
        continue;
    pthread_mutex_lock(&index->readers_lock);
    while (reader->is_taken)
        reader++;
    reader->is_taken = true;
    pthread_mutex_unlock(&index->readers_lock);
    return reader;
}

void index_reader_give(struct index_reader *reader)
{
    struct search_index *index = reader->index;

    pthread_mutex_lock(&index->readers_lock);
    reader->is_taken = false;
    pthread_mutex_unlock(&index->readers_lock);
    sem_post(&index->readers_free);
}

/* ---- an index ---- */

static struct search_index *index_new(const char *folder, const struct synonyms *synonyms,
                                      char path_out[PATH_BYTES])
{
    struct search_index *index = calloc(1, sizeof(*index));

    if (index == NULL)
        return NULL;
    index->synonyms = synonyms;
    snprintf(path_out, PATH_BYTES, "%s/db", folder);
    if (grn_ctx_init(&index->writer, 0) != GRN_SUCCESS) {
        free(index);
        return NULL;
    }
    pthread_mutex_init(&index->readers_lock, NULL);
    sem_init(&index->readers_free, 0, 0);
    index->room = index_room_create(&index->writer);
    return index;
}

static struct search_index *give_up(struct search_index *index, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s",
             index == NULL ? "the search index: not enough memory" : index->error);
    index_close(index);
    return NULL;
}

struct search_index *index_create(const char *folder, const struct synonyms *synonyms, char *error,
                                  size_t error_size)
{
    char path[PATH_BYTES];
    struct search_index *index = index_new(folder, synonyms, path);

    if (index == NULL || index->room == NULL)
        return give_up(index, error, error_size);
    index->database = grn_db_create(&index->writer, path, NULL);
    if (index->database == NULL)
        index_failed(index, path);
    if (index->database == NULL || !index_schema_make(index))
        return give_up(index, error, error_size);
    return index;
}

/* Rows in memory, from the columns on disk. */
static bool load_products(struct search_index *index)
{
    grn_ctx *context = &index->writer;
    grn_column_cache *counts = grn_column_cache_open(context, index->product_counts);
    grn_table_cursor *cursor =
        grn_table_cursor_open(context, index->products, NULL, 0, NULL, 0, 0, -1, GRN_CURSOR_BY_ID);
    bool is_loaded = counts != NULL && cursor != NULL;
    grn_id id;

    while (is_loaded && (id = grn_table_cursor_next(context, cursor)) != GRN_ID_NIL) {
        size_t size = 0;
        void *key = NULL;
        uint64_t place = 0;
        uint32_t packed = 0;
        const void *value = grn_column_cache_ref(context, counts, id, &size);

        is_loaded = grn_table_cursor_get_key(context, cursor, &key) == (int)sizeof(place) &&
                    value != NULL && index_product_row(index, id);
        if (!is_loaded)
            break;
        memcpy(&place, key, sizeof(place));
        memcpy(&packed, value, sizeof(packed));
        index->product_rows[id] = (struct index_product){
            .place = index_place(place),
            .title_words = (uint8_t)packed,
            .head_words = (uint8_t)(packed >> 8),
            .brand_words = (uint8_t)(packed >> 16),
            .category_words = (uint8_t)(packed >> 24),
        };
        index->product_count++;
    }
    if (cursor != NULL)
        grn_table_cursor_close(context, cursor);
    if (counts != NULL)
        grn_column_cache_close(context, counts);
    return is_loaded ? index_went_well(index, "Products") : index_failed(index, "Products");
}

static bool load_suggestions(struct search_index *index)
{
    grn_ctx *context = &index->writer;
    grn_column_cache *caches[3] = {grn_column_cache_open(context, index->suggestion_products),
                                   grn_column_cache_open(context, index->suggestion_places),
                                   grn_column_cache_open(context, index->suggestion_kind)};
    grn_table_cursor *cursor = grn_table_cursor_open(context, index->suggestions, NULL, 0, NULL, 0,
                                                     0, -1, GRN_CURSOR_BY_ID);
    bool is_loaded = caches[0] != NULL && caches[1] != NULL && caches[2] != NULL && cursor != NULL;
    grn_id id;

    while (is_loaded && (id = grn_table_cursor_next(context, cursor)) != GRN_ID_NIL) {
        const void *values[3];
        struct index_suggestion row;
        uint32_t kind;

        for (unsigned i = 0; i < 3; i++) {
            size_t size;

            values[i] = grn_column_cache_ref(context, caches[i], id, &size);
        }
        is_loaded = values[0] != NULL && values[1] != NULL && values[2] != NULL &&
                    index_suggestion_row(index, id);
        if (!is_loaded)
            break;
        memcpy(&row.products, values[0], sizeof(row.products));
        memcpy(&row.places, values[1], sizeof(row.places));
        memcpy(&kind, values[2], sizeof(kind));
        row.kind = (uint8_t)kind;
        index->suggestion_rows[id] = row;
    }
    if (cursor != NULL)
        grn_table_cursor_close(context, cursor);
    for (unsigned i = 0; i < 3; i++) {
        if (caches[i] != NULL)
            grn_column_cache_close(context, caches[i]);
    }
    return is_loaded ? index_went_well(index, "Suggestions") : index_failed(index, "Suggestions");
}

struct search_index *index_open(const char *folder, const struct synonyms *synonyms, char *error,
                                size_t error_size)
{
    char path[PATH_BYTES];
    struct search_index *index = index_new(folder, synonyms, path);

    if (index == NULL || index->room == NULL)
        return give_up(index, error, error_size);
    index->database = grn_db_open(&index->writer, path);
    if (index->database == NULL)
        index_failed(index, path);
    if (index->database == NULL || !index_schema_find(index) || !load_products(index) ||
        !load_suggestions(index))
        return give_up(index, error, error_size);
    return index;
}

bool index_flush(struct search_index *index)
{
    if (grn_obj_flush_recursive(&index->writer, index->database) == GRN_SUCCESS)
        return true;
    return index_failed(index, "writing it out");
}

void index_close(struct search_index *index)
{
    if (index == NULL)
        return;
    for (uint32_t i = 0; i < index->reader_count; i++) {
        struct index_reader *reader = &index->readers[i];

        assert(!reader->is_taken);
        suggest_destroy(reader->suggest);
        query_destroy(reader->query);
        grn_ctx_fin(&reader->context);
    }
    free(index->readers);
    if (index->room != NULL)
        index_room_destroy(index->room, &index->writer);
    if (index->database != NULL)
        grn_obj_close(&index->writer, index->database);
    grn_ctx_fin(&index->writer);
    sem_destroy(&index->readers_free);
    pthread_mutex_destroy(&index->readers_lock);
    free(index->product_rows);
    free(index->suggestion_rows);
    free(index);
}

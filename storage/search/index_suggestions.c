/* SPDX-License-Identifier: Apache-2.0 */
/* What can be suggested: each name, brand and category once, with how many products have it. A
 * product knows its rows, so that it can be counted out when it changes. */
#include <string.h>

#include "search/index_life.h"
#include "search/search_text.h"

enum {
    KEY_TEXT_MAX = 1024, /* of a cleaned text: names that agree so far count as one */
    KEY_ROOM = KEY_TEXT_MAX + 2,
};

_Static_assert(KEY_ROOM < GRN_TABLE_MAX_KEY_SIZE, "a suggestion is a key");

static bool set_number(struct search_index *index, grn_obj *column, grn_id id, uint32_t number)
{
    grn_obj value;

    GRN_UINT32_INIT(&value, 0);
    GRN_UINT32_SET(&index->writer, &value, number);
    grn_obj_set_value(&index->writer, column, id, &value, GRN_OBJ_SET);
    GRN_OBJ_FIN(&index->writer, &value);
    return index_went_well(index, "a suggestion");
}

static bool set_text(struct search_index *index, grn_obj *column, grn_id id, const char *text,
                     size_t length)
{
    grn_obj value;

    GRN_TEXT_INIT(&value, GRN_OBJ_DO_SHALLOW_COPY);
    GRN_TEXT_SET_REF(&value, text, (unsigned)length);
    grn_obj_set_value(&index->writer, column, id, &value, GRN_OBJ_SET);
    GRN_OBJ_FIN(&index->writer, &value);
    return index_went_well(index, "a suggestion");
}

/* The row in memory, to its columns. */
static bool store_row(struct search_index *index, grn_id id)
{
    const struct index_suggestion *row = &index->suggestion_rows[id];
    grn_obj value;

    GRN_UINT64_INIT(&value, 0);
    GRN_UINT64_SET(&index->writer, &value, row->places);
    grn_obj_set_value(&index->writer, index->suggestion_places, id, &value, GRN_OBJ_SET);
    GRN_OBJ_FIN(&index->writer, &value);
    return set_number(index, index->suggestion_products, id, row->products);
}

/* The row of a text, made if need be; NIL in `id_out` for a text without words. */
static bool row_of(struct search_index *index, enum suggestion_kind kind, const char *text,
                   size_t length, grn_id *id_out)
{
    char key[KEY_ROOM];
    size_t shown = search_utf8_cut(text, length, SEARCH_TEXT_BYTES_MAX);
    size_t cleaned = search_clean(text, shown, SEARCH_CLEAN_DOCUMENT | SEARCH_CLEAN_KEEP_AND,
                                  key + 1, sizeof(key) - 1);
    int is_added = 0;

    *id_out = GRN_ID_NIL;
    if (cleaned == 0)
        return true;
    key[0] = (char)('0' + kind);
    *id_out =
        grn_table_add(&index->writer, index->suggestions, key, (unsigned)cleaned + 1, &is_added);
    if (*id_out == GRN_ID_NIL || !index_suggestion_row(index, *id_out))
        return index_failed(index, "a suggestion");
    if (!is_added)
        return true;
    index->suggestion_rows[*id_out] = (struct index_suggestion){.kind = (uint8_t)kind};
    return set_number(index, index->suggestion_kind, *id_out, kind) &&
           set_text(index, index->suggestion_text, *id_out, key + 1, cleaned) &&
           set_text(index, index->suggestion_shown, *id_out, text, shown);
}

static bool has(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

static bool count_in(struct search_index *index, grn_id id, uint64_t key)
{
    index->suggestion_rows[id].products++;
    index->suggestion_rows[id].places ^= key;
    return store_row(index, id);
}

static bool count_out(struct search_index *index, grn_id id, uint64_t key)
{
    struct index_suggestion *row;

    if (id >= index->suggestions_end || index->suggestion_rows[id].products == 0)
        return index_failed(index, "a suggestion that is not there");
    row = &index->suggestion_rows[id];
    row->products--;
    row->places ^= key;
    if (row->products > 0)
        return store_row(index, id);
    *row = (struct index_suggestion){0};
    grn_table_delete_by_id(&index->writer, index->suggestions, id);
    return index_went_well(index, "removing a suggestion");
}

/* The rows that a product is counted under. */
static uint32_t rows_before(struct search_index *index, grn_id product,
                            uint32_t ids_out[INDEX_SUGGESTIONS_EACH])
{
    grn_ctx *context = &index->writer;
    uint32_t count;
    grn_obj value;

    GRN_UINT32_INIT(&value, GRN_OBJ_VECTOR);
    grn_obj_get_value(context, index->product_suggestions, product, &value);
    count = (uint32_t)(GRN_BULK_VSIZE(&value) / sizeof(uint32_t));
    if (count > INDEX_SUGGESTIONS_EACH)
        count = INDEX_SUGGESTIONS_EACH;
    if (count > 0)
        memcpy(ids_out, GRN_BULK_HEAD(&value), count * sizeof(uint32_t));
    GRN_OBJ_FIN(context, &value);
    return count;
}

static bool store_rows(struct search_index *index, grn_id product, const uint32_t *ids,
                       uint32_t count)
{
    grn_ctx *context = &index->writer;
    grn_obj value;

    GRN_UINT32_INIT(&value, GRN_OBJ_VECTOR);
    for (uint32_t i = 0; i < count; i++)
        GRN_UINT32_PUT(context, &value, ids[i]);
    grn_obj_set_value(context, index->product_suggestions, product, &value, GRN_OBJ_SET);
    GRN_OBJ_FIN(context, &value);
    return index_went_well(index, "a product's suggestions");
}

bool index_suggestions_set(struct search_index *index, grn_id product, uint64_t key,
                           const struct index_suggested *suggested)
{
    uint32_t before[INDEX_SUGGESTIONS_EACH];
    uint32_t after[INDEX_SUGGESTIONS_EACH];
    uint32_t before_count = rows_before(index, product, before);
    uint32_t after_count = 0;

    for (uint32_t i = 0; i < suggested->count; i++) {
        grn_id id;

        if (!row_of(index, suggested->texts[i].kind, suggested->texts[i].text,
                    suggested->texts[i].length, &id))
            return false;
        if (id != GRN_ID_NIL && !has(after, after_count, id))
            after[after_count++] = id;
    }
    if (after_count == before_count && memcmp(after, before, after_count * sizeof(after[0])) == 0)
        return true;
    /* In before out: what stays does not go meanwhile. */
    for (uint32_t i = 0; i < after_count; i++) {
        if (!has(before, before_count, after[i]) && !count_in(index, after[i], key))
            return false;
    }
    for (uint32_t i = 0; i < before_count; i++) {
        if (!has(after, after_count, before[i]) && !count_out(index, before[i], key))
            return false;
    }
    return store_rows(index, product, after, after_count);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A product, from its record into the tables of an index, and out of them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "product_document.h"
#include "search/index_life.h"
#include "search/search_html.h"
#include "search/search_text.h"

enum {
    NAME_ROOM = 4 * 1024, /* bytes of name, brand, category */
    TAGS_ROOM = 8 * 1024,
    MEMBER_ROOM = 64,
    CLEAN_ROOM = INDEX_TEXT_BYTES_MAX,
    PATH_DEPTH = INDEX_SUGGESTIONS_EACH - 2,
    WORDS_MAX = UINT8_MAX, /* of a text, as they are counted */
};

/* What stands between the names of a category's path. */
static const char path_separator[] = " > ";
/* What ends the head of a name: "Instant Noodles - Masala, 70 g". */
static const char head_separator[] = " - ";

struct index_room {
    struct document_text name;
    struct document_text brand;
    struct document_text category;
    struct document_text tags;
    struct document_text description;
    char name_bytes[NAME_ROOM];
    char brand_bytes[NAME_ROOM];
    char category_bytes[NAME_ROOM];
    char tags_bytes[TAGS_ROOM];
    char description_bytes[PRODUCT_DOCUMENT_BYTES_MAX];
    char cleaned[CLEAN_ROOM];
    grn_obj text; /* refers to `cleaned` */
    grn_obj number;
};

struct index_room *index_room_create(grn_ctx *context)
{
    struct index_room *room = calloc(1, sizeof(*room));

    if (room == NULL)
        return NULL;
    GRN_TEXT_INIT(&room->text, GRN_OBJ_DO_SHALLOW_COPY);
    GRN_UINT32_INIT(&room->number, 0);
    (void)context;
    return room;
}

void index_room_destroy(struct index_room *room, grn_ctx *context)
{
    GRN_OBJ_FIN(context, &room->text);
    GRN_OBJ_FIN(context, &room->number);
    free(room);
}

/* ---- the document ---- */

static void read_tags(struct product_document *document, struct document_text *tags)
{
    struct document_text tag = *tags;

    if (!product_document_array(document))
        return;
    for (;;) {
        if (tags->length > 0 && tags->length < tags->room)
            tags->bytes[tags->length++] = ' ';
        tag.bytes = tags->bytes + tags->length;
        tag.room = tags->room - tags->length;
        if (!product_document_element(document, &tag))
            return;
        tags->length += tag.length;
    }
}

/* Tags are the last that is looked for (product_label.h). */
static void read_document(struct index_room *room, const struct record *record)
{
    struct document_text *texts[] = {&room->name, &room->brand, &room->category,
                                     &room->description};
    static const char *const names[] = {"name", "brand", "category", "description"};
    char bytes[MEMBER_ROOM];
    struct document_text member = {.bytes = bytes, .room = sizeof(bytes)};
    struct product_document document;
    bool is_readable = true;

    room->name = (struct document_text){.bytes = room->name_bytes, .room = NAME_ROOM};
    room->brand = (struct document_text){.bytes = room->brand_bytes, .room = NAME_ROOM};
    room->category = (struct document_text){.bytes = room->category_bytes, .room = NAME_ROOM};
    room->tags = (struct document_text){.bytes = room->tags_bytes, .room = TAGS_ROOM};
    room->description = (struct document_text){.bytes = room->description_bytes,
                                               .room = sizeof(room->description_bytes)};
    product_document_begin(&document, record_document(record), record->product.document_length);
    while (is_readable && product_document_next(&document, &member)) {
        size_t i = 0;

        if (document_text_is(&member, "tags")) {
            read_tags(&document, &room->tags);
            break;
        }
        while (i < sizeof(names) / sizeof(names[0]) && !document_text_is(&member, names[i]))
            i++;
        is_readable = i < sizeof(names) / sizeof(names[0])
                          ? product_document_string(&document, texts[i])
                          : product_document_skip(&document);
    }
    if (room->name.length == 0) { /* as everywhere else */
        room->name.length = strlen(record->product.id);
        memcpy(room->name.bytes, record->product.id, room->name.length);
    }
    room->description.length = search_html_text(room->description.bytes, room->description.length,
                                                room->description_bytes);
}

/* ---- columns ---- */

static uint8_t count_words(const char *cleaned, size_t length)
{
    unsigned words = search_word_count(cleaned, length);

    return words < WORDS_MAX ? (uint8_t)words : WORDS_MAX;
}

/* Cleaned, into a column; how many words it is. */
static uint8_t put_text(struct search_index *index, grn_id id, enum index_section section,
                        const char *text, size_t length)
{
    struct index_room *room = index->room;
    size_t cleaned =
        search_clean(text, length, SEARCH_CLEAN_DOCUMENT, room->cleaned, sizeof(room->cleaned));

    GRN_TEXT_SET_REF(&room->text, room->cleaned, (unsigned)cleaned);
    grn_obj_set_value(&index->writer, index->sections[section], id, &room->text, GRN_OBJ_SET);
    return count_words(room->cleaned, cleaned);
}

/* The title's words before its first separator. */
static uint8_t head_words(struct index_room *room)
{
    const char *separator =
        memmem(room->name.bytes, room->name.length, head_separator, sizeof(head_separator) - 1);
    size_t length = separator == NULL ? room->name.length : (size_t)(separator - room->name.bytes);

    return count_words(room->cleaned, search_clean(room->name.bytes, length, SEARCH_CLEAN_DOCUMENT,
                                                   room->cleaned, sizeof(room->cleaned)));
}

/* Splits a path into its names; returns how many there are. */
static uint32_t split_path(const struct document_text *path, struct index_suggested *suggested)
{
    const char *at = path->bytes;
    const char *end = at + path->length;
    uint32_t first = suggested->count;

    while (at < end && suggested->count < first + PATH_DEPTH) {
        const char *separator =
            memmem(at, (size_t)(end - at), path_separator, sizeof(path_separator) - 1);
        const char *until =
            separator == NULL || suggested->count + 1 == first + PATH_DEPTH ? end : separator;

        suggested->texts[suggested->count].kind = SUGGESTION_CATEGORY;
        suggested->texts[suggested->count].text = at;
        suggested->texts[suggested->count++].length = (size_t)(until - at);
        at = until == end ? end : until + sizeof(path_separator) - 1;
    }
    return suggested->count - first;
}

static bool put_fields(struct search_index *index, grn_id id, uint64_t key)
{
    struct index_room *room = index->room;
    struct index_product *row = &index->product_rows[id];
    struct index_suggested suggested = {
        .count = 2,
        .texts = {{SUGGESTION_PRODUCT, room->name.bytes, room->name.length},
                  {SUGGESTION_BRAND, room->brand.bytes, room->brand.length}},
    };
    uint32_t depth = split_path(&room->category, &suggested);
    const char *leaf = depth == 0 ? NULL : suggested.texts[suggested.count - 1].text;
    size_t parents = depth < 2 ? 0 : (size_t)(leaf - room->category.bytes);

    row->place = index_place(key);
    row->title_words = put_text(index, id, SECTION_TITLE, room->name.bytes, room->name.length);
    row->brand_words = put_text(index, id, SECTION_BRAND, room->brand.bytes, room->brand.length);
    row->category_words = put_text(index, id, SECTION_CATEGORY, leaf == NULL ? "" : leaf,
                                   depth == 0 ? 0 : suggested.texts[suggested.count - 1].length);
    put_text(index, id, SECTION_PARENTS, room->category.bytes, parents);
    put_text(index, id, SECTION_TAGS, room->tags.bytes, room->tags.length);
    put_text(index, id, SECTION_DESCRIPTION, room->description.bytes, room->description.length);
    row->head_words = head_words(room);
    GRN_UINT32_SET(&index->writer, &room->number, index_pack_words(row));
    grn_obj_set_value(&index->writer, index->product_counts, id, &room->number, GRN_OBJ_SET);
    return index_went_well(index, "a product's texts") &&
           index_suggestions_set(index, id, key, &suggested);
}

/* ---- products ---- */

bool index_put(struct search_index *index, const struct record *record)
{
    uint64_t key =
        index_key((struct search_place){.partition = record->partition, .number = record->subject});
    int is_added = 0;
    grn_id id;

    assert(record->kind == RECORD_PRODUCT);
    read_document(index->room, record);
    id = grn_table_add(&index->writer, index->products, &key, sizeof(key), &is_added);
    if (id == GRN_ID_NIL || !index_product_row(index, id))
        return index_failed(index, "a product");
    index->product_count += (uint32_t)is_added;
    return put_fields(index, id, key);
}

bool index_remove(struct search_index *index, struct search_place place)
{
    static const struct index_suggested nothing;
    uint64_t key = index_key(place);
    grn_id id = grn_table_get(&index->writer, index->products, &key, sizeof(key));

    if (id == GRN_ID_NIL)
        return index_went_well(index, "a product");
    if (!index_suggestions_set(index, id, key, &nothing))
        return false;
    if (grn_table_delete_by_id(&index->writer, index->products, id) != GRN_SUCCESS)
        return index_failed(index, "removing a product");
    index->product_rows[id] = (struct index_product){0};
    index->product_count--;
    return index_went_well(index, "removing a product");
}

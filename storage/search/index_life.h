/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with one generation of the index, by who keeps it (search_*.c): made, filled, opened
 * again, closed. Where a function fails, `error` of the index (or the caller's) says why in one
 * line, and the index is good for nothing but to be closed.
 *
 * A fresh index is filled first and given its words (index_add_words) last: that is twice as
 * fast. */
#ifndef STAMPEDE_SEARCH_INDEX_LIFE_H
#define STAMPEDE_SEARCH_INDEX_LIFE_H

#include "search/index.h"

/* Groonga's library, once a process, before and after all indexes. False, with the remedy in
 * `error`: its plug-in for word stems is not there, or does not do what it should. That is tried in
 * `folder`, which must be there. */
bool index_library_open(const char *folder, char *error, size_t error_size);
/* `is_whole`: no index failed. Otherwise the library cannot be trusted to end, and goes with the
 * process. */
void index_library_close(bool is_whole);

/* Makes an index in an empty folder, or opens one that was closed well; the folder must be there.
 * NULL with `error`. */
struct search_index *index_create(const char *folder, const struct synonyms *synonyms, char *error,
                                  size_t error_size);
struct search_index *index_open(const char *folder, const struct synonyms *synonyms, char *error,
                                size_t error_size);

/* Gives a filled index its words. `progress` is called now and then with the part that is done, in
 * 1/1000; false from it ends the work, and the index is then only to be closed. */
bool index_add_words(struct search_index *index, bool (*progress)(void *arg, unsigned permille),
                     void *arg);

/* So many can look at once: at least one. Once, after index_add_words. */
bool index_add_readers(struct search_index *index, uint32_t count);

/* A reader of one's own, until it is given back; waits for one. The caller holds the read side of
 * the lock. */
struct index_reader *index_reader_take(struct search_index *index);
void index_reader_give(struct index_reader *reader);

/* Takes in a product, new or changed, as its record says; or takes it out (if it is in). The
 * writer. */
bool index_put(struct search_index *index, const struct record *record);
bool index_remove(struct search_index *index, struct search_place place);

/* Writes all of it to its files, durably, so that it can be opened again. Takes as long as the
 * disk. */
bool index_flush(struct search_index *index);

/* Nobody looks any more. NULL is allowed. */
void index_close(struct search_index *index);

/* ---- between index_*.c ---- */

/* Notes why the writer failed, with Groonga's own word; returns false. */
bool index_failed(struct search_index *index, const char *what);
/* Likewise, if Groonga says so. */
bool index_went_well(struct search_index *index, const char *what);

/* The tables and columns: made; found again, and proved to know stems. */
bool index_schema_make(struct search_index *index);
bool index_schema_find(struct search_index *index);

/* Memory of the writer. */
struct index_room *index_room_create(grn_ctx *context);
void index_room_destroy(struct index_room *room, grn_ctx *context);

/* Rows in memory for a record ID; false without memory. */
bool index_product_row(struct search_index *index, grn_id id);
bool index_suggestion_row(struct search_index *index, grn_id id);

enum { INDEX_SUGGESTIONS_EACH = 2 + 8 }; /* of a product: name, brand, names of its category */

/* What a product is suggested by, as it is said in its record. */
struct index_suggested {
    uint32_t count;
    struct {
        enum suggestion_kind kind;
        const char *text;
        size_t length;
    } texts[INDEX_SUGGESTIONS_EACH];
};

/* Counts the product under these, and no more under those it was counted under before. */
bool index_suggestions_set(struct search_index *index, grn_id product, uint64_t key,
                           const struct index_suggested *suggested);

/* The words in memory as they are on disk. */
static inline uint32_t index_pack_words(const struct index_product *row)
{
    return (uint32_t)row->title_words | (uint32_t)row->head_words << 8 |
           (uint32_t)row->brand_words << 16 | (uint32_t)row->category_words << 24;
}

#endif

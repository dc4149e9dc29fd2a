/* SPDX-License-Identifier: Apache-2.0 */
/* The tables and columns of an index: made, or found again by their names. */
#include "search/index_life.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"

enum {
    NAME_BYTES = 64,
    PATH_BYTES = 4200,
    FOLDER_MODE = 0700,
    WRITE_WAIT_TRIES = 300, /* 1 ms each, for a lock of Groonga's, which nobody else has */
};

#define STEM_PLUGIN "token_filters/stem"
#define STEM_FILTER "TokenFilterStem"

/* ---- what there is ---- */

struct table_row {
    const char *name;
    size_t place; /* of the pointer in struct search_index */
    grn_table_flags flags;
    grn_builtin_type key;
    bool is_lexicon;
    bool has_stems;
};

struct column_row {
    const char *table;
    const char *name;
    size_t place;
    grn_column_flags flags;
    grn_builtin_type type;
};

/* Of what its source columns hold; they come to be with index_add_words. */
struct words_row {
    const char *table;
    const char *name;
    size_t place;
    size_t range; /* place of the pointer to the table that the columns are of */
    grn_column_flags flags;
    size_t sources[SECTION_END]; /* places; 0 ends them */
};

#define PLACE(field) offsetof(struct search_index, field)
#define SECTION_PLACE(section)                                                                     \
    (offsetof(struct search_index, sections) + (section) * sizeof(grn_obj *))

static const struct table_row tables[] = {
    {"Products", PLACE(products), GRN_OBJ_TABLE_HASH_KEY, GRN_DB_UINT64, false, false},
    {"Words", PLACE(words), GRN_OBJ_TABLE_PAT_KEY, GRN_DB_SHORT_TEXT, true, true},
    {"Forms", PLACE(forms), GRN_OBJ_TABLE_PAT_KEY, GRN_DB_SHORT_TEXT, true, false},
    {"Suggestions", PLACE(suggestions), GRN_OBJ_TABLE_PAT_KEY, GRN_DB_SHORT_TEXT, false, false},
    {"SuggestionWords", PLACE(suggestion_words), GRN_OBJ_TABLE_PAT_KEY, GRN_DB_SHORT_TEXT, true,
     false},
};

static const struct column_row columns[] = {
    {"Products", "title", SECTION_PLACE(SECTION_TITLE), 0, GRN_DB_TEXT},
    {"Products", "brand", SECTION_PLACE(SECTION_BRAND), 0, GRN_DB_TEXT},
    {"Products", "category", SECTION_PLACE(SECTION_CATEGORY), 0, GRN_DB_TEXT},
    {"Products", "parents", SECTION_PLACE(SECTION_PARENTS), 0, GRN_DB_TEXT},
    {"Products", "tags", SECTION_PLACE(SECTION_TAGS), 0, GRN_DB_TEXT},
    {"Products", "description", SECTION_PLACE(SECTION_DESCRIPTION), 0, GRN_DB_TEXT},
    {"Products", "counts", PLACE(product_counts), 0, GRN_DB_UINT32},
    {"Products", "suggestions", PLACE(product_suggestions), GRN_OBJ_COLUMN_VECTOR, GRN_DB_UINT32},
    {"Suggestions", "text", PLACE(suggestion_text), 0, GRN_DB_TEXT},
    {"Suggestions", "shown", PLACE(suggestion_shown), 0, GRN_DB_TEXT},
    {"Suggestions", "products", PLACE(suggestion_products), 0, GRN_DB_UINT32},
    {"Suggestions", "places", PLACE(suggestion_places), 0, GRN_DB_UINT64},
    {"Suggestions", "kind", PLACE(suggestion_kind), 0, GRN_DB_UINT32},
};

static const struct words_row words[] = {
    {"Words",
     "products",
     PLACE(words_index),
     PLACE(products),
     GRN_OBJ_WITH_SECTION | GRN_OBJ_WITH_POSITION,
     {SECTION_PLACE(SECTION_TITLE), SECTION_PLACE(SECTION_BRAND), SECTION_PLACE(SECTION_CATEGORY),
      SECTION_PLACE(SECTION_PARENTS), SECTION_PLACE(SECTION_TAGS),
      SECTION_PLACE(SECTION_DESCRIPTION)}},
    {"Forms",
     "products",
     PLACE(forms_index),
     PLACE(products),
     GRN_OBJ_WITH_SECTION,
     {SECTION_PLACE(SECTION_TITLE), SECTION_PLACE(SECTION_BRAND), SECTION_PLACE(SECTION_CATEGORY)}},
    {"SuggestionWords",
     "suggestions",
     PLACE(suggestions_index),
     PLACE(suggestions),
     GRN_OBJ_WITH_POSITION,
     {PLACE(suggestion_text)}},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static grn_obj **object_at(struct search_index *index, size_t place)
{
    return (grn_obj **)(void *)((char *)index + place);
}

/* ---- errors ---- */

bool index_failed(struct search_index *index, const char *what)
{
    snprintf(index->error, sizeof(index->error), "the search index: %.300s: %.150s", what,
             index->writer.rc == GRN_SUCCESS ? "not enough memory" : index->writer.errbuf);
    for (char *at = index->error; *at != '\0'; at++) {
        if (*at == '\n')
            *at = ' ';
    }
    index->writer.rc = GRN_SUCCESS; /* or it would stay */
    return false;
}

bool index_went_well(struct search_index *index, const char *what)
{
    return index->writer.rc == GRN_SUCCESS || index_failed(index, what);
}

/* ---- stems ---- */

static const char no_stems[] =
    "Groonga's plug-in " STEM_PLUGIN " is missing or does not work: install"
    " groonga-token-filter-stem, or turn the search off";

/* A database whose plug-in is not there opens and answers all the same, without stems. */
static bool has_stems(struct search_index *index)
{
    grn_ctx *context = &index->writer;
    char key[GRN_TABLE_MAX_KEY_SIZE];
    grn_obj ids;
    int length = 0;

    GRN_RECORD_INIT(&ids, GRN_OBJ_VECTOR, grn_obj_id(context, index->words));
    grn_table_tokenize(context, index->words, "candles", 7, &ids, GRN_TRUE);
    if (GRN_BULK_VSIZE(&ids) == sizeof(grn_id))
        length =
            grn_table_get_key(context, index->words, GRN_RECORD_VALUE(&ids), key, (int)sizeof(key));
    GRN_OBJ_FIN(context, &ids);
    if (length == 5 && memcmp(key, "candl", 5) == 0)
        return index_went_well(index, "stems");
    snprintf(index->error, sizeof(index->error), "%s", no_stems);
    return false;
}

static bool register_stems(struct search_index *index)
{
    if (grn_plugin_register(&index->writer, STEM_PLUGIN) == GRN_SUCCESS)
        return true;
    snprintf(index->error, sizeof(index->error), "%s", no_stems);
    index->writer.rc = GRN_SUCCESS;
    return false;
}

/* ---- making ---- */

static bool set_text(struct search_index *index, grn_obj *object, grn_info_type type,
                     const char *value)
{
    grn_ctx *context = &index->writer;
    grn_obj text;

    GRN_TEXT_INIT(&text, 0);
    GRN_TEXT_SETS(context, &text, value);
    grn_obj_set_info(context, object, type, &text);
    GRN_OBJ_FIN(context, &text);
    return index_went_well(index, value);
}

static bool make_table(struct search_index *index, const struct table_row *row)
{
    grn_ctx *context = &index->writer;
    /* A database in memory has tables without names alone. */
    bool is_kept = grn_obj_path(context, index->database) != NULL;
    grn_obj *table = grn_table_create(
        context, is_kept ? row->name : NULL, is_kept ? (unsigned)strlen(row->name) : 0, NULL,
        row->flags | (is_kept ? GRN_OBJ_PERSISTENT : 0u), grn_ctx_at(context, row->key), NULL);

    if (table == NULL)
        return index_failed(index, row->name);
    *object_at(index, row->place) = table;
    /* What a word is has been decided before: Groonga splits at blanks. */
    return !row->is_lexicon ||
           (set_text(index, table, GRN_INFO_DEFAULT_TOKENIZER, "TokenDelimit") &&
            set_text(index, table, GRN_INFO_NORMALIZER, "NormalizerNFKC150") &&
            (!row->has_stems || set_text(index, table, GRN_INFO_TOKEN_FILTERS, STEM_FILTER)));
}

static bool make_column(struct search_index *index, const struct column_row *row)
{
    grn_ctx *context = &index->writer;
    grn_obj *column = grn_column_create(
        context, grn_ctx_get(context, row->table, -1), row->name, (unsigned)strlen(row->name), NULL,
        row->flags | GRN_OBJ_PERSISTENT, grn_ctx_at(context, row->type));

    if (column == NULL)
        return index_failed(index, row->name);
    *object_at(index, row->place) = column;
    return true;
}

bool index_schema_make(struct search_index *index)
{
    if (!register_stems(index))
        return false;
    for (size_t i = 0; i < COUNT(tables); i++) {
        if (!make_table(index, &tables[i]))
            return false;
    }
    for (size_t i = 0; i < COUNT(columns); i++) {
        if (!make_column(index, &columns[i]))
            return false;
    }
    return has_stems(index);
}

struct progress {
    bool (*call)(void *arg, unsigned permille);
    void *arg;
    unsigned begun; /* of COUNT(words), the one that is made */
    uint64_t calls;
    uint64_t expected;
};

/* From within Groonga, for every record and every word. Anything but success in the context ends
 * what it does at the next record. */
static void on_progress(grn_ctx *context, grn_progress *progress, void *arg)
{
    struct progress *state = arg;
    uint64_t done = ++state->calls < state->expected ? state->calls : state->expected;

    (void)progress;
    if (state->calls % 512 == 0 &&
        !state->call(state->arg, (unsigned)((state->begun * 1000 + done * 1000 / state->expected) /
                                            COUNT(words))))
        context->rc = GRN_CANCEL;
}

/* Making an index column with its sources named fills it from what is there. */
static bool make_words(struct search_index *index, const struct words_row *row)
{
    grn_ctx *context = &index->writer;
    grn_obj *column = grn_column_create(
        context, grn_ctx_get(context, row->table, -1), row->name, (unsigned)strlen(row->name), NULL,
        row->flags | GRN_OBJ_COLUMN_INDEX | GRN_OBJ_PERSISTENT, *object_at(index, row->range));
    grn_obj sources;

    if (column == NULL)
        return index_failed(index, row->table);
    GRN_UINT32_INIT(&sources, GRN_OBJ_VECTOR);
    for (size_t i = 0; row->sources[i] != 0; i++) {
        grn_id id = grn_obj_id(context, *object_at(index, row->sources[i]));

        GRN_UINT32_PUT(context, &sources, id);
    }
    grn_obj_set_info(context, column, GRN_INFO_SOURCE, &sources);
    GRN_OBJ_FIN(context, &sources);
    *object_at(index, row->place) = column;
    return index_went_well(index, row->table);
}

bool index_add_words(struct search_index *index, bool (*progress)(void *arg, unsigned permille),
                     void *arg)
{
    struct progress state = {.call = progress, .arg = arg};
    bool is_made = true;

    assert(index->words_index == NULL);
    grn_ctx_set_progress_callback(&index->writer, on_progress, &state);
    for (size_t i = 0; i < COUNT(words) && is_made; i++) {
        grn_obj *table = *object_at(index, words[i].range);

        state.begun = (unsigned)i;
        state.calls = 0;
        state.expected = grn_table_size(&index->writer, table) + 1;
        is_made = make_words(index, &words[i]);
    }
    grn_ctx_set_progress_callback(&index->writer, NULL, NULL);
    return is_made;
}

/* ---- finding again ---- */

static bool find(struct search_index *index, const char *table, const char *column, size_t place)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof(name), "%s%s%s", table, column == NULL ? "" : ".",
             column == NULL ? "" : column);
    *object_at(index, place) = grn_ctx_get(&index->writer, name, -1);
    return *object_at(index, place) != NULL || index_failed(index, name);
}

bool index_schema_find(struct search_index *index)
{
    for (size_t i = 0; i < COUNT(tables); i++) {
        if (!find(index, tables[i].name, NULL, tables[i].place))
            return false;
    }
    for (size_t i = 0; i < COUNT(columns); i++) {
        if (!find(index, columns[i].table, columns[i].name, columns[i].place))
            return false;
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        if (!find(index, words[i].table, words[i].name, words[i].place))
            return false;
    }
    return has_stems(index);
}

/* ---- the library ---- */

static bool is_used; /* by a search */
static bool is_started;
static bool must_stay; /* started, whatever comes */

/* With a lexicon of its own, for databases in memory have no plug-ins. */
static bool try_stems(const char *folder, char *error, size_t error_size)
{
    struct search_index probe = {0};
    char path[PATH_BYTES];
    char file[PATH_BYTES + 8];
    char ignored[64];
    bool is_good;

    snprintf(path, sizeof(path), "%s/probe", folder);
    snprintf(file, sizeof(file), "%s/db", path);
    files_remove_folder(path, ignored, sizeof(ignored));
    if (mkdir(path, FOLDER_MODE) != 0) {
        files_error(error, error_size, "cannot make %s: %s", path, files_reason(errno));
        return false;
    }
    if (grn_ctx_init(&probe.writer, 0) != GRN_SUCCESS) {
        files_error(error, error_size, "Groonga cannot be used: not enough memory");
        return false;
    }
    probe.database = grn_db_create(&probe.writer, file, NULL);
    is_good = probe.database == NULL
                  ? index_failed(&probe, file)
                  : register_stems(&probe) && make_table(&probe, &tables[1]) && has_stems(&probe);
    if (!is_good)
        snprintf(error, error_size, "%s", probe.error);
    if (probe.database != NULL)
        grn_obj_close(&probe.writer, probe.database);
    grn_ctx_fin(&probe.writer);
    files_remove_folder(path, ignored, sizeof(ignored));
    return is_good;
}

bool index_library_open(const char *folder, char *error, size_t error_size)
{
    assert(!is_used);
    if (!is_started && grn_init() != GRN_SUCCESS) {
        files_error(error, error_size, "Groonga cannot be used: its library does not start");
        return false;
    }
    is_used = true;
    is_started = true;
    grn_set_lock_timeout(WRITE_WAIT_TRIES);
    if (try_stems(folder, error, error_size))
        return true;
    index_library_close(true);
    return false;
}

void index_library_close(bool is_whole)
{
    assert(is_used);
    is_used = false;
    must_stay |= !is_whole;
    if (must_stay)
        return;
    is_started = false;
    grn_fin();
}

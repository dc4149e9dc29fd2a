/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: YAML, a schema of libcyaml generated from the table of options. The
 * schema knows names and shapes only; every value is text that options_set judges, as it does a
 * flag's. The only file that knows libcyaml. */
#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"

#define FILE_FIELD_TEXT(name)   char *name;
#define FILE_FIELD_CHOICE(name) char *name;
#define FILE_FIELD_NUMBER(name) char *name;
#define FILE_FIELD_SWITCH(name) char *name;
#define FILE_FIELD_LIST(name)                                                                      \
    char **name;                                                                                   \
    uint32_t name##_count;

#define X(name, flag, key, type, ...) FILE_FIELD_##type(name)
struct file_availability {
    OPTIONS_AVAILABILITY(X)
};

struct file_import {
    OPTIONS_IMPORT(X)
};

struct file_gateway {
    OPTIONS_GATEWAY(X)
};

struct file_draw {
    OPTIONS_DRAW(X)
};

struct file_top {
    OPTIONS_TOP(X)
    struct file_availability *availability;
    struct file_import *import;
    struct file_gateway *gateway;
    struct file_draw *draw;
};
#undef X

static const cyaml_schema_value_t list_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED),
};

#define SCHEMA_TEXT(key, name)                                                                     \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct FILE_STRUCT,      \
                           name, 0, CYAML_UNLIMITED),
#define SCHEMA_CHOICE SCHEMA_TEXT
#define SCHEMA_NUMBER SCHEMA_TEXT
#define SCHEMA_SWITCH SCHEMA_TEXT
#define SCHEMA_LIST(key, name)                                                                     \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct FILE_STRUCT, name,  \
                         &list_entry, 0, CYAML_UNLIMITED),

#define X(name, flag, key, type, ...) SCHEMA_##type(key, name)
#define FILE_STRUCT                   file_availability
static const cyaml_schema_field_t availability_fields[] = {OPTIONS_AVAILABILITY(X) CYAML_FIELD_END};
#undef FILE_STRUCT
#define FILE_STRUCT file_import
static const cyaml_schema_field_t import_fields[] = {OPTIONS_IMPORT(X) CYAML_FIELD_END};
#undef FILE_STRUCT
#define FILE_STRUCT file_gateway
static const cyaml_schema_field_t gateway_fields[] = {OPTIONS_GATEWAY(X) CYAML_FIELD_END};
#undef FILE_STRUCT
#define FILE_STRUCT file_draw
static const cyaml_schema_field_t draw_fields[] = {OPTIONS_DRAW(X) CYAML_FIELD_END};
#undef FILE_STRUCT
#define FILE_STRUCT file_top
static const cyaml_schema_field_t top_fields[] = {
    OPTIONS_TOP(X) CYAML_FIELD_MAPPING_PTR("availability", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                                           struct file_top, availability, availability_fields),
    CYAML_FIELD_MAPPING_PTR("import", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file_top,
                            import, import_fields),
    CYAML_FIELD_MAPPING_PTR("gateway", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file_top,
                            gateway, gateway_fields),
    CYAML_FIELD_MAPPING_PTR("draw", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file_top, draw,
                            draw_fields),
    CYAML_FIELD_END,
};
#undef FILE_STRUCT
#undef X

static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file_top, top_fields),
};

/* ---- what libcyaml has to say ---- */

enum { REMARK_MAX = 200 };

/* Its first complaint, and the first place that it names. */
struct remarks {
    char complaint[REMARK_MAX];
    char place[REMARK_MAX];
};

/* What follows `prefix` in `text`, or NULL. */
static const char *after(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : NULL;
}

static void remark(cyaml_log_t level, void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void remark(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    struct remarks *remarks = context;
    char line[REMARK_MAX];
    const char *text = line;

    (void)level;
    vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = 0;
    if (strncmp(text, "Load: ", 6) == 0)
        text += 6;
    if (strncmp(text, "  in ", 5) == 0) {
        text = after(text, "  in mapping field ") != NULL ? text + 19 : text + 5;
        if (remarks->place[0] == 0)
            snprintf(remarks->place, REMARK_MAX, "%s", text);
    } else if (remarks->complaint[0] == 0 && strcmp(text, "Backtrace:") != 0) {
        snprintf(remarks->complaint, REMARK_MAX, "%s", text);
    }
}

static void explain_key(const char *path, const char *key, char *error)
{
    const char *keys[OPTION_COUNT + 4] = {"availability", "import", "gateway", "draw"};
    const char *nearest;
    size_t count = 4;

    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        keys[count++] = option_rows[id].key;
    nearest = nearest_word(key, keys, count);
    for (enum option_id id = 0; id < OPTION_COUNT && nearest != NULL; id++) {
        if (option_rows[id].key == nearest && option_rows[id].section[0] != 0) {
            snprintf(error, OPTION_ERROR_MAX, "%s: unknown key \"%s\": did you mean %s inside %s?",
                     path, key, nearest, option_rows[id].section);
            return;
        }
    }
    if (nearest != NULL)
        snprintf(error, OPTION_ERROR_MAX, "%s: unknown key \"%s\": did you mean %s?", path, key,
                 nearest);
    else
        snprintf(error, OPTION_ERROR_MAX,
                 "%s: unknown key \"%s\": stampede config check --help lists them", path, key);
}

static void explain(const char *path, const struct remarks *remarks, cyaml_err_t code, char *error)
{
    static const struct {
        const char *prefix;
        const char *advice;
    } shapes[] = {
        {"Expecting STRING", "give one plain value"},
        {"Expecting SEQUENCE", "give a list, such as [a, b]"},
        {"Expecting MAPPING", "give keys and values, such as `shards: 2`"},
        {"Mapping field already seen", "keep one of the two"},
        {"Ignoring documents", "keep one document: no second ---"},
    };
    const char *key = after(remarks->complaint, "Unexpected key: ");
    const char *syntax = after(remarks->complaint, "libyaml: ");
    const char *place = remarks->place[0] != 0 ? remarks->place : "at its beginning";

    if (key != NULL) {
        explain_key(path, key, error);
        return;
    }
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (after(remarks->complaint, shapes[i].prefix) != NULL) {
            snprintf(error, OPTION_ERROR_MAX, "%s: %s: %s", path, place, shapes[i].advice);
            return;
        }
    }
    if (syntax != NULL)
        snprintf(error, OPTION_ERROR_MAX, "%.150s is not YAML: %.150s, %.150s", path, syntax,
                 place);
    else
        snprintf(error, OPTION_ERROR_MAX, "%.150s: %s, %.150s", path, cyaml_strerror(code), place);
}

/* ---- values ---- */

static bool set_text(struct options *options, enum option_id id, const char *text, const char *path,
                     char *error)
{
    const struct option_row *row = &option_rows[id];
    char name[OPTION_ERROR_MAX / 2];

    snprintf(name, sizeof(name), "%s%s%s in %.180s", row->section, row->section[0] ? "." : "",
             row->key, path);
    return text == NULL || options_set(options, id, text, SOURCE_FILE, name, error);
}

static bool set_entries(struct options *options, enum option_id id, char *const *entries,
                        uint32_t count, const char *path, char *error)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!set_text(options, id, entries[i], path, error))
            return false;
    }
    return true;
}

#define SET_TEXT(name, from) set_text(options, OPTION_##name, (from)->name, path, error)
#define SET_CHOICE           SET_TEXT
#define SET_NUMBER           SET_TEXT
#define SET_SWITCH           SET_TEXT
#define SET_LIST(name, from)                                                                       \
    set_entries(options, OPTION_##name, (from)->name, (from)->name##_count, path, error)

static bool set_all(struct options *options, const struct file_top *top, const char *path,
                    char *error)
{
    bool is_good = true;

#define X(name, flag, key, type, ...) is_good = is_good && SET_##type(name, top);
    OPTIONS_TOP(X)
#undef X
#define X(name, flag, key, type, ...)                                                              \
    is_good = is_good && (top->availability == NULL || SET_##type(name, top->availability));
    OPTIONS_AVAILABILITY(X)
#undef X
#define X(name, flag, key, type, ...)                                                              \
    is_good = is_good && (top->import == NULL || SET_##type(name, top->import));
    OPTIONS_IMPORT(X)
#undef X
#define X(name, flag, key, type, ...)                                                              \
    is_good = is_good && (top->gateway == NULL || SET_##type(name, top->gateway));
    OPTIONS_GATEWAY(X)
#undef X
#define X(name, flag, key, type, ...)                                                              \
    is_good = is_good && (top->draw == NULL || SET_##type(name, top->draw));
    OPTIONS_DRAW(X)
#undef X
    return is_good;
}

bool config_file_read(struct options *options, const char *path, char *error)
{
    struct remarks remarks = {.complaint = ""};
    /* Aliases are off: they would let a small file ask for much memory. */
    const cyaml_config_t config = {
        .log_fn = remark,
        .log_ctx = &remarks,
        .log_level = CYAML_LOG_WARNING,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    struct file_top *top = NULL;
    struct stat status;
    cyaml_err_t code;
    bool is_good;

    if (access(path, R_OK) != 0 || stat(path, &status) != 0) {
        snprintf(error, OPTION_ERROR_MAX,
                 "cannot read the configuration file %.300s: %m: give --config a file that this"
                 " user may read, or leave it out",
                 path);
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        snprintf(error, OPTION_ERROR_MAX, "%.300s is a folder: give --config a file", path);
        return false;
    }
    code = cyaml_load_file(path, &config, &file_schema, (cyaml_data_t **)&top, NULL);
    is_good = code == CYAML_OK && remarks.complaint[0] == 0;
    if (!is_good)
        explain(path, &remarks, code, error);
    else if (top != NULL) /* NULL: an empty file */
        is_good = set_all(options, top, path, error);
    cyaml_free(&config, &file_schema, top, 0);
    return is_good;
}

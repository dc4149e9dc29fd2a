/* SPDX-License-Identifier: Apache-2.0 */
/* The table as data, and options as values: defaults, setting from text, printing. */
#include "options.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "engine.h"
#include "env_real_workers.h"
#include "shop_limits.h"
#include "storage.h"

const struct command_row command_rows[COMMAND_ID_COUNT] = {
#define X(name, words, argument, summary) {words, argument, summary},
    COMMANDS(X)
#undef X
};

const struct option_row option_rows[OPTION_COUNT] = {
#define ROW(section, flag, key, type, least, most, commands, takes, help)                          \
    {flag, section, key, OPTION_##type, least, most, commands, takes, help},
#define X(name, flag, key, type, value, least, most, commands, takes, help)                        \
    ROW("", flag, key, type, least, most, commands, takes, help)
    OPTIONS_TOP(X)
#undef X
#define X(name, flag, key, type, value, least, most, commands, takes, help)                        \
    ROW("availability", flag, key, type, least, most, commands, takes, help)
        OPTIONS_AVAILABILITY(X)
#undef X
#define X(name, flag, key, type, value, least, most, commands, takes, help)                        \
    ROW("import", flag, key, type, least, most, commands, takes, help)
            OPTIONS_IMPORT(X)
#undef X
#define X(name, flag, key, type, value, least, most, commands, takes, help)                        \
    ROW("gateway", flag, key, type, least, most, commands, takes, help)
                OPTIONS_GATEWAY(X)
#undef X
#define X(name, flag, key, type, value, least, most, commands, takes, help)                        \
    ROW("draw", flag, key, type, least, most, commands, takes, help)
                    OPTIONS_DRAW(X)
#undef X
#undef ROW
};

/* Where each option's field is. */
static const size_t field_offsets[OPTION_COUNT] = {
#define X(name, ...) offsetof(struct options, name),
    OPTIONS(X)
#undef X
};

/* A copy that lives as long as the options. */
struct option_text {
    struct option_text *next;
    char text[];
};

static void *option_field(struct options *options, enum option_id id)
{
    return (char *)options + field_offsets[id];
}

static bool refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(char *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, OPTION_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static const char *option_text_keep(struct options *options, const char *text, size_t length)
{
    struct option_text *copy = malloc(sizeof(*copy) + length + 1);

    if (copy == NULL)
        abort();
    memcpy(copy->text, text, length);
    copy->text[length] = 0;
    copy->next = options->texts;
    options->texts = copy;
    return copy->text;
}

void options_free(struct options *options)
{
    while (options->texts != NULL) {
        struct option_text *text = options->texts;

        options->texts = text->next;
        free(text);
    }
}

#define OPTION_DEFAULT_TEXT(name, value)   options->name = (value);
#define OPTION_DEFAULT_CHOICE(name, value) options->name = (value);
#define OPTION_DEFAULT_NUMBER(name, value) options->name = (value);
#define OPTION_DEFAULT_SWITCH(name, value) options->name = (value);
#define OPTION_DEFAULT_LIST(name, value)   options->name.count = (value);

void options_set_defaults(struct options *options)
{
    const struct engine_options engine = engine_options_default(1);
    const struct storage_options storage = storage_options_default("");
    struct api_options api;

    api_options_default(&api);
    const struct http_options http = api.http;
    memset(options, 0, sizeof(*options));
    options->command = COMMAND_ID_COUNT;
#define X(name, flag, key, type, value, ...) OPTION_DEFAULT_##type(name, value)
    OPTIONS(X)
#undef X
}

const void *options_field(const struct options *options, enum option_id id)
{
    return (const char *)options + field_offsets[id];
}

bool options_is_given(const struct options *options, enum option_id id)
{
    return options->sources[id] != SOURCE_DEFAULT;
}

static bool set_number(uint64_t *field, const struct option_row *row, const char *text,
                       const char *name, char *error)
{
    uint64_t number = 0;
    bool is_number = text[0] != 0 && strlen(text) <= 18;

    for (const char *at = text; *at != 0 && is_number; at++) {
        is_number = isdigit((unsigned char)*at);
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (!is_number || number < row->least || number > row->most)
        return refuse(error, "%s is \"%.100s\": give a whole number from %llu to %llu", name, text,
                      (unsigned long long)row->least, (unsigned long long)row->most);
    *field = number;
    return true;
}

static bool set_switch(bool *field, const char *text, const char *name, char *error)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *field = i % 2 == 1;
            return true;
        }
    }
    return refuse(error, "%s is \"%.100s\": give on or off", name, text);
}

/* Whether `text` is one of the words that `words` separates by '|'. */
static bool is_one_of(const char *text, const char *words)
{
    size_t length = strlen(text);

    while (length > 0) {
        size_t word = strcspn(words, "|");

        if (word == length && strncmp(text, words, length) == 0)
            return true;
        if (words[word] == 0)
            return false;
        words += word + 1;
    }
    return false;
}

static bool set_list(struct options *options, struct text_list *list, const struct option_row *row,
                     const char *text, const char *name, char *error)
{
    for (;;) {
        size_t length = strcspn(text, ",");
        const char *next = text + length;

        while (length > 0 && isspace((unsigned char)*text)) {
            text++;
            length--;
        }
        while (length > 0 && isspace((unsigned char)text[length - 1]))
            length--;
        if (length < row->least || length > row->most)
            return refuse(error, "%s has an entry of %zu characters: give %s, each of %llu to %llu",
                          name, length, row->takes, (unsigned long long)row->least,
                          (unsigned long long)row->most);
        if (list->count == OPTION_LIST_MAX)
            return refuse(error, "%s has more than %d entries: give fewer", name, OPTION_LIST_MAX);
        list->entries[list->count++] = option_text_keep(options, text, length);
        if (*next == 0)
            return true;
        text = next + 1;
    }
}

bool options_set(struct options *options, enum option_id id, const char *text,
                 enum option_source source, const char *name, char *error)
{
    const struct option_row *row = &option_rows[id];
    void *field = option_field(options, id);
    bool is_set = false;

    assert(source >= options->sources[id]);
    switch (row->type) {
    case OPTION_TEXT:
        if (strlen(text) < row->least || strlen(text) > row->most)
            return refuse(error, "%s has %zu characters: give %s, of %llu to %llu", name,
                          strlen(text), row->takes, (unsigned long long)row->least,
                          (unsigned long long)row->most);
        *(const char **)field = option_text_keep(options, text, strlen(text));
        is_set = true;
        break;
    case OPTION_NUMBER:
        is_set = set_number(field, row, text, name, error);
        break;
    case OPTION_SWITCH:
        is_set = set_switch(field, text, name, error);
        break;
    case OPTION_CHOICE:
        if (!is_one_of(text, row->takes))
            return refuse(error, "%s is \"%.100s\": give %s", name, text, row->takes);
        *(const char **)field = option_text_keep(options, text, strlen(text));
        is_set = true;
        break;
    case OPTION_LIST:
        if (source > options->sources[id])
            ((struct text_list *)field)->count = 0;
        is_set = set_list(options, field, row, text, name, error);
        break;
    }
    if (is_set)
        options->sources[id] = source;
    return is_set;
}

/* A URL without the password that may stand in it. */
static void print_url(const char *url, FILE *stream)
{
    const char *authority = strstr(url, "://");
    const char *user = authority == NULL ? url : authority + 3;
    const char *end = user + strcspn(user, "/");
    const char *password = memchr(user, ':', (size_t)(end - user));
    const char *host = end;

    while (host > user && host[-1] != '@')
        host--;
    if (host == user || password == NULL || password >= host)
        fputs(url, stream);
    else
        fprintf(stream, "%.*s:***@%s", (int)(password - url), url, host);
}

void options_print_value(const struct options *options, enum option_id id, FILE *stream)
{
    const void *field = options_field(options, id);
    const struct text_list *list = field;

    switch (option_rows[id].type) {
    case OPTION_TEXT:
    case OPTION_CHOICE:
        if (id == OPTION_redis_url)
            print_url(*(const char *const *)field, stream);
        else
            fputs(*(const char *const *)field, stream);
        break;
    case OPTION_NUMBER:
        fprintf(stream, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case OPTION_SWITCH:
        fputs(*(const bool *)field ? "on" : "off", stream);
        break;
    case OPTION_LIST:
        for (uint32_t i = 0; i < list->count; i++)
            fprintf(stream, "%s%s", i == 0 ? "" : ",", list->entries[i]);
        break;
    }
}

const char *option_variable(enum option_id id, char name_out[OPTION_VARIABLE_MAX])
{
    size_t length =
        (size_t)snprintf(name_out, OPTION_VARIABLE_MAX, "STAMPEDE_%s", option_rows[id].flag);

    assert(length < OPTION_VARIABLE_MAX);
    for (size_t i = 0; i < length; i++)
        name_out[i] = name_out[i] == '-' ? '_' : (char)toupper((unsigned char)name_out[i]);
    return name_out;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "search/synonyms.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/search_text.h"

enum { CLEAN_ROOM = SEARCH_CLEAN_ROOM(SYNONYM_LINE_MAX) };

static int compare(const void *a, const void *b)
{
    const struct synonym *x = a;
    const struct synonym *y = b;
    int order = strcmp(x->from, y->from);

    return order != 0 ? order : strcmp(x->to, y->to);
}

static void fault_add(struct synonym_faults *faults, uint32_t line, const char *message)
{
    if (faults->count < SYNONYM_FAULTS_MAX)
        faults->faults[faults->count] = (struct synonym_fault){.line = line, .message = message};
    faults->count++;
}

/* NULL, or what is wrong with the side. */
static const char *side_take(const char *text, size_t length, char out[SYNONYM_BYTES_MAX + 1])
{
    char cleaned[CLEAN_ROOM];
    size_t bytes = search_clean(text, length, SEARCH_CLEAN_QUERY, cleaned, sizeof cleaned);

    if (bytes == 0)
        return "a side of '=' has no word";
    if (bytes > SYNONYM_BYTES_MAX)
        return "a side of '=' is too long";
    if (search_word_count(cleaned, bytes) > SYNONYM_WORDS_MAX)
        return "a side of '=' has too many words";
    memcpy(out, cleaned, bytes + 1);
    return NULL;
}

/* NULL, or what is wrong with the line. */
static const char *rule_take(const char *line, size_t length, struct synonym *rule_out)
{
    const char *equals = memchr(line, '=', length);
    const char *wrong;

    if (length > SYNONYM_LINE_MAX)
        return "the line is too long";
    if (memchr(line, '\0', length) != NULL)
        return "the line has a zero byte";
    if (equals == NULL)
        return "there is no '='";
    if (memchr(equals + 1, '=', length - (size_t)(equals + 1 - line)) != NULL)
        return "there is more than one '='";
    wrong = side_take(line, (size_t)(equals - line), rule_out->from);
    if (wrong == NULL)
        wrong = side_take(equals + 1, length - (size_t)(equals + 1 - line), rule_out->to);
    if (wrong == NULL && strcmp(rule_out->from, rule_out->to) == 0)
        wrong = "both sides are the same";
    return wrong;
}

static bool rule_add(struct synonyms *synonyms, const struct synonym *rule)
{
    if (synonyms->count == synonyms->room) {
        uint32_t room = synonyms->room == 0 ? 64 : synonyms->room * 2;
        struct synonym *rules = realloc(synonyms->rules, room * sizeof *rules);

        if (rules == NULL)
            return false;
        synonyms->rules = rules;
        synonyms->room = room;
    }
    synonyms->rules[synonyms->count++] = *rule;
    return true;
}

static bool is_comment(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (line[i] == '#')
            return true;
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    }
    return true;
}

/* Sorted, and each once. */
static void rules_order(struct synonyms *synonyms)
{
    uint32_t count = 0;

    if (synonyms->count == 0)
        return;
    qsort(synonyms->rules, synonyms->count, sizeof synonyms->rules[0], compare);
    for (uint32_t i = 0; i < synonyms->count; i++) {
        if (count == 0 || compare(&synonyms->rules[count - 1], &synonyms->rules[i]) != 0)
            synonyms->rules[count++] = synonyms->rules[i];
    }
    synonyms->count = count;
}

struct synonyms *synonyms_parse(const char *text, size_t length, struct synonym_faults *faults_out)
{
    struct synonyms *synonyms = calloc(1, sizeof *synonyms);
    uint32_t line = 0;

    faults_out->count = 0;
    if (synonyms == NULL)
        return NULL;
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        length -= 3;
    }
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t bytes = end != NULL ? (size_t)(end - text) - at : length - at;
        struct synonym rule;
        const char *wrong = NULL;

        line++;
        if (!is_comment(text + at, bytes)) {
            wrong = rule_take(text + at, bytes, &rule);
            if (wrong == NULL && synonyms->count == SYNONYMS_MAX)
                wrong = "there are too many synonyms";
            if (wrong == NULL && !rule_add(synonyms, &rule)) {
                synonyms_close(synonyms);
                return NULL;
            }
        }
        if (wrong != NULL)
            fault_add(faults_out, line, wrong);
        at += bytes + 1;
    }
    rules_order(synonyms);
    return synonyms;
}

/* malloc; NULL with the reason in `error`. */
static char *file_read(const char *path, size_t *length_out, char *error, size_t error_size)
{
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? malloc(SYNONYM_FILE_MAX + 1) : NULL;
    bool is_read = false;

    *length_out = 0;
    if (file == NULL) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
    } else if (text == NULL) {
        snprintf(error, error_size, "%s: no memory", path);
    } else {
        *length_out = fread(text, 1, SYNONYM_FILE_MAX + 1, file);
        is_read = ferror(file) == 0 && *length_out <= SYNONYM_FILE_MAX;
        if (ferror(file) != 0)
            snprintf(error, error_size, "%s: %s", path, strerror(errno));
        else if (!is_read)
            snprintf(error, error_size, "%s: more than %d bytes", path, SYNONYM_FILE_MAX);
    }
    if (file != NULL)
        fclose(file);
    if (is_read)
        return text;
    free(text);
    return NULL;
}

struct synonyms *synonyms_open(const char *path, char *error, size_t error_size)
{
    struct synonym_faults faults;
    size_t length = strlen(synonyms_default);
    char *text = path != NULL ? file_read(path, &length, error, error_size) : NULL;
    struct synonyms *synonyms;

    if (path != NULL && text == NULL)
        return NULL;
    synonyms = synonyms_parse(text != NULL ? text : synonyms_default, length, &faults);
    free(text);
    if (synonyms == NULL) {
        snprintf(error, error_size, "synonyms: no memory");
        return NULL;
    }
    if (faults.count == 0)
        return synonyms;
    if (faults.count == 1)
        snprintf(error, error_size, "%s:%u: %s", path != NULL ? path : "synonyms",
                 faults.faults[0].line, faults.faults[0].message);
    else
        snprintf(error, error_size, "%s:%u: %s; %u more lines have faults",
                 path != NULL ? path : "synonyms", faults.faults[0].line, faults.faults[0].message,
                 faults.count - 1);
    synonyms_close(synonyms);
    return NULL;
}

void synonyms_close(struct synonyms *synonyms)
{
    if (synonyms == NULL)
        return;
    free(synonyms->rules);
    free(synonyms);
}

/* `from` against a phrase that has no zero at its end. */
static int order_of(const char *from, const char *phrase, size_t length)
{
    int order = strncmp(from, phrase, length);

    return order != 0 ? order : from[length] != '\0';
}

static uint32_t find_exact(const struct synonyms *synonyms, const char *phrase, size_t length,
                           const struct synonym **first_out)
{
    uint32_t low = 0;
    uint32_t high = synonyms->count;
    uint32_t count = 0;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (order_of(synonyms->rules[middle].from, phrase, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + count < synonyms->count &&
           order_of(synonyms->rules[low + count].from, phrase, length) == 0)
        count++;
    *first_out = synonyms->rules + low;
    return count;
}

uint32_t synonyms_find(const struct synonyms *synonyms, const char *phrase, size_t length,
                       const struct synonym **first_out)
{
    uint32_t count;

    if (synonyms == NULL || synonyms->count == 0 || length == 0 || length > SYNONYM_BYTES_MAX)
        return 0;
    count = find_exact(synonyms, phrase, length, first_out);
    if (count == 0 && length > 1 && phrase[length - 1] == 's')
        count = find_exact(synonyms, phrase, length - 1, first_out);
    return count;
}

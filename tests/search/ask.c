/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to an index of a catalogue, without a server: for tests/search/run, and to measure.
 *
 *   search-ask FOLDER CATALOG.csv [--rounds N] [--threads N] [--slow US] <QUESTIONS
 *
 * An index of the catalogue (tests/search/catalog, data/sample-catalogue.csv) is built in FOLDER;
 * or it is there already, of that catalogue. A question is a line: `find TEXT` or `suggest TEXT`;
 * in TEXT, \n, \0, and \\ stand for those bytes. An answer is a line: how many hits, a tab, the IDs
 * of the first ten, by rank and then by name, with blanks between; or the suggestions, each
 * `kind:text`, with tabs between. With --rounds all are asked so often, and instead of answers
 * there is a line of figures for either kind: microseconds of a thread's processor time. Exit
 * status: 0 answered, 1 not. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/csv.h"
#include "search/index_life.h"
#include "search/query.h"
#include "search/suggest.h"

enum {
    SHOWN = 10,
    DOCUMENT_ROOM = PRODUCT_DOCUMENT_BYTES_MAX,
    QUESTION_ROOM = 64 * 1024,
    COLUMN_COUNT = 6,
};

static const char *const columns[COLUMN_COUNT] = {"product",  "name",  "description",
                                                  "category", "brand", "tags"};
enum { ID, NAME, DESCRIPTION, CATEGORY, BRAND, TAGS };

struct product {
    char *id;
    char *name;
};

struct catalog {
    struct search_index *index;
    uint32_t count;
    uint32_t room;
    struct product *products;
    uint32_t column_of[COLUMN_COUNT]; /* in the file */
    bool is_built;                    /* before */
    bool has_header;
    bool has_failed;
    struct record *record;
};

struct question {
    bool is_suggestion;
    size_t length;
    char *text;
};

struct asker {
    pthread_t thread;
    const struct catalog *catalog;
    const struct question *questions;
    uint32_t count;
    uint32_t rounds;
    uint32_t first;
    uint32_t slow_us;
    double *seconds; /* by round and question */
};

static double processor_seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("search-ask: no memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- the catalogue ---- */

static size_t put_json(char *out, const char *text, size_t length)
{
    size_t to = 0;

    out[to++] = '"';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            out[to++] = '\\';
            out[to++] = text[i];
        } else if ((unsigned char)text[i] < 0x20) {
            to += (size_t)sprintf(out + to, "\\u%04x", (unsigned)text[i]);
        } else {
            out[to++] = text[i];
        }
    }
    out[to++] = '"';
    return to;
}

static size_t put_tags(char *out, const struct csv_field *tags)
{
    size_t to = 0;
    size_t at = 0;

    out[to++] = '[';
    while (at < tags->length) {
        const char *bar = memchr(tags->text + at, '|', tags->length - at);
        size_t length = bar != NULL ? (size_t)(bar - tags->text) - at : tags->length - at;

        if (at > 0)
            out[to++] = ',';
        to += put_json(out + to, tags->text + at, length);
        at += length + 1;
    }
    out[to++] = ']';
    return to;
}

/* As net/api writes it. */
static uint32_t put_document(char *out, const struct csv_field fields[COLUMN_COUNT])
{
    static const unsigned members[] = {NAME, DESCRIPTION, CATEGORY, BRAND};
    size_t to = 0;

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        to += (size_t)sprintf(out + to, "%c\"%s\":", i == 0 ? '{' : ',', columns[members[i]]);
        to += put_json(out + to, fields[members[i]].text, fields[members[i]].length);
    }
    to += (size_t)sprintf(out + to, ",\"tags\":");
    to += put_tags(out + to, &fields[TAGS]);
    out[to++] = '}';
    return (uint32_t)to;
}

static void add_product(struct catalog *catalog, const struct csv_field fields[COLUMN_COUNT])
{
    struct record *record = catalog->record;

    if (catalog->count == catalog->room) {
        catalog->room = catalog->room == 0 ? 1024 : catalog->room * 2;
        catalog->products =
            need(realloc(catalog->products, catalog->room * sizeof *catalog->products));
    }
    catalog->products[catalog->count] = (struct product){.id = need(strdup(fields[ID].text)),
                                                         .name = need(strdup(fields[NAME].text))};
    record->subject = catalog->count++;
    snprintf(record->product.id, sizeof record->product.id, "%s", fields[ID].text);
    record->product.document_length =
        put_document((char *)record + record_size(RECORD_PRODUCT, 0), fields);
    if (!catalog->is_built && !index_put(catalog->index, record))
        catalog->has_failed = true;
}

/* Of a product of several variants, the first row. */
static bool is_another_variant(const struct catalog *catalog, const struct csv_field *id)
{
    return catalog->count > 0 && strcmp(catalog->products[catalog->count - 1].id, id->text) == 0;
}

static bool on_row(void *user, const struct csv_row *row)
{
    struct catalog *catalog = user;
    struct csv_field fields[COLUMN_COUNT];

    for (uint32_t i = 0; i < COLUMN_COUNT; i++) {
        uint32_t at = catalog->column_of[i];

        if (!catalog->has_header) {
            for (at = 0; at < row->field_count; at++) {
                if (strcmp(row->fields[at].text, columns[i]) == 0)
                    break;
            }
            catalog->column_of[i] = at;
        }
        if (at >= row->field_count) {
            fprintf(stderr, "search-ask: row %lu of the catalogue: no %s\n",
                    (unsigned long)row->number, columns[i]);
            catalog->has_failed = true;
            return true;
        }
        fields[i] = row->fields[at];
    }
    if (catalog->has_header && !is_another_variant(catalog, &fields[ID]))
        add_product(catalog, fields);
    catalog->has_header = true;
    return true;
}

static bool catalog_read(struct catalog *catalog, const char *path)
{
    static struct csv_parser parser;
    static char bytes[1 << 16];
    FILE *file = fopen(path, "re");
    size_t length;

    if (file == NULL) {
        perror(path);
        return false;
    }
    csv_init(&parser, on_row, catalog);
    while ((length = fread(bytes, 1, sizeof bytes, file)) > 0) {
        for (size_t at = 0; at < length;)
            at += csv_feed(&parser, bytes + at, length - at);
    }
    csv_finish(&parser);
    fclose(file);
    return !catalog->has_failed;
}

static bool go_on(void *arg, unsigned permille)
{
    (void)arg;
    (void)permille;
    return true;
}

static bool catalog_build(struct catalog *catalog, const char *folder, const char *path,
                          const struct synonyms *synonyms, uint32_t readers)
{
    char error[INDEX_ERROR_BYTES];
    double start = processor_seconds(CLOCK_PROCESS_CPUTIME_ID);
    struct rusage usage;
    char path_of_index[4096];

    catalog->record = need(calloc(1, record_size(RECORD_PRODUCT, 0) + 8 * DOCUMENT_ROOM));
    catalog->record->kind = RECORD_PRODUCT;
    snprintf(path_of_index, sizeof path_of_index, "%s/db", folder);
    catalog->is_built = access(path_of_index, F_OK) == 0;
    catalog->index = catalog->is_built ? index_open(folder, synonyms, error, sizeof error)
                                       : index_create(folder, synonyms, error, sizeof error);
    if (catalog->index == NULL) {
        fprintf(stderr, "search-ask: %s\n", error);
        return false;
    }
    if (!catalog_read(catalog, path) ||
        (!catalog->is_built && !index_add_words(catalog->index, go_on, NULL)) ||
        !index_add_readers(catalog->index, readers)) {
        fprintf(stderr, "search-ask: %s\n", catalog->index->error);
        return false;
    }
    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr, "%u products indexed in %.1f s of processor time, %ld MB resident\n",
            catalog->count, processor_seconds(CLOCK_PROCESS_CPUTIME_ID) - start,
            usage.ru_maxrss / 1024);
    return true;
}

static void catalog_close(struct catalog *catalog)
{
    index_close(catalog->index);
    for (uint32_t i = 0; i < catalog->count; i++) {
        free(catalog->products[i].id);
        free(catalog->products[i].name);
    }
    free(catalog->products);
    free(catalog->record);
}

/* ---- answers ---- */

/* As the server orders them: by rank; of equals, by name and ID. */
static int order_of(const struct catalog *catalog, const struct search_hit *a,
                    const struct search_hit *b)
{
    const struct product *x = &catalog->products[a->place.number];
    const struct product *y = &catalog->products[b->place.number];
    int order;

    if (a->rank != b->rank)
        return a->rank < b->rank ? 1 : -1;
    order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->id, y->id);
}

static bool print_hits(const struct catalog *catalog, struct index_reader *reader,
                       const struct question *question)
{
    struct search_result result;
    bool is_ok = query_run(reader, question->text, question->length, &result) == SEARCH_OK;

    printf("%u%s\t", result.count, result.is_partial ? "+" : "");
    for (uint32_t i = 0; is_ok && i < SHOWN && i < result.count; i++) {
        struct search_hit hit;
        uint32_t best = i;

        for (uint32_t k = i + 1; k < result.count; k++) {
            if (order_of(catalog, &result.hits[k], &result.hits[best]) < 0)
                best = k;
        }
        hit = result.hits[best];
        result.hits[best] = result.hits[i];
        result.hits[i] = hit;
        printf("%s%s", i > 0 ? " " : "", catalog->products[hit.place.number].id);
    }
    putchar('\n');
    free(result.hits);
    return is_ok;
}

static bool print_suggestions(const struct catalog *catalog, struct index_reader *reader,
                              const struct question *question)
{
    static const char *const kinds[] = {"product", "brand", "category"};
    static struct suggestion suggestions[SEARCH_SUGGESTIONS_MAX];
    uint32_t count;
    bool is_ok =
        suggest_run(reader, question->text, question->length, suggestions, &count) == SEARCH_OK;

    (void)catalog;
    for (uint32_t i = 0; i < count; i++)
        printf("%s%s:%.*s", i > 0 ? "\t" : "", kinds[suggestions[i].kind],
               (int)suggestions[i].length, suggestions[i].text);
    putchar('\n');
    return is_ok;
}

static bool answer(struct catalog *catalog, const struct question *questions, uint32_t count)
{
    struct index_reader *reader = index_reader_take(catalog->index);
    bool is_ok = true;

    for (uint32_t i = 0; i < count; i++) {
        if (!(questions[i].is_suggestion ? print_suggestions : print_hits)(catalog, reader,
                                                                           &questions[i])) {
            fprintf(stderr, "search-ask: question %u failed: %s\n", i + 1, reader->context.errbuf);
            reader->context.rc = GRN_SUCCESS;
            is_ok = false;
        }
    }
    index_reader_give(reader);
    return is_ok;
}

/* ---- figures ---- */

static void *ask(void *arg)
{
    struct asker *asker = arg;
    struct index_reader *reader = index_reader_take(asker->catalog->index);

    for (uint32_t i = 0; i < asker->count * asker->rounds; i++) {
        const struct question *question = &asker->questions[(i + asker->first) % asker->count];
        static _Thread_local struct suggestion suggestions[SEARCH_SUGGESTIONS_MAX];
        struct search_result result = {.hits = NULL};
        uint32_t count;
        double start = processor_seconds(CLOCK_THREAD_CPUTIME_ID);

        if (question->is_suggestion)
            suggest_run(reader, question->text, question->length, suggestions, &count);
        else
            query_run(reader, question->text, question->length, &result);
        asker->seconds[i] = processor_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
        if (asker->slow_us > 0 && 1e6 * asker->seconds[i] > asker->slow_us)
            printf("%.0f us: %s\n", 1e6 * asker->seconds[i], question->text);
        free(result.hits);
    }
    index_reader_give(reader);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_figures(const char *name, double *seconds, size_t count, double whole)
{
    double sum = 0;

    qsort(seconds, count, sizeof *seconds, compare);
    for (size_t i = 0; i < count; i++)
        sum += seconds[i];
    printf("%s: %zu in %.2f s, %.0f/s; us of processor time: mean %.0f p50 %.0f p90 %.0f p99 %.0f "
           "max %.0f\n",
           name, count, whole, (double)count / whole, 1e6 * sum / (double)count,
           1e6 * seconds[count / 2], 1e6 * seconds[count * 9 / 10], 1e6 * seconds[count * 99 / 100],
           1e6 * seconds[count - 1]);
}

static void measure(const struct catalog *catalog, const struct question *questions, uint32_t count,
                    uint32_t rounds, uint32_t threads, uint32_t slow_us)
{
    struct asker *askers = need(calloc(threads, sizeof *askers));
    size_t each = (size_t)count * rounds;
    double *seconds = need(calloc(each * threads, sizeof *seconds));
    double start = processor_seconds(CLOCK_MONOTONIC);

    for (uint32_t i = 0; i < threads; i++) {
        askers[i] = (struct asker){.catalog = catalog,
                                   .questions = questions,
                                   .count = count,
                                   .rounds = rounds,
                                   .first = i * count / threads,
                                   .slow_us = slow_us,
                                   .seconds = seconds + i * each};
        if (pthread_create(&askers[i].thread, NULL, ask, &askers[i]) != 0)
            exit(1);
    }
    for (uint32_t i = 0; i < threads; i++)
        pthread_join(askers[i].thread, NULL);
    print_figures(questions[0].is_suggestion ? "suggest" : "find", seconds, each * threads,
                  processor_seconds(CLOCK_MONOTONIC) - start);
    free(seconds);
    free(askers);
}

/* ---- questions ---- */

static size_t unescape(char *text)
{
    size_t to = 0;

    for (size_t at = 0; text[at] != '\0'; at++) {
        if (text[at] == '\\' && text[at + 1] != '\0') {
            at++;
            text[to++] = text[at] == 'n' ? '\n' : text[at] == '0' ? '\0' : text[at];
        } else {
            text[to++] = text[at];
        }
    }
    return to;
}

static struct question *questions_read(uint32_t *count_out)
{
    struct question *questions = NULL;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    *count_out = 0;
    while ((length = getline(&line, &room, stdin)) > 0) {
        char *blank = strchr(line, ' ');
        struct question *question;

        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (blank == NULL)
            continue;
        questions = need(realloc(questions, (*count_out + 1) * sizeof *questions));
        question = &questions[(*count_out)++];
        question->is_suggestion = strncmp(line, "suggest ", 8) == 0;
        question->text = need(strdup(blank + 1));
        question->length = unescape(question->text);
    }
    free(line);
    return questions;
}

static uint32_t option(int count, char **arguments, const char *name, uint32_t otherwise)
{
    for (int i = 3; i + 1 < count; i++) {
        if (strcmp(arguments[i], name) == 0)
            return (uint32_t)strtoul(arguments[i + 1], NULL, 10);
    }
    return otherwise;
}

int main(int count, char **arguments)
{
    char error[INDEX_ERROR_BYTES] =
        "usage: search-ask FOLDER CATALOG.csv [--rounds N] [--threads N]";
    struct catalog catalog = {0};
    struct synonyms *synonyms = NULL;
    uint32_t rounds = option(count, arguments, "--rounds", 0);
    uint32_t threads = option(count, arguments, "--threads", 1);
    uint32_t total;
    struct question *questions;
    bool is_ok;

    if (count < 3 || (synonyms = synonyms_open(NULL, error, sizeof error)) == NULL ||
        !index_library_open(arguments[1], error, sizeof error)) {
        fprintf(stderr, "search-ask: %s\n", error);
        return 1;
    }
    is_ok = catalog_build(&catalog, arguments[1], arguments[2], synonyms, threads);
    questions = questions_read(&total);
    if (is_ok && rounds == 0)
        is_ok = answer(&catalog, questions, total);
    else if (is_ok && total > 0)
        measure(&catalog, questions, total, rounds, threads, option(count, arguments, "--slow", 0));
    for (uint32_t i = 0; i < total; i++)
        free(questions[i].text);
    free(questions);
    catalog_close(&catalog);
    index_library_close(true);
    synonyms_close(synonyms);
    return is_ok ? 0 : 1;
}

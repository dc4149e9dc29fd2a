/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede import FILE`: sends a catalogue to a running server and says what became of its rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "api/csv.h"
#include "api/import_rows.h"
#include "commands.h"
#include "progress.h"
#include "server_call.h"

enum {
    NOTES_SHOWN_MAX = 20,        /* errors, and warnings */
    BEGIN_BYTES_MAX = 64 * 1024, /* by which the format is known */
};

struct import {
    const struct options *options;
    const char *name;   /* the file's, for people */
    const char *format; /* as the server calls it */
    int file;
    uint64_t size;
    size_t begin_length;
    struct progress progress;
    char admin_key[ADMIN_KEY_LENGTH_MAX + 1];
    char begin[BEGIN_BYTES_MAX];
};

/* ---- the file ---- */

static bool open_file(struct import *import)
{
    struct stat status;

    import->name = import->options->argument;
    import->size = UPLOAD_SIZE_UNKNOWN;
    if (strcmp(import->name, "-") == 0) {
        import->name = "standard input";
        import->file = STDIN_FILENO;
        return true;
    }
    import->file = open(import->name, O_RDONLY | O_CLOEXEC);
    if (import->file < 0 || fstat(import->file, &status) != 0) {
        complain("cannot read %s: %s: give a CSV or NDJSON file that this user may read, or - for"
                 " standard input",
                 import->name, strerror(errno));
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        complain("%s is a folder: give a CSV or NDJSON file", import->name);
        return false;
    }
    if (S_ISREG(status.st_mode))
        import->size = (uint64_t)status.st_size;
    return true;
}

static bool read_beginning(struct import *import)
{
    ssize_t got = 1;

    while (import->begin_length < BEGIN_BYTES_MAX && got != 0) {
        got = read(import->file, import->begin + import->begin_length,
                   BEGIN_BYTES_MAX - import->begin_length);
        if (got < 0 && errno != EINTR) {
            complain("cannot read %s: %s", import->name, strerror(errno));
            return false;
        }
        import->begin_length += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name);

    return length >= strlen(end) && strcasecmp(name + length - strlen(end), end) == 0;
}

static bool on_header(void *user, const struct csv_row *row)
{
    *(bool *)user = row->error == CSV_ERROR_NONE && import_header_is_shopify(row);
    return false;
}

static bool begins_as_shopify(const struct import *import)
{
    struct csv_parser *parser = malloc(sizeof(*parser));
    bool is_shopify = false;

    if (parser == NULL)
        return false;
    csv_init(parser, on_header, &is_shopify);
    if (csv_feed(parser, import->begin, import->begin_length) == import->begin_length)
        csv_finish(parser);
    free(parser);
    return is_shopify;
}

/* By the file's name, else by how it begins. */
static const char *guess_format(const struct import *import)
{
    size_t at = 0;

    if (ends_with(import->name, ".ndjson") || ends_with(import->name, ".jsonl"))
        return "ndjson";
    if (import->begin_length >= 3 && memcmp(import->begin, "\xef\xbb\xbf", 3) == 0)
        at = 3;
    while (at < import->begin_length && strchr(" \t\r\n", import->begin[at]) != NULL)
        at++;
    if (at < import->begin_length && import->begin[at] == '{' && !ends_with(import->name, ".csv"))
        return "ndjson";
    return begins_as_shopify(import) ? "shopify-csv" : "csv";
}

static bool build_target(const struct import *import, char target_out[UPLOAD_TARGET_BYTES_MAX])
{
    const struct options *options = import->options;
    const struct text_list *map = &options->import_map;

    snprintf(target_out, UPLOAD_TARGET_BYTES_MAX, "/v1/admin/import?format=%s&stock=%s&dry_run=%s",
             import->format, options->import_stock, options->import_dry_run ? "true" : "false");
    for (uint32_t i = 0; i < map->count; i++) {
        if (strlen(target_out) + 6 > UPLOAD_TARGET_BYTES_MAX)
            return false;
        strcat(target_out, "&map=");
        if (!upload_append_encoded(target_out, UPLOAD_TARGET_BYTES_MAX, map->entries[i]))
            return false;
    }
    return true;
}

static void show_progress(void *user, const char *bytes, size_t length)
{
    progress_add(user, bytes, length);
}

/* ---- the answer ---- */

static long long count_of(yyjson_val *document, const char *name)
{
    return (long long)yyjson_get_sint(yyjson_obj_get(document, name));
}

static const char *text_of(yyjson_val *document, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(document, name));

    return text != NULL ? text : "";
}

/* Rows that something is to be said of, as a table. */
static void print_notes(yyjson_val *notes, long long total, const char *title)
{
    int width = 5;
    long long shown = 0;
    yyjson_val *note;
    size_t index;
    size_t count;

    if (total == 0)
        return;
    yyjson_arr_foreach(notes, index, count, note)
    {
        int length = (int)strlen(text_of(note, "field"));

        if (index < NOTES_SHOWN_MAX)
            width = length > width ? length : width;
    }
    printf("\n%10s  %-*s  %s\n", "row", width, "field", title);
    yyjson_arr_foreach(notes, index, count, note)
    {
        if (shown == NOTES_SHOWN_MAX)
            break;
        printf("%10lld  %-*s  %s\n", count_of(note, "row"), width, text_of(note, "field"),
               text_of(note, "message"));
        shown++;
    }
    if (total > shown)
        printf("%10s  and %lld more\n", "", total - shown);
}

static int report(const struct import *import, const struct upload_answer *answer)
{
    yyjson_doc *json;
    yyjson_val *document;
    long long rejected;

    if (answer->status != 200)
        return server_call_refused("import", answer);
    json = yyjson_read(answer->body, answer->length, 0);
    document = yyjson_doc_get_root(json);
    if (!yyjson_is_obj(document)) {
        yyjson_doc_free(json);
        return complain("the server's answer cannot be understood");
    }
    rejected = count_of(document, "rejected");
    printf("%s %s (%s): %lld created, %lld updated, %lld unchanged, %lld rejected",
           import->options->import_dry_run ? "would import" : "imported", import->name,
           import->format, count_of(document, "created"), count_of(document, "updated"),
           count_of(document, "unchanged"), rejected);
    if (count_of(document, "warnings") > 0)
        printf(", %lld warnings", count_of(document, "warnings"));
    printf("\n");
    print_notes(yyjson_obj_get(document, "errors"), rejected, "was rejected: it");
    print_notes(yyjson_obj_get(document, "warned"), count_of(document, "warnings"),
                "was taken, but it");
    yyjson_doc_free(json);
    return rejected > 0 ? STATUS_FOUND : STATUS_DONE;
}

static int send_file(struct import *import, const char *target)
{
    bool is_ndjson = strcmp(import->format, "ndjson") == 0;
    struct address address;
    struct upload_request request = {
        .address = &address,
        .ca_file = import->options->import_ca_file,
        .target = target,
        .bearer = import->admin_key,
        .content_type = is_ndjson ? "application/x-ndjson" : "text/csv",
        .begin = import->begin,
        .begin_length = import->begin_length,
        .file = import->file,
        .size = import->size,
        .progress = show_progress,
        .user = &import->progress,
    };
    struct upload_answer answer;
    char error[UPLOAD_ERROR_BYTES];
    bool is_answered;
    int status;

    address_parse_url(import->options->import_target, &address); /* seen by options_read */
    progress_begin(&import->progress, import->size == UPLOAD_SIZE_UNKNOWN ? 0 : import->size,
                   !is_ndjson);
    is_answered = upload_file(&request, &answer, error);
    progress_end(&import->progress);
    if (!is_answered)
        return complain("%s was not imported: %s", import->name, error);
    status = report(import, &answer);
    free(answer.body);
    return status;
}

static int run(struct import *import, char *target)
{
    const char *format = import->options->import_format;

    if (strcmp(format, "bulk") == 0)
        return complain("bulk is a format of exports: give --format csv, shopify-csv or ndjson");
    if (!open_file(import) || !read_beginning(import))
        return STATUS_USAGE;
    import->format = strcmp(format, "auto") == 0 ? guess_format(import) : format;
    if (!build_target(import, target))
        return complain("map is too long: name fewer columns");
    if (!server_key_read(import->options, import->admin_key))
        return STATUS_USAGE;
    return send_file(import, target);
}

int command_import(const struct options *options)
{
    struct import *import = calloc(1, sizeof(*import));
    char *target = malloc(UPLOAD_TARGET_BYTES_MAX);
    int status = STATUS_USAGE;

    if (target == NULL || import == NULL) {
        complain("out of memory");
    } else {
        import->options = options;
        import->file = -1;
        status = run(import, target);
        if (import->file > STDIN_FILENO)
            close(import->file);
    }
    free(target);
    free(import);
    return status;
}

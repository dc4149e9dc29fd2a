/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede import FILE`: sends a catalogue to a running server and says what became of its rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "commands.h"
#include "options.h"
#include "secrets_file.h"
#include "upload.h"

enum {
    ROWS_SHOWN_MAX = 10, /* of those that were rejected */
    BAR_WIDTH = 30,
};

struct import {
    const struct options *options;
    const char *name; /* the file's, for people */
    int file;
    uint64_t size;
    int percent_shown;
    char admin_key[ADMIN_KEY_LENGTH_MAX + 1];
};

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
        complain("cannot read %s: %s: give a CSV file that this user may read, or - for standard"
                 " input",
                 import->name, strerror(errno));
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        complain("%s is a folder: give a CSV file", import->name);
        return false;
    }
    if (S_ISREG(status.st_mode))
        import->size = (uint64_t)status.st_size;
    return true;
}

static bool open_key(struct import *import)
{
    const struct options *options = import->options;
    bool is_own = options->admin_key_file[0] == 0;
    char path[4200];
    char error[OPTION_ERROR_MAX];

    snprintf(path, sizeof(path), "%s%s", is_own ? options->data : options->admin_key_file,
             is_own ? "/admin.key" : "");
    if (admin_key_open(path, false, import->admin_key, NULL, error, sizeof(error)) == 0)
        return true;
    complain("%s (name the server's key with --admin-key-file FILE, or its folder with --data DIR)",
             error);
    return false;
}

static bool build_target(const struct options *options, char target_out[UPLOAD_TARGET_BYTES_MAX])
{
    const struct text_list *map = &options->import_map;

    snprintf(target_out, UPLOAD_TARGET_BYTES_MAX, "/v1/admin/import?format=%s&stock=%s&dry_run=%s",
             options->import_format, options->import_stock,
             options->import_dry_run ? "true" : "false");
    for (uint32_t i = 0; i < map->count; i++) {
        if (strlen(target_out) + 6 > UPLOAD_TARGET_BYTES_MAX)
            return false;
        strcat(target_out, "&map=");
        if (!upload_append_encoded(target_out, UPLOAD_TARGET_BYTES_MAX, map->entries[i]))
            return false;
    }
    return true;
}

/* A bar on standard error, where that is a terminal. */
static void show_progress(void *user, uint64_t sent)
{
    struct import *import = user;
    int percent = import->size > 0 ? (int)(sent * 100 / import->size) : 100;
    int filled = percent * BAR_WIDTH / 100;

    if (percent == import->percent_shown)
        return;
    import->percent_shown = percent;
    fputs("\r[", stderr);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3d %%", percent);
    fflush(stderr);
}

static void clear_progress(const struct import *import)
{
    if (import->percent_shown >= 0)
        fprintf(stderr, "\r%*s\r", BAR_WIDTH + 10, "");
}

/* ---- the answer ---- */

static int64_t count_of(yyjson_val *document, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(document, name));
}

static const char *text_of(yyjson_val *document, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(document, name));

    return text != NULL ? text : "";
}

static int report_result(const struct import *import, yyjson_val *document)
{
    yyjson_val *errors = yyjson_obj_get(document, "errors");
    int64_t rejected = count_of(document, "rejected");
    int64_t shown = 0;
    yyjson_val *error;
    size_t index;
    size_t count;

    printf("%s %s: %lld created, %lld updated, %lld unchanged, %lld rejected",
           import->options->import_dry_run ? "would import" : "imported", import->name,
           (long long)count_of(document, "created"), (long long)count_of(document, "updated"),
           (long long)count_of(document, "unchanged"), (long long)rejected);
    if (count_of(document, "warnings") > 0)
        printf(", %lld warnings", (long long)count_of(document, "warnings"));
    printf("\n");
    yyjson_arr_foreach(errors, index, count, error)
    {
        if (shown++ == ROWS_SHOWN_MAX)
            break;
        printf("  row %lld, %s: %s\n", (long long)count_of(error, "row"), text_of(error, "field"),
               text_of(error, "message"));
    }
    if (rejected > ROWS_SHOWN_MAX)
        printf("  and %lld more\n", (long long)(rejected - ROWS_SHOWN_MAX));
    return rejected > 0 ? STATUS_FOUND : STATUS_DONE;
}

/* A problem document (RFC 9457), or whatever else came. */
static int report_problem(const struct import *import, int status, yyjson_val *document)
{
    yyjson_val *error = yyjson_arr_get_first(yyjson_obj_get(document, "errors"));
    const char *detail = text_of(document, "detail");

    if (status == 401 || status == 403)
        return complain("the server refuses the admin key (%d %s): name its own with"
                        " --admin-key-file FILE",
                        status, text_of(document, "code"));
    if (error != NULL)
        return complain("the server refuses the import (%d %s): %s %s", status,
                        text_of(document, "code"), text_of(error, "field"),
                        text_of(error, "message"));
    return complain("%s was not imported: %d %s%s%s", import->name, status,
                    text_of(document, "code"), detail[0] != 0 ? ": " : "", detail);
}

static int report(const struct import *import, const struct upload_answer *answer)
{
    yyjson_doc *json = yyjson_read(answer->body, answer->length, 0);
    yyjson_val *document = yyjson_doc_get_root(json);
    int status;

    if (answer->status == 200 && yyjson_is_obj(document))
        status = report_result(import, document);
    else
        status = report_problem(import, answer->status, document);
    yyjson_doc_free(json);
    return status;
}

static int send_file(struct import *import, const char *target)
{
    struct address address;
    struct upload_request request = {
        .address = &address,
        .ca_file = import->options->import_ca_file,
        .target = target,
        .bearer = import->admin_key,
        .content_type = "text/csv",
        .file = import->file,
        .size = import->size,
        .user = import,
    };
    struct upload_answer answer;
    char error[UPLOAD_ERROR_BYTES];
    int status;

    address_parse_url(import->options->import_target, &address); /* seen by options_read */
    if (isatty(STDERR_FILENO) && import->size != UPLOAD_SIZE_UNKNOWN)
        request.progress = show_progress;
    if (!upload_file(&request, &answer, error)) {
        clear_progress(import);
        return complain("%s was not imported: %s", import->name, error);
    }
    clear_progress(import);
    status = report(import, &answer);
    free(answer.body);
    return status;
}

int command_import(const struct options *options)
{
    struct import import = {.options = options, .file = -1, .percent_shown = -1};
    char *target = malloc(UPLOAD_TARGET_BYTES_MAX);
    int status = STATUS_USAGE;

    if (target == NULL)
        return complain("out of memory");
    if (!build_target(options, target))
        complain("map is too long: name fewer columns");
    else if (open_file(&import) && open_key(&import))
        status = send_file(&import, target);
    if (import.file > STDIN_FILENO)
        close(import.file);
    free(target);
    return status;
}

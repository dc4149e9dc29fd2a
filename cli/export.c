/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede export [FILE]`: writes the catalogue of a running server to a file. It stands under its
 * name when it is complete, not before. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "commands.h"
#include "download.h"
#include "progress.h"
#include "server_call.h"

struct export
{
    const struct options *options;
    const char *name; /* NULL: standard output */
    const char *format;
    int file;
    struct progress progress;
    char part[4200]; /* the file until it is complete */
    char admin_key[ADMIN_KEY_LENGTH_MAX + 1];
};

static bool open_file(struct export *export)
{
    int length;

    export->file = STDOUT_FILENO;
    if (export->name == NULL)
        return true;
    length = snprintf(export->part, sizeof(export->part), "%s.part", export->name);
    if (length > 0 && (size_t)length < sizeof(export->part))
        export->file = open(export->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    else
        errno = ENAMETOOLONG;
    if (export->file > STDOUT_FILENO)
        return true;
    complain("cannot write %s: %s: give a file in a folder that this user may write",
             export->part[0] != 0 ? export->part : export->name, strerror(errno));
    return false;
}

static void show_progress(void *user, const char *bytes, size_t length)
{
    progress_add(user, bytes, length);
}

/* The file is complete: under its name. */
static int keep_file(struct export *export)
{
    if (export->name == NULL)
        return STATUS_DONE;
    if (fsync(export->file) != 0 || close(export->file) != 0 ||
        rename(export->part, export->name) != 0) {
        export->file = -1;
        return complain("cannot write %s: %s", export->name, strerror(errno));
    }
    export->file = -1;
    export->part[0] = 0;
    return STATUS_DONE;
}

static int run(struct export *export)
{
    char target[100];
    struct address address;
    struct download_request request = {
        .address = &address,
        .ca_file = export->options->import_ca_file,
        .target = target,
        .bearer = export->admin_key,
        .progress = show_progress,
        .user = &export->progress,
    };
    struct upload_answer answer = {.body = NULL};
    char error[UPLOAD_ERROR_BYTES];
    bool is_answered;
    int status;

    if (!server_key_read(export->options, export->admin_key) || !open_file(export))
        return STATUS_USAGE;
    snprintf(target, sizeof(target), "/v1/admin/export?format=%s", export->format);
    request.file = export->file;
    address_parse_url(export->options->import_target, &address); /* seen by options_read */
    progress_begin(&export->progress, 0, strstr(export->format, "csv") != NULL);
    is_answered = download_file(&request, &answer, error);
    progress_end(&export->progress);
    if (!is_answered)
        return complain("nothing was exported: %s", error);
    status = answer.status == 200 ? keep_file(export) : server_call_refused("export", &answer);
    free(answer.body);
    return status;
}

/* By the file's name. */
static const char *guess_format(const char *name)
{
    size_t length = name == NULL ? 0 : strlen(name);
    bool is_lines = (length >= 7 && strcasecmp(name + length - 7, ".ndjson") == 0) ||
                    (length >= 6 && strcasecmp(name + length - 6, ".jsonl") == 0);

    return is_lines ? "ndjson" : "csv";
}

int command_export(const struct options *options)
{
    struct export export = {.options = options, .file = -1};
    int status;

    export.name = options->argument;
    if (export.name != NULL && strcmp(export.name, "-") == 0)
        export.name = NULL;
    export.format = strcmp(options->import_format, "auto") == 0 ? guess_format(export.name)
                                                                : options->import_format;
    status = run(&export);
    if (export.file > STDOUT_FILENO)
        close(export.file);
    if (export.part[0] != 0)
        unlink(export.part);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that work on a data folder, or on nothing: check, repair, backup, restore, config
 * check. */
#include <stdarg.h>
#include <stdio.h>

#include "backup.h"
#include "check.h"
#include "commands.h"
#include "env_real.h"
#include "repair.h"
#include "storage.h"

int complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("stampede: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return STATUS_USAGE;
}

_Static_assert(CHECK_BROKEN == (int)STATUS_FOUND && CHECK_REFUSED == (int)STATUS_USAGE,
               "the audit's result is the exit status");
_Static_assert(REPAIR_NEEDED == (int)STATUS_FOUND && REPAIR_REFUSED == (int)STATUS_USAGE,
               "repair's result is the exit status");

int command_check(const struct options *options)
{
    char error[STORAGE_ERROR_BYTES];
    enum check_result result = check_store(options->data, stdout, error, sizeof(error));

    if (result == CHECK_REFUSED)
        return complain("%s", error);
    return (int)result;
}

_Static_assert(BACKUP_DAMAGED == (int)STATUS_FOUND && BACKUP_REFUSED == (int)STATUS_USAGE,
               "and so is a restore's");

/* False, with a line on standard error, without memory. */
static bool wall_now(int64_t *wall_ms_out)
{
    struct env_real *env_real = env_real_create(1); /* for its clock */
    struct env env;

    if (env_real == NULL) {
        complain("out of memory");
        return false;
    }
    env = env_real_port(env_real);
    *wall_ms_out = env.now(env.self).wall_ms;
    env_real_destroy(env_real);
    return true;
}

int command_repair(const struct options *options)
{
    char error[STORAGE_ERROR_BYTES];
    struct repair_options repair = {.path = options->data, .accept_loss = options->accept_loss};
    enum repair_result result;

    if (!wall_now(&repair.wall_ms))
        return STATUS_USAGE;
    result = repair_store(&repair, stdout, error, sizeof(error));
    if (result == REPAIR_REFUSED)
        return complain("%s", error);
    return (int)result;
}

int command_backup(const struct options *options)
{
    char error[STORAGE_ERROR_BYTES];
    enum backup_result result =
        backup_make(options->data, options->argument, stdout, error, sizeof(error));

    if (result != BACKUP_OK)
        complain("%s", error);
    return (int)result;
}

int command_restore(const struct options *options)
{
    char error[STORAGE_ERROR_BYTES];
    enum backup_result result;
    int64_t wall_ms;

    if (!wall_now(&wall_ms))
        return STATUS_USAGE;
    result =
        backup_restore(options->argument, options->data, wall_ms, stdout, error, sizeof(error));
    if (result != BACKUP_OK)
        complain("%s", error);
    return (int)result;
}

/* A text as YAML writes it between double quotes. */
static void print_quoted(const char *text, FILE *stream)
{
    fputc('"', stream);
    for (; *text != 0; text++) {
        if ((unsigned char)*text < 0x20) {
            fprintf(stream, "\\x%02x", (unsigned char)*text);
            continue;
        }
        if (*text == '"' || *text == '\\')
            fputc('\\', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}

static void print_yaml(const struct options *options, enum option_id id, FILE *stream)
{
    const struct text_list *list = options_field(options, id);

    switch (option_rows[id].type) {
    case OPTION_TEXT:
        print_quoted(*(const char *const *)options_field(options, id), stream);
        break;
    case OPTION_LIST:
        fputc('[', stream);
        for (uint32_t i = 0; i < list->count; i++) {
            fputs(i == 0 ? "" : ", ", stream);
            print_quoted(list->entries[i], stream);
        }
        fputc(']', stream);
        break;
    case OPTION_NUMBER:
    case OPTION_SWITCH:
    case OPTION_CHOICE:
        options_print_value(options, id, stream);
        break;
    }
}

/* What it prints is a configuration file of the same effect. */
int command_config_check(const struct options *options)
{
    static const char *const sources[] = {
        [SOURCE_DEFAULT] = "default",
        [SOURCE_FILE] = "file",
        [SOURCE_ENVIRONMENT] = "environment",
        [SOURCE_FLAG] = "flag",
    };
    const char *section = "";

    printf("# config: ok%s%s\n", options->config != NULL ? ", with " : "",
           options->config != NULL ? options->config : "");
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        const struct option_row *row = &option_rows[id];

        if (row->section != section && row->section[0] != 0)
            printf("%s:\n", row->section);
        section = row->section;
        printf("%s%s: ", section[0] != 0 ? "  " : "", row->key);
        print_yaml(options, id, stdout);
        printf(" # %s\n", sources[options->sources[id]]);
    }
    return STATUS_DONE;
}

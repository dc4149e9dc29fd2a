/* SPDX-License-Identifier: Apache-2.0 */
/* The composition root: reads the options and runs a command. Its parts are in cli/. */
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"

static int (*const command_functions[COMMAND_ID_COUNT])(const struct options *options) = {
    [COMMAND_ID_SERVE] = command_serve,     [COMMAND_ID_IMPORT] = command_import,
    [COMMAND_ID_EXPORT] = command_export,   [COMMAND_ID_CHECK] = command_check,
    [COMMAND_ID_REPAIR] = command_repair,   [COMMAND_ID_BACKUP] = command_backup,
    [COMMAND_ID_RESTORE] = command_restore, [COMMAND_ID_CONFIG_CHECK] = command_config_check,
    [COMMAND_ID_GATEWAY] = command_gateway, [COMMAND_ID_VERIFY_DRAW] = command_verify_draw,
};

int main(int argc, char *argv[])
{
    struct options options;
    char error[OPTION_ERROR_MAX];
    int status = STATUS_DONE;

    switch (options_read(&options, argc, argv, environ, error)) {
    case OPTIONS_READY:
        status = command_functions[options.command](&options);
        break;
    case OPTIONS_HELP:
        status = argc < 2 ? STATUS_USAGE : STATUS_DONE;
        help_print(&options, argc < 2 ? stderr : stdout);
        break;
    case OPTIONS_VERSION:
        puts("stampede " STAMPEDE_VERSION);
        break;
    case OPTIONS_REFUSED:
        status = complain("%s", error);
        break;
    }
    options_free(&options);
    return status;
}

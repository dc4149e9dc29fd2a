/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, from the tables of commands, options and exit statuses. */
#include <string.h>

#include "commands.h"
#include "options.h"
#include "psp_misbehave.h"

enum { FLAG_COLUMN = 34 };

/* An example a line, under "Examples:". */
#define EXAMPLES(X)                                                                                \
    X(SERVE, "stampede serve")                                                                     \
    X(SERVE, "stampede serve --data /var/lib/stampede --listen 0.0.0.0:8080")                      \
    X(SERVE, "STAMPEDE_SHARDS=4 stampede serve --config /etc/stampede.yaml --drain-ms 3000")       \
    X(IMPORT, "stampede import catalogue.csv")                                                     \
    X(IMPORT, "stampede import catalogue.csv --stock set --dry-run")                               \
    X(IMPORT, "stampede import list.csv --map sku=index,name=product,price=sale_price "            \
              "--map price_unit:=major,currency:=INR,stock:=100")                                  \
    X(IMPORT, "stampede import products_export.csv --map currency:=EUR --dry-run")                 \
    X(IMPORT, "stampede export --target http://old:8080 --format ndjson | stampede import -")      \
    X(EXPORT, "stampede export products.csv")                                                      \
    X(EXPORT, "stampede export --format shopify-csv products_export.csv")                          \
    X(EXPORT, "stampede export --format bulk | curl -s -H 'Content-Type: application/x-ndjson' "   \
              "--data-binary @- http://127.0.0.1:9200/_bulk")                                      \
    X(CHECK, "stampede check --data /var/lib/stampede")                                            \
    X(REPAIR, "stampede repair --data /var/lib/stampede")                                          \
    X(REPAIR, "stampede repair --data /var/lib/stampede --accept-loss")                            \
    X(BACKUP, "stampede backup /mnt/backups/friday --data /var/lib/stampede")                      \
    X(RESTORE, "stampede restore /mnt/backups/friday --data /var/lib/stampede")                    \
    X(CONFIG_CHECK, "stampede config check --config /etc/stampede.yaml")                           \
    X(CONFIG_CHECK, "STAMPEDE_SHARDS=4 stampede config check > stampede.yaml")                     \
    X(GATEWAY, "stampede gateway")                                                                 \
    X(GATEWAY, "stampede gateway --listen 127.0.0.1:8090 --secret sk_test_shop "                   \
               "--webhook-url http://127.0.0.1:8080/v1/webhooks/stripe "                           \
               "--webhook-secret whsec_shop")                                                      \
    X(GATEWAY, "stampede gateway --misbehave all --seed 7")                                        \
    X(GATEWAY, "stampede gateway --misbehave decline=50,delay=200,delay_ms=20..400")               \
    X(GATEWAY, "curl -u sk_test_shop: -d timeout=1000 http://127.0.0.1:8090/_misbehave")           \
    X(VERIFY_DRAW, "stampede verify-draw proof.json")                                              \
    X(VERIFY_DRAW, "stampede verify-draw proof.json --ticket qt_... --seed-hash 4bf5...")          \
    X(VERIFY_DRAW, "curl -s https://shop.example/v1/drops/friday/proof | stampede verify-draw -")

static void print_examples(enum command_id command, FILE *stream)
{
    fputs("\nExamples:\n", stream);
#define X(name, line)                                                                              \
    if (command == COMMAND_ID_##name)                                                              \
        fputs("  " line "\n", stream);
    EXAMPLES(X)
#undef X
}

static void print_flag(FILE *stream, const char *flag, const char *takes, const char *help)
{
    int width = fprintf(stream, "  --%s%s%s", flag, takes[0] != 0 ? " " : "", takes);

    if (width >= FLAG_COLUMN - 1) {
        fputc('\n', stream);
        width = 0;
    }
    fprintf(stream, "%*s%s", FLAG_COLUMN - width, "", help);
}

static void print_default(const struct options *options, enum option_id id, FILE *stream)
{
    const char *text = option_rows[id].type == OPTION_TEXT
                           ? *(const char *const *)options_field(options, id)
                           : NULL;

    if (option_rows[id].type != OPTION_LIST && (text == NULL || text[0] != 0)) {
        fputs(" [", stream);
        options_print_value(options, id, stream);
        fputc(']', stream);
    }
    fputc('\n', stream);
}

static void print_options(const struct options *options, unsigned commands, FILE *stream)
{
    fputs("\nOptions, with their defaults:\n", stream);
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        const struct option_row *row = &option_rows[id];

        if ((row->commands & commands) == 0)
            continue;
        print_flag(stream, row->flag, row->takes, row->help);
        print_default(options, id, stream);
    }
    if (commands == IN_REPAIR)
        print_flag(stream, "accept-loss", "",
                   "go on with what can be recovered; the damaged journal is kept beside it\n");
    print_flag(stream, "config", "FILE", "configuration file (YAML)\n");
    print_flag(stream, "help", "", "this text\n");
    fputs("\nAn option is also an environment variable (STAMPEDE_ and its name in capitals:\n"
          "--data is STAMPEDE_DATA) and a key of the configuration file (see stampede config\n"
          "check). A flag counts before a variable, a variable before the file.\n",
          stream);
}

static void print_misbehaviour(FILE *stream)
{
    fputs("\nMisbehaviour, NAME=N of a thousand [with all]:\n", stream);
    for (int i = 0; i < PSP_CHANCE_COUNT; i++)
        fprintf(stream, "  %-*s%s [%u]\n", FLAG_COLUMN - 2, psp_chance_rows[i].name,
                psp_chance_rows[i].help, psp_chance_rows[i].all);
    fputs("  delay_ms=LEAST..MOST, timeout_ms, event_late_ms: how long\n", stream);
}

static void print_statuses(FILE *stream)
{
    fputs("\nExit status:\n", stream);
#define X(name, status, meaning) fprintf(stream, "  %3d  %s\n", status, meaning);
    EXIT_STATUSES(X)
#undef X
}

void help_print(const struct options *options, FILE *stream)
{
    struct options defaults;
    const struct command_row *row;

    if (options->command == COMMAND_ID_COUNT) {
        fputs("Stampede sells limited stock to a stampede of buyers: exactly N of N, and no\n"
              "acknowledged order is lost.\n\nCommands:\n",
              stream);
        for (enum command_id id = 0; id < COMMAND_ID_COUNT; id++) {
            int width = fprintf(stream, "  stampede %s %s", command_rows[id].words,
                                command_rows[id].argument);

            fprintf(stream, "%*s%s\n", width < 26 ? 26 - width : 1, "", command_rows[id].summary);
        }
        fputs("\n  stampede COMMAND --help  its options, with examples\n"
              "  stampede --version\n",
              stream);
        print_statuses(stream);
        return;
    }
    row = &command_rows[options->command];
    fprintf(stream, "%s.\n\nUsage: stampede %s%s%s [OPTION]...\n", row->summary, row->words,
            row->argument[0] != 0 ? " " : "", row->argument);
    options_set_defaults(&defaults);
    if (options->command == COMMAND_ID_GATEWAY)
        defaults.listen = OPTIONS_GATEWAY_LISTEN;
    print_options(&defaults,
                  options->command == COMMAND_ID_CONFIG_CHECK ? IN_ALL : 1U << options->command,
                  stream);
    if (options->command == COMMAND_ID_GATEWAY)
        print_misbehaviour(stream);
    print_examples(options->command, stream);
    print_statuses(stream);
    options_free(&defaults);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* stampede-sim: the command line of the simulator. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutants.h"
#include "runner.h"
#include "rush.h"

enum { EXIT_USAGE = 2 };

/* Which planted bug is active; the libraries that the simulator links ask for it. */
enum mutant mutant_active = MUTANT_NONE;

static const char usage_text[] =
    "usage: stampede-sim --seed N [--steps M] [--mutant K] [--log]\n"
    "       stampede-sim --seeds COUNT [--from N] [--steps M] [--jobs J] [--mutant K]\n"
    "       stampede-sim --mutant K\n"
    "       stampede-sim --races COUNT [--seed N | --from N] [--jobs J] [--mutant K]\n"
    "       stampede-sim --rush [--seed N] [--mutant K]\n"
    "       stampede-sim --mutants | --help | --version\n"
    "\n"
    "Runs the engine under a controlled clock, disk and scheduler, all drawn from a seed, and\n"
    "checks its promises at every step.\n"
    "\n"
    "  --seed N      one run; prints trace=<hex> and ok: the same for the same N and M\n"
    "  --log         with --seed: prints what clients send and get\n"
    "  --seeds C     C runs, from seed --from (1) on; prints what situations were met\n"
    "  --steps M     steps of a run before everything is healed and brought to its end (%u)\n"
    "  --jobs J      processes at once with --seeds and --mutant (1)\n"
    "  --races C     worlds in which orders are paid as they expire, until that has happened C\n"
    "                times; with --seed: one such world\n"
    "  --mutants     lists the planted bugs, number first\n"
    "  --mutant K    with a planted bug, by number or name: looks for a seed that shows it, for\n"
    "                %u s at most\n"
    "  --rush        the demo's rush: 5,000 buyers for 500 units; prints `sold 500 of 500`, or "
    "what\n"
    "                the checker saw\n"
    "\n"
    "Exit status: 0 nothing found, 1 a promise was broken (for --mutant: it was caught),\n"
    "2 wrong usage.\n";

static void list_mutants(void)
{
#define X(number, name, text) printf("%d %s: %s\n", number, #name, text);
    MUTANTS(X)
#undef X
}

static bool parse_number(const char *text, uint64_t *number_out)
{
    char *end;

    errno = 0;
    *number_out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

/* The number of a mutant by its number or name; 0 if there is none. */
static uint64_t find_mutant(const char *text)
{
    uint64_t number;

    if (!parse_number(text, &number))
        number = UINT64_MAX;
#define X(value, name, text_of_it)                                                                 \
    if (number == value || strcmp(text, #name) == 0)                                               \
        return value;
    MUTANTS(X)
#undef X
    return 0;
}

static int wrong_usage(const char *what, const char *argument)
{
    fprintf(stderr, "stampede-sim: %s '%s': see stampede-sim --help\n", what, argument);
    return EXIT_USAGE;
}

struct arguments {
    struct run_plan plan;
    bool one;
    bool many;
    bool rush;
};

static const struct {
    const char *name;
    size_t offset;
} options[] = {
    {"--seed", offsetof(struct arguments, plan.from)},
    {"--seeds", offsetof(struct arguments, plan.count)},
    {"--from", offsetof(struct arguments, plan.from)},
    {"--steps", offsetof(struct arguments, plan.steps)},
    {"--jobs", offsetof(struct arguments, plan.jobs)},
    {"--races", offsetof(struct arguments, plan.races)},
};

/* 0, or the exit status of a wrong use. */
static int parse_option(struct arguments *arguments, const char *name, const char *value)
{
    if (strcmp(name, "--mutant") == 0) {
        arguments->plan.mutant = value == NULL ? 0 : find_mutant(value);
        return arguments->plan.mutant != 0
                   ? 0
                   : wrong_usage("no such mutant, see --mutants:", value == NULL ? "" : value);
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        uint64_t number;

        if (strcmp(name, options[i].name) != 0)
            continue;
        if (value == NULL)
            return wrong_usage("a number is missing after", name);
        if (!parse_number(value, &number))
            return wrong_usage("not a number:", value);
        memcpy((char *)arguments + options[i].offset, &number, sizeof(number));
        arguments->one = arguments->one || strcmp(name, "--seed") == 0;
        arguments->many = arguments->many || strcmp(name, "--seeds") == 0;
        return 0;
    }
    return wrong_usage("unknown option", name);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.plan = {.from = 1, .steps = RUN_STEPS_DEFAULT, .jobs = 1}};

    for (int i = 1; i < argc; i++) {
        int status;

        if (strcmp(argv[i], "--help") == 0) {
            printf(usage_text, RUN_STEPS_DEFAULT, RUN_MUTANT_SECONDS_MAX);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("stampede-sim " STAMPEDE_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--mutants") == 0) {
            list_mutants();
            return 0;
        }
        if (strcmp(argv[i], "--log") == 0 || strcmp(argv[i], "--rush") == 0) {
            arguments.plan.log = arguments.plan.log || strcmp(argv[i], "--log") == 0;
            arguments.rush = arguments.rush || strcmp(argv[i], "--rush") == 0;
            continue;
        }
        status = parse_option(&arguments, argv[i], argv[i + 1]);
        if (status != 0)
            return status;
        i++;
    }
    if (!arguments.rush && arguments.one == arguments.many &&
        (arguments.one || (arguments.plan.mutant == 0 && arguments.plan.races == 0)))
        return wrong_usage("say one of", "--seed, --seeds, --races, --mutant, --rush");
    if (arguments.rush && arguments.many)
        return wrong_usage("the rush is one run:", "--seeds");
    if (arguments.plan.jobs < 1 || arguments.plan.jobs > RUN_JOBS_MAX)
        return wrong_usage("too many or too few", "--jobs");
    mutant_active = (enum mutant)arguments.plan.mutant;
    if (arguments.rush)
        return rush_run(arguments.plan.from, (uint32_t)arguments.plan.mutant);
    if (arguments.one)
        return run_one(&arguments.plan);
    if (arguments.plan.races > 0 && !arguments.many)
        return run_races(&arguments.plan);
    if (arguments.many)
        return run_many(&arguments.plan);
    return run_mutant(&arguments.plan);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* stampede-load: sends buyers at a Stampede server and proves what they were sold. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "load_options.h"
#include "load_scenario.h"

static volatile sig_atomic_t stop_requested;

/* The first signal ends the arrivals, and what came is judged; the second ends the program. */
static void stop_request(int signal_number)
{
    stop_requested = 1;
    signal(signal_number, SIG_DFL);
}

int main(int argc, char **argv)
{
    static struct load_options options;
    if (!load_options_read(&options, argc, argv, stderr)) {
        return LOAD_EXIT_USAGE;
    }
    if (options.help) {
        load_options_print_help(stdout);
        return LOAD_EXIT_OK;
    }
    if (options.version) {
        puts("stampede-load " STAMPEDE_VERSION);
        return LOAD_EXIT_OK;
    }
    signal(SIGINT, stop_request);
    signal(SIGTERM, stop_request);
    /* Timers may fire 50 us late by default; arrivals should not. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    options.progress = options.progress || isatty(STDERR_FILENO) == 1;

    struct load_scene scene;
    int result = load_scene_open(&scene, &options, &stop_requested);
    if (result == LOAD_EXIT_OK) {
        result = options.scenario == LOAD_SCENARIO_SALE           ? load_sale_run(&scene)
                 : options.scenario == LOAD_SCENARIO_JOURNEY      ? load_journey_run(&scene)
                 : options.scenario == LOAD_SCENARIO_AVAILABILITY ? load_streams_run(&scene)
                                                                  : load_scenario_run(&scene);
    }
    load_scene_close(&scene);
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "violation.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static struct run_identity current;
static const uint64_t *current_step;
static _Atomic bool *already_printed;

void violation_set_run(const struct run_identity *run, const uint64_t *step)
{
    current = *run;
    current_step = step;
}

void violation_print_once(_Atomic bool *printed)
{
    already_printed = printed;
}

/* One write, so that lines of several processes do not mix. */
static void print_line(const char *what)
{
    char line[1024];
    char mutant[32] = "";
    char steps[40] = "";
    int length;

    if (current.mutant != 0)
        snprintf(mutant, sizeof(mutant), " --mutant %" PRIu32, current.mutant);
    if (!current.rush)
        snprintf(steps, sizeof(steps), " --steps %" PRIu64, current.steps);
    length = snprintf(line, sizeof(line),
                      "violation: %.800s (step %" PRIu64
                      "), reproduce: stampede-sim %s--seed %" PRIu64 "%s%s\n",
                      what, current_step == NULL ? 0 : *current_step,
                      current.rush    ? "--rush "
                      : current.races ? "--races 1 "
                                      : "",
                      current.seed, steps, mutant);
    fflush(stdout);
    while (already_printed != NULL && atomic_exchange(already_printed, true))
        pause(); /* who printed ends now, and whoever started us ends us */
    if (length > 0 && write(STDOUT_FILENO, line, (size_t)length) < 0)
        _exit(1);
}

void violation(const char *format, ...)
{
    char what[800];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    print_line(what);
    _exit(1);
}

static void on_fatal_signal(int number)
{
    char what[80];

    snprintf(what, sizeof(what), "%s",
             number == SIGABRT ? "an assertion failed (see above)" : strsignal(number));
    print_line(what);
    _exit(1);
}

void violation_catch_aborts(void)
{
    /* A sanitizer reports faults better than we could. */
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_fatal_signal};
    size_t count = SANITIZED ? 1 : sizeof(signals) / sizeof(signals[0]);

    for (size_t i = 0; i < count; i++)
        sigaction(signals[i], &action, NULL);
}

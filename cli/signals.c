/* SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include <stddef.h>
#include <unistd.h>

#include "commands.h"

/* The signals that end the server; those that the parent had it ignore (nohup) stay ignored. */
void signals_choose(sigset_t *signals_out)
{
    static const int asked[] = {SIGINT, SIGHUP};

    sigemptyset(signals_out);
    sigaddset(signals_out, SIGTERM);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct sigaction action;

        if (sigaction(asked[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(signals_out, asked[i]);
    }
}

static void end_at_once(int number)
{
    (void)number;
    _exit(STATUS_INTERRUPTED);
}

/* Those that have asked for the end, as bits. The main thread's: only there are they unblocked. */
static volatile sig_atomic_t asked_signals;

static void end_if_asked_again(int number)
{
    if (number != SIGHUP && (asked_signals & (1 << number)) != 0)
        _exit(STATUS_INTERRUPTED);
    asked_signals |= 1 << number;
}

/* Signals go to `handler` until they are blocked again: before there is anything to drain, and
 * when draining takes too long for whoever asks. */
static void let_signals_interrupt(const sigset_t *signals, void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(signals, number) == 1)
            sigaction(number, &action, NULL);
    }
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

void signals_end_at_once(const sigset_t *signals)
{
    let_signals_interrupt(signals, end_at_once);
}

void signals_end_if_again(const sigset_t *signals, int number)
{
    asked_signals = 1 << number;
    let_signals_interrupt(signals, end_if_asked_again);
}

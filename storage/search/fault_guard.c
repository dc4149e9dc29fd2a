/* SPDX-License-Identifier: Apache-2.0 */
#include "search/fault_guard.h"

#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static struct sigaction before;
static _Thread_local sigjmp_buf way_out;
static _Thread_local volatile sig_atomic_t is_guarded;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    if (is_guarded) {
        is_guarded = 0;
        siglongjmp(way_out, 1);
    }
    /* The instruction runs again, and meets what would have been done without us. */
    sigaction(number, &before, NULL);
}

void fault_guard_open(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};

    action.sa_sigaction = on_fault;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
}

void fault_guard_close(void)
{
    sigaction(SIGBUS, &before, NULL);
}

bool fault_guard_run(void (*run)(void *arg), void *arg)
{
    assert(!is_guarded);
    if (sigsetjmp(way_out, 1) != 0)
        return false;
    is_guarded = 1;
    run(arg);
    is_guarded = 0;
    return true;
}

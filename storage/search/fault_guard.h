/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of mapped files that cannot be had. Groonga maps its files, which are sparse: where the
 * disk is full, or fails, or a file was cut short, touching a page is SIGBUS, and that would be the
 * end of the shop. So what touches them runs guarded: the signal ends what runs, and nothing else.
 * What it held of Groonga's is then lost to the process, and the index is good for nothing. */
#ifndef STAMPEDE_SEARCH_FAULT_GUARD_H
#define STAMPEDE_SEARCH_FAULT_GUARD_H

#include <stdbool.h>

/* Takes SIGBUS for the process. Of threads that are not guarded it does what it did before.
 * Start-up thread, once. */
void fault_guard_open(void);
void fault_guard_close(void);

/* Runs it; false if it was ended by such a page. It takes no lock but Groonga's own, and no guard
 * within the guard. Any thread. */
bool fault_guard_run(void (*run)(void *arg), void *arg);

#endif

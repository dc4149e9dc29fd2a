/* SPDX-License-Identifier: Apache-2.0 */
/* The signals that end a server (serve.c says how). All of the main thread, which blocks them
 * before it makes others. */
#ifndef STAMPEDE_SIGNALS_H
#define STAMPEDE_SIGNALS_H

#include <signal.h>

/* SIGTERM, and of SIGINT and SIGHUP those that the parent did not have ignored (nohup). */
void signals_choose(sigset_t *signals_out);
/* From here on, until they are blocked again, each ends the process. */
void signals_end_at_once(const sigset_t *signals);
/* The same, once `number` has asked for the end, for what asks again; SIGHUP never does. */
void signals_end_if_again(const sigset_t *signals, int number);

#endif

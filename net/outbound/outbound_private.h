/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of net/outbound that make up the outbound thread: outbound.c (queue, bounds,
 * thread), outbound_transfer.c and its two parts (libcurl), outbound_file.c (the mail folder). All
 * of it is called on the outbound thread but where it says otherwise. */
#ifndef STAMPEDE_OUTBOUND_PRIVATE_H
#define STAMPEDE_OUTBOUND_PRIVATE_H

#include "outbound/outbound.h"

/* ---- outbound.c ---- */

/* Of a clock that only goes forward. */
int64_t outbound_now_ms(void);

/* ---- outbound_transfer.c ---- */

struct transfers; /* a set of transfers under way, and the connections that they keep */

/* NULL without resources. The options' texts must outlive it. Start-up thread. */
struct transfers *transfers_create(const struct outbound_options *options);
void transfers_destroy(struct transfers *transfers);

/* Begins a job, which has `timeout_ms` left and a mail server if it is a mail. True: under way.
 * False: it has ended, and its result is filled in. At most `transfers_max` are under way. */
bool transfers_begin(struct transfers *transfers, struct outbound_job *job, uint32_t timeout_ms,
                     void *tag);

/* Does what can be done without waiting; true if there is more of that. */
bool transfers_run(struct transfers *transfers);
/* Waits for something to do, at most so long. */
void transfers_wait(struct transfers *transfers, uint32_t timeout_ms);
/* Ends a wait, or the next one. Any thread. */
void transfers_wake_up(struct transfers *transfers);

/* A job that ended, with its result filled in; returns its tag, or NULL. */
void *transfers_take_ended(struct transfers *transfers);
/* Gives up one that is under way (LATER, "stopping"); returns its tag, or NULL if there is none. */
void *transfers_abort(struct transfers *transfers);

/* ---- outbound_file.c ---- */

/* Opens the mail folder, made if it is not there; -1 with a line in `error`. Start-up thread. */
int mail_folder_open(const char *path, char *error, size_t error_size);
/* Writes a mail, replacing a file of the same name at once. */
bool mail_folder_write(int folder, const struct outbound_job *job);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, one function each: each runs to its end on the calling thread and returns the
 * process's exit status. */
#ifndef STAMPEDE_COMMANDS_H
#define STAMPEDE_COMMANDS_H

#include "options.h"

/* status, meaning */
/* deploy/stampede.service restarts after 3 and a crash, by itself; 2 and 4 need an operator. */
#define EXIT_STATUSES(X)                                                                           \
    X(DONE, 0, "done; serve: drained after SIGTERM or SIGINT")                                     \
    X(FOUND, 1,                                                                                    \
      "check, repair, restore: found something broken; import: rows were rejected; "               \
      "verify-draw: not verified")                                                                 \
    X(USAGE, 2, "could not begin: an option, a folder, a port: the line says")                     \
    X(FAILED, 3, "serve: the disk failed or is full; nothing unacknowledged was answered")         \
    X(DAMAGED, 4, "serve: the store is damaged, or lacks what was acknowledged; see repair")       \
    X(INTERRUPTED, 130, "ended at once: the same signal came again while it drained")

enum exit_status {
#define X(name, status, meaning) STATUS_##name = (status),
    EXIT_STATUSES(X)
#undef X
};

int command_serve(const struct options *options);
int command_import(const struct options *options);
int command_export(const struct options *options);
int command_check(const struct options *options);
int command_repair(const struct options *options);
int command_backup(const struct options *options);
int command_restore(const struct options *options);
int command_config_check(const struct options *options);
int command_gateway(const struct options *options);
int command_verify_draw(const struct options *options);

/* Prints "stampede: ", the line and an end of line on standard error; returns STATUS_USAGE. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

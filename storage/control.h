/* SPDX-License-Identifier: Apache-2.0 */
/* The socket `control` in the data folder: by it `stampede backup` asks the server that has the
 * store open for a copy of the journal. Who may use the folder may use it; nobody else can.
 *
 * One line asks (`backup`), one line answers (`ok COMMIT` or `refused REASON`); the copy stays for
 * as long as the asker keeps the connection, and one asker is served at a time. The server only
 * links files in its own folder; the asker copies them to wherever the backup goes. */
#ifndef STAMPEDE_CONTROL_H
#define STAMPEDE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

enum { CONTROL_LINE_MAX = 512, CONTROL_REQUEST_MS = 2000 };

struct control_options {
    const char *folder; /* the data folder */
    /* Makes the copy. 0, or -1 with `error`. Called on the control's thread; may block. */
    int (*copy_make)(void *arg, uint64_t *commit_out, char *error, size_t error_size);
    /* Removes it. */
    void (*copy_drop)(void *arg);
    void *arg;
};

struct control;

/* Makes the socket and starts the thread. 0, or -1 with one line for people in `error`. */
int control_open(const struct control_options *options, struct control **control_out, char *error,
                 size_t error_size);

/* Ends the thread (a copy is dropped) and removes the socket. */
void control_close(struct control *control);

/* ---- the asker ---- */

enum control_answer {
    CONTROL_GRANTED, /* `socket_out` keeps the copy until it is closed */
    CONTROL_REFUSED, /* `error` says why */
    CONTROL_NOBODY,  /* no server listens there */
};

/* Asks the server of a data folder for a copy; waits until it is there. `commit_out`: all up to
 * this commit is in it. */
enum control_answer control_request_backup(const char *folder, int *socket_out,
                                           uint64_t *commit_out, char *error, size_t error_size);

#endif

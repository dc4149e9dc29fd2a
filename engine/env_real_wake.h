/* SPDX-License-Identifier: Apache-2.0 */
/* Wakes a loop that another thread runs.
 *
 * By an eventfd, not uv_async: there (libuv 1.44) a loop that was woken waits, by spinning and
 * sched_yield, for its waker to return from uv_async_send. The kernel likes to run who is woken
 * where its waker runs, in its place; and a worker gets that core back only when nobody else has
 * anything to do. Here nobody waits. */
#ifndef STAMPEDE_ENV_REAL_WAKE_H
#define STAMPEDE_ENV_REAL_WAKE_H

#include <uv.h>

struct env_real_wake {
    uv_poll_t poll; /* closed by its owner, by uv_close */
    int file;
    void (*on_wake)(void *user);
    void *user;
};

/* `on_wake` (NULL: nothing but that the loop goes round) is called on the loop's thread, once for
 * all wakes until then. The memory does not move until env_real_wake_end. 0, or libuv's error. */
int env_real_wake_begin(struct env_real_wake *wake, uv_loop_t *loop, void (*on_wake)(void *user),
                        void *user);

/* Any thread, from begin to end, also after the handle was closed. */
void env_real_wake_send(struct env_real_wake *wake);

/* After the handle was closed and the loop has ended. */
void env_real_wake_end(struct env_real_wake *wake);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "env_real_wake.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct env_real_wake *wake = poll->data;
    uint64_t wakes;

    (void)events;
    assert(status == 0);
    /* Nothing to read: EAGAIN, which is as good. */
    while (read(wake->file, &wakes, sizeof(wakes)) < 0 && errno == EINTR)
        ;
    if (wake->on_wake != NULL)
        wake->on_wake(wake->user);
}

int env_real_wake_begin(struct env_real_wake *wake, uv_loop_t *loop, void (*on_wake)(void *user),
                        void *user)
{
    int result;

    wake->on_wake = on_wake;
    wake->user = user;
    wake->poll.data = wake;
    wake->file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake->file < 0)
        return uv_translate_sys_error(errno);
    result = uv_poll_init(loop, &wake->poll, wake->file);
    if (result == 0)
        result = uv_poll_start(&wake->poll, UV_READABLE, on_readable);
    return result;
}

void env_real_wake_send(struct env_real_wake *wake)
{
    const uint64_t one = 1;
    ssize_t written;

    do
        written = write(wake->file, &one, sizeof(one));
    while (written < 0 && errno == EINTR);
    /* EAGAIN: 2^64 - 2 wakes that nobody read; it is awake then. */
    assert(written == (ssize_t)sizeof(one) || errno == EAGAIN);
}

void env_real_wake_end(struct env_real_wake *wake)
{
    if (wake->file >= 0)
        close(wake->file);
    wake->file = -1;
}

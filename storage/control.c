/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "files.h"

enum { BACKLOG = 4 };

static const char socket_name[] = "control";
static const char request_line[] = "backup\n";

struct control {
    struct control_options options;
    int folder; /* the data folder; its socket is reached through it, for its path may be long */
    int listener;
    int wake; /* an eventfd: end of the thread */
    pthread_t thread;
};

/* ---- both ends ---- */

static void address_set(int folder, struct sockaddr_un *address_out)
{
    *address_out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address_out->sun_path, sizeof(address_out->sun_path), "/proc/self/fd/%d/%s", folder,
             socket_name);
}

/* Reads up to a newline, which becomes the end of the text. False if it does not come in time. */
static bool line_read(int socket, int timeout_ms, char line_out[CONTROL_LINE_MAX])
{
    struct pollfd readable = {.fd = socket, .events = POLLIN};
    size_t length = 0;

    while (length < CONTROL_LINE_MAX - 1) {
        if (poll(&readable, 1, timeout_ms) <= 0)
            return false;
        ssize_t got = recv(socket, line_out + length, CONTROL_LINE_MAX - 1 - length, 0);
        if (got <= 0)
            return false;
        length += (size_t)got;
        line_out[length] = '\0';
        char *end = strchr(line_out, '\n');
        if (end != NULL) {
            *end = '\0';
            return true;
        }
    }
    return false;
}

static void line_send(int socket, const char *line)
{
    ssize_t sent = send(socket, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);

    (void)sent; /* an asker that is gone needs no answer */
}

/* ---- the server's thread ---- */

/* Answers one asker; true if it keeps a copy now. */
static bool request_serve(struct control *control, int client)
{
    char line[CONTROL_LINE_MAX];
    char error[CONTROL_LINE_MAX - 32];
    uint64_t commit = 0;

    if (!line_read(client, CONTROL_REQUEST_MS, line))
        return false;
    if (strncmp(line, request_line, sizeof(request_line) - 2) != 0 ||
        line[sizeof(request_line) - 2] != '\0') {
        line_send(client, "refused this server only knows \"backup\"\n");
        return false;
    }
    if (control->options.copy_make(control->options.arg, &commit, error, sizeof(error)) != 0) {
        snprintf(line, sizeof(line), "refused %s\n", error);
        line_send(client, line);
        return false;
    }
    snprintf(line, sizeof(line), "ok %" PRIu64 "\n", commit);
    line_send(client, line);
    return true;
}

/* Takes the next asker; one too many is told so. */
static void client_take(struct control *control, int *client)
{
    int taken = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);

    if (taken < 0)
        return;
    if (*client >= 0)
        line_send(taken, "refused another backup is under way\n");
    else if (request_serve(control, taken)) {
        *client = taken;
        return;
    }
    close(taken);
}

static void client_drop(struct control *control, int *client)
{
    control->options.copy_drop(control->options.arg);
    close(*client);
    *client = -1;
}

static void *thread_run(void *arg)
{
    struct control *control = arg;
    int client = -1;

    for (;;) {
        struct pollfd watched[] = {{.fd = control->wake, .events = POLLIN},
                                   {.fd = control->listener, .events = POLLIN},
                                   {.fd = client, .events = POLLIN}};

        if (poll(watched, sizeof(watched) / sizeof(watched[0]), -1) <= 0)
            continue;
        if (watched[0].revents != 0)
            break;
        /* The asker says no more: whatever comes from it is its end. */
        if (client >= 0 && watched[2].revents != 0)
            client_drop(control, &client);
        if (watched[1].revents != 0)
            client_take(control, &client);
    }
    if (client >= 0)
        client_drop(control, &client);
    return NULL;
}

/* ---- open and close ---- */

static int listener_open(struct control *control)
{
    struct sockaddr_un address;

    /* One that a killed server left; who opens this has the folder's lock. */
    unlinkat(control->folder, socket_name, 0);
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (control->listener < 0)
        return -1;
    address_set(control->folder, &address);
    /* On Linux the socket's mode becomes that of its name. */
    if (fchmod(control->listener, 0600) != 0 ||
        bind(control->listener, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    return listen(control->listener, BACKLOG);
}

static void control_free(struct control *control)
{
    if (control->listener >= 0)
        close(control->listener);
    if (control->folder >= 0)
        close(control->folder);
    if (control->wake >= 0)
        close(control->wake);
    free(control);
}

int control_open(const struct control_options *options, struct control **control_out, char *error,
                 size_t error_size)
{
    struct control *control = calloc(1, sizeof(*control));

    if (control == NULL)
        return files_error(error, error_size, "out of memory");
    control->options = *options;
    control->listener = -1;
    control->wake = eventfd(0, EFD_CLOEXEC);
    control->folder = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (control->wake < 0 || control->folder < 0 || listener_open(control) != 0 ||
        (errno = pthread_create(&control->thread, NULL, thread_run, control)) != 0) {
        files_error(error, error_size, "cannot make the socket %s/%s: %s", options->folder,
                    socket_name, files_reason(errno));
        control_free(control);
        return -1;
    }
    *control_out = control;
    return 0;
}

void control_close(struct control *control)
{
    uint64_t one = 1;
    ssize_t written = write(control->wake, &one, sizeof(one));

    (void)written;
    pthread_join(control->thread, NULL);
    unlinkat(control->folder, socket_name, 0);
    control_free(control);
}

/* ---- the asker ---- */

/* A connected socket, or -1. */
static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int connected = folder < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connected >= 0) {
        address_set(folder, &address);
        if (connect(connected, (const struct sockaddr *)&address, sizeof(address)) != 0) {
            close(connected);
            connected = -1;
        }
    }
    if (folder >= 0)
        close(folder);
    return connected;
}

enum control_answer control_request_backup(const char *folder, int *socket_out,
                                           uint64_t *commit_out, char *error, size_t error_size)
{
    static const char refused[] = "refused ";
    int connected = connect_to(folder);
    char line[CONTROL_LINE_MAX];
    char *end;

    if (connected < 0)
        return CONTROL_NOBODY;
    line_send(connected, request_line);
    if (!line_read(connected, -1, line)) {
        files_error(error, error_size,
                    "the server of %s is stopping: run it again when it has stopped or serves",
                    folder);
    } else if (strncmp(line, "ok ", 3) == 0) {
        *commit_out = strtoull(line + 3, &end, 10);
        *socket_out = connected;
        return CONTROL_GRANTED;
    } else {
        bool is_known = strncmp(line, refused, sizeof(refused) - 1) == 0;

        files_error(error, error_size, "the server of %s refused: %.300s", folder,
                    is_known ? line + sizeof(refused) - 1 : line);
    }
    close(connected);
    return CONTROL_REFUSED;
}

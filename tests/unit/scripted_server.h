/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server on a thread that answers every request with the same bytes and keeps what it was
 * sent, byte for byte. Listens on a free port of 127.0.0.1; one request a connection. */
#ifndef STAMPEDE_SCRIPTED_SERVER_H
#define STAMPEDE_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct scripted_server {
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_bool stops;
    atomic_uint requests;
    /* Set and read while no request is under way. */
    const char *answer; /* NULL: the connection is closed without one */
    bool hangs;         /* says nothing until the client leaves */
    char request[8192]; /* the newest one; ends with 0 */
};

static inline size_t scripted_body_length(const char *head)
{
    const char *line = strcasestr(head, "\r\ncontent-length:");

    return line == NULL ? 0 : (size_t)atoi(line + strlen("\r\ncontent-length:"));
}

/* Reads one request; false if the client left before its end. */
static inline bool scripted_read(struct scripted_server *server, int client)
{
    size_t used = 0;

    for (;;) {
        ssize_t count = read(client, server->request + used, sizeof(server->request) - 1 - used);
        const char *end;

        if (count <= 0)
            return false;
        used += (size_t)count;
        server->request[used] = 0;
        end = strstr(server->request, "\r\n\r\n");
        if (end != NULL &&
            used == (size_t)(end + 4 - server->request) + scripted_body_length(server->request))
            return true;
    }
}

static inline void scripted_serve(struct scripted_server *server, int client)
{
    char byte;

    if (!scripted_read(server, client))
        return;
    atomic_fetch_add(&server->requests, 1);
    if (server->hangs)
        (void)!read(client, &byte, 1);
    else if (server->answer != NULL)
        (void)!write(client, server->answer, strlen(server->answer));
}

static inline void *scripted_run(void *argument)
{
    struct scripted_server *server = argument;

    while (!atomic_load(&server->stops)) {
        struct pollfd wait = {.fd = server->listener, .events = POLLIN};

        if (poll(&wait, 1, 20) < 1)
            continue;
        int client = accept(server->listener, NULL, NULL);

        if (client < 0)
            continue;
        scripted_serve(server, client);
        close(client);
    }
    return NULL;
}

static inline bool scripted_start(struct scripted_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    memset(server, 0, sizeof(*server));
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server->listener, 16) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &length) != 0)
        return false;
    server->port = ntohs(address.sin_port);
    return pthread_create(&server->thread, NULL, scripted_run, server) == 0;
}

static inline void scripted_stop(struct scripted_server *server)
{
    atomic_store(&server->stops, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

#endif

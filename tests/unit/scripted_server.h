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

enum { SCRIPTED_ANSWER_MAX = 128 << 10, SCRIPTED_REQUEST_MAX = 8192 };

struct scripted_server {
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_bool stops;
    pthread_mutex_t lock; /* of what follows */
    unsigned requests;
    bool hangs; /* says nothing until the client leaves */
    size_t answer_length;
    char answer[SCRIPTED_ANSWER_MAX];
    char request[SCRIPTED_REQUEST_MAX]; /* the newest one; ends with 0 */
};

/* What is answered from now on; NULL: the connection is closed without a word. */
static inline void scripted_answer(struct scripted_server *server, const char *answer, bool hangs)
{
    pthread_mutex_lock(&server->lock);
    server->answer_length = answer == NULL ? 0 : strlen(answer);
    if (server->answer_length > sizeof(server->answer))
        abort();
    if (answer != NULL)
        memcpy(server->answer, answer, server->answer_length);
    server->hangs = hangs;
    pthread_mutex_unlock(&server->lock);
}

/* Copies the newest request; returns how many there were. */
static inline unsigned scripted_request(struct scripted_server *server,
                                        char request_out[SCRIPTED_REQUEST_MAX])
{
    unsigned requests;

    pthread_mutex_lock(&server->lock);
    memcpy(request_out, server->request, SCRIPTED_REQUEST_MAX);
    requests = server->requests;
    pthread_mutex_unlock(&server->lock);
    return requests;
}

static inline size_t scripted_body_length(const char *head)
{
    const char *line = strcasestr(head, "\r\ncontent-length:");

    return line == NULL ? 0 : (size_t)atoi(line + strlen("\r\ncontent-length:"));
}

/* Reads one request; false if the client left before its end. */
static inline bool scripted_read(int client, char request_out[SCRIPTED_REQUEST_MAX])
{
    size_t used = 0;

    for (;;) {
        ssize_t count = read(client, request_out + used, SCRIPTED_REQUEST_MAX - 1 - used);
        const char *end;

        if (count <= 0)
            return false;
        used += (size_t)count;
        request_out[used] = 0;
        end = strstr(request_out, "\r\n\r\n");
        if (end != NULL &&
            used == (size_t)(end + 4 - request_out) + scripted_body_length(request_out))
            return true;
    }
}

static inline void scripted_serve(struct scripted_server *server, int client)
{
    char request[SCRIPTED_REQUEST_MAX] = "";
    bool hangs;
    char byte;

    if (!scripted_read(client, request))
        return;
    pthread_mutex_lock(&server->lock);
    memcpy(server->request, request, sizeof(request));
    server->requests++;
    hangs = server->hangs;
    if (!hangs)
        (void)!write(client, server->answer, server->answer_length);
    pthread_mutex_unlock(&server->lock);
    if (hangs)
        (void)!read(client, &byte, 1);
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
    pthread_mutex_init(&server->lock, NULL);
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
    pthread_mutex_destroy(&server->lock);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of net/http: a blocking client that speaks bytes. All waiting is bounded
 * (CLIENT_WAIT_MS). */
#ifndef STAMPEDE_HTTP_CLIENT_H
#define STAMPEDE_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENT_WAIT_MS = 3000, CLIENT_BUFFER = 1 << 20 };

struct client {
    int fd;
    /* What stands between it and the socket, where something does (TLS); as send and recv. */
    void *layer;
    ssize_t (*layer_send)(void *layer, const void *bytes, size_t length);
    ssize_t (*layer_receive)(void *layer, void *target, size_t capacity);
    size_t length;
    size_t taken;
    char *bytes; /* CLIENT_BUFFER of them */
};

struct answer {
    int status;
    bool close; /* says Connection: close */
    bool chunked;
    char head[4096];
    char *body; /* in the client's buffer, valid until the next answer */
    size_t body_length;
};

static inline struct client client_open_port(uint16_t port, int receive_buffer)
{
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(client.fd >= 0);
    struct timeval wait = {CLIENT_WAIT_MS / 1000, CLIENT_WAIT_MS % 1000 * 1000};
    setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (receive_buffer > 0)
        setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    int one = 1;
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    client.bytes = malloc(CLIENT_BUFFER);
    assert_non_null(client.bytes);
    return client;
}

static inline void client_close(struct client *client)
{
    close(client->fd);
    free(client->bytes);
}

/* Errors are not its business: a server that refuses may close before all is sent. */
static inline void client_send(struct client *client, const void *bytes, size_t length)
{
    const char *p = bytes;
    while (length > 0) {
        ssize_t sent = client->layer != NULL ? client->layer_send(client->layer, p, length)
                                             : send(client->fd, p, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        p += sent;
        length -= (size_t)sent;
    }
}

static inline void client_say(struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
}

/* More bytes into the buffer: their number, 0 at the end, -1 for an error or a time-out. */
static inline ssize_t client_fill(struct client *client)
{
    if (client->taken > 0) {
        memmove(client->bytes, client->bytes + client->taken, client->length - client->taken);
        client->length -= client->taken;
        client->taken = 0;
    }
    assert_true(client->length < CLIENT_BUFFER - 1);
    char *room = client->bytes + client->length;
    size_t capacity = CLIENT_BUFFER - 1 - client->length;
    ssize_t count = client->layer != NULL ? client->layer_receive(client->layer, room, capacity)
                                          : recv(client->fd, room, capacity, 0);
    if (count > 0)
        client->length += (size_t)count;
    client->bytes[client->length] = '\0';
    return count;
}

static inline char *client_find(struct client *client, size_t from, const char *what)
{
    if (client->length < client->taken + from)
        return NULL;
    return memmem(client->bytes + client->taken + from, client->length - client->taken - from, what,
                  strlen(what));
}

static inline const char *answer_header(const struct answer *answer, const char *name,
                                        char value_out[256])
{
    char line[128];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *found = strcasestr(answer->head, line);
    if (found == NULL)
        return NULL;
    found += strlen(line);
    size_t length = strcspn(found, "\r");
    assert_true(length < 256);
    memcpy(value_out, found, length);
    value_out[length] = '\0';
    return value_out;
}

/* The next n bytes as a body, in place. */
static inline bool client_take(struct client *client, size_t count, struct answer *answer)
{
    while (client->length - client->taken < count) {
        if (client_fill(client) <= 0)
            return false;
    }
    answer->body = client->bytes + client->taken;
    answer->body_length = count;
    client->taken += count;
    return true;
}

static inline bool client_take_chunks(struct client *client, struct answer *answer)
{
    answer->body_length = 0;
    for (;;) {
        char *end;
        while ((end = client_find(client, 0, "\r\n")) == NULL) {
            if (client_fill(client) <= 0)
                return false;
        }
        size_t size = strtoul(client->bytes + client->taken, NULL, 16);
        client->taken = (size_t)(end - client->bytes) + 2;
        struct answer piece;
        if (!client_take(client, size + 2, &piece))
            return false;
        assert_memory_equal(piece.body + size, "\r\n", 2);
        answer->body_length += size;
        if (size == 0)
            return true;
    }
}

/* Reads one answer; false if the connection ended (or nothing came) before it was complete. */
static inline bool client_answer_to(struct client *client, struct answer *answer, bool head_only)
{
    memset(answer, 0, sizeof *answer);
    char *end;
    while ((end = client_find(client, 0, "\r\n\r\n")) == NULL) {
        if (client_fill(client) <= 0)
            return false;
    }
    char *start = client->bytes + client->taken;
    size_t head = (size_t)(end - start) + 4;
    assert_true(head < sizeof answer->head);
    memcpy(answer->head, start, head);
    client->taken += head;
    assert_int_equal(sscanf(answer->head, "HTTP/1.1 %d ", &answer->status), 1);
    char value[256];
    answer->close =
        answer_header(answer, "Connection", value) != NULL && strcmp(value, "close") == 0;
    answer->chunked = answer_header(answer, "Transfer-Encoding", value) != NULL;
    if (head_only || answer->status == 204 || answer->status == 304 || answer->status < 200)
        return true;
    if (answer->chunked)
        return client_take_chunks(client, answer);
    assert_non_null(answer_header(answer, "Content-Length", value));
    return client_take(client, strtoul(value, NULL, 10), answer);
}

static inline bool client_answer(struct client *client, struct answer *answer)
{
    return client_answer_to(client, answer, false);
}

/* True if the server has ended the connection and nothing more came before. */
static inline bool client_is_ended(struct client *client)
{
    if (client->length > client->taken)
        return false;
    ssize_t count = client_fill(client);
    return count == 0 || (count < 0 && errno == ECONNRESET);
}

/* Whether the connection still serves. */
static inline bool client_is_alive(struct client *client)
{
    struct answer answer;
    client_say(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    return client_answer(client, &answer) && answer.status == 200 && answer.body_length == 5;
}

#endif

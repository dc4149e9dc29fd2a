/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_socket.h"

bool connection_refuse(char *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, CONNECTION_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

ssize_t connection_send(const struct connection *connection, const char *bytes, size_t length)
{
    return connection->tls != NULL
               ? tls_socket_send(connection->tls, bytes, length)
               : send(connection->socket, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t connection_receive(const struct connection *connection, char *target, size_t capacity)
{
    return connection->tls != NULL ? tls_socket_receive(connection->tls, target, capacity)
                                   : recv(connection->socket, target, capacity, MSG_DONTWAIT);
}

static bool connect_to(struct connection *connection, const struct address *address, char *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    int code;
    int reason = ECONNREFUSED;

    snprintf(port, sizeof(port), "%u", address->port);
    code = getaddrinfo(address->host, port, &hints, &found);
    if (code != 0)
        return connection_refuse(error, "cannot find %s: %s: give another --target", address->host,
                                 gai_strerror(code));
    for (const struct addrinfo *at = found; at != NULL && connection->socket < 0;
         at = at->ai_next) {
        connection->socket = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (connection->socket >= 0 &&
            connect(connection->socket, at->ai_addr, at->ai_addrlen) != 0) {
            reason = errno;
            close(connection->socket);
            connection->socket = -1;
        }
    }
    freeaddrinfo(found);
    return connection->socket >= 0 ||
           connection_refuse(error, "cannot reach %s:%s: %s: is the server running?", address->host,
                             port, strerror(reason));
}

bool connection_open(struct connection *connection, const struct address *address,
                     const char *ca_file, char *error)
{
    *connection = (struct connection){.socket = -1};
    if (!connect_to(connection, address, error))
        return false;
    if (!address->has_tls)
        return true;
    connection->tls =
        tls_socket_open(connection->socket, address->host, ca_file, error, CONNECTION_ERROR_BYTES);
    return connection->tls != NULL;
}

void connection_close(struct connection *connection)
{
    tls_socket_close(connection->tls);
    if (connection->socket >= 0)
        close(connection->socket);
    *connection = (struct connection){.socket = -1};
}

bool connection_send_all(const struct connection *connection, const char *bytes, size_t length,
                         char *error)
{
    size_t sent = 0;

    while (sent < length) {
        ssize_t written = connection_send(connection, bytes + sent, length - sent);
        struct pollfd room = {.fd = connection->socket, .events = POLLOUT};

        if (written < 0 && errno == EAGAIN && poll(&room, 1, CONNECTION_WAIT_MS) == 0)
            errno = ETIMEDOUT;
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return connection_refuse(error, "cannot send: %s", strerror(errno));
        sent += written > 0 ? (size_t)written : 0;
    }
    return true;
}

const char *connection_host(const struct address *address, char text_out[CONNECTION_HOST_BYTES])
{
    bool has_colon = strchr(address->host, ':') != NULL;

    snprintf(text_out, CONNECTION_HOST_BYTES, "%s%s%s:%u", has_colon ? "[" : "", address->host,
             has_colon ? "]" : "", address->port);
    return text_out;
}

/* ---- heads ---- */

long http_head_value(const char *head, size_t length, const char *name, const char **value_out)
{
    size_t name_length = strlen(name);
    const char *line = memchr(head, '\n', length);
    const char *end = head + length;

    while (line != NULL && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t line_length = (size_t)((next != NULL ? next : end) - line);

        if (line_length > name_length && strncasecmp(line, name, name_length) == 0 &&
            line[name_length] == ':') {
            const char *value = line + name_length + 1;
            const char *stop = line + line_length;

            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
                stop--;
            *value_out = value;
            return stop - value;
        }
        line = next;
    }
    return -1;
}

const char *http_head_find(const char *text, size_t *length, int *status_out)
{
    for (;;) {
        const char *end = memmem(text, *length, "\r\n\r\n", 4);

        if (end == NULL)
            return NULL;
        if (sscanf(text, "HTTP/1.%*1d %3d", status_out) != 1)
            *status_out = 0;
        if (*status_out < 100 || *status_out >= 200)
            return text;
        *length -= (size_t)(end + 4 - text);
        text = end + 4;
    }
}

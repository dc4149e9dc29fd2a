/* SPDX-License-Identifier: Apache-2.0 */
/* A client's connection to a server, with TLS where the address says so, and the head of an
 * HTTP/1.1 answer. One thread; calls do not block but where they say so. */
#ifndef STAMPEDE_CONNECTION_H
#define STAMPEDE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "address.h"

struct tls_socket;

enum {
    CONNECTION_ERROR_BYTES = 400,
    CONNECTION_WAIT_MS = 600 * 1000, /* without a byte from the server */
};

struct connection {
    int socket;             /* -1: none */
    struct tls_socket *tls; /* NULL: plain */
};

/* Writes a line into `error`, which holds CONNECTION_ERROR_BYTES; false. */
bool connection_refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Blocks until it is connected. `ca_file`: certificates to trust with TLS; "" for this machine's
 * only. False with a line in `error`. connection_close in any case. */
bool connection_open(struct connection *connection, const struct address *address,
                     const char *ca_file, char *error);
void connection_close(struct connection *connection);

/* As send and recv with MSG_DONTWAIT. */
ssize_t connection_send(const struct connection *connection, const char *bytes, size_t length);
ssize_t connection_receive(const struct connection *connection, char *target, size_t capacity);

/* Sends all of it, blocking. False with a line in `error`. */
bool connection_send_all(const struct connection *connection, const char *bytes, size_t length,
                         char *error);

/* The value for Host. Returns `text_out`. */
enum { CONNECTION_HOST_BYTES = ADDRESS_HOST_MAX + 16 };
const char *connection_host(const struct address *address, char text_out[CONNECTION_HOST_BYTES]);

/* Where the answer's head begins, behind any interim ones ("100 Continue"); `*length` is made that
 * of what is left. NULL: it is not complete yet. `status_out`: 0 if it is none. Pure. */
const char *http_head_find(const char *text, size_t *length, int *status_out);

/* The value of a header in a head of `length` bytes; its length, or -1. Pure. */
long http_head_value(const char *head, size_t length, const char *name, const char **value_out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A client's side of TLS on a connected socket: the server's certificate must be for the host that
 * was asked for and trusted here. One thread. */
#ifndef STAMPEDE_TLS_SOCKET_H
#define STAMPEDE_TLS_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

struct tls_socket;

enum { TLS_SOCKET_WAIT_S = 20 /* for each answer within the handshake */ };

/* Agrees upon TLS; the socket is not to wait from then on (O_NONBLOCK), and stays the caller's.
 * Trusts what this machine does and, if `ca_file` is not empty, the certificates in it (PEM). NULL
 * with a line in `error`. */
struct tls_socket *tls_socket_open(int socket, const char *host, const char *ca_file, char *error,
                                   size_t error_size);

/* As send and recv that do not wait: -1 with errno EAGAIN where they would. 0 received: the server
 * has ended in good order; an end without a word is -1 with ECONNRESET. */
ssize_t tls_socket_send(struct tls_socket *tls, const void *bytes, size_t length);
ssize_t tls_socket_receive(struct tls_socket *tls, void *target, size_t capacity);

/* NULL is fine. */
void tls_socket_close(struct tls_socket *tls);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of the generators: OpenSSL's client, the same for every server: TLS 1.3, X25519,
 * AES-128-GCM, the certificate not looked at. */
#ifndef STAMPEDE_BENCH_TLS_CLIENT_H
#define STAMPEDE_BENCH_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ssl_st;
struct ssl_ctx_st;

struct ssl_ctx_st *tls_client_context(void);

/* On a connected socket; `ssl` is to be given to tls_client_close. */
struct ssl_st *tls_client_open(struct ssl_ctx_st *context, int fd);
void tls_client_close(struct ssl_st *ssl);

/* Goes on with the handshake: true once it is done; ends the run where it fails. */
bool tls_client_shake(struct ssl_st *ssl);

/* As send and recv without waiting: -1 with errno EAGAIN, 0 at the end. */
ssize_t tls_client_send(struct ssl_st *ssl, const char *bytes, size_t length);
ssize_t tls_client_receive(struct ssl_st *ssl, char *target, size_t capacity);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "bench.h"

static _Noreturn void fail(const char *what)
{
    bench_fail("%s: %s", what, ERR_reason_error_string(ERR_peek_error()));
}

SSL_CTX *tls_client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519") != 1)
        fail("TLS cannot be set up");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

SSL *tls_client_open(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
        fail("no memory for a connection");
    SSL_set_connect_state(ssl);
    return ssl;
}

void tls_client_close(SSL *ssl)
{
    SSL_free(ssl);
}

/* What a call that did not succeed means, as recv would say it. */
static ssize_t refused(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);

    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        fail("a connection broke");
    errno = EAGAIN;
    return -1;
}

bool tls_client_shake(SSL *ssl)
{
    int result = SSL_do_handshake(ssl);

    if (result == 1)
        return true;
    if (refused(ssl, result) == 0)
        bench_fail("the server ended a handshake");
    return false;
}

ssize_t tls_client_send(SSL *ssl, const char *bytes, size_t length)
{
    size_t count = 0;
    int result = SSL_write_ex(ssl, bytes, length, &count);

    return result == 1 ? (ssize_t)count : refused(ssl, result);
}

ssize_t tls_client_receive(SSL *ssl, char *target, size_t capacity)
{
    size_t count = 0;
    int result = SSL_read_ex(ssl, target, capacity, &count);

    return result == 1 ? (ssize_t)count : refused(ssl, result);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct tls_socket {
    SSL_CTX *context;
    SSL *ssl;
};

/* The reason that OpenSSL gives, or what the certificate lacks. */
static void explain(const struct tls_socket *tls, const char *host, char *error, size_t error_size)
{
    long verdict = tls->ssl != NULL ? SSL_get_verify_result(tls->ssl) : X509_V_OK;
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    if (verdict != X509_V_OK)
        snprintf(error, error_size,
                 "the certificate of %s is not trusted: %s (is --target right? --ca-file FILE names"
                 " certificates to trust)",
                 host, X509_verify_cert_error_string(verdict));
    else
        snprintf(error, error_size, "no TLS with %s: %s", host,
                 reason != NULL ? reason : "the server ended the connection, or is silent");
    ERR_clear_error();
}

/* By name in the certificate, or by address. */
static int expect_host(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return 1;
    ERR_clear_error();
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int prepare(struct tls_socket *tls, int socket, const char *host, const char *ca_file)
{
    static const unsigned char protocol[] = "\x08http/1.1";

    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_default_verify_paths(tls->context) != 1 ||
        (ca_file[0] != 0 && SSL_CTX_load_verify_file(tls->context, ca_file) != 1) ||
        SSL_CTX_set_alpn_protos(tls->context, protocol, sizeof(protocol) - 1) != 0)
        return 0;
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tls->ssl = SSL_new(tls->context);
    return tls->ssl != NULL && expect_host(tls->ssl, host) && SSL_set_fd(tls->ssl, socket) == 1;
}

struct tls_socket *tls_socket_open(int socket, const char *host, const char *ca_file, char *error,
                                   size_t error_size)
{
    const struct timeval wait = {.tv_sec = TLS_SOCKET_WAIT_S};
    struct tls_socket *tls = calloc(1, sizeof(*tls));

    if (tls == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (!prepare(tls, socket, host, ca_file)) {
        snprintf(error, error_size, "TLS cannot be set up%s%s: %s", ca_file[0] != 0 ? " with " : "",
                 ca_file, ERR_reason_error_string(ERR_peek_last_error()));
    } else if (SSL_connect(tls->ssl) != 1) {
        explain(tls, host, error, error_size);
    } else if (fcntl(socket, F_SETFL, O_NONBLOCK) == 0) {
        return tls;
    }
    tls_socket_close(tls);
    return NULL;
}

/* What a call that did not succeed means, as recv would say it. */
static ssize_t refused(struct tls_socket *tls, int result)
{
    int code = SSL_get_error(tls->ssl, result);

    ERR_clear_error();
    errno = code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return code == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t tls_socket_send(struct tls_socket *tls, const void *bytes, size_t length)
{
    size_t count = 0;
    int result = SSL_write_ex(tls->ssl, bytes, length, &count);

    return result == 1 ? (ssize_t)count : refused(tls, result);
}

ssize_t tls_socket_receive(struct tls_socket *tls, void *target, size_t capacity)
{
    size_t count = 0;
    int result = SSL_read_ex(tls->ssl, target, capacity, &count);

    return result == 1 ? (ssize_t)count : refused(tls, result);
}

void tls_socket_close(struct tls_socket *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of TLS: certificates made on the spot, and OpenSSL's own client under the client of
 * http_client.h. */
#ifndef STAMPEDE_TLS_CLIENT_H
#define STAMPEDE_TLS_CLIENT_H

#include "http_client.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct pair_files {
    char folder[64];
    char certificate[96];
    char key[96];
};

/* Writes a self-signed P-256 certificate for `names` ("DNS:a,IP:127.0.0.1") that is good from an
 * hour ago for `seconds` from now, with its key. */
static inline void pair_write(const struct pair_files *files, const char *names, long seconds)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = X509_new();
    assert_non_null(key);
    assert_non_null(certificate);
    static long serial;
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(files->certificate, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    file = fopen(files->key, "we");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void text_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void pair_make(struct pair_files *files)
{
    strcpy(files->folder, "/tmp/stampede-tls-XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    snprintf(files->certificate, sizeof files->certificate, "%s/cert.pem", files->folder);
    snprintf(files->key, sizeof files->key, "%s/key.pem", files->folder);
    pair_write(files, "DNS:shop.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1", 86400);
}

static inline void pair_remove(const struct pair_files *files)
{
    unlink(files->certificate);
    unlink(files->key);
    rmdir(files->folder);
}

/* ---- The client ---- */

static inline ssize_t tls_send(void *layer, const void *bytes, size_t length)
{
    size_t sent = 0;
    int result = SSL_write_ex(layer, bytes, length, &sent);
    ERR_clear_error();
    return result == 1 ? (ssize_t)sent : -1;
}

/* As recv: 0 only for close_notify, so that an end without one shows. */
static inline ssize_t tls_receive(void *layer, void *target, size_t capacity)
{
    size_t count = 0;
    if (SSL_read_ex(layer, target, capacity, &count) == 1)
        return (ssize_t)count;
    int error = SSL_get_error(layer, 0);
    ERR_clear_error();
    errno = EAGAIN;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static inline SSL_CTX *client_context(int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    return context;
}

/* A handshake on a fresh connection: `session` may be NULL, `alpn` too. Whether it succeeded;
 * tls_close in any case. */
static inline bool tls_open(struct client *client, uint16_t port, SSL_CTX *context,
                            SSL_SESSION *session, const char *alpn)
{
    *client = client_open_port(port, 0);
    SSL *ssl = SSL_new(context);
    assert_non_null(ssl);
    SSL_set_fd(ssl, client->fd);
    if (session != NULL)
        SSL_set_session(ssl, session);
    if (alpn != NULL)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    client->layer = ssl;
    client->layer_send = tls_send;
    client->layer_receive = tls_receive;
    bool is_open = SSL_connect(ssl) == 1;
    ERR_clear_error();
    return is_open;
}

static inline void tls_close(struct client *client)
{
    SSL_free(client->layer);
    client->layer = NULL;
    client_close(client);
}

#endif

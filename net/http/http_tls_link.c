/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of one connection, between two pieces of memory: records that were read are taken from
 * `incoming`, records to be written go behind `sealed`. OpenSSL never sees the socket, so a turn
 * costs the system calls that it costs without TLS, however many records it reads or writes.
 *
 * OpenSSL takes all of `incoming` before it says that it waits; what is left of an unfinished
 * record it keeps in a buffer of its own, which it gives back when the record is read
 * (SSL_MODE_RELEASE_- BUFFERS). Its error queue is empty between any two calls.
 */
#include "http/http_internal.h"
#include "http/http_tls_internal.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <limits.h>
#include <pthread.h>

enum {
    RECORD_PLAIN_MAX = 16 * 1024,
    RECORD_OVERHEAD_MAX = 64, /* header, nonce, type, tag */
    /* Sealed at once: with what the records add, it fits a buffer of 64 KiB. */
    SEAL_MAX = 4 * RECORD_PLAIN_MAX - 4 * RECORD_OVERHEAD_MAX,
    /* What a client may have us say of TLS's own (key updates) while it reads nothing. */
    UNASKED_MAX = 16 * 1024,
};

_Static_assert((int)HTTP_TLS_SESSION_BYTES *(int)HTTP_MEMORY_PARTS <=
                   (int)HTTP_TLS_MEMORY_BYTES * (int)HTTP_MEMORY_TLS_PARTS,
               "with that much for each, all fit");

/* ---- What OpenSSL reads and writes through ---- */

static int link_read(BIO *bio, char *target, int length)
{
    struct http_connection *connection = BIO_get_data(bio);
    struct http_tls_link *link = &connection->tls;
    BIO_clear_retry_flags(bio);
    if (length <= 0)
        return 0;
    if (link->incoming_length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = link->incoming_length < (size_t)length ? link->incoming_length : (size_t)length;
    memcpy(target, link->incoming, count);
    link->incoming += count;
    link->incoming_length -= count;
    return (int)count;
}

static int link_write(BIO *bio, const char *bytes, int length)
{
    struct http_connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (length <= 0)
        return 0;
    return http_buffer_append(&connection->server->buffers, &connection->tls.sealed, bytes,
                              (size_t)length)
               ? length
               : -1;
}

static long link_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int link_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* One for the process; it lives until the end. */
static BIO_METHOD *link_method;
static pthread_once_t link_method_once = PTHREAD_ONCE_INIT;

static void link_method_make(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    if (method == NULL)
        return;
    (void)BIO_meth_set_read(method, link_read);
    (void)BIO_meth_set_write(method, link_write);
    (void)BIO_meth_set_ctrl(method, link_control);
    (void)BIO_meth_set_create(method, link_create);
    link_method = method;
}

/* ---- Begin and end ---- */

void http_tls_link_free_context(struct http_server *server)
{
    SSL_CTX_free(server->tls_context);
    server->tls_context = NULL;
}

/* Counts `bytes` for this connection. */
static bool link_charge(struct http_connection *connection, size_t bytes)
{
    struct http_tls_link *link = &connection->tls;
    if (link->charged == bytes)
        return true;
    if (!http_buffers_charge(&connection->server->buffers, link->charged, bytes))
        return false;
    link->charged = bytes;
    return true;
}

bool http_tls_link_open(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    struct http_tls_link *link = &connection->tls;
    assert(link->ssl == NULL && link->charged == 0);
    (void)pthread_once(&link_method_once, link_method_make);
    http_tls_refresh(server->options.tls, &server->tls_context, &server->tls_generation);
    if (link_method == NULL || !link_charge(connection, HTTP_TLS_HANDSHAKE_BYTES))
        return false;
    SSL *ssl = SSL_new(server->tls_context);
    BIO *bio = ssl != NULL ? BIO_new(link_method) : NULL;
    if (bio == NULL) {
        SSL_free(ssl);
        ERR_clear_error();
        (void)link_charge(connection, 0);
        return false;
    }
    BIO_set_data(bio, connection);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    link->ssl = ssl;
    return true;
}

void http_tls_link_close(struct http_connection *connection)
{
    struct http_tls_link *link = &connection->tls;
    SSL_free(link->ssl);
    link->ssl = NULL;
    link->taken = 0;
    link->begun = false;
    link->incoming_length = 0;
    http_buffer_release(&connection->server->buffers, &link->sealed);
    (void)link_charge(connection, 0);
}

/* ---- Records to plain text ---- */

/* What a call that did not succeed means. */
static enum http_tls_result link_failed(struct http_connection *connection, int result)
{
    int error = SSL_get_error(connection->tls.ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return HTTP_TLS_WAITS;
    ERR_clear_error();
    return error == SSL_ERROR_ZERO_RETURN ? HTTP_TLS_ENDED : HTTP_TLS_BROKEN;
}

enum http_tls_result http_tls_link_shake(struct http_connection *connection)
{
    SSL *ssl = connection->tls.ssl;
    struct http_counters *counters = &connection->server->counters;
    int result = SSL_do_handshake(ssl);
    if (result != 1)
        return link_failed(connection, result);
    http_count(&counters->tls_handshakes, 1);
    if (SSL_session_reused(ssl))
        http_count(&counters->tls_resumptions, 1);
    return HTTP_TLS_DONE;
}

enum http_tls_result http_tls_link_read(struct http_connection *connection, char *target,
                                        size_t capacity, size_t *length_out)
{
    struct http_tls_link *link = &connection->tls;
    *length_out = 0;
    while (*length_out < capacity) {
        size_t count = 0;
        /* Not asked again where it could only say that it waits. */
        if (link->incoming_length == 0 && !SSL_has_pending(link->ssl))
            return HTTP_TLS_WAITS;
        int result = SSL_read_ex(link->ssl, target + *length_out, capacity - *length_out, &count);
        if (result != 1)
            return link_failed(connection, result);
        *length_out += count;
    }
    return HTTP_TLS_DONE;
}

bool http_tls_link_settle(struct http_connection *connection)
{
    struct http_tls_link *link = &connection->tls;
    size_t bytes = connection->phase == HTTP_PHASE_HANDSHAKE ? HTTP_TLS_HANDSHAKE_BYTES
                                                             : HTTP_TLS_SESSION_BYTES;
    if (connection->phase != HTTP_PHASE_HANDSHAKE && SSL_has_pending(link->ssl))
        bytes += HTTP_TLS_RECORD_BYTES;
    if (connection->write_busy && link->sealed.length > UNASKED_MAX)
        return false;
    return link_charge(connection, bytes);
}

/* ---- Plain text to records ---- */

bool http_tls_link_seal(struct http_connection *connection)
{
    struct http_buffers *pool = &connection->server->buffers;
    struct http_tls_link *link = &connection->tls;
    struct http_buffer *out = &connection->out;
    size_t left = out->length - link->taken;
    size_t length = left < SEAL_MAX ? left : SEAL_MAX;
    size_t count = 0;
    if (left == 0)
        return true;
    assert(connection->phase == HTTP_PHASE_REQUESTS);
    size_t room = length + (length / RECORD_PLAIN_MAX + 1) * RECORD_OVERHEAD_MAX;
    if (!http_buffer_reserve(pool, &link->sealed, room))
        return false;
    if (SSL_write_ex(link->ssl, out->data + link->taken, length, &count) != 1) {
        ERR_clear_error();
        return false;
    }
    link->taken += (uint32_t)count;
    if (link->taken == out->length) {
        http_buffer_release(pool, out);
        link->taken = 0;
    } else if (link->taken >= out->length - link->taken) {
        /* Moved once each time that it has become half: in the sum, less than its length. */
        memmove(out->data, out->data + link->taken, out->length - link->taken);
        out->length -= link->taken;
        link->taken = 0;
    }
    return true;
}

void http_tls_link_end(struct http_connection *connection)
{
    SSL *ssl = connection->tls.ssl;
    if ((SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    (void)SSL_shutdown(ssl);
    ERR_clear_error();
}

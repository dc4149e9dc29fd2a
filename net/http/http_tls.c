/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process has of TLS. The context in use is replaced as a whole: connections that have
 * begun keep theirs by a reference. The mutex is taken when a server sees a new generation, and for
 * each ticket sealed or opened; never for a record.
 */
#include "http/http_tls_internal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { TICKET_NAME_BYTES = 16, TICKET_KEY_BYTES = 32 };

struct ticket_key {
    bool is_set;
    unsigned char name[TICKET_NAME_BYTES];
    unsigned char cipher_key[TICKET_KEY_BYTES];
    unsigned char mac_key[TICKET_KEY_BYTES];
};

/* Which file it was, and in what state. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
    struct timespec changed;
};

struct file_marks {
    struct file_mark certificate;
    struct file_mark key;
};

struct http_tls {
    pthread_mutex_t mutex;
    SSL_CTX *context;                                /* under the mutex */
    _Atomic uint64_t generation;                     /* of `context`; written under the mutex */
    struct ticket_key tickets[HTTP_TLS_TICKET_KEYS]; /* under the mutex; the newest first */
    /* Of the thread that looks. */
    struct file_marks tried; /* what was read last, for better or worse */
    struct file_marks seen;  /* at the last look */
    uint64_t ticket_key_made_s;
    char *certificate_file;
    char *key_file;
};

/* ECDHE and AEAD only; what of the first kind a client's processor does better is its choice among
 * those (SSL_OP_PRIORITIZE_CHACHA). */
static const char ciphers_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256";

/* ---- Tickets ---- */

static bool ticket_key_make(struct ticket_key *key)
{
    key->is_set = RAND_bytes(key->name, sizeof key->name) == 1 &&
                  RAND_priv_bytes(key->cipher_key, sizeof key->cipher_key) == 1 &&
                  RAND_priv_bytes(key->mac_key, sizeof key->mac_key) == 1;
    return key->is_set;
}

void http_tls_rotate_tickets(struct http_tls *tls)
{
    struct ticket_key key;
    if (!ticket_key_make(&key))
        return; /* no randomness: the old ones stay a while longer */
    pthread_mutex_lock(&tls->mutex);
    memmove(&tls->tickets[1], &tls->tickets[0], sizeof tls->tickets - sizeof tls->tickets[0]);
    tls->tickets[0] = key;
    pthread_mutex_unlock(&tls->mutex);
    OPENSSL_cleanse(&key, sizeof key);
}

/* The key of this name, and whether it is the newest. False: forgotten, or never ours. */
static bool ticket_key_find(struct http_tls *tls, const unsigned char name[TICKET_NAME_BYTES],
                            struct ticket_key *key_out, bool *is_newest_out)
{
    bool is_found = false;
    pthread_mutex_lock(&tls->mutex);
    for (size_t i = 0; i < HTTP_TLS_TICKET_KEYS && !is_found; i++) {
        const struct ticket_key *key = &tls->tickets[i];
        is_found = key->is_set && memcmp(key->name, name, TICKET_NAME_BYTES) == 0;
        if (is_found) {
            *key_out = *key;
            *is_newest_out = i == 0;
        }
    }
    pthread_mutex_unlock(&tls->mutex);
    return is_found;
}

static bool ticket_mac_init(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac_key, sizeof key->mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 take it, 2 take it and send a new one, 0 a full
 * handshake, -1 an error. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    struct http_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    bool is_newest = true;
    int result = -1;
    if (seals) {
        pthread_mutex_lock(&tls->mutex);
        key = tls->tickets[0];
        pthread_mutex_unlock(&tls->mutex);
        memcpy(name, key.name, sizeof key.name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
            EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher_key, iv, NULL) == 1 &&
            ticket_mac_init(mac, &key))
            result = 1;
    } else if (!ticket_key_find(tls, name, &key, &is_newest)) {
        return 0;
    } else if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher_key, iv, NULL) == 1 &&
               ticket_mac_init(mac, &key)) {
        /* In TLS 1.3 a client uses a ticket once (RFC 8446, appendix C.4). */
        result = is_newest && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
    }
    OPENSSL_cleanse(&key, sizeof key);
    return result;
}

/* ---- ALPN (RFC 7301) ---- */

/* HTTP/1.1, or 1.0 for a client that wants only that; to one that wants neither, the alert. */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length,
                   const unsigned char *offered, unsigned offered_length, void *argument)
{
    static const unsigned char spoken[] = "\x08http/1.1\x08http/1.0";
    unsigned char *match;
    (void)ssl;
    (void)argument;
    if (SSL_select_next_proto(&match, chosen_length, spoken, sizeof spoken - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = match;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- The context ---- */

/* What OpenSSL says last, in a line; its queue is empty then. */
static void explain(char *error, size_t error_size, const char *what, const char *file)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(error, error_size, "%s %s: %s", what, file,
             reason != NULL ? reason : "not in PEM, or it cannot be read");
    ERR_clear_error();
}

/* Nobody is there to type one. */
static int no_passphrase(char *buffer, int size, int writes, void *user)
{
    (void)buffer;
    (void)size;
    (void)writes;
    (void)user;
    return -1;
}

static bool context_configure(SSL_CTX *context, struct http_tls *tls)
{
    static const unsigned char session_context[] = "stampede";
    (void)SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                           SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_clear_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION |
                                             SSL_OP_LEGACY_SERVER_CONNECT |
                                             SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(context, HTTP_TLS_TICKET_LIFE_S);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    SSL_CTX_set_app_data(context, tls);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, ciphers_1_2) == 1 &&
           SSL_CTX_set_ciphersuites(context, ciphers_1_3) == 1 &&
           SSL_CTX_set1_groups_list(context, groups) == 1 &&
           SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1) ==
               1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}

/* Whoever reads the key can be the shop. A group of its own may: where no user is known before the
 * server starts (systemd's DynamicUser), the file is lent to one. What is not there at all is told
 * by who reads it. */
static bool key_is_private(const struct http_tls *tls, char *error, size_t error_size)
{
    struct stat state;
    if (stat(tls->key_file, &state) != 0 || (state.st_mode & (S_IWGRP | S_IRWXO)) == 0)
        return true;
    snprintf(error, error_size,
             "%s may be read by all, or written by others (mode %04o): chmod 600 or 640 it",
             tls->key_file, (unsigned)state.st_mode & 07777U);
    return false;
}

/* A context from the two files as they are now, or NULL with a line in `error`. */
static SSL_CTX *context_load(struct http_tls *tls, char *error, size_t error_size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    ERR_clear_error();
    if (context == NULL || !context_configure(context, tls)) {
        explain(error, error_size, "TLS cannot be set up with", OPENSSL_VERSION_TEXT);
    } else if (SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) != 1) {
        explain(error, error_size, "the certificate in", tls->certificate_file);
    } else if (!key_is_private(tls, error, error_size)) {
        ERR_clear_error();
    } else if (SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1) {
        explain(error, error_size, "the key in", tls->key_file);
    } else if (SSL_CTX_check_private_key(context) != 1) {
        explain(error, error_size, "the key does not fit the certificate:", tls->key_file);
    } else {
        return context;
    }
    SSL_CTX_free(context);
    return NULL;
}

static int64_t context_expires_s(const SSL_CTX *context)
{
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &end) != 1)
        return 0;
    return (int64_t)timegm(&end);
}

void http_tls_refresh(struct http_tls *tls, SSL_CTX **context, uint64_t *generation)
{
    uint64_t now = atomic_load_explicit(&tls->generation, memory_order_relaxed);
    if (*context != NULL && *generation == now)
        return; /* a new one is seen a moment later: the mutex orders what matters */
    pthread_mutex_lock(&tls->mutex);
    SSL_CTX *old = *context;
    *generation = atomic_load_explicit(&tls->generation, memory_order_relaxed);
    *context = tls->context;
    (void)SSL_CTX_up_ref(*context);
    pthread_mutex_unlock(&tls->mutex);
    SSL_CTX_free(old);
}

/* ---- The files ---- */

static struct file_mark file_mark_take(const char *file)
{
    struct stat state;
    struct file_mark mark;
    memset(&mark, 0, sizeof mark); /* marks are compared as bytes */
    if (stat(file, &state) != 0)
        return mark;
    mark.device = state.st_dev;
    mark.inode = state.st_ino;
    mark.size = state.st_size;
    mark.modified = state.st_mtim;
    mark.changed = state.st_ctim;
    return mark;
}

static struct file_marks file_marks_take(const struct http_tls *tls)
{
    struct file_marks marks;
    memset(&marks, 0, sizeof marks);
    marks.certificate = file_mark_take(tls->certificate_file);
    marks.key = file_mark_take(tls->key_file);
    return marks;
}

static bool file_marks_equal(const struct file_marks *one, const struct file_marks *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

static enum http_tls_change reload(struct http_tls *tls, char *error, size_t error_size)
{
    SSL_CTX *context = context_load(tls, error, error_size);
    if (context == NULL)
        return HTTP_TLS_KEPT;
    if (X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context))) < 0) {
        snprintf(error, error_size, "the certificate in %s has expired", tls->certificate_file);
        SSL_CTX_free(context);
        return HTTP_TLS_KEPT;
    }
    pthread_mutex_lock(&tls->mutex);
    SSL_CTX *old = tls->context;
    tls->context = context;
    atomic_fetch_add_explicit(&tls->generation, 1, memory_order_relaxed);
    pthread_mutex_unlock(&tls->mutex);
    SSL_CTX_free(old);
    return HTTP_TLS_LOADED;
}

enum http_tls_change http_tls_look(struct http_tls *tls, uint64_t now_s, char *error,
                                   size_t error_size)
{
    struct file_marks marks = file_marks_take(tls);
    bool is_settled = file_marks_equal(&marks, &tls->seen);
    if (tls->ticket_key_made_s == 0)
        tls->ticket_key_made_s = now_s;
    if (now_s >= tls->ticket_key_made_s + HTTP_TLS_TICKET_KEY_S) {
        tls->ticket_key_made_s = now_s;
        http_tls_rotate_tickets(tls);
    }
    tls->seen = marks;
    if (!is_settled || file_marks_equal(&marks, &tls->tried))
        return HTTP_TLS_SAME;
    tls->tried = marks;
    return reload(tls, error, error_size);
}

/* ---- Begin and end ---- */

struct http_tls *http_tls_create(const char *certificate_file, const char *key_file, char *error,
                                 size_t error_size)
{
    struct http_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        snprintf(error, error_size, "no memory for TLS");
        return NULL;
    }
    pthread_mutex_init(&tls->mutex, NULL);
    tls->certificate_file = strdup(certificate_file);
    tls->key_file = strdup(key_file);
    if (tls->certificate_file == NULL || tls->key_file == NULL ||
        !ticket_key_make(&tls->tickets[0])) {
        snprintf(error, error_size, "no memory or no randomness for TLS");
        http_tls_destroy(tls);
        return NULL;
    }
    tls->tried = tls->seen = file_marks_take(tls);
    tls->context = context_load(tls, error, error_size);
    if (tls->context == NULL) {
        http_tls_destroy(tls);
        return NULL;
    }
    return tls;
}

void http_tls_destroy(struct http_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    OPENSSL_cleanse(tls->tickets, sizeof tls->tickets);
    pthread_mutex_destroy(&tls->mutex);
    free(tls->certificate_file);
    free(tls->key_file);
    free(tls);
}

/* ---- What it says ---- */

int64_t http_tls_expires_s(struct http_tls *tls)
{
    pthread_mutex_lock(&tls->mutex);
    int64_t expires_s = context_expires_s(tls->context);
    pthread_mutex_unlock(&tls->mutex);
    return expires_s;
}

bool http_tls_covers(struct http_tls *tls, struct http_slice host)
{
    char name[256];
    if (host.length == 0 || host.length >= sizeof name)
        return false;
    memcpy(name, host.data, host.length);
    name[host.length] = '\0';
    if (strlen(name) != host.length)
        return false;
    pthread_mutex_lock(&tls->mutex);
    X509 *certificate = SSL_CTX_get0_certificate(tls->context);
    bool is_covered = X509_check_ip_asc(certificate, name, 0) == 1 ||
                      X509_check_host(certificate, name, host.length,
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
    pthread_mutex_unlock(&tls->mutex);
    ERR_clear_error();
    return is_covered;
}

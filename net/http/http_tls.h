/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3 by OpenSSL: what the process has of it, shared by the servers of all shards. That
 * is the certificate with its key, which may be changed while serving, and the keys of the session
 * tickets, so that a session that one shard began is resumed at any.
 *
 * Tickets (RFC 5077; RFC 8446, section 4.6.1) are the only way to resume: nothing is stored here.
 * They are sealed by a key that is made at the start, changed every HTTP_TLS_TICKET_KEY_S and never
 * leaves this memory, so a restart ends them all. Two older keys still open what they have sealed.
 */
#ifndef STAMPEDE_HTTP_TLS_H
#define STAMPEDE_HTTP_TLS_H

#include "http/http.h"

enum {
    HTTP_TLS_TICKET_KEYS = 3,
    HTTP_TLS_TICKET_KEY_S = 4 * 3600,
    HTTP_TLS_TICKET_LIFE_S = 8 * 3600, /* what a sealed ticket is good for */
    HTTP_TLS_ERROR_MAX = 300,
    /* What http_options.memory_max should have for each connection that may be open: of the pool,
     * TLS gets 9/16, and an idle connection is counted with half of this. */
    HTTP_TLS_MEMORY_BYTES = 32 * 1024,
};

_Static_assert((int)HTTP_TLS_TICKET_LIFE_S <=
                   (int)HTTP_TLS_TICKET_KEY_S * ((int)HTTP_TLS_TICKET_KEYS - 1),
               "a ticket's key is kept for as long as the ticket is good");

struct http_tls;

/* Reads both files (PEM; the certificate first, then its chain); the key's may be read by its owner
 * and its group only, and written by its owner. The paths are copied. NULL, with a line for people
 * in `error`. Start-up thread. */
struct http_tls *http_tls_create(const char *certificate_file, const char *key_file, char *error,
                                 size_t error_size);

/* After all servers that use it are gone. */
void http_tls_destroy(struct http_tls *tls);

enum http_tls_change {
    HTTP_TLS_SAME,   /* the files are as they were, or are just being written */
    HTTP_TLS_LOADED, /* connections from now on get the new certificate */
    HTTP_TLS_KEPT,   /* the new files are no good: `error` says why; the old ones stay in use */
};

/* Looks after both: the files, which are read again when they have changed and then stayed the same
 * from one look to the next, and the age of the ticket key. Once a second or so, `now_s` from a
 * clock that only goes forward. One thread, not a shard's: it reads files. */
enum http_tls_change http_tls_look(struct http_tls *tls, uint64_t now_s, char *error,
                                   size_t error_size);

/* A new key for tickets now; the oldest is forgotten. Any thread. */
void http_tls_rotate_tickets(struct http_tls *tls);

/* The end of the certificate in use, as UTC in seconds since 1970. Any thread. */
int64_t http_tls_expires_s(struct http_tls *tls);

/* Whether the certificate in use is for this host (a name, or an address without brackets; no
 * port). Any thread. */
bool http_tls_covers(struct http_tls *tls, struct http_slice host);

#endif

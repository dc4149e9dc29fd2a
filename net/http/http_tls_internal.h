/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two files that know OpenSSL: http_tls.c, what the process has of it, and
 * http_tls_link.c, one connection. Nobody else includes this.
 */
#ifndef STAMPEDE_HTTP_TLS_INTERNAL_H
#define STAMPEDE_HTTP_TLS_INTERNAL_H

#include "http/http_tls.h"

#include <openssl/ssl.h>

/* Makes `*context` (NULL at first, then what this gave before) the one in use now; the caller owns
 * a reference. Any thread; without a lock where nothing has changed since `*generation`. */
void http_tls_refresh(struct http_tls *tls, SSL_CTX **context, uint64_t *generation);

#endif

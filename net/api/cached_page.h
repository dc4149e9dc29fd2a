/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of 200 that is rendered once and given many times: JSON or HTML that everybody may see,
 * with its entity tag, how long it may be kept, and the same in each content coding, compressed
 * when somebody first asks for it. Giving it costs no heap, and one copy: into the connection's
 * output.
 *
 * A tag is strong, and each coding has its own ("…-br"): they are different bytes.
 *
 * A page belongs to one shard's thread; one whose codings have all been made (cached_page_compress)
 * does not change any more, and any thread may give it. */
#ifndef STAMPEDE_API_CACHED_PAGE_H
#define STAMPEDE_API_CACHED_PAGE_H

#include "api/coding.h"
#include "api/compress.h"

struct cached_page;

enum { PAGE_ETAGS_LENGTH_MAX = 192 };

/* What of a request an answer depends on: kept by whoever answers later. */
struct page_request {
    enum content_coding coding;
    uint16_t known_length; /* of If-None-Match; what is longer is not looked at */
    char known[PAGE_ETAGS_LENGTH_MAX];
};

/* Within the handler. */
void page_request_read(const struct http_exchange *exchange, struct page_request *request_out);

/* A page of these bytes, which are copied. `cache_control` is the header's value. NULL: no memory,
 * or a header of more than 512 bytes. */
struct cached_page *cached_page_create(const char *content_type, const char *cache_control,
                                       const char *body, size_t length);
void cached_page_destroy(struct cached_page *page);

/* Makes a coding of it, if that was not tried before: where it is not worth it
 * (COMPRESS_BYTES_LEAST; less than a tenth saved) the page is given as it is. */
void cached_page_compress(struct cached_page *page, enum content_coding coding,
                          enum compress_effort effort);

/* Answers with the page, or with 304 to whoever has it; HEAD as well. The exchange is over. The
 * first within the handler, the second whenever. */
void cached_page_respond(struct cached_page *page, struct http_exchange *exchange);
void cached_page_respond_later(struct cached_page *page, struct http_exchange *exchange,
                               const struct page_request *request);

/* Bytes of memory that it takes, which a coding adds to. */
size_t cached_page_bytes(const struct cached_page *page);

/* The body as it is, for those who put several together. */
struct http_slice cached_page_body(const struct cached_page *page);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cached_page.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_shard.h"

enum {
    HEAD_BYTES_MAX = 512,
    TAG_BYTES_MAX = 32,
    HEAP_OVERHEAD = 16, /* of each piece of memory */
};

/* The page in one coding: heads of 200 and of 304, and the body, one behind the other. */
struct page_form {
    char *bytes; /* NULL: there is none, give the page as it is */
    size_t body_length;
    uint16_t head_length;
    uint16_t unchanged_length;
    bool is_tried;
    char tag[TAG_BYTES_MAX]; /* with its quotes */
};

struct cached_page {
    size_t bytes;
    char etag[20]; /* of the page as it is */
    const char *content_type;
    const char *cache_control;
    bool may_compress;
    struct page_form forms[CODING_COUNT];
    char texts[]; /* content_type, cache_control */
};

void page_request_read(const struct http_exchange *exchange, struct page_request *request_out)
{
    struct http_slice known = http_exchange_header(exchange, HTTP_HEADER_IF_NONE_MATCH);

    request_out->coding =
        coding_choose(http_exchange_header(exchange, HTTP_HEADER_ACCEPT_ENCODING));
    request_out->known_length = 0;
    if (known.data == NULL || known.length > sizeof(request_out->known))
        return;
    request_out->known_length = (uint16_t)known.length;
    memcpy(request_out->known, known.data, known.length);
}

/* The header lines that 200 and 304 have in common (RFC 9110, 15.4.5); 0 if they do not fit. */
static size_t write_common(const struct cached_page *page, const struct page_form *form,
                           char *target, size_t capacity)
{
    int length =
        snprintf(target, capacity, "ETag: %s\r\nCache-Control: %s\r\n%s", form->tag,
                 page->cache_control, page->may_compress ? "Vary: Accept-Encoding\r\n" : "");

    return length > 0 && (size_t)length < capacity ? (size_t)length : 0;
}

static size_t write_head(const struct cached_page *page, const struct page_form *form,
                         enum content_coding coding, int status, char target[HEAD_BYTES_MAX])
{
    bool has_body = status == 200;
    size_t length = http_head_prepare(status, has_body ? page->content_type : NULL,
                                      form->body_length, target, HEAD_BYTES_MAX);
    if (length == 0)
        return 0;
    size_t common = write_common(page, form, target + length, HEAD_BYTES_MAX - length);
    if (common == 0)
        return 0;
    length += common;
    if (!has_body || coding == CODING_IDENTITY)
        return length;
    int more = snprintf(target + length, HEAD_BYTES_MAX - length, "Content-Encoding: %s\r\n",
                        coding_name(coding));
    return more > 0 && (size_t)more < HEAD_BYTES_MAX - length ? length + (size_t)more : 0;
}

/* False: no memory, or a head that is too long. */
static bool make_form(struct cached_page *page, enum content_coding coding, const char *body,
                      size_t length)
{
    struct page_form *form = &page->forms[coding];
    char head[HEAD_BYTES_MAX];
    char unchanged[HEAD_BYTES_MAX];

    form->body_length = length;
    snprintf(form->tag, sizeof(form->tag), "%.*s%s%s\"", (int)strlen(page->etag) - 1, page->etag,
             coding == CODING_IDENTITY ? "" : "-",
             coding == CODING_IDENTITY ? "" : coding_name(coding));
    size_t head_length = write_head(page, form, coding, 200, head);
    size_t unchanged_length = write_head(page, form, coding, 304, unchanged);
    if (head_length == 0 || unchanged_length == 0)
        return false;
    form->bytes = malloc(head_length + unchanged_length + length);
    if (form->bytes == NULL)
        return false;
    form->head_length = (uint16_t)head_length;
    form->unchanged_length = (uint16_t)unchanged_length;
    memcpy(form->bytes, head, head_length);
    memcpy(form->bytes + head_length, unchanged, unchanged_length);
    memcpy(form->bytes + head_length + unchanged_length, body, length);
    page->bytes += head_length + unchanged_length + length + HEAP_OVERHEAD;
    return true;
}

struct cached_page *cached_page_create(const char *content_type, const char *cache_control,
                                       const char *body, size_t length)
{
    size_t type_size = strlen(content_type) + 1;
    size_t control_size = strlen(cache_control) + 1;
    size_t size = sizeof(struct cached_page) + type_size + control_size;
    struct cached_page *page = calloc(1, size);

    if (page == NULL)
        return NULL;
    page->bytes = size + HEAP_OVERHEAD;
    etag_format(body, length, page->etag);
    page->content_type = memcpy(page->texts, content_type, type_size);
    page->cache_control = memcpy(page->texts + type_size, cache_control, control_size);
    page->may_compress = length >= COMPRESS_BYTES_LEAST;
    page->forms[CODING_IDENTITY].is_tried = true;
    if (make_form(page, CODING_IDENTITY, body, length))
        return page;
    cached_page_destroy(page);
    return NULL;
}

void cached_page_destroy(struct cached_page *page)
{
    if (page == NULL)
        return;
    for (unsigned coding = 0; coding < CODING_COUNT; coding++)
        free(page->forms[coding].bytes);
    free(page);
}

struct http_slice cached_page_body(const struct cached_page *page)
{
    const struct page_form *form = &page->forms[CODING_IDENTITY];

    return (struct http_slice){form->bytes + form->head_length + form->unchanged_length,
                               form->body_length};
}

size_t cached_page_bytes(const struct cached_page *page)
{
    return page->bytes;
}

void cached_page_compress(struct cached_page *page, enum content_coding coding,
                          enum compress_effort effort)
{
    struct http_slice body = cached_page_body(page);
    size_t room = body.length - body.length / 10;

    if (page->forms[coding].is_tried ||
        (effort == COMPRESS_SOON && body.length > COMPRESS_SOON_BYTES_MAX))
        return;
    page->forms[coding].is_tried = true;
    if (!page->may_compress)
        return;
    char *target = malloc(room);
    if (target == NULL)
        return;
    size_t length = compress_body(coding, effort, body.data, body.length, target, room);
    if (length > 0)
        (void)make_form(page, coding, target, length);
    free(target);
}

static void respond(struct cached_page *page, struct http_exchange *exchange,
                    enum content_coding coding, struct http_slice known)
{
    cached_page_compress(page, coding, COMPRESS_SOON);
    if (page->forms[coding].bytes == NULL)
        coding = CODING_IDENTITY;
    const struct page_form *form = &page->forms[coding];
    struct http_slice head = {form->bytes, form->head_length};
    struct http_slice unchanged = {form->bytes + head.length, form->unchanged_length};
    struct http_slice body = {unchanged.data + unchanged.length, form->body_length};

    if (known.length > 0 && etag_is_among(known, form->tag))
        http_respond_raw(exchange, 304, unchanged, (struct http_slice){0});
    else
        http_respond_raw(exchange, 200, head, body);
}

void cached_page_respond(struct cached_page *page, struct http_exchange *exchange)
{
    respond(page, exchange,
            coding_choose(http_exchange_header(exchange, HTTP_HEADER_ACCEPT_ENCODING)),
            http_exchange_header(exchange, HTTP_HEADER_IF_NONE_MATCH));
}

void cached_page_respond_later(struct cached_page *page, struct http_exchange *exchange,
                               const struct page_request *request)
{
    respond(page, exchange, request->coding,
            (struct http_slice){request->known, request->known_length});
}

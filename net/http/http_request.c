/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is checked of a request beyond its grammar, which llhttp checks. The rules close what one
 * party could read otherwise than the next (request smuggling): RFC 9112 sections 3.2, 6.1, 6.3
 * and 11.2, and ASVS 4.1.4, 4.2.1.
 */
#include "http/http_internal.h"
#include "http/words.h"

#include <string.h>

/* ---- Header lines ---- */

static bool is_digits(struct http_slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return text.length > 0;
}

static struct http_slice trimmed(struct http_slice text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* Whether a list names `close`, which counts before `keep-alive` (RFC 9112 section 9.3; to HTTP/1.0
 * llhttp sees it the other way round). */
static bool names_close(struct http_slice list)
{
    size_t at = 0;
    while (at < list.length) {
        const char *comma = memchr(list.data + at, ',', list.length - at);
        size_t length = (comma != NULL ? (size_t)(comma - list.data) : list.length) - at;
        if (http_text_equal(trimmed((struct http_slice){list.data + at, length}), "close"))
            return true;
        at += length + 1;
    }
    return false;
}

bool http_request_take_header(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    assert(request->headers_count > 0);
    struct http_header_field *field = &request->headers[request->headers_count - 1];
    const char *value = request->base + field->value_offset;
    while (field->value_length > 0 &&
           (value[field->value_length - 1] == ' ' || value[field->value_length - 1] == '\t'))
        field->value_length--;

    enum http_header header =
        http_header_lookup(request->base + field->name_offset, field->name_length);
    if (header == HTTP_HEADER_COUNT)
        return true;
    struct http_slice text = {value, field->value_length};
    if (header == HTTP_HEADER_CONNECTION && names_close(text))
        request->says_close = true;
    if (request->known[header] != 0) {
        if (!http_header_is_single(header))
            return true;
        http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                               "a header that may come once came twice");
        return false;
    }
    request->known[header] = (uint8_t)request->headers_count;

    if (header == HTTP_HEADER_CONTENT_LENGTH &&
        (!is_digits(text) || text.length > HTTP_LENGTH_DIGITS_MAX)) {
        http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                               "Content-Length is not a number of at most ten digits");
        return false;
    }
    if (header == HTTP_HEADER_TRANSFER_ENCODING && !http_text_equal(text, "chunked")) {
        http_connection_refuse(connection, HTTP_REFUSAL_NOT_IMPLEMENTED,
                               "the only transfer encoding served is chunked");
        return false;
    }
    return true;
}

/* ---- The target ---- */

static enum http_method method_from_parser(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return HTTP_METHOD_NONE;
    }
}

/* Whether a byte is what stands in no target: no visible character, or a fragment's mark. */
static bool word_is_off_target(uint64_t word)
{
    return word_has_unprintable(word) || word_has(word, ' ') || word_has(word, '#');
}

/* The length of "http://" or "https://" at the start; 0: neither. */
static size_t scheme_length(struct http_slice target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i]);
        if (target.length > length &&
            http_slice_equal_nocase((struct http_slice){target.data, length},
                                    (struct http_slice){schemes[i], length}))
            return length;
    }
    return 0;
}

static size_t span_until(struct http_slice text, size_t from, const char *stops)
{
    size_t i = from;
    while (i < text.length && strchr(stops, text.data[i]) == NULL)
        i++;
    return i - from;
}

/* Splits the target into authority, path and query (RFC 9112 section 3.2). False: none of its
 * forms. */
static bool target_split(struct http_request *request)
{
    struct http_slice target = {request->base + request->url_offset, request->url_length};
    if (target.length == 0 || words_any(target.data, target.length, word_is_off_target))
        return false;
    if (target.length == 1 && target.data[0] == '*') {
        request->asterisk = true;
        return request->method == HTTP_METHOD_OPTIONS;
    }
    size_t at = 0;
    if (target.data[0] != '/') {
        at = scheme_length(target);
        if (at == 0)
            return false;
        size_t length = span_until(target, at, "/?");
        if (length == 0 || memchr(target.data + at, '@', length) != NULL)
            return false;
        request->has_authority = true;
        request->authority_offset = request->url_offset + (uint32_t)at;
        request->authority_length = (uint32_t)length;
        at += length;
    }
    size_t left = target.length - at;
    const char *mark = memchr(target.data + at, '?', left);
    size_t path_length = mark != NULL ? (size_t)(mark - target.data) - at : left;
    request->path_offset = request->url_offset + (uint32_t)at;
    request->path_length = (uint32_t)path_length;
    request->path_is_root = path_length == 0;
    at += path_length;
    if (at < target.length) {
        request->has_query = true;
        request->query_offset = request->url_offset + (uint32_t)at + 1;
        request->query_length = (uint32_t)(target.length - at - 1);
    }
    return true;
}

/* Single blanks only (RFC 9112 section 3): llhttp lets several pass. */
static bool request_line_is_tight(const struct http_request *request)
{
    const char *behind = request->base + request->url_offset + request->url_length;
    return request->url_offset == strlen(http_method_name(request->method)) + 1 &&
           behind[0] == ' ' && behind[1] == 'H';
}

static bool path_is_decodable(struct http_slice path)
{
    if (path.length == 0 || memchr(path.data, '%', path.length) == NULL)
        return true;
    for (size_t i = 0; i < path.length; i++) {
        if (path.data[i] != '%')
            continue;
        char decoded[2];
        if (path.length - i < 3)
            return false;
        if (http_percent_decode((struct http_slice){path.data + i, 3}, false, decoded,
                                sizeof decoded) != 1)
            return false;
    }
    return true;
}

/* ---- The host (RFC 3986 section 3.2.2; no user information) ---- */

/* Sets of ASCII characters, a bit each: below 64 in the first word, the others in the second. */
#define SET_ONE(c)          (UINT64_C(1) << ((c)&63))
#define SET_RANGE(from, to) (SET_ONE(to) | (SET_ONE(to) - SET_ONE(from)))

static const uint64_t name_characters[2] = {
    SET_RANGE('0', '9') | SET_ONE('.') | SET_ONE('-'),
    SET_RANGE('a', 'z') | SET_RANGE('A', 'Z') | SET_ONE('_') | SET_ONE('~'),
};
static const uint64_t address_characters[2] = {
    SET_RANGE('0', '9') | SET_ONE('.') | SET_ONE(':'),
    SET_RANGE('a', 'f') | SET_RANGE('A', 'F'),
};

static bool is_in_set(char c, const uint64_t set[2])
{
    unsigned char byte = (unsigned char)c;
    return byte < 128 && (set[byte >> 6] >> (byte & 63) & 1) != 0;
}

bool http_host_is_valid(struct http_slice host)
{
    size_t i = 0;
    bool bracketed = host.length > 0 && host.data[0] == '[';
    if (bracketed)
        i++;
    const uint64_t *characters = bracketed ? address_characters : name_characters;
    size_t name_start = i;
    while (i < host.length && is_in_set(host.data[i], characters))
        i++;
    if (i == name_start)
        return false;
    if (bracketed && (i >= host.length || host.data[i++] != ']'))
        return false;
    if (i == host.length)
        return true;
    if (host.data[i++] != ':')
        return false;
    struct http_slice port = {host.data + i, host.length - i};
    return port.length <= 5 && is_digits(port);
}

static bool host_is_right(const struct http_connection *connection)
{
    const struct http_request *request = &connection->request;
    struct http_slice host = http_request_header(request, HTTP_HEADER_HOST);
    if (host.data == NULL)
        return connection->parser.http_minor == 0;
    if (!http_host_is_valid(host))
        return false;
    if (!request->has_authority)
        return true;
    struct http_slice authority = {request->base + request->authority_offset,
                                   request->authority_length};
    return http_slice_equal_nocase(host, authority);
}

/* ---- The head as a whole ---- */

static bool refuse(struct http_connection *connection, enum http_refusal refusal,
                   const char *detail)
{
    http_connection_refuse(connection, refusal, detail);
    return false;
}

static bool check_protocol(struct http_connection *connection)
{
    const llhttp_t *parser = &connection->parser;
    struct http_request *request = &connection->request;
    if (parser->http_major != 1 || parser->http_minor > 1)
        return refuse(connection, HTTP_REFUSAL_HTTP_VERSION_NOT_SUPPORTED,
                      "HTTP/1.1 and HTTP/1.0 are served");
    if (parser->upgrade || parser->method == HTTP_CONNECT)
        return refuse(connection, HTTP_REFUSAL_NOT_IMPLEMENTED, "no upgrade is served");
    request->method = method_from_parser(parser->method);
    if (request->method == HTTP_METHOD_NONE)
        return refuse(connection, HTTP_REFUSAL_NOT_IMPLEMENTED, "this method is not served");
    if (!request_line_is_tight(request) || !target_split(request) ||
        !path_is_decodable(http_request_path(request)))
        return refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                      "the request target is malformed");
    if (!host_is_right(connection))
        return refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                      "exactly one valid Host, the same as in the target, is needed");
    return true;
}

static bool refuse_body(struct http_connection *connection)
{
    return refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                  "a body has no meaning with this method");
}

static bool check_framing(struct http_connection *connection)
{
    const llhttp_t *parser = &connection->parser;
    struct http_request *request = &connection->request;
    request->chunked = (parser->flags & F_CHUNKED) != 0;
    if (request->known[HTTP_HEADER_TRANSFER_ENCODING] != 0 && parser->http_minor == 0)
        return refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                      "HTTP/1.0 knows no Transfer-Encoding");
    bool has_body = request->chunked || parser->content_length > 0;
    if (has_body && (request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD))
        return refuse_body(connection);
    struct http_slice expect = http_request_header(request, HTTP_HEADER_EXPECT);
    if (expect.data != NULL && parser->http_minor == 1) {
        if (!http_text_equal(expect, "100-continue"))
            return refuse(connection, HTTP_REFUSAL_EXPECTATION_FAILED,
                          "the only expectation served is 100-continue");
        request->expects_continue = has_body;
    }
    return true;
}

bool http_request_keeps_alive(const struct http_connection *connection)
{
    return llhttp_should_keep_alive(&connection->parser) != 0 && !connection->request.says_close;
}

bool http_request_check_head(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    struct http_request *request = &connection->request;
    assert(request->base != NULL && !request->head_done);
    if (!check_protocol(connection) || !check_framing(connection))
        return false;
    request->head_done = true;

    struct http_slice path = http_request_path(request);
    router_match(server->router, request->method, path, &request->match);
    const struct route *route = request->match.route;
    bool has_body = request->chunked || connection->parser.content_length > 0;
    if (has_body && request->method == HTTP_METHOD_DELETE &&
        (route == NULL || (route->flags & ROUTE_DELETE_BODY) == 0))
        return refuse_body(connection);
    request->body_max =
        route != NULL && route->body_max > 0 ? route->body_max : server->options.body_max;
    if (!request->chunked && connection->parser.content_length > request->body_max)
        return refuse(connection, HTTP_REFUSAL_PAYLOAD_TOO_LARGE,
                      "the body is larger than this call takes");
    return true;
}

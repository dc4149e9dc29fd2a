/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a request comes from when proxies stand in front: what X-Forwarded-For, -Proto and -Host, or
 * instead of them Forwarded (RFC 7239), say of it, and how much of that counts.
 *
 *  1. Nothing counts of a peer that is no trusted proxy.
 *  2. Each proxy appends the address that it was called from, so the list is read from its end. An
 *     address that a trusted proxy has stated is believed; if it is a trusted proxy's too, so is
 *     the one before it. The first that is none is the client's.
 *  3. What is not an address (`unknown`, a name, nonsense) ends the reading: what was believed last
 *     stands, in the end the peer itself.
 *  4. Scheme and host are the nearest proxy's statement: the last of the list.
 */
#include "http/http_internal.h"
#include "http/http_proxies.h"

enum { HOPS_MAX = 16, PORT_DIGITS_MAX = 5 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct http_slice trimmed(struct http_slice text)
{
    while (text.length > 0 && is_blank(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

/* ---- Lists, from their end ---- */

/* Reads the elements of all header lines of one name as one list (RFC 9110 section 5.3), the last
 * first. */
struct list {
    const struct http_request *request;
    enum http_header header;
    unsigned lines;         /* not yet begun */
    struct http_slice rest; /* of the line at hand */
};

static struct list list_of(const struct http_request *request, enum http_header header)
{
    return (struct list){.request = request, .header = header, .lines = request->headers_count};
}

static bool list_line(struct list *list)
{
    const struct http_request *request = list->request;
    while (list->lines > 0) {
        const struct http_header_field *field = &request->headers[--list->lines];
        if (http_header_lookup(request->base + field->name_offset, field->name_length) !=
            list->header)
            continue;
        list->rest = (struct http_slice){request->base + field->value_offset, field->value_length};
        return true;
    }
    return false;
}

/* Empty elements are passed over (RFC 9110 section 5.6.1.2). False: there are no more. */
static bool list_next(struct list *list, struct http_slice *element_out)
{
    for (;;) {
        if (list->rest.length == 0 && !list_line(list))
            return false;
        const char *comma = memrchr(list->rest.data, ',', list->rest.length);
        size_t start = comma == NULL ? 0 : (size_t)(comma - list->rest.data) + 1;
        *element_out =
            trimmed((struct http_slice){list->rest.data + start, list->rest.length - start});
        list->rest.length = comma == NULL ? 0 : start - 1;
        if (element_out->length > 0)
            return true;
    }
}

/* ---- Addresses ---- */

/* ":" and digits, or nothing. What port it is tells us nothing. */
static bool is_port(struct http_slice text)
{
    if (text.length == 0)
        return true;
    if (text.data[0] != ':' || text.length < 2 || text.length > PORT_DIGITS_MAX + 1)
        return false;
    for (size_t i = 1; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return true;
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80", and bare "2001:db8::1". */
static bool read_address(struct http_slice text, struct http_peer *peer_out)
{
    const char *colon = memchr(text.data, ':', text.length);
    struct http_slice address = text;
    if (text.length > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.length);
        if (end == NULL)
            return false;
        address = (struct http_slice){text.data + 1, (size_t)(end - text.data) - 1};
        if (memchr(address.data, ':', address.length) == NULL)
            return false;
        struct http_slice behind = {end + 1, text.length - address.length - 2};
        return is_port(behind) && http_peer_parse(address, peer_out);
    }
    if (colon != NULL &&
        memchr(colon + 1, ':', text.length - (size_t)(colon - text.data) - 1) == NULL) {
        address.length = (size_t)(colon - text.data);
        if (!is_port((struct http_slice){colon, text.length - address.length}))
            return false;
    }
    return http_peer_parse(address, peer_out);
}

/* ---- One element of Forwarded (RFC 7239 section 4) ---- */

struct statement {
    struct http_slice address; /* `for` */
    struct http_slice scheme;  /* `proto` */
    struct http_slice host;
};

/* A token or a quoted string; one with a backslash in it is none of ours. */
static bool read_value(struct http_slice text, struct http_slice *value_out)
{
    if (text.length == 0)
        return false;
    if (text.data[0] == '"') {
        if (text.length < 2 || text.data[text.length - 1] != '"')
            return false;
        text = (struct http_slice){text.data + 1, text.length - 2};
    }
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            return false;
    }
    *value_out = text;
    return true;
}

static struct http_slice *member_of(struct statement *statement, struct http_slice name)
{
    if (http_text_equal(name, "for"))
        return &statement->address;
    if (http_text_equal(name, "proto"))
        return &statement->scheme;
    return http_text_equal(name, "host") ? &statement->host : NULL;
}

/* False: it is not of that form. A comma within quotes has cut it: then it is not, either. */
static bool read_statement(struct http_slice element, struct statement *statement_out)
{
    *statement_out = (struct statement){0};
    while (element.length > 0) {
        const char *end = memchr(element.data, ';', element.length);
        size_t length = end == NULL ? element.length : (size_t)(end - element.data);
        struct http_slice pair = trimmed((struct http_slice){element.data, length});
        const char *equals = memchr(pair.data, '=', pair.length);
        struct http_slice value;
        if (equals == NULL)
            return false;
        struct http_slice name = {pair.data, (size_t)(equals - pair.data)};
        if (!read_value((struct http_slice){equals + 1, pair.length - name.length - 1}, &value))
            return false;
        struct http_slice *member = member_of(statement_out, name);
        if (member != NULL) {
            if (member->data != NULL)
                return false;
            *member = value;
        }
        length += end != NULL;
        element = (struct http_slice){element.data + length, element.length - length};
    }
    return true;
}

/* ---- What counts ---- */

static void believe_address(struct http_exchange *exchange, struct list list, bool is_forwarded)
{
    const struct http_proxies *proxies = exchange->server->options.trusted_proxies;
    struct http_slice element;
    for (unsigned hops = 0; hops < HOPS_MAX && list_next(&list, &element); hops++) {
        struct statement statement = {.address = element};
        struct http_peer peer;
        if (is_forwarded && !read_statement(element, &statement))
            return;
        if (statement.address.data == NULL || !read_address(statement.address, &peer))
            return;
        exchange->peer = peer;
        if (!http_proxies_contain(proxies, &peer))
            return;
    }
}

static void believe_scheme(struct http_exchange *exchange, struct http_slice scheme)
{
    if (http_text_equal(scheme, "https"))
        exchange->is_secure = true;
    else if (http_text_equal(scheme, "http"))
        exchange->is_secure = false;
}

/* The last statement of a header, or an absent slice. */
static struct http_slice nearest(const struct http_request *request, enum http_header header)
{
    struct list list = list_of(request, header);
    struct http_slice element = {0};
    if (request->known[header] == 0 || !list_next(&list, &element))
        return (struct http_slice){0};
    return element;
}

static bool comes_from_proxy(const struct http_exchange *exchange)
{
    const struct http_proxies *proxies = exchange->server->options.trusted_proxies;
    return proxies != NULL && proxies->count > 0 &&
           http_proxies_contain(proxies, &exchange->connection->peer);
}

void http_forwarded_apply(struct http_exchange *exchange, const struct http_request *request)
{
    if (exchange->server->options.trusted_proxies == NULL || request->base == NULL ||
        !request->head_done)
        return;
    if (!comes_from_proxy(exchange))
        return;
    exchange->is_behind_proxy = true;
    if (exchange->server->options.forwarded == HTTP_FORWARDED_STANDARD) {
        struct http_slice element = nearest(request, HTTP_HEADER_FORWARDED);
        struct statement statement;
        if (element.data == NULL)
            return;
        believe_address(exchange, list_of(request, HTTP_HEADER_FORWARDED), true);
        if (read_statement(element, &statement))
            believe_scheme(exchange, statement.scheme);
        return;
    }
    if (request->known[HTTP_HEADER_X_FORWARDED_FOR] != 0)
        believe_address(exchange, list_of(request, HTTP_HEADER_X_FORWARDED_FOR), false);
    believe_scheme(exchange, nearest(request, HTTP_HEADER_X_FORWARDED_PROTO));
}

struct http_slice http_exchange_host(const struct http_exchange *exchange)
{
    struct http_slice own = http_exchange_header(exchange, HTTP_HEADER_HOST);
    const struct http_request *request = &exchange->connection->request;
    struct http_slice stated;
    struct statement statement;
    if (!exchange->is_behind_proxy || request->base == NULL)
        return own;
    if (exchange->server->options.forwarded == HTTP_FORWARDED_STANDARD) {
        stated = nearest(request, HTTP_HEADER_FORWARDED);
        if (stated.data == NULL || !read_statement(stated, &statement))
            return own;
        stated = statement.host;
    } else {
        stated = nearest(request, HTTP_HEADER_X_FORWARDED_HOST);
    }
    return stated.data != NULL && http_host_is_valid(stated) ? stated : own;
}

bool http_exchange_is_secure(const struct http_exchange *exchange)
{
    return exchange->is_secure;
}

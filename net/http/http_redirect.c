/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of a server that only sends to https: 308 (RFC 9110, section 15.4.9), so that method
 * and body are sent again. What the client says of the host is repeated only where it is ours, or
 * any page could be made to come from here.
 */
#include "http/http_internal.h"
#include "http/http_tls.h"

#include <stdio.h>

enum { PORT_HTTPS = 443, LOCATION_MAX = HTTP_HEADERS_EXTRA_MAX };

/* The host that was asked for, without port; with brackets where it is an IPv6 address. */
static struct http_slice host_asked(const struct http_request *request)
{
    struct http_slice host = http_request_header(request, HTTP_HEADER_HOST);
    if (host.data == NULL || host.length == 0)
        return (struct http_slice){0};
    const char *end = host.data[0] == '[' ? memchr(host.data, ']', host.length)
                                          : memchr(host.data, ':', host.length);
    if (host.data[0] == '[' && end != NULL)
        end++;
    if (end != NULL)
        host.length = (size_t)(end - host.data);
    return host;
}

static struct http_slice without_brackets(struct http_slice host)
{
    if (host.length > 2 && host.data[0] == '[')
        return (struct http_slice){host.data + 1, host.length - 2};
    return host;
}

/* The host to send to; absent: none. */
static struct http_slice host_choose(const struct http_redirection *redirection,
                                     struct http_slice asked)
{
    struct http_slice first = {0};
    for (size_t i = 0; i < redirection->hosts_count; i++) {
        struct http_slice host = {redirection->hosts[i], strlen(redirection->hosts[i])};
        if (i == 0)
            first = host;
        if (asked.data != NULL && http_slice_equal_nocase(asked, host))
            return host;
    }
    if (asked.data != NULL && redirection->tls != NULL &&
        http_tls_covers(redirection->tls, without_brackets(asked)))
        return asked;
    return first;
}

void http_redirect(struct http_exchange *exchange)
{
    const struct http_redirection *redirection = exchange->server->options.redirection;
    const struct http_request *request = &exchange->connection->request;
    struct http_slice host = host_choose(redirection, host_asked(request));
    struct http_slice path = http_request_path(request);
    struct http_slice query = {"", 0};
    char port[8] = "";
    char location[LOCATION_MAX];
    if (host.data == NULL || request->base == NULL || path.data == NULL) {
        http_refuse(exchange, 421, "misdirected_request", "this host is not served here");
        return;
    }
    if (request->has_query)
        query = (struct http_slice){request->base + request->query_offset, request->query_length};
    if (redirection->port != PORT_HTTPS)
        (void)snprintf(port, sizeof port, ":%u", redirection->port);
    int length = snprintf(location, sizeof location, "https://%.*s%s%.*s%s%.*s", (int)host.length,
                          host.data, port, (int)path.length, path.data,
                          request->has_query ? "?" : "", (int)query.length, query.data);
    if (length < 0 || (size_t)length >= sizeof location ||
        !http_header_add(exchange, "Location", location)) {
        http_exchange_refuse(exchange, HTTP_REFUSAL_URI_TOO_LONG, NULL);
        return;
    }
    http_respond(exchange, 308, NULL, NULL, 0);
}

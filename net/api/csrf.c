/* SPDX-License-Identifier: Apache-2.0 */
/* Against requests that another site's page makes a browser send with the shop's cookies: where the
 * page is of (Origin, or Referer, and Sec-Fetch-Site, which pages cannot set), and a token that
 * only the shop's own pages can read. What comes with a bearer token needs none of it: no browser
 * adds that by itself. */
#include <stdio.h>
#include <string.h>

#include "api/problems.h"
#include "api/sessions.h"

void csrf_token_make(struct api_shard *shard, const char *token, size_t length,
                     char text_out[CSRF_TOKEN_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    const struct secrets_port *secrets = engine_secrets(shard->api->engine);
    uint8_t mac[MAC_BYTES];

    secrets->mac(secrets->self, "csrf", token, length, mac);
    for (unsigned i = 0; i < MAC_BYTES; i++) {
        text_out[2 * i] = digits[mac[i] >> 4];
        text_out[2 * i + 1] = digits[mac[i] & 15];
    }
    text_out[CSRF_TOKEN_LENGTH] = '\0';
}

static bool refuse(struct api_call *call, const char *detail)
{
    counter_add(&call->shard->counters.csrf_refused, 1);
    problem_respond(call->exchange, PROBLEM_FORBIDDEN, detail);
    return false;
}

static bool is_unsafe(const struct api_call *call)
{
    enum http_method method = http_exchange_method(call->exchange);

    return method != HTTP_METHOD_GET && method != HTTP_METHOD_HEAD && method != HTTP_METHOD_OPTIONS;
}

static bool slice_equals(struct http_slice slice, const char *text, size_t length)
{
    return slice.length == length && memcmp(slice.data, text, length) == 0;
}

/* The origin in a Referer: up to the path. */
static struct http_slice origin_of_url(struct http_slice url)
{
    const char *scheme = memmem(url.data, url.length, "://", 3);

    if (scheme == NULL)
        return url;
    size_t start = (size_t)(scheme - url.data) + 3;
    const char *slash = memchr(url.data + start, '/', url.length - start);
    if (slash != NULL)
        url.length = (size_t)(slash - url.data);
    return url;
}

/* This server as the browser knows it: a browser cannot be made to send another Host than that of
 * the address that it asks. */
static bool is_own(const struct api_call *call, struct http_slice origin)
{
    struct http_slice host = http_exchange_header(call->exchange, HTTP_HEADER_HOST);
    const char *const schemes[] = {"https://", "http://"};
    /* Behind TLS a page that came without is not ours. */
    unsigned count = call->shard->api->options.secure_cookies ? 1 : 2;

    for (unsigned i = 0; i < count && host.length > 0; i++) {
        size_t length = strlen(schemes[i]);
        if (origin.length == length + host.length && memcmp(origin.data, schemes[i], length) == 0 &&
            strncasecmp(origin.data + length, host.data, host.length) == 0)
            return true;
    }
    return false;
}

static bool is_allowed(const struct api_call *call, struct http_slice origin)
{
    const struct api_options *options = &call->shard->api->options;
    struct http_slice public;

    if (is_own(call, origin))
        return true;
    /* "*" lets anyone ask, but without cookies: it is no origin here. */
    for (size_t i = 0; i < options->http.cors_origins_count; i++) {
        const char *allowed = options->http.cors_origins[i];
        if (slice_equals(origin, allowed, strlen(allowed)))
            return true;
    }
    if (options->public_url == NULL || options->public_url[0] == '\0')
        return false;
    public = origin_of_url((struct http_slice){options->public_url, strlen(options->public_url)});
    return slice_equals(origin, public.data, public.length);
}

static bool is_cross_site(const struct api_call *call)
{
    struct http_slice site = http_exchange_header(call->exchange, HTTP_HEADER_SEC_FETCH_SITE);

    return site.data != NULL && slice_equals(site, "cross-site", strlen("cross-site"));
}

/* Where the page is of that asks; absent: the request does not say. */
static struct http_slice page_origin(const struct api_call *call)
{
    struct http_slice origin = http_exchange_header(call->exchange, HTTP_HEADER_ORIGIN);

    if (origin.data != NULL)
        return origin;
    struct http_slice referer = http_exchange_header(call->exchange, HTTP_HEADER_REFERER);
    return referer.data == NULL ? referer : origin_of_url(referer);
}

bool csrf_is_foreign(const struct api_call *call)
{
    struct http_slice origin = page_origin(call);
    bool is_listed = origin.data != NULL && is_allowed(call, origin);

    return (origin.data != NULL && !is_listed) || (is_cross_site(call) && !is_listed);
}

bool csrf_check_origin(struct api_call *call)
{
    if (csrf_is_foreign(call))
        return refuse(call, "This call is not taken from pages of other sites.");
    return true;
}

bool csrf_check(struct api_call *call)
{
    char expected[CSRF_TOKEN_LENGTH + 1];

    if (!call->by_cookie || !is_unsafe(call))
        return true;
    struct http_slice origin = page_origin(call);
    if (origin.data == NULL)
        return refuse(call, "With a session by cookie, this call needs an Origin header.");
    bool is_listed = is_allowed(call, origin);
    if (!is_listed || (is_cross_site(call) && is_own(call, origin)))
        return refuse(call, "This call is not taken from pages of other sites.");
    struct http_slice given = http_exchange_header_find(call->exchange, "x-csrf-token");
    csrf_token_make(call->shard, call->token.data, call->token.length, expected);
    if (given.length != CSRF_TOKEN_LENGTH)
        return refuse(call, "With a session by cookie, this call needs the header X-CSRF-Token: "
                            "what the cookie stampede_csrf says.");
    _Static_assert(CSRF_TOKEN_LENGTH == 2 * SESSION_MAC_BYTES, "compared in two parts");
    bool first = session_mac_equal((const uint8_t *)given.data, (const uint8_t *)expected);
    bool second = session_mac_equal((const uint8_t *)given.data + SESSION_MAC_BYTES,
                                    (const uint8_t *)expected + SESSION_MAC_BYTES);
    if (!first || !second)
        return refuse(call, "X-CSRF-Token does not belong to this session.");
    return true;
}

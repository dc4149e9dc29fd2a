/* SPDX-License-Identifier: Apache-2.0 */
#include "api/endpoint_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "api/validate.h"
#include "outbound/outbound_address.h"
#include "shop_limits.h"

enum { HOST_LENGTH_MAX = 253 };

static const char not_private[] =
    "must not be at a private or loopback address: outbound_private allows it";

static bool is_label_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

static bool ends_with(const char *host, const char *suffix)
{
    size_t length = strlen(host);
    size_t wanted = strlen(suffix);

    return length >= wanted && strcasecmp(host + length - wanted, suffix) == 0 &&
           (length == wanted || host[length - wanted - 1] == '.');
}

static bool is_name(const char *host)
{
    size_t label = 0;

    for (const char *at = host;; at++) {
        if (*at == '.' || *at == '\0') {
            if (label < 1 || label > 63)
                return false;
            label = 0;
            if (*at == '\0')
                return true;
        } else if (is_label_byte(*at)) {
            label++;
        } else {
            return false;
        }
    }
}

/* Names of one's own network, by RFC 6761, 6762 and ICANN's .internal. */
static bool is_local_name(const char *host)
{
    return ends_with(host, "localhost") || ends_with(host, "local") ||
           ends_with(host, "internal") || strchr(host, '.') == NULL;
}

/* Some resolvers take 127.1 or 0x7f000001 for an address: only the one form of four numbers is. */
static bool ends_in_number(const char *host)
{
    const char *point = strrchr(host, '.');
    const char *last = point == NULL ? host : point + 1;

    return *last >= '0' && *last <= '9';
}

static const char *host_problem(const char *host, bool private_allowed)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, host, &ipv4.sin_addr) == 1)
        return private_allowed ||
                       outbound_address_is_public((const struct sockaddr *)&ipv4, sizeof(ipv4))
                   ? NULL
                   : not_private;
    if (!is_name(host) || ends_in_number(host))
        return "must have a host: a name or an address";
    return private_allowed || !is_local_name(host) ? NULL : not_private;
}

static const char *ipv6_problem(const char *host, bool private_allowed)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET6, host, &ipv6.sin6_addr) != 1)
        return "must have a host: a name or an address";
    return private_allowed ||
                   outbound_address_is_public((const struct sockaddr *)&ipv6, sizeof(ipv6))
               ? NULL
               : not_private;
}

/* After the host: nothing, or a port. */
static bool is_port(const char *text, size_t length)
{
    uint64_t port;

    return length == 0 || (text[0] == ':' && length <= 6 &&
                           text_to_unsigned(text + 1, length - 1, 65535, &port) && port > 0);
}

static const char *authority_problem(const char *text, size_t length, bool private_allowed)
{
    char host[HOST_LENGTH_MAX + 1];
    bool is_ipv6 = length > 0 && text[0] == '[';
    const char *end = memchr(text, is_ipv6 ? ']' : ':', length);
    size_t host_length = end == NULL ? length : (size_t)(end - text) - is_ipv6;
    size_t used = host_length + (is_ipv6 ? 2 : 0);

    if (memchr(text, '@', length) != NULL)
        return "must not have a user's name in it";
    if (host_length == 0 || host_length > HOST_LENGTH_MAX || (is_ipv6 && end == NULL) ||
        !is_port(text + used, length - used))
        return "must have a host: a name or an address";
    memcpy(host, text + is_ipv6, host_length);
    host[host_length] = '\0';
    return is_ipv6 ? ipv6_problem(host, private_allowed) : host_problem(host, private_allowed);
}

const char *endpoint_url_problem(const char *url, size_t length, bool private_allowed)
{
    size_t scheme = 0;
    size_t end;

    if (length > 8 && strncmp(url, "https://", 8) == 0)
        scheme = 8;
    else if (private_allowed && length > 7 && strncmp(url, "http://", 7) == 0)
        scheme = 7;
    if (length > ENDPOINT_URL_MAX)
        return "must be of at most 1000 characters";
    if (scheme == 0)
        return "must begin with https://";
    for (size_t i = 0; i < length; i++) {
        if (url[i] <= ' ' || url[i] > '~' || strchr("\"<>\\^`{|}#", url[i]) != NULL)
            return "must be a URL of ASCII characters, without a fragment";
    }
    end = scheme;
    while (end < length && url[end] != '/' && url[end] != '?')
        end++;
    return authority_problem(url + scheme, end - scheme, private_allowed);
}

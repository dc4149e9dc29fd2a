/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <string.h>

/* Digits only, at most 65535. */
static bool parse_port(const char *text, size_t length, uint16_t *port_out)
{
    uint32_t port = 0;

    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    *port_out = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* Takes the host off `text`; NULL, or what follows it. */
static const char *parse_host(const char *text, struct address *address_out)
{
    bool has_brackets = text[0] == '[';
    size_t length;

    if (has_brackets)
        text++;
    length = strcspn(text, has_brackets ? "]" : ":/ ");
    if (length == 0 || length > ADDRESS_HOST_MAX || (has_brackets && text[length] != ']'))
        return NULL;
    memcpy(address_out->host, text, length);
    address_out->host[length] = 0;
    return text + length + has_brackets;
}

bool address_parse(const char *text, struct address *address_out)
{
    const char *rest = parse_host(text, address_out);

    address_out->has_tls = false;
    return rest != NULL && rest[0] == ':' &&
           parse_port(rest + 1, strlen(rest + 1), &address_out->port);
}

bool address_parse_url(const char *text, struct address *address_out)
{
    static const char plain[] = "http://";
    static const char secure[] = "https://";
    bool has_tls = strncmp(text, secure, sizeof(secure) - 1) == 0;
    const char *rest;
    size_t length;

    if (!has_tls && strncmp(text, plain, sizeof(plain) - 1) != 0)
        return false;
    rest = parse_host(text + (has_tls ? sizeof(secure) : sizeof(plain)) - 1, address_out);
    if (rest == NULL)
        return false;
    address_out->has_tls = has_tls;
    address_out->port = has_tls ? 443 : 80;
    if (rest[0] == ':') {
        length = strcspn(rest + 1, "/");
        if (!parse_port(rest + 1, length, &address_out->port))
            return false;
        rest += 1 + length;
    }
    return rest[0] == 0 || strcmp(rest, "/") == 0;
}

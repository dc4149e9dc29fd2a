/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "outbound/feed.h"

enum { PORT_DEFAULT = 6379, DATABASES_MAX = 1 << 16 };

struct span {
    const char *text;
    size_t length;
};

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Takes the percent-encoding away; false: malformed, too long, or of a zero. */
static bool decode(struct span part, char *text_out, size_t length_max)
{
    size_t length = 0;

    for (size_t i = 0; i < part.length; i++) {
        char byte = part.text[i];

        if (byte == '%') {
            int high = i + 2 < part.length ? hex_value(part.text[i + 1]) : -1;
            int low = high >= 0 ? hex_value(part.text[i + 2]) : -1;

            if (low < 0)
                return false;
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == 0 || length == length_max)
            return false;
        text_out[length++] = byte;
    }
    text_out[length] = 0;
    return true;
}

/* The text up to the first `mark`, which is passed; all of it where there is none. */
static struct span split(struct span *rest, char mark, bool *found_out)
{
    const char *at = rest->length == 0 ? NULL : memchr(rest->text, mark, rest->length);
    struct span part = {rest->text, at == NULL ? rest->length : (size_t)(at - rest->text)};

    *found_out = at != NULL;
    rest->text += part.length + (at != NULL);
    rest->length -= part.length + (at != NULL);
    return part;
}

static bool read_number(struct span text, uint32_t most, uint32_t *number_out)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < '0' || text.text[i] > '9' || number > most)
            return false;
        number = number * 10 + (uint32_t)(text.text[i] - '0');
    }
    *number_out = number;
    return text.length > 0 && number <= most;
}

/* [user[:password]@] */
static bool read_user(struct span *rest, struct feed_address *address)
{
    const char *at = NULL;
    struct span both;
    struct span user;
    bool has_password;

    for (size_t i = 0; i < rest->length && rest->text[i] != '/'; i++)
        if (rest->text[i] == '@')
            at = rest->text + i;
    if (at == NULL)
        return true;
    both = (struct span){rest->text, (size_t)(at - rest->text)};
    rest->length -= both.length + 1;
    rest->text = at + 1;
    user = split(&both, ':', &has_password);
    return decode(user, address->user, FEED_NAME_MAX) &&
           (!has_password || decode(both, address->password, FEED_PASSWORD_MAX));
}

/* host[:port], and [host] of IPv6. */
static bool read_host(struct span authority, struct feed_address *address)
{
    uint32_t port = PORT_DEFAULT;
    struct span host;
    bool has_port;

    if (authority.length > 0 && authority.text[0] == '[') {
        authority.text++;
        authority.length--;
        host = split(&authority, ']', &has_port);
        if (!has_port || (authority.length > 0 && authority.text[0] != ':'))
            return false;
        has_port = authority.length > 0;
        authority.text += has_port;
        authority.length -= has_port;
    } else {
        host = split(&authority, ':', &has_port);
    }
    if (has_port && (!read_number(authority, UINT16_MAX, &port) || port == 0))
        return false;
    address->port = (uint16_t)port;
    return host.length > 0 && decode(host, address->host, FEED_HOST_MAX);
}

static bool refuse(char *error, size_t error_size, const char *why)
{
    snprintf(error, error_size, "%s", why);
    return false;
}

bool feed_address_parse(const char *url, struct feed_address *address_out, char *error,
                        size_t error_size)
{
    static const char scheme[] = "redis://";
    struct span rest = {url, strlen(url)};
    struct span authority;
    bool has_path;

    *address_out = (struct feed_address){0};
    if (strncmp(url, "rediss://", 9) == 0)
        return refuse(error, error_size,
                      "TLS to Redis is left to a tunnel (stunnel): give redis://");
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return refuse(error, error_size, "it must begin with redis://");
    rest.text += sizeof(scheme) - 1;
    rest.length -= sizeof(scheme) - 1;
    if (!read_user(&rest, address_out))
        return refuse(error, error_size, "user and password must be percent-encoded, and not long");
    authority = split(&rest, '/', &has_path);
    if (!read_host(authority, address_out))
        return refuse(error, error_size, "after the user it must go on with a host, or host:port");
    if (rest.length > 0 && !read_number(rest, DATABASES_MAX - 1, &address_out->database))
        return refuse(error, error_size, "what follows the host must be the database's number");
    return true;
}

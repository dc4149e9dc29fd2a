/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_proxy_protocol.h"

#include "http/http_proxies.h"

#include <string.h>

static const char signature_1[] = "PROXY ";
static const char signature_2[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    SIGNATURE_1_LENGTH = sizeof signature_1 - 1,
    SIGNATURE_2_LENGTH = sizeof signature_2 - 1,
    /* Version 2: offsets into the header, and what stands there. */
    COMMAND_AT = 12,
    FAMILY_AT = 13,
    LENGTH_AT = 14,
    ADDRESSES_AT = 16,
    COMMAND_LOCAL = 0x20,
    COMMAND_PROXY = 0x21,
    FAMILY_UNSPEC = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    FAMILY_UNIX = 0x31,
    ADDRESSES_TCP4 = 12,
    ADDRESSES_TCP6 = 36,
    ADDRESSES_UNIX = 216,
};

/* ---- Version 1 ---- */

/* Takes the next word off the line; words are apart by one blank. */
static struct http_slice word_next(struct http_slice *rest)
{
    const char *blank = rest->length > 0 ? memchr(rest->data, ' ', rest->length) : NULL;
    struct http_slice word = *rest;
    if (blank == NULL) {
        *rest = (struct http_slice){rest->data + rest->length, 0};
        return word;
    }
    word.length = (size_t)(blank - rest->data);
    rest->data += word.length + 1;
    rest->length -= word.length + 1;
    return word;
}

static bool word_is(struct http_slice word, const char *text)
{
    return word.length == strlen(text) && memcmp(word.data, text, word.length) == 0;
}

/* 0 to 65535, in decimal, without leading zeros. */
static bool parse_port(struct http_slice word, uint16_t *port_out)
{
    uint32_t port = 0;
    if (word.length < 1 || word.length > 5 || (word.length > 1 && word.data[0] == '0'))
        return false;
    for (size_t i = 0; i < word.length; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(word.data[i] - '0');
    }
    *port_out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool parse_address(struct http_slice word, bool is_ipv6, struct http_peer *peer_out)
{
    return word.length > 0 && (memchr(word.data, ':', word.length) != NULL) == is_ipv6 &&
           http_peer_parse(word, peer_out);
}

/* `line` is behind the signature and without its CRLF. */
static bool parse_line(struct http_slice line, struct http_proxy_header *header)
{
    struct http_slice family = word_next(&line);
    struct http_peer destination = {0};
    if (word_is(family, "UNKNOWN"))
        return true; /* what follows it is to be ignored */
    bool is_ipv6 = word_is(family, "TCP6");
    if (!is_ipv6 && !word_is(family, "TCP4"))
        return false;
    header->has_client = true;
    if (!parse_address(word_next(&line), is_ipv6, &header->client) ||
        !parse_address(word_next(&line), is_ipv6, &destination) ||
        !parse_port(word_next(&line), &header->client.port))
        return false;
    /* All that is left is one word: another blank would be in it. */
    return parse_port(line, &destination.port);
}

static enum http_proxy_verdict parse_version_1(const char *bytes, size_t length,
                                               struct http_proxy_header *header)
{
    size_t looked = length < HTTP_PROXY_LINE_MAX ? length : HTTP_PROXY_LINE_MAX;
    const char *newline = memchr(bytes, '\n', looked);
    if (newline == NULL)
        return looked < HTTP_PROXY_LINE_MAX ? HTTP_PROXY_MORE : HTTP_PROXY_MALFORMED;
    header->length = (size_t)(newline - bytes) + 1;
    struct http_slice line = {bytes + SIGNATURE_1_LENGTH, header->length - SIGNATURE_1_LENGTH - 1};
    if (line.length == 0 || newline[-1] != '\r')
        return HTTP_PROXY_MALFORMED;
    line.length--;
    return parse_line(line, header) ? HTTP_PROXY_DONE : HTTP_PROXY_MALFORMED;
}

/* ---- Version 2 ---- */

static size_t number_16(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* Takes the client from the addresses, of which `length` bytes are there with what follows them. */
static bool parse_addresses(unsigned char family, const unsigned char *bytes, size_t length,
                            struct http_proxy_header *header)
{
    struct http_peer *client = &header->client;
    switch (family) {
    case FAMILY_UNSPEC:
        return true;
    case FAMILY_UNIX:
        return length >= ADDRESSES_UNIX;
    case FAMILY_TCP4:
        if (length < ADDRESSES_TCP4)
            return false;
        header->has_client = true;
        client->address[10] = client->address[11] = 0xff;
        memcpy(client->address + 12, bytes, 4);
        client->port = (uint16_t)number_16(bytes + 8);
        return true;
    case FAMILY_TCP6:
        if (length < ADDRESSES_TCP6)
            return false;
        header->has_client = true;
        memcpy(client->address, bytes, 16);
        client->port = (uint16_t)number_16(bytes + 32);
        return true;
    default:
        return false; /* a datagram has no place here, the rest is reserved */
    }
}

static enum http_proxy_verdict parse_version_2(const unsigned char *bytes, size_t length,
                                               struct http_proxy_header *header)
{
    if (length > COMMAND_AT && bytes[COMMAND_AT] != COMMAND_LOCAL &&
        bytes[COMMAND_AT] != COMMAND_PROXY)
        return HTTP_PROXY_MALFORMED;
    if (length < ADDRESSES_AT)
        return HTTP_PROXY_MORE;
    size_t behind = number_16(bytes + LENGTH_AT);
    header->length = ADDRESSES_AT + behind;
    if (header->length > HTTP_PROXY_HEADER_MAX)
        return HTTP_PROXY_MALFORMED;
    if (length < header->length)
        return HTTP_PROXY_MORE;
    if (bytes[COMMAND_AT] == COMMAND_PROXY &&
        !parse_addresses(bytes[FAMILY_AT], bytes + ADDRESSES_AT, behind, header))
        return HTTP_PROXY_MALFORMED;
    return HTTP_PROXY_DONE;
}

enum http_proxy_verdict http_proxy_header_parse(const char *bytes, size_t length,
                                                struct http_proxy_header *header_out)
{
    struct http_proxy_header header = {0};
    enum http_proxy_verdict verdict = HTTP_PROXY_MALFORMED;
    size_t compared_1 = length < SIGNATURE_1_LENGTH ? length : SIGNATURE_1_LENGTH;
    size_t compared_2 = length < SIGNATURE_2_LENGTH ? length : SIGNATURE_2_LENGTH;
    if (length == 0)
        return HTTP_PROXY_MORE;
    if (memcmp(bytes, signature_1, compared_1) == 0)
        verdict = compared_1 < SIGNATURE_1_LENGTH ? HTTP_PROXY_MORE
                                                  : parse_version_1(bytes, length, &header);
    else if (memcmp(bytes, signature_2, compared_2) == 0)
        verdict = compared_2 < SIGNATURE_2_LENGTH
                      ? HTTP_PROXY_MORE
                      : parse_version_2((const unsigned char *)bytes, length, &header);
    if (verdict == HTTP_PROXY_DONE)
        *header_out = header;
    return verdict;
}

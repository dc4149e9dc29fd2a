/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_proxies.h"

#include <arpa/inet.h>
#include <string.h>

enum { BITS_MAX = 128, BITS_OF_MAPPED = 96 };

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const uint8_t address[16])
{
    return memcmp(address, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool http_peer_parse(struct http_slice text, struct http_peer *peer_out)
{
    char literal[INET6_ADDRSTRLEN];
    struct http_peer peer = {0};
    if (text.length == 0 || text.length >= sizeof literal ||
        memchr(text.data, '\0', text.length) != NULL)
        return false;
    memcpy(literal, text.data, text.length);
    literal[text.length] = '\0';
    if (inet_pton(AF_INET, literal, peer.address + sizeof mapped_prefix) == 1)
        memcpy(peer.address, mapped_prefix, sizeof mapped_prefix);
    else if (inet_pton(AF_INET6, literal, peer.address) != 1)
        return false;
    *peer_out = peer;
    return true;
}

/* Digits only, without leading zeros, at most `most`; -1 for anything else. */
static int parse_bits(const char *text, int most)
{
    int bits = 0;
    size_t length = strlen(text);
    if (length < 1 || length > 3 || (length > 1 && text[0] == '0'))
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        bits = bits * 10 + (*text - '0');
    }
    return bits <= most ? bits : -1;
}

static bool has_prefix(const uint8_t address[16], const uint8_t prefix[16], unsigned bits)
{
    unsigned bytes = bits / 8;
    if (memcmp(address, prefix, bytes) != 0)
        return false;
    return bits % 8 == 0 || (address[bytes] ^ prefix[bytes]) >> (8 - bits % 8) == 0;
}

static bool has_bits_behind(const uint8_t address[16], unsigned bits)
{
    for (unsigned bit = bits; bit < BITS_MAX; bit++) {
        if ((address[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return true;
    }
    return false;
}

static bool parse_range(const char *text, struct http_proxies_range *range_out)
{
    const char *slash = strchr(text, '/');
    struct http_peer peer;
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (!http_peer_parse((struct http_slice){text, length}, &peer))
        return false;
    bool is_ipv4 = memchr(text, ':', length) == NULL;
    int most = is_ipv4 ? BITS_MAX - BITS_OF_MAPPED : BITS_MAX;
    int bits = slash != NULL ? parse_bits(slash + 1, most) : most;
    if (bits < 0)
        return false;
    if (is_ipv4)
        bits += BITS_OF_MAPPED;
    memcpy(range_out->address, peer.address, sizeof range_out->address);
    range_out->bits = (uint8_t)bits;
    return !has_bits_behind(peer.address, (unsigned)bits);
}

bool http_proxies_parse(const char *const *texts, size_t count, struct http_proxies *proxies_out,
                        size_t *bad_out)
{
    struct http_proxies proxies = {0};
    *proxies_out = proxies;
    for (size_t i = 0; i < count; i++) {
        if (i == HTTP_PROXIES_MAX || !parse_range(texts[i], &proxies.ranges[i])) {
            if (bad_out != NULL)
                *bad_out = i;
            return false;
        }
        proxies.count++;
    }
    *proxies_out = proxies;
    return true;
}

bool http_proxies_contain(const struct http_proxies *proxies, const struct http_peer *peer)
{
    bool is_ipv4 = is_mapped(peer->address);
    for (uint32_t i = 0; i < proxies->count; i++) {
        const struct http_proxies_range *range = &proxies->ranges[i];
        if (is_ipv4 && range->bits < BITS_OF_MAPPED)
            continue;
        if (has_prefix(peer->address, range->address, range->bits))
            return true;
    }
    return false;
}

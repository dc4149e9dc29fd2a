/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/outbound_address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct range {
    uint8_t bytes[16];
    uint8_t bits;
};

/* IANA IPv4 Special-Purpose Address Registry, and multicast. */
static const struct range special_ipv4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* carrier-grade NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local: metadata of clouds */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 3},           /* multicast and reserved */
};

/* Within 2000::/3, the only global unicast; all else is special. */
static const struct range special_ipv6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: carries an IPv4 address */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static const struct range global_unicast = {{0x20}, 3};
static const struct range mapped_ipv4 = {{[10] = 0xff, [11] = 0xff}, 96};
static const struct range nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96}; /* RFC 6052 */

static bool is_within(const uint8_t *address, const struct range *range)
{
    size_t whole = range->bits / 8;
    unsigned rest = range->bits % 8;

    if (memcmp(address, range->bytes, whole) != 0)
        return false;
    return rest == 0 || ((address[whole] ^ range->bytes[whole]) >> (8 - rest)) == 0;
}

static bool is_within_any(const uint8_t *address, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_within(address, &ranges[i]))
            return true;
    }
    return false;
}

static bool ipv4_is_public(const uint8_t address[4])
{
    return !is_within_any(address, special_ipv4, sizeof(special_ipv4) / sizeof(special_ipv4[0]));
}

static bool ipv6_is_public(const uint8_t address[16])
{
    if (is_within(address, &mapped_ipv4) || is_within(address, &nat64))
        return ipv4_is_public(address + 12);
    return is_within(address, &global_unicast) &&
           !is_within_any(address, special_ipv6, sizeof(special_ipv6) / sizeof(special_ipv6[0]));
}

bool outbound_address_is_public(const struct sockaddr *address, socklen_t length)
{
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in ipv4;

        memcpy(&ipv4, address, sizeof(ipv4));
        return ipv4_is_public((const uint8_t *)&ipv4.sin_addr);
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 ipv6;

        memcpy(&ipv6, address, sizeof(ipv6));
        return ipv6_is_public(ipv6.sin6_addr.s6_addr);
    }
    return false;
}

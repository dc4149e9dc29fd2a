/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol's header, and the ranges of addresses: any bytes. What is said of a beginning
 * must hold for the whole, the header is the same whatever follows it, and an address that was
 * taken, written as text, is taken again. Each input is in memory of its own size. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_proxies.h"
#include "http/http_proxy_protocol.h"

static enum http_proxy_verdict parse(const uint8_t *data, size_t size,
                                     struct http_proxy_header *header_out)
{
    char *copy = malloc(size > 0 ? size : 1);

    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    enum http_proxy_verdict verdict = http_proxy_header_parse(copy, size, header_out);
    free(copy);
    return verdict;
}

static void check_address(const struct http_peer *peer)
{
    char text[HTTP_PEER_TEXT_MAX];
    const char *range = text;
    struct http_peer again;
    struct http_proxies proxies;
    size_t length = http_peer_text(peer, text);

    assert(http_peer_parse((struct http_slice){text, length}, &again));
    assert(memcmp(again.address, peer->address, sizeof(again.address)) == 0);
    assert(http_proxies_parse(&range, 1, &proxies, NULL));
    assert(http_proxies_contain(&proxies, peer));
    again.address[15] ^= 1;
    assert(!http_proxies_contain(&proxies, &again));
}

static void check_range(const uint8_t *data, size_t size)
{
    char text[HTTP_PROXIES_TEXT_MAX + 1];
    const char *range = text;
    struct http_proxies proxies;

    if (size >= sizeof(text))
        return;
    memcpy(text, data, size);
    text[size] = 0;
    if (!http_proxies_parse(&range, 1, &proxies, NULL)) {
        assert(proxies.count == 0);
        return;
    }
    struct http_peer first = {0};

    memcpy(first.address, proxies.ranges[0].address, sizeof(first.address));
    /* But for IPv6 with so few bits that IPv4 is inside, a range holds its own first address. */
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_mapped = memcmp(first.address, mapped, sizeof(mapped)) == 0;
    assert(http_proxies_contain(&proxies, &first) || (is_mapped && proxies.ranges[0].bits < 96));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_proxy_header whole = {0};
    struct http_proxy_header part = {0};
    enum http_proxy_verdict verdict = parse(data, size, &whole);

    check_range(data, size);
    for (size_t length = 0; length < size && length < 600; length++) {
        enum http_proxy_verdict so_far = parse(data, length, &part);
        assert(so_far == HTTP_PROXY_MORE || so_far == verdict);
    }
    if (verdict != HTTP_PROXY_DONE)
        return 0;
    assert(whole.length <= size && whole.length <= HTTP_PROXY_HEADER_MAX);
    assert(parse(data, whole.length - 1, &part) == HTTP_PROXY_MORE);
    assert(parse(data, whole.length, &part) == HTTP_PROXY_DONE);
    assert(memcmp(&part.client, &whole.client, sizeof(part.client)) == 0);
    assert(part.length == whole.length && part.has_client == whole.has_client);
    if (whole.has_client)
        check_address(&whole.client);
    return 0;
}

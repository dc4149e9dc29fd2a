/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open connections by client address: an open-addressed table with seeded hashing, at most half
 * full because a connection is at most one entry. IPv6 counts by its /64, which is what one client
 * is given.
 */
#include "http/http_internal.h"

#include <stdlib.h>
#include <string.h>

struct http_peers_entry {
    uint64_t high;
    uint64_t low;
    uint32_t count; /* 0: free */
};

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct http_peers_entry peer_key(const struct http_peer *peer)
{
    struct http_peers_entry key = {0};
    memcpy(&key.high, peer->address, sizeof key.high);
    if (memcmp(peer->address, mapped_prefix, sizeof mapped_prefix) == 0)
        memcpy(&key.low, peer->address + 8, sizeof key.low);
    return key;
}

static size_t peer_place(const struct http_peers *peers, struct http_peers_entry key)
{
    uint64_t hash = (key.high ^ peers->seed) * 0x9e3779b97f4a7c15U;
    hash = (hash ^ (hash >> 29) ^ key.low) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ (hash >> 32) ^ peers->seed) * 0x94d049bb133111ebU;
    return (size_t)(hash >> 20) & peers->mask;
}

static struct http_peers_entry *peer_find(struct http_peers *peers, struct http_peers_entry key)
{
    size_t place = peer_place(peers, key);
    for (;;) {
        struct http_peers_entry *entry = &peers->entries[place];
        if (entry->count == 0 || (entry->high == key.high && entry->low == key.low))
            return entry;
        place = (place + 1) & peers->mask;
    }
}

bool http_peers_init(struct http_peers *peers, size_t connections_max, uint64_t seed)
{
    size_t size = 16;
    while (size < connections_max * 2)
        size *= 2;
    *peers = (struct http_peers){.mask = size - 1, .seed = seed};
    peers->entries = calloc(size, sizeof *peers->entries);
    return peers->entries != NULL;
}

void http_peers_free(struct http_peers *peers)
{
    free(peers->entries);
    peers->entries = NULL;
}

bool http_peers_add(struct http_peers *peers, const struct http_peer *peer, unsigned limit)
{
    struct http_peers_entry key = peer_key(peer);
    struct http_peers_entry *entry = peer_find(peers, key);
    if (entry->count >= limit)
        return false;
    entry->high = key.high;
    entry->low = key.low;
    entry->count++;
    return true;
}

void http_peers_remove(struct http_peers *peers, const struct http_peer *peer)
{
    struct http_peers_entry *entry = peer_find(peers, peer_key(peer));
    assert(entry->count > 0);
    if (--entry->count > 0)
        return;
    /* Close the gap, so that no probe sequence is cut. */
    size_t gap = (size_t)(entry - peers->entries);
    size_t place = gap;
    for (;;) {
        place = (place + 1) & peers->mask;
        struct http_peers_entry *other = &peers->entries[place];
        if (other->count == 0)
            return;
        size_t home = peer_place(peers, *other);
        if (((place - home) & peers->mask) >= ((place - gap) & peers->mask)) {
            peers->entries[gap] = *other;
            other->count = 0;
            gap = place;
        }
    }
}

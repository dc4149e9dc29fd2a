/* SPDX-License-Identifier: Apache-2.0 */
/* Rates: a token bucket for each (class, caller), (class, address) and (class, network), in a table
 * of fixed size that belongs to one shard. A caller is an account, whichever of its sessions it
 * uses, or a guest's session, or the admin key. A shard sees only its own connections, so a caller
 * who spreads over all of them has as many buckets: at most `shards` times a quota gets through.
 * The limits keep one caller from crowding out the others, they are not an exact quota. Where the
 * table has no room, the bucket that is full soonest makes way: what is forgotten with it is the
 * least, and who has spent a quota does not get it back by sending a flood in other names.
 *
 * Pure: now is an argument. The owner's thread only. */
#ifndef STAMPEDE_API_RATE_LIMIT_H
#define STAMPEDE_API_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "hash.h"

/* What a route is limited and measured as: name, text, quotas of a caller, an address and a
 * network, and the window (s) of all three. A quota of 0: not limited. Shoppers sit behind shared
 * addresses, so an address may do ten times what a caller may, and a network four times what an
 * address may. Public calls have no caller. Staff are callers of a class of their own. */
#define ROUTE_CLASSES(X)                                                                           \
    X(OPERATIONS, "operations", 0, 0, 0, 1)                                                        \
    X(SESSIONS, "sessions", 0, 60, 240, 60)                                                        \
    X(RESERVE, "reserve", 30, 300, 1200, 10)                                                       \
    X(HOLDS, "holds", 60, 600, 2400, 10)                                                           \
    X(CART, "cart", 60, 600, 2400, 10)                                                             \
    X(CHECKOUT, "checkout", 30, 300, 1200, 10)                                                     \
    X(ORDERS, "orders", 60, 600, 2400, 10)                                                         \
    X(AUTH, "auth", 30, 60, 240, 60)                                                               \
    X(CHALLENGE, "challenge", 0, 120, 480, 60)                                                     \
    X(ACCOUNT, "account", 60, 600, 2400, 60)                                                       \
    X(BROWSE, "browse", 0, 600, 2400, 10)                                                          \
    X(WEBHOOKS, "webhooks", 0, 3000, 12000, 10)                                                    \
    X(ADMIN, "admin", 1500, 3000, 12000, 60)

enum route_class {
#define X(name, text, caller_quota, address_quota, network_quota, window_s) CLASS_##name,
    ROUTE_CLASSES(X)
#undef X
        CLASS_COUNT
};

struct rate_policy {
    const char *name; /* as in the RateLimit headers; a token */
    uint32_t quota;
    uint32_t window_s;
};

extern const struct rate_policy rate_caller_policies[CLASS_COUNT];
extern const struct rate_policy rate_address_policies[CLASS_COUNT];
extern const struct rate_policy rate_network_policies[CLASS_COUNT];
const char *route_class_name(enum route_class class);

/* Who a peer's address (IPv6, or IPv4 mapped into it) names, and which network: of IPv4 its 4 bytes
 * and the /24; of IPv6 the /64, which is one customer's link, and the /48, of which a provider
 * gives one, or a 256th of one (/56), to each of its lines. As few bytes as tell them apart, for
 * each is hashed on every call; no two kinds have the same length. They point into `address`. */
struct rate_name {
    const uint8_t *bytes;
    size_t length;
};

enum { RATE_MAPPED_BYTES = 12 };

static inline bool rate_address_is_ipv4(const uint8_t address[16])
{
    static const uint8_t mapped[RATE_MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static inline struct rate_name rate_name_of_address(const uint8_t address[16])
{
    return rate_address_is_ipv4(address) ? (struct rate_name){address + RATE_MAPPED_BYTES, 4}
                                         : (struct rate_name){address, 8};
}

static inline struct rate_name rate_name_of_network(const uint8_t address[16])
{
    return rate_address_is_ipv4(address) ? (struct rate_name){address + RATE_MAPPED_BYTES, 3}
                                         : (struct rate_name){address, 6};
}

enum {
    RATE_BUCKETS = 1 << 15, /* a shard */
    RATE_WAYS = 4,
};

struct rate_bucket {
    uint64_t tag; /* 0: empty */
    int64_t updated_ms;
    /* Requests that may come now, times the window in ms: so that a refill of any size is exact. */
    uint64_t level;
    int64_t full_ms; /* when it is full again if nobody takes anything */
};

struct rate_limiter {
    struct hash_key seed;
    struct rate_bucket buckets[RATE_BUCKETS];
};

struct rate_verdict {
    bool is_allowed;
    uint32_t remaining; /* requests that would be allowed right now, after this one */
    uint32_t wait_s;    /* until one more is; at least 1 */
};

void rate_limiter_init(struct rate_limiter *limiter, const struct hash_key *seed);

/* Takes one request of the policy's quota for whoever these bytes name. A refused request takes
 * nothing. `now_ms` is any clock that does not go back. */
struct rate_verdict rate_limiter_take(struct rate_limiter *limiter,
                                      const struct rate_policy *policy, const void *who,
                                      size_t who_length, int64_t now_ms);

#endif

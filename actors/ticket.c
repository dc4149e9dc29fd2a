/* SPDX-License-Identifier: Apache-2.0 */
#include "ticket.h"

#include <assert.h>
#include <string.h>

#include "base64url.h"
#include "session.h"

enum {
    TICKET_BYTES = TICKET_CLAIM_BYTES + TICKET_MAC_BYTES,
    PREFIX_LENGTH = 3,
};

_Static_assert((int)TICKET_MAC_BYTES == (int)SESSION_MAC_BYTES, "compared by session_mac_equal");

static const char prefix[] = "qt_";
static const char mac_purpose[] = "queue-ticket";
static const char holder_purpose[] = "queue-ticket-holder";

/* ---- keys ---- */

/* Drops those that no longer count, in place. */
static uint32_t keep_current(struct ticket_key *keys, uint32_t count, int64_t now_s)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (keys[i].accepted_until_s > now_s)
            keys[kept++] = keys[i];
    }
    return kept;
}

static bool has_id(const struct ticket_ring *ring, uint8_t id)
{
    for (uint32_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].id == id)
            return true;
    }
    return false;
}

bool ticket_ring_rotate(struct ticket_ring *ring, const uint8_t salt[TICKET_SALT_BYTES],
                        int64_t now_s, int64_t life_s)
{
    struct ticket_ring next = *ring;
    struct ticket_key *key;
    uint8_t id = 1;

    assert(now_s >= 0 && life_s >= 0 && life_s <= TICKET_LIFE_S_MAX);
    if (next.count > 0) {
        key = &next.keys[next.count - 1];
        key->accepted_until_s = now_s + life_s;
        id = key->id;
        do
            id = id == UINT8_MAX ? 1 : (uint8_t)(id + 1);
        while (has_id(ring, id));
    }
    next.count = keep_current(next.keys, next.count, now_s);
    if (next.count == TICKET_KEYS_MAX)
        return false;
    key = &next.keys[next.count++];
    *key = (struct ticket_key){.id = id, .accepted_until_s = INT64_MAX};
    memcpy(key->salt, salt, TICKET_SALT_BYTES);
    *ring = next;
    return true;
}

bool ticket_ring_revoke(struct ticket_ring *ring, uint8_t id)
{
    for (uint32_t i = 0; i + 1 < ring->count; i++) {
        if (ring->keys[i].id != id)
            continue;
        memmove(&ring->keys[i], &ring->keys[i + 1], (ring->count - i - 1) * sizeof(ring->keys[0]));
        ring->count--;
        return true;
    }
    return false;
}

const struct ticket_key *ticket_ring_current(const struct ticket_ring *ring)
{
    return ring->count > 0 ? &ring->keys[ring->count - 1] : NULL;
}

const struct ticket_key *ticket_ring_find(const struct ticket_ring *ring, uint8_t id, int64_t now_s)
{
    for (uint32_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].id == id)
            return ring->keys[i].accepted_until_s > now_s ? &ring->keys[i] : NULL;
    }
    return NULL;
}

/* ---- bytes ---- */

static uint8_t *put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return at + bytes;
}

static uint64_t take(const uint8_t **at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | *(*at)++;
    return value;
}

static void pack(const struct ticket *ticket, uint8_t claim_out[TICKET_CLAIM_BYTES])
{
    uint8_t *at = claim_out;

    assert(ticket->issued_s >= 0 && ticket->issued_s < 1LL << 48);
    assert(ticket->expires_s >= 0 && ticket->expires_s < 1LL << 48);
    at = put(at, TICKET_VERSION, 1);
    at = put(at, ticket->key, 1);
    at = put(at, ticket->drop, 8);
    at = put(at, ticket->number, 4);
    memcpy(at, ticket->holder.bytes, TICKET_HOLDER_BYTES);
    at = put(at + TICKET_HOLDER_BYTES, (uint64_t)ticket->issued_s, 6);
    at = put(at, (uint64_t)ticket->expires_s, 6);
    assert(at == claim_out + TICKET_CLAIM_BYTES);
}

static struct ticket unpack(const uint8_t claim[TICKET_CLAIM_BYTES])
{
    const uint8_t *at = claim + 1;
    struct ticket ticket;

    ticket.key = (uint8_t)take(&at, 1);
    ticket.drop = take(&at, 8);
    ticket.number = (uint32_t)take(&at, 4);
    memcpy(ticket.holder.bytes, at, TICKET_HOLDER_BYTES);
    at += TICKET_HOLDER_BYTES;
    ticket.issued_s = (int64_t)take(&at, 6);
    ticket.expires_s = (int64_t)take(&at, 6);
    return ticket;
}

static void sign(const struct ticket_signer *signer, const struct ticket_key *key,
                 const uint8_t claim[TICKET_CLAIM_BYTES], uint8_t mac_out[TICKET_MAC_BYTES])
{
    uint8_t bytes[TICKET_SALT_BYTES + TICKET_CLAIM_BYTES];

    memcpy(bytes, key->salt, TICKET_SALT_BYTES);
    memcpy(bytes + TICKET_SALT_BYTES, claim, TICKET_CLAIM_BYTES);
    signer->mac(signer->self, mac_purpose, bytes, sizeof(bytes), mac_out);
}

/* ---- tickets ---- */

struct ticket_holder ticket_holder_of(const struct ticket_signer *signer,
                                      const struct principal *principal, uint64_t drop)
{
    uint8_t bytes[sizeof(principal->bytes) + 8];
    uint8_t mac[TICKET_MAC_BYTES];
    struct ticket_holder holder;

    memcpy(bytes, principal->bytes, sizeof(principal->bytes));
    put(bytes + sizeof(principal->bytes), drop, 8);
    signer->mac(signer->self, holder_purpose, bytes, sizeof(bytes), mac);
    memcpy(holder.bytes, mac, sizeof(holder.bytes));
    return holder;
}

bool ticket_issue(const struct ticket_signer *signer, const struct ticket_ring *ring,
                  const struct ticket *ticket, int64_t now_s, char text_out[TICKET_TEXT_LENGTH + 1])
{
    const struct ticket_key *key = ticket_ring_find(ring, ticket->key, now_s);
    uint8_t bytes[TICKET_BYTES];

    if (key == NULL)
        return false;
    assert(ticket->number > 0);
    pack(ticket, bytes);
    sign(signer, key, bytes, bytes + TICKET_CLAIM_BYTES);
    memcpy(text_out, prefix, PREFIX_LENGTH);
    base64url_encode(bytes, TICKET_BYTES, text_out + PREFIX_LENGTH);
    return true;
}

/* Looks at all of them and all bytes, so that the time does not tell which is alike. */
static bool is_held_by(const struct ticket_signer *signer, const struct ticket *ticket,
                       const struct principal *principals, size_t count)
{
    bool is_held = false;

    for (size_t i = 0; i < count; i++) {
        struct ticket_holder holder = ticket_holder_of(signer, &principals[i], ticket->drop);
        volatile uint8_t difference = 0;

        for (unsigned j = 0; j < TICKET_HOLDER_BYTES; j++)
            difference = (uint8_t)(difference | (holder.bytes[j] ^ ticket->holder.bytes[j]));
        is_held |= difference == 0;
    }
    return is_held;
}

enum ticket_verdict ticket_check(const struct ticket_signer *signer, const struct ticket_ring *ring,
                                 const char *text, size_t length, uint64_t drop,
                                 const struct principal *principals, size_t count, int64_t now_s,
                                 struct ticket *ticket_out)
{
    uint8_t bytes[TICKET_BYTES];
    uint8_t mac[TICKET_MAC_BYTES];

    if (length != TICKET_TEXT_LENGTH || memcmp(text, prefix, PREFIX_LENGTH) != 0 ||
        !base64url_decode(text + PREFIX_LENGTH, TICKET_BYTES, bytes) || bytes[0] != TICKET_VERSION)
        return TICKET_MALFORMED;
    struct ticket ticket = unpack(bytes);
    const struct ticket_key *key = ticket_ring_find(ring, ticket.key, now_s);
    if (key == NULL)
        return TICKET_KEY_OVER;
    sign(signer, key, bytes, mac);
    if (!session_mac_equal(mac, bytes + TICKET_CLAIM_BYTES))
        return TICKET_FORGED;
    *ticket_out = ticket;
    if (ticket.drop != drop)
        return TICKET_OTHER_DROP;
    if (!is_held_by(signer, &ticket, principals, count))
        return TICKET_OTHER_HOLDER;
    return ticket.expires_s > now_s ? TICKET_GOOD : TICKET_EXPIRED;
}

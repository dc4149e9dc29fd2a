/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets of a drop's waiting room: a place, signed, that its holder carries, so that being asked
 * for it needs no record. `qt_` and 72 characters of base64url:
 *
 *     version:8 | key:8 | drop:64 | number:32 | holder:96 | issued_s:48 | expires_s:48 | mac:128
 *
 * 54 bytes, no bits left over: one text names one ticket.
 *
 *  1. The same ticket is always the same text: who asks again gets what they had, and the entry
 * that is made of the text (draw.h) stays what it is.
 *  2. A ticket counts for its drop and its holder only. What it carries of the holder is a keyed
 * hash of the principal and the drop: it names nobody, and two tickets of one person have nothing
 * in common.
 *  3. It is signed by one of a ring of keys. A new key signs from then on; those before count as
 * long as tickets of theirs may live, or until they are revoked. A key is the store's secret and
 *     TICKET_SALT_BYTES of its own, which are no secret: the ring is a record as any other.
 *  4. Whether it was used is not in it.
 *
 * There is no rule about tickets from the future: the signature says that this store issued them,
 * and a wall clock that was set back must not void places. Pure; any thread. */
#ifndef STAMPEDE_TICKET_H
#define STAMPEDE_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"
#include "shop_limits.h"

enum {
    TICKET_VERSION = 1,
    TICKET_HOLDER_BYTES = 12,
    TICKET_SALT_BYTES = 16,
    TICKET_MAC_BYTES = 16,
    TICKET_CLAIM_BYTES = 1 + 1 + 8 + 4 + TICKET_HOLDER_BYTES + 6 + 6,
    TICKET_TEXT_LENGTH = 3 + 72, /* without the terminating zero */
};

_Static_assert((TICKET_CLAIM_BYTES + TICKET_MAC_BYTES) % 3 == 0, "base64url without a remainder");
_Static_assert((TICKET_CLAIM_BYTES + TICKET_MAC_BYTES) / 3 * 4 + 3 == TICKET_TEXT_LENGTH,
               "and all of it");
_Static_assert((int)TICKET_TEXT_LENGTH <= (int)DRAW_TICKET_LENGTH_MAX, "a draw takes it");

/* The keyed MAC that signs: secrets_port's `self` and `mac`. */
struct ticket_signer {
    void *self;
    void (*mac)(void *self, const char *purpose, const void *bytes, size_t length,
                uint8_t mac_out[TICKET_MAC_BYTES]);
};

struct ticket_holder {
    uint8_t bytes[TICKET_HOLDER_BYTES];
};

struct ticket {
    uint64_t drop;   /* its number in this store */
    uint32_t number; /* the place, dense, from 1 */
    uint8_t key;     /* ID of the key that signs it */
    struct ticket_holder holder;
    int64_t issued_s; /* wall clock; both below 2^48 */
    int64_t expires_s;
};

/* ---- keys ---- */

struct ticket_key {
    uint8_t id; /* from 1 */
    uint8_t salt[TICKET_SALT_BYTES];
    int64_t accepted_until_s; /* INT64_MAX: the one that signs */
};

/* All zero is one without keys. The last of `keys` signs. */
struct ticket_ring {
    struct ticket_key keys[TICKET_KEYS_MAX];
    uint32_t count;
};

/* Makes a key of these random bytes the one that signs; the one before counts until `now_s` and
 * `life_s`, the longest that a ticket lives. False, with nothing changed: so many keys still count
 * that there is no room. */
bool ticket_ring_rotate(struct ticket_ring *ring, const uint8_t salt[TICKET_SALT_BYTES],
                        int64_t now_s, int64_t life_s);

/* Ends a key at once, with all tickets that it signed. False: it is not there, or the one that
 * signs (rotate first). */
bool ticket_ring_revoke(struct ticket_ring *ring, uint8_t id);

/* The key that signs, or NULL; and the one of this ID that counts at `now_s`, or NULL. */
const struct ticket_key *ticket_ring_current(const struct ticket_ring *ring);
const struct ticket_key *ticket_ring_find(const struct ticket_ring *ring, uint8_t id,
                                          int64_t now_s);

/* ---- tickets ---- */

/* What a ticket of this drop carries of this principal. */
struct ticket_holder ticket_holder_of(const struct ticket_signer *signer,
                                      const struct principal *principal, uint64_t drop);

/* Writes the ticket's text and a zero, signed by its key, which must count at `now_s`; false if it
 * does not. */
bool ticket_issue(const struct ticket_signer *signer, const struct ticket_ring *ring,
                  const struct ticket *ticket, int64_t now_s,
                  char text_out[TICKET_TEXT_LENGTH + 1]);

/* name, what it says */
#define TICKET_VERDICTS(X)                                                                         \
    X(GOOD, "the ticket counts")                                                                   \
    X(MALFORMED, "it is no ticket")                                                                \
    X(KEY_OVER, "its key is not, or no longer, one of ours")                                       \
    X(FORGED, "its signature is not ours")                                                         \
    X(OTHER_DROP, "it is for another drop")                                                        \
    X(OTHER_HOLDER, "it was given to somebody else")                                               \
    X(EXPIRED, "its time is over")

enum ticket_verdict {
#define X(name, text) TICKET_##name,
    TICKET_VERDICTS(X)
#undef X
        TICKET_VERDICT_COUNT
};

/* What a text is worth to who shows it for this drop: `principals` are the caller and whoever
 * became the caller (a guest who logged in). `ticket_out` is filled in when its signature is ours,
 * whatever the verdict; before that nothing of it is believed. MACs are compared in constant time.
 */
enum ticket_verdict ticket_check(const struct ticket_signer *signer, const struct ticket_ring *ring,
                                 const char *text, size_t length, uint64_t drop,
                                 const struct principal *principals, size_t count, int64_t now_s,
                                 struct ticket *ticket_out);

#endif

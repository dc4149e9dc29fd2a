/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a drop's entries: a permutation that anybody re-computes from what is published, and
 * that nobody chooses. docs/fair-draw.md is its definition and says what it proves; in short, with
 * H for SHA-256:
 *
 *     entry      the first 16 bytes of H("stampede-draw-v1 entry\n" drop "\n" ticket "\n")
 *     list       the entries, ascending as bytes, none twice
 *     list_hash  H(the entries of the list, one behind the other)
 *     seed_hash  H(seed), published before anybody can join
 *     key        H("stampede-draw-v1 key\n" drop "\n" seed "\n" list_hash "\n" source "\n" value
 *                "\n"), seed and list_hash in hexadecimal digits, small letters
 *     rank       H(key entry)
 *     order      the entries by ascending rank; of equal ranks the lower entry is first
 *
 * Sorted by a keyed hash, every order is as likely as every other up to the strength of SHA-256;
 * there is no bias of a modulo, and an entry's rank does not depend on where it stood. Pure; the
 * hash comes in as a function (secrets_port.digest). Any thread that owns the memory. The work is
 * about 0.25 us an entry: a long list is given to a worker. */
#ifndef STAMPEDE_DRAW_H
#define STAMPEDE_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shop_limits.h"

#define DRAW_FORMAT "stampede-draw-v1"

enum {
    DRAW_ENTRY_BYTES = 16,
    DRAW_SEED_BYTES = 32,
    DRAW_HASH_BYTES = 32,
};

/* SHA-256. */
typedef void draw_digest(const void *bytes, size_t length, uint8_t digest_out[DRAW_HASH_BYTES]);

/* An entrant's public name in one draw: whoever has the ticket recognises it, nobody else. */
struct draw_entry {
    uint8_t bytes[DRAW_ENTRY_BYTES];
};

/* What the key is made of besides seed and list. Texts end with a zero. */
struct draw_terms {
    const char *drop;          /* ID: 1 to DRAW_DROP_LENGTH_MAX, as a SKU is written */
    const char *public_source; /* named before the list closes; "" without one */
    const char *public_value;  /* what the source said after it had closed; "" without one */
};

/* Of an entry, to sort by. */
struct draw_slot {
    uint64_t rank;   /* the first 8 bytes of what is sorted by, as a number */
    uint32_t number; /* of the entry, from 0 */
};

/* Whether the terms can be told apart in the key: an ID as it must be, the others printable ASCII
 * without " and \ and not too long, both of them or none. */
bool draw_terms_are_valid(const struct draw_terms *terms);

/* The entry of a ticket; `drop` is a valid ID, the ticket has 1 to DRAW_TICKET_LENGTH_MAX bytes. */
struct draw_entry draw_entry_of_ticket(draw_digest *digest, const char *drop, const char *ticket,
                                       size_t length);

/* Below 0, 0, above 0, as memcmp. */
int draw_entry_compare(const struct draw_entry *a, const struct draw_entry *b);

/* ---- the list ---- */

/* Brings the entries into the list's order. False: two are equal (the list is no list then, though
 * sorted). `slots` has room for 2 * count. */
bool draw_list_sort(struct draw_entry *entries, uint32_t count, struct draw_slot *slots);

void draw_list_hash(draw_digest *digest, const struct draw_entry *entries, uint32_t count,
                    uint8_t hash_out[DRAW_HASH_BYTES]);

/* ---- the order ---- */

void draw_seed_hash(draw_digest *digest, const uint8_t seed[DRAW_SEED_BYTES],
                    uint8_t hash_out[DRAW_HASH_BYTES]);

/* `terms` are valid. */
void draw_key(draw_digest *digest, const struct draw_terms *terms,
              const uint8_t seed[DRAW_SEED_BYTES], const uint8_t list_hash[DRAW_HASH_BYTES],
              uint8_t key_out[DRAW_HASH_BYTES]);

/* The first half of draw_order, for those who do it piece by piece: fills in slots[from] to
 * slots[to - 1] with the ranks of these entries. */
void draw_rank(draw_digest *digest, const uint8_t key[DRAW_HASH_BYTES],
               const struct draw_entry *entries, uint32_t from, uint32_t to,
               struct draw_slot *slots);

/* The second: sorts them; slots[p].number is the entry at place p + 1. `slots` has room for
 * 2 * count. */
void draw_sort(draw_digest *digest, const uint8_t key[DRAW_HASH_BYTES],
               const struct draw_entry *entries, uint32_t count, struct draw_slot *slots);

/* Both. */
void draw_order(draw_digest *digest, const uint8_t key[DRAW_HASH_BYTES],
                const struct draw_entry *entries, uint32_t count, struct draw_slot *slots);

/* Sorts slots of entries by the entries' names instead, equal ones by number. */
void draw_sort_names(const struct draw_entry *entries, uint32_t count, struct draw_slot *slots);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which products have changed: one bit each, so that nothing is ever full, a product that changes
 * often is looked at once, and what is taken out comes in the order of the records on disk.
 *
 * One thread adds (the directory's shard), one takes; neither waits for the other. A bit that is
 * added while its word is being taken is found now or by the next pass. Bits are in pieces of
 * CHANGE_PIECE products, made when one of them first changes: 512 bytes for each such piece. */
#ifndef STAMPEDE_SEARCH_CHANGE_SET_H
#define STAMPEDE_SEARCH_CHANGE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "ports.h"
#include "shop_limits.h"

enum {
    CHANGE_PIECE = 4096,
    CHANGE_PIECES = SKUS_PER_PARTITION_MAX / CHANGE_PIECE, /* of a partition */
};

struct change_set;

/* NULL without memory. */
struct change_set *change_set_create(uint32_t partitions);
void change_set_destroy(struct change_set *set);

/* Adds a product. False without memory, or for a number that no product can have: then the set does
 * not know everything any more (change_set_is_whole) until it is emptied. `now_ms` on any clock of
 * one's own, above 0. */
bool change_set_add(struct change_set *set, struct search_place place, int64_t now_ms);

/* Takes out at most `room` products, ascending from where the last call ended, and around; returns
 * how many: 0 only if there were none. */
uint32_t change_set_take(struct change_set *set, struct search_place *places_out, uint32_t room);

/* Puts back what was taken and could not be used, as of `since_ms`. The taker. */
void change_set_put_back(struct change_set *set, const struct search_place *places, uint32_t count,
                         int64_t since_ms);

/* Empties it, and makes it whole. The taker. What is added meanwhile is in it or not, but was
 * added before this returned. */
void change_set_clear(struct change_set *set);

/* Any thread, racy: products in it; when the oldest of them was added, or earlier (0: there may be
 * none). */
uint64_t change_set_count(const struct change_set *set);
int64_t change_set_oldest_ms(const struct change_set *set);
bool change_set_is_whole(const struct change_set *set);

#endif

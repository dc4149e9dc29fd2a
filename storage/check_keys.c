/* SPDX-License-Identifier: Apache-2.0 */
/* One idempotency key, one effect: among the reservations that are kept, and among the kept
 * adjustments of a SKU. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_private.h"

static int key_order(const void *a, const void *b)
{
    const struct check_key *left = a;
    const struct check_key *right = b;

    if (left->scope != right->scope)
        return left->scope < right->scope ? -1 : 1;
    return memcmp(&left->key, &right->key, sizeof(left->key));
}

void check_keys(struct check *check, uint32_t partition, struct vector *keys)
{
    struct check_key *key = (struct check_key *)(void *)keys->items;

    if (keys->count > 0)
        qsort(key, keys->count, sizeof(*key), key_order);
    for (size_t i = 1; i < keys->count; i++) {
        if (key_order(&key[i - 1], &key[i]) != 0)
            continue;
        if (key[i].scope == CHECK_KEY_OF_RESERVATION)
            check_broken(check,
                         "one idempotency key names reservations %" PRIu64 " and %" PRIu64
                         " of partition %" PRIu32,
                         key[i - 1].sequence, key[i].sequence, partition);
        else
            check_broken(check,
                         "one idempotency key names entries %" PRIu64 " and %" PRIu64
                         " of SKU %08" PRIx32 "'s ledger",
                         key[i - 1].sequence, key[i].sequence, key[i].scope);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Carts: each is where its owner's belongs, and names SKUs that there are.
 *
 *   a cart                is under the key that its owner's principal gives
 *   a line                is of a SKU of the store, which no other line of it has
 *   a guest's that has become a customer   is merged, and to be dropped (unfinished) */
#include <inttypes.h>
#include <stdlib.h>

#include "check_private.h"

struct scanned {
    struct check *check;
    uint32_t partition;
    struct vector ended; /* uint64_t: where guests' carts were who have become customers */
};

static uint64_t place_hash(uint32_t subject, uint64_t sequence)
{
    return hash_word(subject + 1ULL) ^ hash_word(sequence ^ 0x6361727473u);
}

static bool visit_sku(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    uint32_t *sku_id =
        check_vector_add(scanned->check, &scanned->check->cart_skus_known, sizeof(*sku_id));

    if (sku_id == NULL)
        return false;
    *sku_id = record->subject;
    return true;
}

static bool visit_alias(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    uint64_t *place = check_vector_add(scanned->check, &scanned->ended, sizeof(*place));

    if (place == NULL)
        return false;
    *place = place_hash(record->subject, record->sequence);
    return true;
}

static bool add_line(struct scanned *scanned, const struct record *record, uint32_t at)
{
    const struct cart_content *content = &record->cart.content;
    struct vector *named = &scanned->check->cart_skus_named;
    uint32_t *sku_id;

    for (uint32_t i = 0; i < at; i++)
        if (content->lines[i].sku_id == content->lines[at].sku_id)
            check_broken(scanned->check,
                         "a cart of partition %" PRIu32 " has SKU %" PRIu32 " twice",
                         scanned->partition, content->lines[at].sku_id);
    sku_id = check_vector_add(scanned->check, named, sizeof(*sku_id));
    if (sku_id == NULL)
        return false;
    *sku_id = content->lines[at].sku_id;
    return true;
}

static bool visit_cart(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check *check = scanned->check;
    const struct principal *owner = &record->cart.principal;
    struct record_place place = record_place_of(owner->bytes, check->partitions);

    if (place.partition != record->partition || place.subject != record->subject ||
        place.sequence != record->sequence)
        check_broken(check, "a cart of partition %" PRIu32 " is not where its owner's belongs",
                     scanned->partition);
    if (check_vector_find_64(&scanned->ended, place_hash(record->subject, record->sequence)) !=
        NULL)
        check->unfinished++;
    for (uint32_t i = 0; i < record->cart.content.line_count; i++)
        if (!add_line(scanned, record, i))
            return false;
    return true;
}

static void damaged(void *arg, const char *line)
{
    check_broken(((struct scanned *)arg)->check, "%s", line);
}

static void scan(struct scanned *scanned, enum record_kind kind, journal_visit visit)
{
    struct check *check = scanned->check;

    if (!check->out_of_memory &&
        !journal_rocksdb_scan(check->journal, kind, scanned->partition, visit, damaged, scanned))
        check_broken(check, "partition %" PRIu32 " cannot be read to its end", scanned->partition);
}

static int order_64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static int order_32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

/* Partitions and SKUs' numbers ascend, so what is known is in order. */
void check_carts_partition(struct check *check, uint32_t partition)
{
    struct scanned scanned = {.check = check, .partition = partition};

    scan(&scanned, RECORD_SKU, visit_sku);
    scan(&scanned, RECORD_ALIAS, visit_alias);
    if (scanned.ended.count > 0)
        qsort(scanned.ended.items, scanned.ended.count, sizeof(uint64_t), order_64);
    scan(&scanned, RECORD_CART, visit_cart);
    check_vector_free(&scanned.ended);
}

void check_carts(struct check *check)
{
    struct vector *named = &check->cart_skus_named;
    const uint32_t *skus = (const uint32_t *)(const void *)named->items;

    if (named->count > 0)
        qsort(named->items, named->count, sizeof(*skus), order_32);
    for (size_t i = 0; i < named->count; i++)
        if ((i == 0 || skus[i] != skus[i - 1]) &&
            check_vector_find_32(&check->cart_skus_known, skus[i]) == NULL)
            check_broken(check, "a cart names SKU %" PRIu32 ", which there is not", skus[i]);
    check_vector_free(named);
    check_vector_free(&check->cart_skus_known);
}

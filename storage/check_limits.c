/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: what a customer holds and has bought of a product stays within its limit.
 *
 * A limit may be lowered under what customers have already, or be set on a product that has sold;
 * so a customer above the limit is broken only if a reservation of theirs is newer than the
 * product's last change: at that moment all of it was counted, and since then it can only have
 * shrunk. For the same reason the LIMIT record must cover what was reserved and bought since then,
 * if the reservations are still kept; and all LIMIT records of a product together never more than
 * its ledgers sold. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_private.h"

static int limit_order(const void *a, const void *b)
{
    const struct check_limit *left = a;
    const struct check_limit *right = b;

    if (left->product_number != right->product_number)
        return left->product_number < right->product_number ? -1 : 1;
    return memcmp(left->principal.bytes, right->principal.bytes, sizeof(left->principal.bytes));
}

static void row_check(struct check *check, uint32_t partition, struct vector *products,
                      const struct check_limit *row)
{
    struct check_product *product = check_vector_find_32(products, row->product_number);
    char who[PRINCIPAL_TEXT_LENGTH + 1];

    principal_format(&row->principal, who);
    if (product == NULL) {
        check_broken(check,
                     "a limit record of %s names product %" PRIu32 " of partition %" PRIu32
                     ", which there is not",
                     who, row->product_number, partition);
        return;
    }
    product->limit_sold += row->sold;
    if (product->limit == 0)
        return;
    if (row->sold < row->converted)
        check_broken(check,
                     "the limit record of %s for product %s says %" PRIu64
                     " bought, their reservations say %" PRIu64,
                     who, product->id, row->sold, row->converted);
    if (row->is_newer && !row->is_adopted && row->held + row->sold > product->limit)
        check_broken(check,
                     "%s holds %" PRIu64 " and has bought %" PRIu64
                     " of product %s, whose limit is %" PRIu32,
                     who, row->held, row->sold, product->id, product->limit);
}

void check_limits(struct check *check, uint32_t partition, struct vector *products,
                  struct vector *limits)
{
    struct check_limit *items = (struct check_limit *)(void *)limits->items;
    size_t count = limits->count;

    if (count > 0)
        qsort(items, count, sizeof(*items), limit_order);
    for (size_t i = 0; i < count;) {
        struct check_limit row = items[i];

        for (i++; i < count && limit_order(&row, &items[i]) == 0; i++) {
            row.held += items[i].held;
            row.sold += items[i].sold;
            row.converted += items[i].converted;
            row.is_newer = row.is_newer || items[i].is_newer;
            row.is_adopted = row.is_adopted || items[i].is_adopted;
        }
        row_check(check, partition, products, &row);
    }
    for (size_t i = 0; i < products->count; i++) {
        const struct check_product *product =
            &((const struct check_product *)(const void *)products->items)[i];

        if (product->limit_sold > product->sold)
            check_broken(check,
                         "limit records of product %s say %" PRIu64
                         " bought, its ledgers say %" PRIu64,
                         product->id, product->limit_sold, product->sold);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Products' records, read from the journal in pages, some at once, handed over in the order in
 * which they were asked for. One thread asks and takes. */
#ifndef STAMPEDE_SEARCH_PRODUCT_PAGES_H
#define STAMPEDE_SEARCH_PRODUCT_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "ports.h"
#include "shop_limits.h"

enum {
    /* At once: the journal's readers are not kept from others, and what is read is at most so many
     * pages of the largest documents, 26 MB. */
    PRODUCT_PAGES_MAX = 4,
    PRODUCT_PAGE_MAX = LIST_PAGE_MAX,
};

struct product_pages;

/* NULL without memory. The port outlives it. */
struct product_pages *product_pages_create(const struct journal_port *journal);

/* Waits for what is under way, and drops it. */
void product_pages_destroy(struct product_pages *pages);

/* How many are asked for and not done with. */
uint32_t product_pages_count(const struct product_pages *pages);

/* Asks for at most PRODUCT_PAGE_MAX products of a partition, numbers `from` to `to` (included),
 * ascending. There are fewer than PRODUCT_PAGES_MAX. A journal that takes no more now fails it. */
void product_pages_ask(struct product_pages *pages, uint32_t partition, uint32_t from, uint32_t to);

/* Waits for the page that was asked for first: `failed`, or records in `result`. The page stays the
 * pages'. */
const struct journal_read *product_pages_wait(struct product_pages *pages);

/* Frees what product_pages_wait gave. */
void product_pages_done(struct product_pages *pages);

/* The record behind one of a page, or NULL; NULL as `record`: the first. */
const struct record *product_pages_record(const struct journal_read *page,
                                          const struct record *record);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is watched: no hold begins, in the order in which its partition writes, after
 * its SKU was archived there, or its product, and before it came back. Who asked before the archive
 * was answered cannot tell from answers; the records can. */
#ifndef STAMPEDE_SIM_WITHDRAWN_H
#define STAMPEDE_SIM_WITHDRAWN_H

#include "ports.h"
#include "profile.h"

enum { SIM_WATCHED_MAX = 128 };

struct withdrawn_watch {
    struct journal_port journal; /* what is watched */
    struct {
        uint32_t partition;
        uint32_t number;
        uint8_t status;
    } products[SIM_WATCHED_MAX];
    uint32_t product_count;
    struct {
        uint32_t sku_id;
        uint32_t product;
        bool archived;
    } skus[SIM_WATCHED_MAX];
    uint32_t sku_count;
    uint64_t newest[SIM_PARTITIONS_MAX]; /* hold of each partition */
};

/* The journal, watched; one at a time. `watch` lives as long as the port. */
struct journal_port withdrawn_port(struct withdrawn_watch *watch, struct journal_port journal);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the log what the online audit found. Private to net/api. */
#ifndef STAMPEDE_API_STOCK_WATCH_H
#define STAMPEDE_API_STOCK_WATCH_H

#include "api/api_shard.h"

/* In each turn of a shard. One line for each SKU that is wrong, in each round of the audit; of a
 * shard's round the first few (STOCK_FINDINGS_KEPT). */
void stock_watch_turn(struct api_shard *shard);

#endif

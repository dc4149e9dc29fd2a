/* SPDX-License-Identifier: Apache-2.0 */
/* Records as a reservation and a sale write them, for the benchmarks of codec and journal. */
#ifndef STAMPEDE_BENCH_RECORDS_H
#define STAMPEDE_BENCH_RECORDS_H

#include <string.h>

#include "bench.h"
#include "effects.h"

/* A live hold of one line; keys, fingerprint and principal from `state`. */
static inline void bench_hold_fill(struct record *record, uint32_t partition, uint64_t sequence,
                                   uint64_t *state)
{
    struct hold_record *hold = &record->hold;

    memset(record, 0, record_size(RECORD_HOLD, 1));
    record->size = record_size(RECORD_HOLD, 1);
    record->kind = RECORD_HOLD;
    record->partition = (uint16_t)partition;
    record->sequence = sequence;
    hold->key.word[0] = bench_random(state);
    hold->key.word[1] = bench_random(state);
    hold->fingerprint = bench_random(state);
    memcpy(hold->principal.bytes, &hold->key, sizeof(hold->principal.bytes));
    hold->created_wall_ms = 1760000000000 + (int64_t)(sequence & 0xffff);
    hold->deadline_wall_ms = hold->created_wall_ms + HOLD_TTL_MS_DEFAULT;
    hold->ttl_ms = HOLD_TTL_MS_DEFAULT;
    hold->owner_partition = partition;
    hold->owner_sequence = sequence;
    hold->state = HOLD_HELD;
    hold->line_count = 1;
    hold->lines[0] = (struct line){.sku_id = sku_id_make(partition, 1), .quantity = 1};
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What must be so of answers among each other: those of one shard to another leave in the order in
 * which the questions came, and a partition's numbers, its fences, only grow. */
#include "world.h"

#include <inttypes.h>

#include "violation.h"

/* ---- order ---- */

/* The shard that owns what was asked for; NONE where that is not one shard's alone. */
static uint32_t owner_of(const struct world *world, const struct request *request)
{
    uint32_t partition = NONE;

    if (request->type == COMMAND_RESERVE && request->attempt != NONE && !request->spans)
        partition = sku_id_partition(world->books.skus[request->summed.lines[0].sku].sku_id);
    else if (request->hold != NONE)
        partition = world->books.holds[request->hold].id.partition;
    else if (request->sku != NONE)
        partition = sku_id_partition(world->books.skus[request->sku].sku_id);
    return partition == NONE ? NONE : engine_partition_shard(world->engine, partition);
}

void answers_check_order(struct world *world, const struct request *request, enum outcome outcome)
{
    uint32_t owner = owner_of(world, request);
    uint64_t number = request->cookie / SIM_REQUESTS_MAX;
    uint64_t *answered;

    /* What comes too late is refused at once, past those that wait for the disk. */
    if (owner == NONE || outcome == OUTCOME_OVERLOADED || outcome == OUTCOME_OUTCOME_UNKNOWN)
        return;
    answered = &world->answered[request->shard][owner];
    if (number < *answered)
        violation("shard %u answered request %" PRIu64 " of shard %u after the later %" PRIu64,
                  owner, number, request->shard, *answered);
    *answered = number;
}

/* ---- fences ---- */

void answers_see_fence(struct world *world, const struct hold_view *view)
{
    uint64_t *seen = &world->fences[view->id.partition];

    if (view->fence != view->id.sequence || view->fence == 0)
        violation("a hold's fence is not its number");
    if (view->fence > *seen)
        *seen = view->fence;
}

void answers_check_fence(const struct request *request, const struct hold_view *view)
{
    if (view->fence <= request->fence_seen)
        violation("a new hold's fence is %" PRIu64 ", and %" PRIu64 " was given before it was "
                  "asked for",
                  view->fence, request->fence_seen);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One product that several edit at once, each from a version that he has read: of each version one
 * edit has its effect, and none of a version that is past. */
#ifndef STAMPEDE_SIM_EDITS_H
#define STAMPEDE_SIM_EDITS_H

#include "engine.h"

enum { SIM_EDITS_KEPT = 512, SIM_VERSIONS_KEPT = 8 };

struct edits_model {
    uint64_t sent;
    uint32_t open;
    int64_t bases[SIM_EDITS_KEPT]; /* a ring: versions that an edit was made from */
    uint32_t base_count;
    int64_t versions[SIM_VERSIONS_KEPT]; /* a ring: that were read */
    uint32_t version_count;
};

struct world;
struct request;

void edits_restart(struct world *world);
void edits_act(struct world *world);
void edits_take(struct world *world, const struct request *request, const struct reply_body *reply);

#endif

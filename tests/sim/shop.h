/* SPDX-License-Identifier: Apache-2.0 */
/* The shop's settings as those who change them know them: a few rows, each changed by one at a
 * time. What was acknowledged is what every shard sees from then on, also after a restart; what is
 * under way may be seen, and what was seen once stays. */
#ifndef STAMPEDE_SIM_SHOP_H
#define STAMPEDE_SIM_SHOP_H

#include "engine.h"

enum { SIM_SETTINGS = 7, SIM_TAX_RATES = 4 }; /* the others are shipping methods */

struct world;
struct request;

struct setting_content {
    uint32_t number; /* 0: there is no such row */
    uint32_t value;  /* its rate or price */
};

struct setting_model {
    struct setting_content is;
    struct setting_content may_be; /* while a change is under way, or its outcome is unknown */
    bool is_open;
    bool is_unsure; /* the latch fell: a restart tells */
};

struct shop_model {
    struct setting_model settings[SIM_SETTINGS];
    uint32_t numbers[SETTING_KIND_COUNT]; /* the largest that was given, by kind */
    uint64_t version_seen;                /* by any shard, ever */
    uint64_t changes;                     /* acknowledged */
    uint64_t changes_sent;
};

void shop_start(struct world *world);
/* Staff change something. */
void shop_act(struct world *world);
void shop_answer(struct world *world, const struct request *request,
                 const struct reply_body *reply);
/* A change was refused at once. */
void shop_refused(struct world *world, const struct request *request);
/* What shards see is what was acknowledged, or is under way; in each step one row. */
void shop_step(struct world *world);
void shop_check(struct world *world);
/* After a restart: what was under way has had its effect, or has not. */
void shop_restarted(struct world *world);

#endif

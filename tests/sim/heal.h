/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of healing (heal.c) want of each other. */
#ifndef STAMPEDE_SIM_HEAL_H
#define STAMPEDE_SIM_HEAL_H

#include "engine.h"

enum { HEAL_ROUNDS_MAX = 200 }; /* in which what is asked again and again must be answered */

struct world;

/* ---- heal.c ---- */

/* Until every request has its answer and nothing is left to do at this time. */
void heal_settle(struct world *world);
/* Asks for a hold until that is answered. */
void heal_ask_hold(struct world *world, enum command_type type, uint32_t hold, bool staff);

/* ---- heal_demand.c ---- */

bool heal_can_be_bought_empty(struct world *world, uint32_t sku);
/* New customers, from `next_client` on, buy all that is left. */
void heal_sell_out(struct world *world, uint32_t sku, uint32_t *next_client);
/* What those who may be at their limit, and somebody else, can still have. */
void heal_probe_limits(struct world *world, uint32_t sku);

/* ---- heal_ledger.c ---- */

void heal_check_ledger(struct world *world, bool is_all_told);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What carts.c and carts_answers.c share. */
#ifndef STAMPEDE_SIM_CARTS_PRIVATE_H
#define STAMPEDE_SIM_CARTS_PRIVATE_H

#include "world.h"

enum cart_act {
    ACT_CART_ADD,
    ACT_CART_SET,
    ACT_CART_REMOVE,
    ACT_CART_LOOK,
    ACT_CART_CLEAR,
    ACT_CART_CLEAR_AGAIN,
    ACT_CART_LOGIN,
    ACT_CART_ADOPT,
    ACT_CART_TAKE,
    ACT_CART_MERGE,
    ACT_CART_DROP,
};

void cart_new_guest(struct world *world, uint32_t index);
/* How many of each SKU a view shows; each once, and none that nobody put there. */
void cart_read_content(const struct world *world, const struct cart_content *content,
                       uint32_t quantities_out[SIM_CART_SKUS]);
/* A view shows no less than `before` says for certain, and no more than may be there. */
void cart_check_view(const struct world *world, uint32_t index,
                     const struct cart_range before[SIM_CART_SKUS],
                     const struct cart_content *content, const char *when);
/* With nothing under way, what is seen is so. */
void cart_close_ranges(struct world *world, uint32_t index, const struct cart_content *content);

#endif

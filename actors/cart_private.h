/* SPDX-License-Identifier: Apache-2.0 */
/* The cart actor's own structures; included by cart*.c only. */
#ifndef STAMPEDE_CART_PRIVATE_H
#define STAMPEDE_CART_PRIVATE_H

#include "cart.h"
#include "mutants.h"

enum {
    CART_BLOCK_LINES = 5,
    CART_LINE_BLOCKS = CART_LINES_MAX / CART_BLOCK_LINES,
    CART_BLOCKS_MAX = CART_LINE_BLOCKS + 2, /* and the coupon's, and what it remembers */
    CART_LISTS = 2,                         /* guests', customers' */
};

struct cart_memory {
    uint64_t orders[CART_ORDERS_MAX];
    uint64_t merged[CART_MERGED_MAX];
};

struct cart_block {
    union {
        struct cart_line lines[CART_BLOCK_LINES];
        char coupon[COUPON_CODE_MAX];
        struct cart_memory memory;
        uint32_t next_free;
    };
};

_Static_assert(sizeof(struct cart_block) == 64, "a block is a cache line");
_Static_assert(CART_LINES_MAX % CART_BLOCK_LINES == 0, "lines fill their blocks");

struct cart {
    struct principal principal;
    int64_t created_wall_ms;
    int64_t changed_wall_ms;
    uint32_t older; /* by the last change, of its list; of a free slot, the next free */
    uint32_t newer;
    uint32_t line_blocks[CART_LINE_BLOCKS]; /* as many as its lines need */
    uint32_t coupon_block;                  /* SLOT_NONE: it has no coupon */
    uint32_t memory_block;                  /* SLOT_NONE: it remembers nothing */
    char currency[4];                       /* of its lines */
    uint8_t line_count;
    uint8_t coupon_length;
    uint8_t by_customer;
    uint8_t was_abandoned; /* it was counted, and nobody has touched it since */
};

_Static_assert(sizeof(struct cart) == 72, "as cart.h says");

/* Carts in the order of their last changes. Those before `awake` are idle. */
struct cart_list {
    uint32_t oldest;
    uint32_t newest;
    uint32_t awake; /* SLOT_NONE: all are idle */
};

struct cart_pool {
    const struct cart_options *options;
    struct hash_key hash_key;
    struct index_table index;
    struct cart *carts;
    struct cart_block *blocks;
    uint32_t carts_max;
    uint32_t fresh; /* slots and blocks never used begin here */
    uint32_t fresh_block;
    uint32_t free; /* others that are free, by `older` and `next_free` */
    uint32_t free_block;
    uint32_t count;
    uint32_t blocks_used;
    struct cart_list lists[CART_LISTS];
    struct cart_statistics statistics;
};

/* ---- cart_pool.c ---- */

uint32_t cart_find(const struct cart_pool *pool, const struct principal *principal);
/* SLOT_NONE if all are taken. The newest of its list. */
uint32_t cart_add(struct cart_pool *pool, const struct principal *principal, bool by_customer,
                  int64_t wall_ms);
void cart_remove(struct cart_pool *pool, uint32_t slot);
/* It changed just now: it is the newest of its list. */
void cart_touch(struct cart_pool *pool, uint32_t slot, int64_t wall_ms);

struct cart_line *cart_line_at(struct cart_pool *pool, struct cart *cart, uint32_t at);
/* The SKU's line; NULL: it is not in it. */
struct cart_line *cart_line_find(struct cart_pool *pool, struct cart *cart, uint32_t sku_id);
void cart_line_append(struct cart_pool *pool, struct cart *cart, const struct cart_line *line);
/* Those behind it move up. */
void cart_line_remove(struct cart_pool *pool, struct cart *cart, struct cart_line *line);
void cart_coupon_set(struct cart_pool *pool, struct cart *cart, const char *code, uint32_t length);
/* NULL: nothing is remembered. */
const struct cart_memory *cart_memory(const struct cart_pool *pool, const struct cart *cart);
struct cart_memory *cart_memory_make(struct cart_pool *pool, struct cart *cart);

/* Bytes of lines that are there, the rest as it was. */
void cart_copy_content(const struct cart_pool *pool, const struct cart *cart,
                       struct cart_content *content_out);
int64_t cart_ttl_ms(const struct cart_pool *pool, const struct cart *cart);

#endif

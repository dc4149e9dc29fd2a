/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of memory for what is looked up at random and made while the engine runs: key filters,
 * directory entries. They come out of large regions of the environment, which have large pages
 * where there are any, so that a look-up does not cost a translation as well.
 *
 * A pool belongs to one shard, or to the start-up thread; no other thread calls it. A block may be
 * given to another pool than it came from (a filter's generation, made by the directory's shard, is
 * freed by its owner): regions go only with the engine, all pools of which are destroyed
 * together. */
#ifndef STAMPEDE_BLOCK_POOL_H
#define STAMPEDE_BLOCK_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "env.h"

enum {
    BLOCK_BYTES_MIN = 64,   /* a cache line, and so aligned */
    BLOCK_CLASSES = 26,     /* powers of two: up to 2 GiB */
    REGION_BYTES = 8 << 20, /* untouched, it costs addresses only */
};

struct block {
    struct block *next;
};

struct block_pool {
    const struct env *env;
    struct region *regions; /* all, to give them back */
    uint8_t *free;          /* of the newest: what is left of it */
    size_t left;
    uint64_t bytes; /* in use */
    struct block *blocks[BLOCK_CLASSES];
};

/* The environment must outlive the pool. */
void block_pool_init(struct block_pool *pool, const struct env *env);
/* Gives all regions back, whatever is still in use. */
void block_pool_destroy(struct block_pool *pool);

/* What a block for so many bytes takes: the next power of two. */
size_t block_bytes(size_t bytes);

/* A zeroed block of block_bytes(bytes); NULL without memory. */
void *block_take(struct block_pool *pool, size_t bytes);
/* `bytes` as it was taken with. */
void block_give(struct block_pool *pool, void *memory, size_t bytes);

#endif

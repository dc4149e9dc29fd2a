/* SPDX-License-Identifier: Apache-2.0 */
#include "block_pool.h"

#include <assert.h>
#include <string.h>

#include "asan.h"
#include "gate.h"

struct region {
    _Alignas(CACHE_LINE) struct region *next;
    size_t bytes;
};

static uint32_t class_of(size_t bytes)
{
    uint32_t class = 0;

    while ((size_t)BLOCK_BYTES_MIN << class < bytes)
        class ++;
    assert(class < BLOCK_CLASSES);
    return class;
}

size_t block_bytes(size_t bytes)
{
    return (size_t)BLOCK_BYTES_MIN << class_of(bytes);
}

void block_pool_init(struct block_pool *pool, const struct env *env)
{
    *pool = (struct block_pool){.env = env};
}

void block_pool_destroy(struct block_pool *pool)
{
    struct region *region = pool->regions;

    while (region != NULL) {
        struct region *next = region->next;

        ASAN_UNPOISON(region, region->bytes);
        pool->env->unreserve(pool->env->self, region, region->bytes);
        region = next;
    }
    *pool = (struct block_pool){.env = pool->env};
}

/* What was left of the last region is lost: less than the block that is wanted. */
static bool add_region(struct block_pool *pool, size_t wanted)
{
    size_t bytes = REGION_BYTES;
    struct region *region;

    while (bytes < wanted + sizeof(*region))
        bytes += REGION_BYTES;
    region = pool->env->reserve(pool->env->self, bytes);
    if (region == NULL)
        return false;
    *region = (struct region){.next = pool->regions, .bytes = bytes};
    pool->regions = region;
    pool->free = (uint8_t *)(region + 1);
    pool->left = bytes - sizeof(*region);
    return true;
}

void *block_take(struct block_pool *pool, size_t bytes)
{
    uint32_t class = class_of(bytes);
    struct block *block = pool->blocks[class];
    size_t taken = (size_t)BLOCK_BYTES_MIN << class;

    if (block != NULL) {
        ASAN_UNPOISON(block, taken);
        pool->blocks[class] = block->next;
        memset(block, 0, taken);
    } else {
        if (pool->left < taken && !add_region(pool, taken))
            return NULL;
        block = (struct block *)(void *)pool->free;
        pool->free += taken;
        pool->left -= taken;
    }
    pool->bytes += taken;
    return block;
}

void block_give(struct block_pool *pool, void *memory, size_t bytes)
{
    uint32_t class = class_of(bytes);
    struct block *block = memory;

    block->next = pool->blocks[class];
    pool->blocks[class] = block;
    pool->bytes -= (size_t)BLOCK_BYTES_MIN << class;
    ASAN_POISON(memory, (size_t)BLOCK_BYTES_MIN << class);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_pool.h"

#include <assert.h>
#include <stdlib.h>

/* What a free block, and the head of a chunk, holds. */
struct link {
    _Alignas(16) struct link *next;
};

static void *heap_take(size_t bytes)
{
    void *block = aligned_alloc(16, (bytes + 15) & ~(size_t)15);

    if (block == NULL)
        abort();
    return block;
}

static size_t class_of(size_t bytes)
{
    assert(bytes > 0 && bytes <= POOL_SMALL_BYTES_MAX);
    return (bytes - 1) / POOL_CLASS_BYTES;
}

static void chunk_add(struct memory_pool *pool)
{
    struct link *chunk = heap_take(POOL_CHUNK_BYTES);

    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->at = (uint8_t *)chunk + sizeof(*chunk);
    pool->end = (uint8_t *)chunk + POOL_CHUNK_BYTES;
}

void *memory_pool_take(struct memory_pool *pool, size_t bytes)
{
    if (bytes > POOL_SMALL_BYTES_MAX)
        return heap_take(bytes);
    size_t class = class_of(bytes);
    struct link *free_block = pool->free_lists[class];
    if (free_block != NULL) {
        pool->free_lists[class] = free_block->next;
        return free_block;
    }
    size_t size = (class + 1) * POOL_CLASS_BYTES;
    if ((size_t)(pool->end - pool->at) < size)
        chunk_add(pool);
    void *block = pool->at;
    pool->at += size;
    return block;
}

void memory_pool_give(struct memory_pool *pool, void *block, size_t bytes)
{
    if (bytes > POOL_SMALL_BYTES_MAX) {
        free(block);
        return;
    }
    struct link *free_block = block;
    size_t class = class_of(bytes);
    free_block->next = pool->free_lists[class];
    pool->free_lists[class] = free_block;
}

void memory_pool_destroy(struct memory_pool *pool)
{
    struct link *chunk = pool->chunks;

    while (chunk != NULL) {
        struct link *next = chunk->next;

        free(chunk);
        chunk = next;
    }
    *pool = (struct memory_pool){0};
}

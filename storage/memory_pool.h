/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of any size for the in-memory journal: small ones from chunks, with a free list a size
 * class, large ones from the heap. Not thread-safe. */
#ifndef STAMPEDE_MEMORY_POOL_H
#define STAMPEDE_MEMORY_POOL_H

#include <stddef.h>
#include <stdint.h>

enum {
    POOL_CLASS_BYTES = 32,
    POOL_SMALL_BYTES_MAX = 1024, /* larger blocks come from the heap */
    POOL_CLASS_COUNT = POOL_SMALL_BYTES_MAX / POOL_CLASS_BYTES,
    POOL_CHUNK_BYTES = 64 * 1024,
};

struct memory_pool {
    void *chunks; /* a list */
    uint8_t *at;
    uint8_t *end;
    void *free_lists[POOL_CLASS_COUNT];
};

/* A pool of zeroes is ready and empty. */

/* A block aligned to 16. Out of memory ends the process: this pool serves simulations. */
void *memory_pool_take(struct memory_pool *pool, size_t bytes);

/* Gives a block back; `bytes` as when taken. */
void memory_pool_give(struct memory_pool *pool, void *block, size_t bytes);

/* Frees all chunks; large blocks must have been given back. */
void memory_pool_destroy(struct memory_pool *pool);

#endif

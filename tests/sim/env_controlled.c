/* SPDX-License-Identifier: Apache-2.0 */
#include "env_controlled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    BOOT_START_MS = 5000, /* after a reboot */
    /* Below this, memory comes from the heap, where a sanitizer sees an overrun. */
    MAPPED_BYTES_MIN = 1 << 20,
};

static struct moment now(void *self)
{
    const struct env_controlled *env = self;

    return (struct moment){.boot_ms = env->boot_start_ms + env->now_ms - env->booted_ms,
                           .wall_ms = SIM_WALL_START_MS + env->now_ms + env->wall_ahead_ms};
}

int64_t env_controlled_world_ms(const struct env_controlled *env, int64_t boot_ms)
{
    return boot_ms - env->boot_start_ms + env->booted_ms;
}

static uint64_t ticks_ns(void *self)
{
    struct env_controlled *env = self;

    return (uint64_t)env->now_ms * 1000000 + ++env->ticks;
}

static void fill_random(void *self, void *bytes, size_t length)
{
    struct env_controlled *env = self;
    uint8_t *target = bytes;

    while (length > 0) {
        uint64_t word = sim_random_next(&env->random);
        size_t part = length < sizeof(word) ? length : sizeof(word);

        memcpy(target, &word, part);
        target += part;
        length -= part;
    }
}

static void wake_shard(void *self, uint32_t shard)
{
    struct env_controlled *env = self;

    assert(shard < SHARDS_MAX);
    env->shard_woken[shard] = true;
}

static void wake_committer(void *self)
{
    struct env_controlled *env = self;

    env->committer_woken = true;
}

static void *reserve(void *self, size_t bytes)
{
    void *memory = NULL;

    (void)self;
    if (bytes >= MAPPED_BYTES_MIN) {
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
    }
    if (posix_memalign(&memory, 64, bytes) != 0)
        return NULL;
    memset(memory, 0, bytes);
    return memory;
}

static void unreserve(void *self, void *memory, size_t bytes)
{
    (void)self;
    if (bytes >= MAPPED_BYTES_MIN)
        munmap(memory, bytes);
    else
        free(memory);
}

static void failed(void *self, const char *reason)
{
    struct env_controlled *env = self;

    assert(!env->failed);
    env->failed = true;
    snprintf(env->reason, sizeof(env->reason), "%s", reason);
}

/* How long the machine has been up: it has just started, its boot clock comes to 2^32 ms (after 49
 * days) or has passed that. */
static int64_t draw_boot_start(uint64_t seed)
{
    struct sim_random random;
    uint32_t age;

    sim_random_seed(&random, seed ^ 0x626f6f74);
    age = sim_random_below(&random, 3);
    if (age == 0)
        return BOOT_START_MS;
    if (age == 1)
        return (1LL << 32) - sim_random_below(&random, 60000);
    return (1LL << 32) + (int64_t)sim_random_below(&random, UINT32_MAX);
}

void env_controlled_init(struct env_controlled *env, uint64_t seed)
{
    *env = (struct env_controlled){.boot_start_ms = draw_boot_start(seed)};
    sim_random_seed(&env->random, seed ^ 0x656e76);
}

struct env env_controlled_port(struct env_controlled *env)
{
    return (struct env){.self = env,
                        .now = now,
                        .ticks_ns = ticks_ns,
                        .random = fill_random,
                        .wake_shard = wake_shard,
                        .wake_committer = wake_committer,
                        .reserve = reserve,
                        .unreserve = unreserve,
                        .failed = failed};
}

void env_controlled_restart(struct env_controlled *env, bool reboot)
{
    memset(env->shard_woken, 0, sizeof(env->shard_woken));
    env->committer_woken = false;
    env->failed = false;
    if (reboot) {
        env->booted_ms = env->now_ms;
        env->boot_start_ms = BOOT_START_MS;
    }
}

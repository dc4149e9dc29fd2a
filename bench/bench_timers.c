/* SPDX-License-Identifier: Apache-2.0 */
/* A million deadlines within ten minutes: the engine's timing wheel beside a binary heap that knows
 * where each slot stands in it (so that it can cancel at all).
 *
 *   timers/KIND/set     all slots, deadlines at random
 *   timers/KIND/cancel  all slots, in an order that jumps
 *   timers/KIND/expire  all, by a clock that goes on 1 ms at a time */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "timers.h"

enum {
    SLOTS = 1000000,
    SLOTS_QUICK = 100000,
    SPAN_MS = 600 * 1000,
    STRIDE = 7919,
    NOWHERE = -1,
};

/* ---- the heap ---- */

struct heap_entry {
    int64_t deadline_ms;
    uint32_t slot;
};

struct heap {
    struct heap_entry *entries;
    int32_t *places; /* of each slot; NOWHERE: not set */
    uint32_t count;
};

static void heap_put(struct heap *heap, uint32_t at, struct heap_entry entry)
{
    heap->entries[at] = entry;
    heap->places[entry.slot] = (int32_t)at;
}

static void heap_rise(struct heap *heap, uint32_t at, struct heap_entry entry)
{
    while (at > 0 && heap->entries[(at - 1) / 2].deadline_ms > entry.deadline_ms) {
        heap_put(heap, at, heap->entries[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(heap, at, entry);
}

static void heap_sink(struct heap *heap, uint32_t at, struct heap_entry entry)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            heap->entries[child + 1].deadline_ms < heap->entries[child].deadline_ms)
            child++;
        if (heap->entries[child].deadline_ms >= entry.deadline_ms)
            break;
        heap_put(heap, at, heap->entries[child]);
        at = child;
    }
    heap_put(heap, at, entry);
}

static void heap_set(struct heap *heap, uint32_t slot, int64_t deadline_ms)
{
    heap_rise(heap, heap->count++, (struct heap_entry){deadline_ms, slot});
}

static void heap_remove(struct heap *heap, uint32_t at)
{
    struct heap_entry last = heap->entries[--heap->count];

    heap->places[heap->entries[at].slot] = NOWHERE;
    if (at == heap->count)
        return;
    if (at > 0 && heap->entries[(at - 1) / 2].deadline_ms > last.deadline_ms)
        heap_rise(heap, at, last);
    else
        heap_sink(heap, at, last);
}

/* ---- both ---- */

enum phase { PHASE_SET, PHASE_CANCEL, PHASE_EXPIRE };

struct trial {
    enum phase phase;
    uint32_t slots;
    int64_t *deadlines_ms;
    struct timers timers;
    struct timer_node *nodes;
    struct heap heap;
};

static uint64_t wheel_run(void *arg, uint64_t operations)
{
    struct trial *trial = arg;
    uint64_t started_ns;
    uint64_t expired = 0;
    uint32_t slot;

    memset(trial->nodes, 0, trial->slots * sizeof(*trial->nodes));
    timers_init(&trial->timers, trial->nodes, trial->slots, 0);
    started_ns = bench_now_ns();
    for (uint32_t i = 0; i < operations; i++)
        timers_set(&trial->timers, i, trial->deadlines_ms[i]);
    if (trial->phase == PHASE_SET)
        return bench_now_ns() - started_ns;
    started_ns = bench_now_ns();
    if (trial->phase == PHASE_CANCEL) {
        for (uint64_t i = 0; i < operations; i++)
            timers_cancel(&trial->timers, (uint32_t)(i * STRIDE % operations));
        return bench_now_ns() - started_ns;
    }
    for (int64_t now_ms = 0; now_ms <= SPAN_MS; now_ms++)
        while (timers_next_due(&trial->timers, now_ms, &slot))
            expired += trial->deadlines_ms[slot] <= now_ms;
    started_ns = bench_now_ns() - started_ns;
    if (expired != operations)
        bench_fail("%llu of %llu timers expired", (unsigned long long)expired,
                   (unsigned long long)operations);
    return started_ns;
}

static uint64_t heap_run(void *arg, uint64_t operations)
{
    struct trial *trial = arg;
    struct heap *heap = &trial->heap;
    uint64_t started_ns = bench_now_ns();
    uint64_t expired = 0;

    heap->count = 0;
    for (uint32_t i = 0; i < operations; i++)
        heap_set(heap, i, trial->deadlines_ms[i]);
    if (trial->phase == PHASE_SET)
        return bench_now_ns() - started_ns;
    started_ns = bench_now_ns();
    if (trial->phase == PHASE_CANCEL) {
        for (uint64_t i = 0; i < operations; i++)
            heap_remove(heap, (uint32_t)heap->places[i * STRIDE % operations]);
        return bench_now_ns() - started_ns;
    }
    for (int64_t now_ms = 0; now_ms <= SPAN_MS; now_ms++)
        while (heap->count > 0 && heap->entries[0].deadline_ms <= now_ms) {
            heap_remove(heap, 0);
            expired++;
        }
    started_ns = bench_now_ns() - started_ns;
    if (expired != operations)
        bench_fail("the heap lost a timer");
    return started_ns;
}

int main(int argc, char **argv)
{
    static const char *const phases[] = {"set", "cancel", "expire"};
    static struct trial trial;
    uint64_t state = 88172645463325252u;
    char ours[64];
    char heap[64];

    bench_begin(&argc, argv);
    trial.slots = bench_options.quick ? SLOTS_QUICK : SLOTS;
    trial.deadlines_ms = malloc(trial.slots * sizeof(*trial.deadlines_ms));
    trial.nodes = malloc(trial.slots * sizeof(*trial.nodes));
    trial.heap.entries = malloc(trial.slots * sizeof(*trial.heap.entries));
    trial.heap.places = malloc(trial.slots * sizeof(*trial.heap.places));
    if (trial.deadlines_ms == NULL || trial.nodes == NULL || trial.heap.entries == NULL ||
        trial.heap.places == NULL)
        bench_fail("not enough memory for %u timers", trial.slots);
    for (uint32_t i = 0; i < trial.slots; i++)
        trial.deadlines_ms[i] = 1 + (int64_t)(bench_random(&state) % SPAN_MS);
    for (trial.phase = PHASE_SET; trial.phase <= PHASE_EXPIRE; trial.phase++) {
        snprintf(ours, sizeof(ours), "timers/ours/%s", phases[trial.phase]);
        snprintf(heap, sizeof(heap), "timers/heap/%s", phases[trial.phase]);
        bench_contest(
            (struct bench_entry[]){
                {ours, .body = wheel_run, .arg = &trial, .operations = trial.slots},
                {heap, .body = heap_run, .arg = &trial, .operations = trial.slots},
            },
            2, BENCH_ROUNDS);
    }
    free(trial.heap.places);
    free(trial.heap.entries);
    free(trial.nodes);
    free(trial.deadlines_ms);
    return 0;
}

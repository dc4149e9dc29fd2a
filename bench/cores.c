/* SPDX-License-Identifier: Apache-2.0 */
#include "cores.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum {
    TRIPS = 1001,
    SEARCH_MS = 2000, /* of a program that runs alone */
    PAUSE_MS = 50,
    SPINS_MAX = 1 << 20, /* then whoever spins yields: the other may be on the same core */
};

struct line {
    _Alignas(64) _Atomic uint64_t turn; /* odd: the echo's */
};

static void wait_for(struct line *line, uint64_t turn)
{
    for (uint32_t spins = 0; atomic_load_explicit(&line->turn, memory_order_acquire) != turn;)
        if (++spins % SPINS_MAX == 0)
            sched_yield();
}

static void *echo(void *arg)
{
    struct line *line = arg;

    bench_pin(1);
    for (uint64_t i = 0; i < TRIPS; i++) {
        wait_for(line, 2 * i + 1);
        atomic_store_explicit(&line->turn, 2 * i + 2, memory_order_release);
    }
    return NULL;
}

static void *call(void *arg)
{
    struct line *line = arg;
    static uint64_t times[TRIPS]; /* one caller at a time */
    struct bench_samples samples = {times, 0};
    pthread_t echoes;

    bench_pin(0);
    if (pthread_create(&echoes, NULL, echo, line) != 0)
        bench_fail("no thread for the other core");
    for (uint64_t i = 0; i < TRIPS; i++) {
        uint64_t started_ns = bench_now_ns();

        atomic_store_explicit(&line->turn, 2 * i + 1, memory_order_release);
        wait_for(line, 2 * i + 2);
        bench_samples_add(&samples, bench_now_ns() - started_ns);
    }
    pthread_join(echoes, NULL);
    bench_samples_sort(&samples);
    atomic_store(&line->turn, bench_percentile(&samples, 50));
    return NULL;
}

uint64_t cores_round_trip_ns(void)
{
    static struct line line;
    pthread_t caller;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return 0;
    atomic_store(&line.turn, 0);
    /* In a thread of its own: the main thread stays where it was. */
    if (pthread_create(&caller, NULL, call, &line) != 0)
        bench_fail("no thread for a core");
    pthread_join(caller, NULL);
    return atomic_load(&line.turn);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

uint64_t cores_nearest_ns(uint64_t milliseconds)
{
    uint64_t nearest_ns = cores_round_trip_ns();

    for (uint64_t waited = 0; waited < milliseconds; waited += PAUSE_MS) {
        uint64_t ns;

        sleep_ms(PAUSE_MS);
        ns = cores_round_trip_ns();
        if (ns < nearest_ns)
            nearest_ns = ns;
    }
    return nearest_ns;
}

bool cores_are_near(void)
{
    static uint64_t nearest_ns;
    uint64_t ns;

    if (nearest_ns == 0) {
        const char *given = getenv("BENCH_CORES_NS");

        nearest_ns = given != NULL ? strtoull(given, NULL, 10) : 0;
        if (nearest_ns == 0)
            nearest_ns = cores_nearest_ns(bench_options.quick ? 0 : SEARCH_MS);
    }
    ns = cores_round_trip_ns();
    if (ns < nearest_ns)
        nearest_ns = ns;
    return ns <= 2 * nearest_ns;
}

void cores_wait(uint64_t *budget_ms)
{
    while (*budget_ms > 0 && !cores_are_near()) {
        sleep_ms(PAUSE_MS);
        *budget_ms -= *budget_ms < PAUSE_MS ? *budget_ms : PAUSE_MS;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks share: options, the clock, contests in rounds, percentiles, and one JSON line
 * a result on standard output.
 *
 * A row's figure is the median of its rounds; the slowest and the fastest stand beside it, so that
 * a noisy machine shows. Percentiles are of single operations and are given only where one
 * operation can be timed. All functions: the main thread, unless they say otherwise. */
#ifndef STAMPEDE_BENCH_H
#define STAMPEDE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    BENCH_PASSES = 5,
    BENCH_ROUNDS = 15,
    BENCH_ROUNDS_MANY = 105, /* short ones, where threads meet: each round comes out differently */
    BENCH_ROUNDS_QUICK = 3,
    BENCH_ENTRIES_MAX = 8,
    BENCH_QUICK_DIVISOR = 5, /* of a row's operations */
    BENCH_SAMPLES_MAX = 1 << 20,
};

struct bench_options {
    bool quick;
    bool
        pass; /* one of BENCH_PASSES, with its share of the rounds (bench/run puts them together) */
    const char *only; /* rows whose names contain this, or with a $ behind it end so; NULL: all */
};

extern struct bench_options bench_options;

/* Takes --quick, --pass and --only TEXT out of the arguments; what is left is the program's own
 * (argv[0] stays). Ends the process with status 2 after a --only without text. */
void bench_begin(int *argc, char **argv);

/* Whether a row of this name was asked for. */
bool bench_wants(const char *name);

/* Fewer operations in a quick run; never 0. Any thread. */
uint64_t bench_scale(uint64_t operations);

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Keeps a result, and the work that made it, from being optimized away. Any thread. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* A cheap sequence of numbers that is the same in every run; `state` is not 0. Any thread. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Times of single operations; those past BENCH_SAMPLES_MAX are not kept. One thread each. */
struct bench_samples {
    uint64_t *ns;
    size_t count;
};

void bench_samples_init(struct bench_samples *samples);
void bench_samples_free(struct bench_samples *samples);

/* Sorts; afterwards bench_percentile may be asked. */
void bench_samples_sort(struct bench_samples *samples);

/* Of sorted samples, not none: by nearest rank, so never below the true percentile. */
uint64_t bench_percentile(const struct bench_samples *samples, unsigned percent);

static inline void bench_samples_add(struct bench_samples *samples, uint64_t ns)
{
    if (samples->count < BENCH_SAMPLES_MAX)
        samples->ns[samples->count++] = ns;
}

/* One result. A field that is 0 (or NULL) does not apply and is left out, but for the first two. */
struct bench_row {
    const char *name;
    double ops_per_s;
    double ops_per_s_min; /* the slowest round */
    double ops_per_s_max;
    struct bench_samples *samples; /* sorted by this; gives p50_ns, p99_ns, max_ns */
    const char *beside;            /* the row that it is compared with; NULL: none */
    double ratio;                  /* how many times as fast that one is */
    size_t rounds_far;             /* taken while the cores were apart (cores.h) */
    const char *more;              /* further members, as JSON: "\"batch\":16,\"records\":3" */
};

/* Prints the row's line. */
void bench_report(const struct bench_row *row);

/* Prints the line of a row that is no rate: one figure under the name of its unit; `more` as in
 * struct bench_row. */
void bench_report_figure(const char *name, const char *unit, double value, const char *more);

/* Does `operations` operations and returns the nanoseconds that they took: what has to be prepared
 * or cleared away is not counted. */
typedef uint64_t (*bench_body)(void *arg, uint64_t operations);

/* One row of a contest. */
struct bench_entry {
    const char *name;
    bench_body body;
    void *arg;
    uint64_t operations;           /* of one round */
    struct bench_samples *samples; /* of single operations: the body adds to them; NULL: none */
    bool is_parallel;              /* by threads on both cores */
    bool is_latency;  /* what is compared are the medians of the samples, not the rates */
    const char *more; /* as in struct bench_row */
};

/* Runs every body once to warm up, then all of them in turn, for `rounds` (at most
 * BENCH_ROUNDS_MANY; quick ones and passes have fewer), so that whatever else the machine does
 * meets all alike; where threads meet, a round with the cores apart is repeated (cores.h). Reports
 * the rows. Each row after the first names the first as `beside`, and has a `ratio`: how many times
 * as fast the first is, by the median of the rounds. */
void bench_contest(const struct bench_entry *entries, size_t count, size_t rounds);

/* Ends the process with status 1 and a line for people; any thread. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Pins the calling thread to a core, if the machine has it. Any thread. */
void bench_pin(unsigned core);

/* A folder of its own under TMPDIR (or /tmp), and its removal with all that is in it. */
void bench_folder_make(char *path_out, size_t size);
void bench_folder_remove(const char *path);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "runner.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "violation.h"
#include "world.h"

/* What a process tells the one that started it, in memory that both see. */
struct progress {
    struct marks marks;
    uint64_t seeds;
    uint64_t crashed; /* of them, in how many the process died */
    uint64_t events;
    uint64_t seed;         /* under way */
    _Atomic bool violated; /* of the first: one of all has printed what it found */
};

struct run_result {
    uint64_t trace;
    uint64_t events;
    uint64_t crashes;
};

static struct run_result run_seed(const struct run_plan *plan, uint64_t seed, struct marks *marks)
{
    struct world *world = malloc(sizeof(*world));
    struct run_identity identity = {.seed = seed,
                                    .steps = plan->steps,
                                    .mutant = (uint32_t)plan->mutant,
                                    .races = plan->races > 0};
    struct run_result result;

    assert(world != NULL);
    world->step = 0;
    violation_set_run(&identity, &world->step);
    world_start(world, seed, marks, plan->log, plan->races > 0);
    for (uint64_t i = 0; i < plan->steps; i++)
        world_step(world);
    world_heal(world);
    result = (struct run_result){
        .trace = world->trace.hash, .events = world->trace.events, .crashes = world->crashes};
    world_end(world);
    violation_set_run(&identity, NULL);
    free(world);
    return result;
}

int run_one(const struct run_plan *plan)
{
    struct marks marks = {0};
    struct run_result result;

    violation_catch_aborts();
    result = run_seed(plan, plan->from, &marks);
    printf("trace=%016" PRIx64 "\n", result.trace);
    printf("ok: seed %" PRIu64 ", %" PRIu64 " steps, %" PRIu64 " events\n", plan->from, plan->steps,
           result.events);
    return 0;
}

static double seconds_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- several processes ---- */

/* Whether a process has had its share of the races. */
static bool has_raced(const struct run_plan *plan, const struct progress *progress)
{
    return plan->races > 0 && progress->marks.hits[MARK_EXPIRY_RACE] * plan->jobs >= plan->races;
}

/* Every `jobs`-th seed, until there are no more or the time is up (0: none). */
static void run_share(const struct run_plan *plan, uint64_t share, double until,
                      struct progress *progress)
{
    violation_catch_aborts();
    for (uint64_t i = share; i < plan->count; i += plan->jobs) {
        if ((until > 0 && seconds_now() > until) || has_raced(plan, progress))
            return;
        progress->seed = plan->from + i;
        const struct run_result result = run_seed(plan, progress->seed, &progress->marks);

        progress->events += result.events;
        progress->crashed += result.crashes > 0;
        progress->seeds++;
    }
}

static void stop_others(pid_t *pids, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (pids[i] > 0) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
            pids[i] = 0;
        }
}

/* Waits for all; false if one found something, which then is printed. */
static bool wait_for_all(const struct run_plan *plan, pid_t *pids, struct progress *progress)
{
    for (uint64_t left = plan->jobs; left > 0; left--) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        uint64_t job = 0;

        if (pid < 0)
            return false;
        while (job < plan->jobs && pids[job] != pid)
            job++;
        assert(job < plan->jobs);
        pids[job] = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        if ((!WIFEXITED(status) || WEXITSTATUS(status) != 1) &&
            !atomic_exchange(&progress->violated, true))
            printf("violation: the simulator itself died (status %d), reproduce: stampede-sim "
                   "--seed %" PRIu64 " --steps %" PRIu64 "\n",
                   status, progress[job].seed, plan->steps);
        stop_others(pids, plan->jobs);
        return false;
    }
    return true;
}

/* True if nothing was found; the sum of all is left in progress[0]. */
static bool run_shares(const struct run_plan *plan, double until, struct progress *progress)
{
    pid_t pids[RUN_JOBS_MAX] = {0};

    fflush(stdout);
    for (uint64_t job = 0; job < plan->jobs; job++) {
        pids[job] = fork();
        if (pids[job] < 0) {
            perror("stampede-sim: fork");
            stop_others(pids, job);
            return false;
        }
        if (pids[job] == 0) {
            violation_print_once(&progress->violated);
            run_share(plan, job, until, &progress[job]);
            exit(0); /* not _exit: a sanitizer looks for leaks */
        }
    }
    if (!wait_for_all(plan, pids, progress))
        return false;
    for (uint64_t job = 1; job < plan->jobs; job++) {
        progress[0].seeds += progress[job].seeds;
        progress[0].events += progress[job].events;
        progress[0].crashed += progress[job].crashed;
        for (uint32_t i = 0; i < MARK_COUNT; i++)
            progress[0].marks.hits[i] += progress[job].marks.hits[i];
    }
    return true;
}

static struct progress *share_memory(uint64_t jobs)
{
    struct progress *progress = mmap(NULL, jobs * sizeof(*progress), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert(progress != MAP_FAILED);
    return progress;
}

int run_many(const struct run_plan *plan)
{
    struct progress *progress = share_memory(plan->jobs);
    double started = seconds_now();
    uint32_t missing;
    double took;

    if (!run_shares(plan, 0, progress))
        return 1;
    took = seconds_now() - started;
    missing = marks_print(&progress->marks);
    printf("a crash in %.0f %% of the seeds, %" PRIu64 " events a seed\n",
           100.0 * (double)progress->crashed / (double)progress->seeds,
           progress->events / progress->seeds);
    printf("ok: %" PRIu64 " seeds, %" PRIu64 " events in %.1f s, %.0f events/s\n", progress->seeds,
           progress->events, took, (double)progress->events / took);
    if (missing > 0 && plan->count >= RUN_MARKS_SEEDS_MIN && plan->mutant == 0) {
        printf("violation: %" PRIu32 " situations were never met\n", missing);
        return 1;
    }
    return 0;
}

int run_races(const struct run_plan *plan)
{
    struct run_plan search = *plan;
    struct progress *progress = share_memory(plan->jobs);
    const uint64_t *hits = progress->marks.hits;
    double started = seconds_now();

    search.count = UINT64_MAX - plan->from;
    if (!run_shares(&search, 0, progress))
        return 1;
    if (hits[MARK_RACE_WON] == 0 || hits[MARK_RACE_LOST] == 0) {
        printf("violation: all races ended the same way\n");
        return 1;
    }
    printf("ok: %" PRIu64 " races of expiry against payment, %" PRIu64 " confirmed, %" PRIu64
           " given back, %" PRIu64 " seeds, %" PRIu64 " with crashes, in %.1f s\n",
           hits[MARK_EXPIRY_RACE], hits[MARK_RACE_WON], hits[MARK_RACE_LOST], progress->seeds,
           progress->crashed, seconds_now() - started);
    return 0;
}

int run_mutant(const struct run_plan *plan)
{
    struct run_plan search = *plan;
    struct progress *progress = share_memory(plan->jobs);
    double started = seconds_now();
    uint64_t seeds = 0;

    search.count = UINT64_MAX - plan->from;
    if (!run_shares(&search, started + RUN_MUTANT_SECONDS_MAX, progress)) {
        for (uint64_t job = 0; job < plan->jobs; job++)
            seeds += progress[job].seeds;
        printf("caught: mutant %" PRIu64 " in %.1f s, after %" PRIu64 " clean seeds\n",
               plan->mutant, seconds_now() - started, seeds);
        return 1;
    }
    printf("NOT caught: mutant %" PRIu64 ", %" PRIu64 " seeds in %.1f s\n", plan->mutant,
           progress->seeds, seconds_now() - started);
    return 0;
}

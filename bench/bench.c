/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cores.h"

struct bench_options bench_options;

void bench_begin(int *argc, char **argv)
{
    int left = 1;

    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            bench_options.quick = true;
        } else if (strcmp(argv[i], "--pass") == 0) {
            bench_options.pass = true;
        } else if (strcmp(argv[i], "--only") == 0) {
            if (++i == *argc) {
                fprintf(stderr, "%s: --only needs a part of a row's name\n", argv[0]);
                exit(2);
            }
            bench_options.only = argv[i];
        } else {
            argv[left++] = argv[i];
        }
    }
    *argc = left;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

bool bench_wants(const char *name)
{
    const char *only = bench_options.only;
    size_t length = only == NULL ? 0 : strlen(only);

    if (length > 0 && only[length - 1] == '$') /* as a whole, or as its end */
        return strlen(name) >= length - 1 &&
               strncmp(name + strlen(name) - (length - 1), only, length - 1) == 0;
    return only == NULL || strstr(name, only) != NULL;
}

uint64_t bench_scale(uint64_t operations)
{
    uint64_t scaled = bench_options.quick ? operations / BENCH_QUICK_DIVISOR : operations;

    return scaled > 0 ? scaled : 1;
}

void bench_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "bench: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

void bench_pin(unsigned core)
{
    cpu_set_t cores;

    if (core >= (unsigned)sysconf(_SC_NPROCESSORS_ONLN))
        return;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
}

/* ---- samples ---- */

void bench_samples_init(struct bench_samples *samples)
{
    samples->count = 0;
    samples->ns = malloc(BENCH_SAMPLES_MAX * sizeof(*samples->ns));
    if (samples->ns == NULL)
        bench_fail("not enough memory for samples");
}

void bench_samples_free(struct bench_samples *samples)
{
    free(samples->ns);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a;
    uint64_t other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

void bench_samples_sort(struct bench_samples *samples)
{
    qsort(samples->ns, samples->count, sizeof(*samples->ns), compare_times);
}

uint64_t bench_percentile(const struct bench_samples *samples, unsigned percent)
{
    size_t rank = (samples->count * percent + 99) / 100;

    return samples->ns[rank > 0 ? rank - 1 : 0];
}

/* ---- the line ---- */

/* The processor's name, fit to stand in a JSON string. */
static void processor_name(char *name_out, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(name_out, size, "unknown");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *value = strchr(line, ':');

        if (strncmp(line, "model name", 10) != 0 || value == NULL)
            continue;
        snprintf(name_out, size, "%s", value + 2);
        name_out[strcspn(name_out, "\n\"\\")] = 0;
        break;
    }
    if (file != NULL)
        fclose(file);
}

static void print_machine(void)
{
    static char processor[128];
    struct utsname system;

    if (processor[0] == 0)
        processor_name(processor, sizeof(processor));
    uname(&system);
    printf(",\"machine\":{\"processor\":\"%s\",\"cores\":%ld,\"kernel\":\"%s\",\"compiler\":\""
#ifdef __clang__
           "clang "
#else
           "gcc "
#endif
           "%d.%d\"}}\n",
           processor, sysconf(_SC_NPROCESSORS_ONLN), system.release,
#ifdef __clang__
           __clang_major__, __clang_minor__
#else
           __GNUC__, __GNUC_MINOR__
#endif
    );
}

void bench_report(const struct bench_row *row)
{
    double ns_per_op = row->ops_per_s > 0 ? 1e9 / row->ops_per_s : 0;

    printf("{\"name\":\"%s\",\"ops_per_s\":%.0f,\"ns_per_op\":%.2f", row->name, row->ops_per_s,
           ns_per_op);
    if (row->ops_per_s_max > 0)
        printf(",\"ops_per_s_min\":%.0f,\"ops_per_s_max\":%.0f", row->ops_per_s_min,
               row->ops_per_s_max);
    if (row->samples != NULL && row->samples->count > 0) {
        struct bench_samples *samples = row->samples;

        bench_samples_sort(samples);
        printf(",\"p50_ns\":%llu,\"p99_ns\":%llu,\"max_ns\":%llu,\"samples\":%zu",
               (unsigned long long)bench_percentile(samples, 50),
               (unsigned long long)bench_percentile(samples, 99),
               (unsigned long long)samples->ns[samples->count - 1], samples->count);
    }
    if (row->beside != NULL)
        printf(",\"beside\":\"%s\",\"ratio\":%.3f", row->beside, row->ratio);
    if (row->rounds_far > 0)
        printf(",\"rounds_far\":%zu", row->rounds_far);
    if (row->more != NULL && row->more[0] != 0)
        printf(",%s", row->more);
    print_machine();
}

void bench_report_figure(const char *name, const char *unit, double value, const char *more)
{
    printf("{\"name\":\"%s\",\"%s\":%.1f", name, unit, value);
    if (more != NULL && more[0] != 0)
        printf(",%s", more);
    print_machine();
}

/* ---- contests ---- */

/* What the rounds of one entry gave. */
struct standing {
    double rates[BENCH_ROUNDS_MANY];
    double medians_ns[BENCH_ROUNDS_MANY]; /* of the samples of each round */
};

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *)a;
    double other = *(const double *)b;

    return (one > other) - (one < other);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return values[count / 2];
}

static void run_round(const struct bench_entry *entry, struct standing *standing, size_t round)
{
    struct bench_samples *samples = entry->samples;
    size_t before = samples != NULL ? samples->count : 0;
    uint64_t ns = entry->body(entry->arg, entry->operations);

    standing->rates[round] = (double)entry->operations * 1e9 / (double)(ns > 0 ? ns : 1);
    if (samples != NULL && samples->count > before) {
        struct bench_samples own = {samples->ns + before, samples->count - before};

        bench_samples_sort(&own);
        standing->medians_ns[round] = (double)bench_percentile(&own, 50);
    }
}

/* Before the rates are sorted: round by round. */
static double ratio_of(const struct bench_entry *entry, const struct standing *first,
                       const struct standing *own, size_t rounds)
{
    double ratios[BENCH_ROUNDS_MANY];

    for (size_t i = 0; i < rounds; i++)
        ratios[i] = entry->is_latency ? own->medians_ns[i] / first->medians_ns[i]
                                      : first->rates[i] / own->rates[i];
    return median(ratios, rounds);
}

/* Runs the rounds. Where threads meet, one counts when the cores were near before it and after it;
 * others are repeated, within bounds. Returns how many count all the same, for want of better. */
static size_t run_rounds(const struct bench_entry *entries, size_t count, size_t rounds,
                         struct standing *standings)
{
    bool is_judged = entries[0].is_parallel && !bench_options.quick;
    uint64_t budget_ms = is_judged ? CORES_WAIT_MS_MAX : 0;
    size_t repeats = is_judged ? rounds : 0;
    size_t far = 0;

    for (size_t round = 0; round < rounds;) {
        bool is_near;

        cores_wait(&budget_ms);
        for (size_t i = 0; i < count; i++)
            if (bench_wants(entries[i].name))
                run_round(&entries[i], &standings[i], round);
        is_near = !is_judged || cores_are_near();
        if (!is_near && repeats > 0) {
            repeats--;
            continue;
        }
        far += !is_near;
        round++;
    }
    return far;
}

void bench_contest(const struct bench_entry *entries, size_t count, size_t rounds)
{
    static struct standing standings[BENCH_ENTRIES_MAX];
    bool has_first = bench_wants(entries[0].name);
    double ratios[BENCH_ENTRIES_MAX];
    bool is_wanted = false;
    size_t far;

    if (bench_options.pass)
        rounds /= BENCH_PASSES;
    if (bench_options.quick)
        rounds = BENCH_ROUNDS_QUICK;
    if (count > BENCH_ENTRIES_MAX || rounds > BENCH_ROUNDS_MANY)
        bench_fail("a contest of %zu in %zu rounds", count, rounds);
    for (size_t i = 0; i < count; i++) {
        if (bench_wants(entries[i].name)) {
            entries[i].body(entries[i].arg, entries[i].operations);
            is_wanted = true;
        }
        if (entries[i].samples != NULL)
            entries[i].samples->count = 0;
    }
    if (!is_wanted)
        return;
    far = run_rounds(entries, count, rounds, standings);
    for (size_t i = 1; i < count && has_first; i++)
        ratios[i] = ratio_of(&entries[i], &standings[0], &standings[i], rounds);
    for (size_t i = 0; i < count; i++) {
        const struct bench_entry *entry = &entries[i];
        double *rates = standings[i].rates;

        if (!bench_wants(entry->name))
            continue;
        bench_report(&(struct bench_row){.name = entry->name,
                                         .ops_per_s = median(rates, rounds),
                                         .ops_per_s_min = rates[0],
                                         .ops_per_s_max = rates[rounds - 1],
                                         .samples = entry->samples,
                                         .beside = i > 0 && has_first ? entries[0].name : NULL,
                                         .ratio = i > 0 && has_first ? ratios[i] : 0,
                                         .rounds_far = far,
                                         .more = entry->more});
    }
}

/* ---- folders ---- */

void bench_folder_make(char *path_out, size_t size)
{
    const char *parent = getenv("TMPDIR");

    snprintf(path_out, size, "%s/stampede-bench-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(path_out) == NULL)
        bench_fail("cannot make the folder %s", path_out);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void bench_folder_remove(const char *path)
{
    enum { DESCRIPTORS = 16 };

    nftw(path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

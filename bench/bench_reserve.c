/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations through the whole engine without HTTP: engine_submit on each shard's own thread,
 * the real environment (one loop and thread a shard, the committer's thread), answers counted when
 * they come back. A reservation counts when its answer says that it is held, so when it is durable.
 *
 *   reserve/memory, reserve/memory/wide, /hot    kept in memory alone: the journal says "done"
 *   reserve/synced, reserve/synced/wide, /hot    RocksDB, each commit synced
 *
 * Spread: each next reservation goes to the next of --skus SKUs, one product each, in an order that
 * jumps. /wide: the same over ten times as many, which no cache holds. /hot: all to one. Customers
 * take turns, 100,000 of them. Memory is populated before. Holds stay for the whole run (--ttl-ms),
 * so a run of RocksDB's is paced (`paced_at`) where memory would not hold what it could sell. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "bench_product.h"
#include "cores.h"
#include "env_real.h"
#include "journal_none.h"
#include "secrets_file.h"
#include "storage.h"

static struct secrets no_secrets; /* all zero */

enum {
    SHARDS_DEFAULT = 2,
    SKUS_DEFAULT = 1000,
    WIDE = 10,       /* times as many */
    REPEATS_MAX = 4, /* of a run without a disk, while the cores are apart */
    PRINCIPALS = 100000,
    SETUP_WINDOW = 64,         /* products on their way at once */
    SAMPLE_EVERY = 64,         /* one in so many reservations is timed: the clock costs too */
    BYTES_PER_HOLD = 272,      /* memory set aside for each */
    HOLDS_PER_S_MAX = 4000000, /* no faster machine is prepared for */
    HOLDS_PER_S_SYNCED_MAX = 1500000,
    SETUP_SECONDS_MAX = 120,
    STRIDE = 7919, /* a prime: neighbours in time are no neighbours in the tables */
};

enum journal_choice { JOURNAL_CHOICE_NONE, JOURNAL_CHOICE_SYNCED };

struct workload {
    uint32_t shards;
    uint32_t skus;
    uint32_t window; /* reservations in flight, a shard */
    double rate;     /* of each shard, a second; 0: as many as it can */
    uint32_t holds_max;
    uint32_t ttl_ms;
    uint32_t retention_ms;
    double seconds;
    double warm_up_s;
};

/* What one shard's thread writes; the counts are read by the main thread. */
struct buyer {
    _Alignas(CACHE_LINE) uint64_t sent;
    uint64_t opened_ns;
    uint32_t open;
    uint32_t next_sku;
    uint32_t next_principal;
    struct bench_samples samples;
    _Atomic uint64_t held;
    _Atomic uint64_t refused;
    _Atomic int last_refusal; /* enum outcome */
};

struct sale {
    const struct workload *workload;
    struct engine *engine;
    uint32_t skus;
    uint32_t products_sent;
    uint32_t products_open;
    _Atomic uint32_t products_ready;
    _Atomic bool is_open;
    _Atomic bool is_sampled;
    struct buyer buyers[SHARDS_MAX];
};

/* ---- on the shards' threads ---- */

static void send_product(struct sale *sale, struct shard *shard)
{
    struct command command = {.type = COMMAND_PRODUCT_PUT,
                              .product = bench_product(sale->products_sent)};
    struct refusal refusal;

    sale->products_sent++;
    sale->products_open++;
    if (engine_submit(shard, &command, 0, &refusal) != OUTCOME_PENDING)
        bench_fail("a product was refused");
}

static void on_reply(void *user, uint64_t cookie, const struct message *reply)
{
    struct sale *sale = user;
    struct buyer *buyer = &sale->buyers[cookie & (SHARDS_MAX - 1)];
    uint64_t sent_ns = cookie / SHARDS_MAX;

    if (reply->reply.answers == MESSAGE_PRODUCT_SUBMIT) {
        if (reply->reply.outcome != OUTCOME_OK)
            bench_fail("a product could not be made: outcome %d", (int)reply->reply.outcome);
        sale->products_open--;
        atomic_fetch_add(&sale->products_ready, 1);
        return;
    }
    buyer->open--;
    if (sent_ns != 0 && atomic_load_explicit(&sale->is_sampled, memory_order_relaxed))
        bench_samples_add(&buyer->samples, bench_now_ns() - sent_ns);
    if (reply->reply.outcome == OUTCOME_OK && !reply->reply.replayed) {
        atomic_store_explicit(&buyer->held, buyer->held + 1, memory_order_relaxed);
    } else {
        atomic_store_explicit(&buyer->last_refusal, reply->reply.outcome, memory_order_relaxed);
        atomic_store_explicit(&buyer->refused, buyer->refused + 1, memory_order_relaxed);
    }
}

static bool send_reservation(struct sale *sale, struct shard *shard, struct buyer *buyer)
{
    uint32_t index = shard_index(shard);
    uint64_t number = buyer->sent++;
    uint32_t sku = buyer->next_sku;
    uint64_t started_ns = number % SAMPLE_EVERY == 0 ? bench_now_ns() : 0;
    char name[] = "sku-000000";
    uint64_t key[2] = {index, number}; /* to the engine a key is bytes */
    struct command_line line = {{name, sizeof(name) - 1}, 1};
    struct command command = {.type = COMMAND_RESERVE};
    struct refusal refusal;
    enum outcome outcome;

    for (size_t i = sizeof(name) - 2; sku > 0; i--, sku /= 10)
        name[i] = (char)('0' + sku % 10);
    command.principal.bytes[0] = 1;
    memcpy(command.principal.bytes + 1, &buyer->next_principal, 4);
    if (++buyer->next_principal == PRINCIPALS)
        buyer->next_principal = 0;
    buyer->next_sku += STRIDE % sale->skus;
    if (buyer->next_sku >= sale->skus)
        buyer->next_sku -= sale->skus;
    command.reserve.key = (struct slice){(const char *)key, sizeof(key)};
    command.reserve.body = (struct slice){"{\"sku\":\"sku-000000\",\"quantity\":1}", 33};
    command.reserve.lines = &line;
    command.reserve.line_count = 1;
    outcome = engine_submit(shard, &command, started_ns * SHARDS_MAX + index, &refusal);
    if (outcome == OUTCOME_PENDING) {
        buyer->open++;
        return true;
    }
    atomic_store_explicit(&buyer->last_refusal, outcome, memory_order_relaxed);
    atomic_store_explicit(&buyer->refused, buyer->refused + 1, memory_order_relaxed);
    return false;
}

static void on_turn(void *user, struct shard *shard)
{
    struct sale *sale = user;
    struct buyer *buyer = &sale->buyers[shard_index(shard)];
    uint64_t allowed = UINT64_MAX;

    if (shard_index(shard) == 0)
        while (sale->products_sent < sale->skus && sale->products_open < SETUP_WINDOW)
            send_product(sale, shard);
    if (!atomic_load_explicit(&sale->is_open, memory_order_relaxed))
        return;
    if (sale->workload->rate > 0) {
        uint64_t now_ns = bench_now_ns();

        if (buyer->opened_ns == 0)
            buyer->opened_ns = now_ns;
        allowed = (uint64_t)((double)(now_ns - buyer->opened_ns) * sale->workload->rate / 1e9);
    }
    /* One is always on its way: who waits for nothing sleeps. */
    while (buyer->open < sale->workload->window && (buyer->sent < allowed || buyer->open == 0) &&
           send_reservation(sale, shard, buyer)) {
    }
}

static int on_start(void *user, struct shard *shard, uv_loop_t *loop)
{
    (void)loop;
    shard_set_reply(shard, on_reply, user);
    return 0;
}

static void nothing(void *user, struct shard *shard)
{
    (void)user;
    (void)shard;
}

static bool is_drained(void *user, struct shard *shard)
{
    struct sale *sale = user;

    return sale->buyers[shard_index(shard)].open == 0;
}

/* ---- the run, on the main thread ---- */

struct reading {
    uint64_t ns;
    uint64_t held;
    uint64_t refused;
};

static struct reading sale_read(const struct sale *sale)
{
    struct reading reading = {.ns = bench_now_ns()};

    for (uint32_t i = 0; i < sale->workload->shards; i++) {
        reading.held += atomic_load_explicit(&sale->buyers[i].held, memory_order_relaxed);
        reading.refused += atomic_load_explicit(&sale->buyers[i].refused, memory_order_relaxed);
    }
    return reading;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void wait_for_products(struct sale *sale)
{
    for (int waits = 0; atomic_load(&sale->products_ready) < sale->skus; waits++) {
        if (waits > SETUP_SECONDS_MAX * 100)
            bench_fail("%u of %u products after %d s", atomic_load(&sale->products_ready),
                       sale->skus, (int)SETUP_SECONDS_MAX);
        sleep_ms(10);
    }
}

/* What was measured, of all shards together. */
struct outcome_of_run {
    double ops_per_s;
    double slowest_second;
    double fastest_second;
    double seconds;
    double cpu_seconds; /* of all threads: what is left to others tells nothing of it */
    double cpu_ns_per_op;
    uint64_t refused;
    bool is_near;                 /* the cores were, before and after */
    struct engine_metrics before; /* when the measured time began */
    struct engine_metrics after;
};

static double cpu_seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Refusals that pass (a mailbox or pool is full for the moment) are repeated by the next turn;
 * holds that fill the memory stay, and end the measured time before they begin to be refused. */
static bool is_nearly_full(const struct sale *sale, uint64_t held)
{
    /* One SKU has one owner. */
    uint64_t room =
        (uint64_t)sale->workload->holds_max * (sale->skus == 1 ? 1 : sale->workload->shards);

    return sale->workload->ttl_ms > sale->workload->seconds * 2000 && held > room / 20 * 19;
}

static void measure(struct sale *sale, struct outcome_of_run *run_out)
{
    const struct workload *workload = sale->workload;
    struct reading first;
    struct reading last;
    struct reading step;

    atomic_store(&sale->is_open, true);
    sleep_ms((long)(workload->warm_up_s * 1000));
    atomic_store(&sale->is_sampled, true);
    engine_metrics(sale->engine, &run_out->before);
    first = last = step = sale_read(sale);
    run_out->cpu_seconds = -cpu_seconds();
    while ((double)(last.ns - first.ns) < workload->seconds * 1e9 &&
           !is_nearly_full(sale, last.held)) {
        double rate;

        sleep_ms(50);
        last = sale_read(sale);
        if (last.ns - step.ns < 1000000000)
            continue;
        rate = (double)(last.held - step.held) * 1e9 / (double)(last.ns - step.ns);
        if (run_out->slowest_second <= 0 || rate < run_out->slowest_second)
            run_out->slowest_second = rate;
        if (rate > run_out->fastest_second)
            run_out->fastest_second = rate;
        step = last;
    }
    run_out->cpu_seconds += cpu_seconds();
    engine_metrics(sale->engine, &run_out->after);
    atomic_store(&sale->is_sampled, false);
    atomic_store(&sale->is_open, false);
    run_out->seconds = (double)(last.ns - first.ns) / 1e9;
    run_out->ops_per_s = (double)(last.held - first.held) / run_out->seconds;
    run_out->refused = last.refused - first.refused;
    run_out->cpu_ns_per_op =
        run_out->cpu_seconds * 1e9 / (double)(last.held > first.held ? last.held - first.held : 1);
}

static void report(struct sale *sale, const char *name, const struct outcome_of_run *run)
{
    const struct workload *workload = sale->workload;
    int64_t commits = run->after.commits - run->before.commits;
    int64_t records = run->after.commit_records - run->before.commit_records;
    double per_commit = commits > 0 ? 1.0 / (double)commits : 0;
    struct bench_samples samples;
    char more[640];
    int refusal = OUTCOME_OK;

    bench_samples_init(&samples);
    for (uint32_t i = 0; i < workload->shards; i++) {
        if (run->refused > 0 && atomic_load(&sale->buyers[i].last_refusal) != OUTCOME_OK)
            refusal = atomic_load(&sale->buyers[i].last_refusal);
        for (size_t at = 0; at < sale->buyers[i].samples.count; at++)
            bench_samples_add(&samples, sale->buyers[i].samples.ns[at]);
    }
    snprintf(more, sizeof(more),
             "\"cpu_ns_per_op\":%.0f,\"seconds\":%.1f,\"shards\":%u,\"skus\":%u,\"window\":%u,"
             "\"commits\":%lld,"
             "\"records_per_commit\":%.1f,\"commit_mean_ns\":%.0f,\"commit_max_ns\":%lld,"
             "\"paced_at\":%.0f,\"refused\":%llu,\"last_refusal\":\"%s\",\"holds_kept\":%lld,"
             "\"ended_by\":\"%s\",\"cores_near\":%s",
             run->cpu_ns_per_op, run->seconds, workload->shards, sale->skus, workload->window,
             (long long)commits, (double)records * per_commit,
             (double)(run->after.commit_ns - run->before.commit_ns) * per_commit,
             (long long)run->after.commit_max_ns, workload->rate * workload->shards,
             (unsigned long long)run->refused, outcome_name((enum outcome)refusal),
             (long long)run->after.holds_kept,
             run->seconds + 0.2 < workload->seconds ? "holds_max" : "time",
             run->is_near ? "true" : "false");
    bench_report(&(struct bench_row){.name = name,
                                     .ops_per_s = run->ops_per_s,
                                     .ops_per_s_min = run->slowest_second,
                                     .ops_per_s_max = run->fastest_second,
                                     .samples = &samples,
                                     .more = more});
    bench_samples_free(&samples);
}

/* Reports it, or returns false: again, the cores were apart. */
static bool run_sale(struct sale *sale, const char *name, const struct engine_options *options,
                     const struct engine_ports *ports, struct env_real *env, bool may_repeat)
{
    struct env_real_hooks hooks = {.user = sale,
                                   .on_start = on_start,
                                   .on_turn = on_turn,
                                   .on_drain = nothing,
                                   .is_drained = is_drained,
                                   .on_stop = nothing};
    struct outcome_of_run run = {0};
    char error[STORAGE_ERROR_BYTES] = "";
    bool is_near;

    sale->engine = engine_create(options, ports);
    if (sale->engine == NULL)
        bench_fail("not enough memory for %u holds a shard", options->holds_max);
    if (engine_recover(sale->engine, error, sizeof(error)) != 0 ||
        env_real_start(env, sale->engine, &hooks, error, sizeof(error)) != 0)
        bench_fail("%s", error);
    wait_for_products(sale);
    is_near = cores_are_near();
    measure(sale, &run);
    env_real_stop(env, 10000);
    run.is_near = is_near && cores_are_near();
    if (may_repeat && !run.is_near)
        return false;
    report(sale, name, &run);
    return true;
}

static struct engine_options choose_options(const struct workload *workload, uint32_t partitions)
{
    struct engine_options options = engine_options_default(workload->shards);

    options.partitions = partitions;
    options.holds_max = workload->holds_max;
    options.coupons_max = 64;
    options.coupon_rows_max = 64;
    options.carts_max = 64;
    options.deliveries_pending_max = 64;
    options.hold_ttl_ms = workload->ttl_ms;
    options.hold_cap_ms = workload->ttl_ms;
    options.hold_retention_ms = workload->retention_ms;
    return options;
}

/* As many holds for a shard as the run can make or three fifths of the free memory bear. */
static uint32_t holds_that_fit(const struct workload *workload, enum journal_choice choice)
{
    double free_bytes = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    double by_memory = free_bytes * 3 / 5 / BYTES_PER_HOLD;
    double by_time = (workload->seconds + workload->warm_up_s) *
                     (choice == JOURNAL_CHOICE_SYNCED ? HOLDS_PER_S_SYNCED_MAX : HOLDS_PER_S_MAX);
    double holds = by_memory < by_time ? by_memory : by_time;

    return (uint32_t)(holds / workload->shards);
}

/* One run; false as run_sale. */
static bool run_once(const char *name, enum journal_choice choice, struct workload workload,
                     bool may_repeat)
{
    bool is_reported;
    struct sale *sale;
    struct env_real *env;
    struct storage *storage = NULL;
    struct engine_options options;
    struct engine_ports ports = {
        .journal = none_port,
        .watermark = {.read = no_watermark_read, .advance = no_watermark_advance},
        .secrets = {.self = &no_secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
    };
    char folder[256] = "";
    char error[STORAGE_ERROR_BYTES] = "";

    if (workload.holds_max == 0)
        workload.holds_max = holds_that_fit(&workload, choice);
    if (choice == JOURNAL_CHOICE_SYNCED)
        workload.rate = workload.holds_max * 0.93 / (workload.seconds + workload.warm_up_s) /
                        (workload.skus == 1 ? workload.shards : 1);
    sale = aligned_alloc(CACHE_LINE, sizeof(*sale));
    env = env_real_create(workload.shards);
    if (sale == NULL || env == NULL)
        bench_fail("not enough resources for %u shards", workload.shards);
    memset(sale, 0, sizeof(*sale));
    sale->workload = &workload;
    sale->skus = workload.skus;
    for (uint32_t i = 0; i < workload.shards; i++) {
        bench_samples_init(&sale->buyers[i].samples);
        sale->buyers[i].next_sku = sale->skus / workload.shards * i;
    }
    env_real_populate(env);
    ports.env = env_real_port(env);
    if (choice == JOURNAL_CHOICE_SYNCED) {
        struct storage_options wanted;

        bench_folder_make(folder, sizeof(folder));
        wanted = storage_options_default(folder);
        if (storage_open(&wanted, &storage, error, sizeof(error)) != 0)
            bench_fail("%s", error);
        storage_ports_get(storage, &ports.journal, &ports.watermark, &ports.secrets);
    }
    options = choose_options(&workload, PARTITIONS_DEFAULT);
    is_reported = run_sale(sale, name, &options, &ports, env, may_repeat);
    if (storage != NULL)
        storage_stop_reads(storage);
    engine_destroy(sale->engine);
    if (storage != NULL) {
        storage_close(storage);
        bench_folder_remove(folder);
    }
    env_real_destroy(env);
    for (uint32_t i = 0; i < workload.shards; i++)
        bench_samples_free(&sale->buyers[i].samples);
    free(sale);
    return is_reported;
}

static void run_row(const char *name, enum journal_choice choice, uint32_t times_skus,
                    struct workload workload)
{
    int repeats = choice == JOURNAL_CHOICE_SYNCED || bench_options.quick ? 0 : REPEATS_MAX;
    uint64_t budget_ms = bench_options.quick ? 0 : CORES_WAIT_MS_MAX;

    if (!bench_wants(name))
        return;
    workload.skus = times_skus > 0 ? workload.skus * times_skus : 1;
    do {
        cores_wait(&budget_ms);
    } while (!run_once(name, choice, workload, repeats-- > 0));
}

/* ---- options ---- */

static const char usage[] =
    "usage: bench_reserve [--quick] [--only ROW] [OPTION N]...\n"
    "  --seconds N       measured time of each row (3; quick 2)\n"
    "  --warm-up N       seconds before it (1)\n"
    "  --shards N        threads that take and own reservations (2)\n"
    "  --skus N          of the rows that are spread (1000; ten times as many: /wide)\n"
    "  --window N        reservations in flight on each shard (2048)\n"
    "  --holds-max N     kept by a shard (what the time needs and three fifths of the memory "
    "bear)\n"
    "  --ttl-ms N        how long a hold lasts (a day: for the whole run)\n"
    "  --retention-ms N  how long an ended hold is kept (a day)\n";

static void workload_read(int argc, char **argv, struct workload *workload_out)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        char *end;
        double value = strtod(argv[i + 1], &end);
        uint32_t whole = value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;

        if (*end != 0 || value <= 0)
            whole = 0;
        if (strcmp(argv[i], "--seconds") == 0)
            workload_out->seconds = value;
        else if (strcmp(argv[i], "--warm-up") == 0)
            workload_out->warm_up_s = value;
        else if (strcmp(argv[i], "--shards") == 0)
            workload_out->shards = whole;
        else if (strcmp(argv[i], "--skus") == 0)
            workload_out->skus = whole;
        else if (strcmp(argv[i], "--window") == 0)
            workload_out->window = whole;
        else if (strcmp(argv[i], "--holds-max") == 0)
            workload_out->holds_max = whole;
        else if (strcmp(argv[i], "--ttl-ms") == 0)
            workload_out->ttl_ms = whole;
        else if (strcmp(argv[i], "--retention-ms") == 0)
            workload_out->retention_ms = whole;
        else
            whole = 0;
        if (whole == 0 && value < 1) {
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (argc % 2 == 0) {
        fputs(usage, stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum journal_choice journal;
        uint32_t times_skus; /* 0: one in all */
    } rows[] = {
        {"reserve/memory", JOURNAL_CHOICE_NONE, 1},
        {"reserve/memory/wide", JOURNAL_CHOICE_NONE, WIDE},
        {"reserve/memory/hot", JOURNAL_CHOICE_NONE, 0},
        {"reserve/synced", JOURNAL_CHOICE_SYNCED, 1},
        {"reserve/synced/wide", JOURNAL_CHOICE_SYNCED, WIDE},
        {"reserve/synced/hot", JOURNAL_CHOICE_SYNCED, 0},
    };
    struct workload workload = {.shards = SHARDS_DEFAULT,
                                .skus = SKUS_DEFAULT,
                                .window = 2048,
                                .ttl_ms = HOLD_TTL_MS_MAX,
                                .retention_ms = HOLD_RETENTION_MS,
                                .warm_up_s = 1};

    bench_begin(&argc, argv);
    workload.seconds = bench_options.quick ? 2 : 3;
    workload_read(argc, argv, &workload);
    if (workload.shards > SHARDS_MAX || workload.skus > 1000000)
        bench_fail("at most %d shards and 1000000 SKUs", (int)SHARDS_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        run_row(rows[i].name, rows[i].journal, rows[i].times_skus, workload);
    return 0;
}

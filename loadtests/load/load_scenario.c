/* SPDX-License-Identifier: Apache-2.0 */
/* The standard scenarios (reserve, spread, soldout), and what all scenarios stand on. */
#include "load_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load_proof.h"
#include "load_report.h"
#include "load_run.h"
#include "load_sessions.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
    CONNECT_WAIT_MS = 3000,
    DESCRIPTORS_SPARE = 64,
};

/* ---- what all scenarios stand on ---- */

int load_scene_admin_failed(const struct load_scene *scene, enum load_exit otherwise)
{
    const char *error = scene->admin.error;
    fprintf(stderr, "stampede-load: %s\n", error[0] != '\0' ? error : "not enough memory");
    return (int)(scene->admin.unreachable ? LOAD_EXIT_UNREACHABLE : otherwise);
}

int load_scene_no_memory(void)
{
    fprintf(stderr,
            "stampede-load: cannot get the memory or the descriptors for the run: %s "
            "(fewer --connections?)\n",
            strerror(errno));
    return LOAD_EXIT_SETUP;
}

int load_scene_unreachable(const struct load_scene *scene, int error)
{
    fprintf(stderr, "stampede-load: cannot connect to %s: %s\n", scene->options->target,
            error != 0 ? strerror(error) : "no answer");
    return LOAD_EXIT_UNREACHABLE;
}

static int address_find(const struct load_options *options, struct load_address *address_out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(options->host, options->port, &hints, &found);
    if (error != 0 || found == NULL) {
        fprintf(stderr, "stampede-load: cannot find the host %s: %s\n", options->host,
                gai_strerror(error));
        return LOAD_EXIT_UNREACHABLE;
    }
    memcpy(&address_out->storage, found->ai_addr, found->ai_addrlen);
    address_out->length = found->ai_addrlen;
    freeaddrinfo(found);
    return LOAD_EXIT_OK;
}

/* As many descriptors as there are connections, where the hard limit lets us. */
static void descriptors_raise(uint32_t connections)
{
    struct rlimit limit;
    rlim_t wanted = connections + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int load_scene_open(struct load_scene *scene, const struct load_options *options,
                    const volatile sig_atomic_t *stop)
{
    *scene = (struct load_scene){.options = options, .stop = stop};
    scene->admin.fd = -1;
    descriptors_raise(options->connections);
    int failed = address_find(options, &scene->address);
    if (failed != LOAD_EXIT_OK) {
        return failed;
    }
    if (!load_admin_open(&scene->admin, options, &scene->address) ||
        !load_buyers_open(&scene->buyers, options->buyers)) {
        return load_scene_no_memory();
    }
    struct load_sessions_error error;
    if (!load_sessions_open(&scene->buyers, options, &scene->address, &error)) {
        fprintf(stderr, "stampede-load: %s\n", error.text);
        return error.unreachable ? LOAD_EXIT_UNREACHABLE : LOAD_EXIT_SETUP;
    }
    return LOAD_EXIT_OK;
}

void load_scene_close(struct load_scene *scene)
{
    load_admin_close(&scene->admin);
    load_buyers_close(&scene->buyers);
}

/* ---- SKUs ---- */

struct choice {
    struct load_skus *skus;
    uint32_t max;
    bool invalid;
};

static bool sku_choose(void *context, const char *sku, size_t length)
{
    struct choice *choice = context;
    if (!load_skus_add(choice->skus, sku, length)) {
        choice->invalid = true;
        return false;
    }
    return choice->skus->count < choice->max;
}

static int skus_from_file(const struct load_options *options, struct choice *choice)
{
    FILE *file = fopen(options->skus_file, "re");
    if (file == NULL) {
        fprintf(stderr, "stampede-load: --skus %s: %s\n", options->skus_file, strerror(errno));
        return LOAD_EXIT_USAGE;
    }
    char line[256];
    unsigned number = 0;
    bool more = true;
    while (more && fgets(line, sizeof line, file) != NULL) {
        size_t length = strcspn(line, "\r\n");
        number++;
        more = length == 0 || sku_choose(choice, line, length);
    }
    fclose(file);
    if (choice->invalid) {
        fprintf(stderr,
                "stampede-load: --skus %s: line %u is no SKU (1 to %d letters, digits and "
                ". _ - / :)\n",
                options->skus_file, number, LOAD_SKU_BYTES_MAX);
        return LOAD_EXIT_USAGE;
    }
    return LOAD_EXIT_OK;
}

static int skus_spread(struct load_scene *scene, struct load_skus *skus)
{
    const struct load_options *options = scene->options;
    struct choice choice = {.skus = skus, .max = options->products};
    if (options->skus_file != NULL) {
        int failed = skus_from_file(options, &choice);
        if (failed != LOAD_EXIT_OK) {
            return failed;
        }
    } else if (!load_admin_skus_each(&scene->admin, sku_choose, &choice)) {
        return load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
    }
    if (skus->count == 0) {
        fprintf(stderr, "stampede-load: there are no products to reserve: import a catalogue, or "
                        "name SKUs with --skus\n");
        return LOAD_EXIT_SETUP;
    }
    return LOAD_EXIT_OK;
}

/* Fills the table of SKUs, making a product where the scenario wants one of its own. */
static int skus_choose(struct load_scene *scene, struct load_skus *skus)
{
    const struct load_options *options = scene->options;
    if (options->scenario == LOAD_SCENARIO_SPREAD) {
        return skus_spread(scene, skus);
    }
    char sku[LOAD_SKU_BYTES_MAX + 1];
    if (options->sku != NULL) {
        snprintf(sku, sizeof sku, "%s", options->sku);
    } else {
        bool soldout = options->scenario == LOAD_SCENARIO_SOLDOUT;
        snprintf(sku, sizeof sku, "%s-%08x", soldout ? "SOLDOUT" : "HOT", scene->admin.nonce);
        if (!load_admin_product_create(&scene->admin, sku, soldout ? 0 : options->units)) {
            return load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
        }
    }
    return load_skus_add(skus, sku, strlen(sku)) ? LOAD_EXIT_OK : LOAD_EXIT_SETUP;
}

/* ---- the run ---- */

/* Some winners send their key again, after everything: they must get their answer again. */
static void run_repeat(struct load_run *run, const struct load_options *options)
{
    load_run_repeat(run, options->repeats);
    uint64_t deadline_ns = load_clock_ns() + options->drain_seconds * NS_PER_SECOND;
    while (run->counters.repeats_open > 0 && load_clock_ns() < deadline_ns &&
           !load_run_target_is_gone(run)) {
        load_run_step(run, deadline_ns);
    }
}

static void run_drive(struct load_run *run, const struct load_options *options)
{
    struct load_progress progress = {0};
    uint64_t line_ns = run->epoch_ns + NS_PER_SECOND;
    uint64_t deadline_ns = UINT64_MAX;
    uint64_t now_ns = load_clock_ns();
    while (run->arriving || (run->unsettled > 0 && now_ns < deadline_ns)) {
        load_run_step(run, line_ns < deadline_ns ? line_ns : deadline_ns);
        now_ns = load_clock_ns();
        if (load_run_target_is_gone(run)) {
            break;
        }
        if (!run->arriving && deadline_ns == UINT64_MAX) {
            deadline_ns = now_ns + options->drain_seconds * NS_PER_SECOND;
        }
        if (now_ns >= line_ns) {
            line_ns += NS_PER_SECOND;
            if (options->progress) {
                load_report_progress(run, &progress, stderr);
            }
        }
    }
    load_run_settle(run);
    run_repeat(run, options);
}

/* What the scenario expects beyond what holds for all. */
static void scenario_check(const struct load_options *options, const struct load_run *run,
                           struct load_verdict *verdict)
{
    const struct load_counters *counters = &run->counters;
    load_proof_check_answers(run, verdict);
    load_verdict_check(verdict, counters->held + counters->refused > 0, "buyers got answers",
                       "%" PRIu64 " held, %" PRIu64 " refused", counters->held, counters->refused);
    load_verdict_check(verdict, counters->repeats_right == counters->repeats,
                       "a key sent again gets its answer again", "%" PRIu64 " of %" PRIu64,
                       counters->repeats_right, counters->repeats);
    if (options->scenario == LOAD_SCENARIO_SOLDOUT) {
        load_verdict_check(verdict, counters->held == 0, "nothing was held of nothing",
                           "%" PRIu64 " held", counters->held);
    }
}

static int report_print(const struct load_report *report)
{
    if (!report->options->json) {
        load_report_print(report, stdout);
    } else if (!load_report_print_json(report, stdout)) {
        return load_scene_no_memory();
    }
    fflush(stdout);
    return report->verdict->ok ? LOAD_EXIT_OK : LOAD_EXIT_VERDICT;
}

/* Drives, proves, reports. `proof` is NULL where there is no admin key. */
static int run_judge(struct load_scene *scene, struct load_skus *skus, struct load_proof *proof)
{
    const struct load_options *options = scene->options;
    struct load_run_config config = {
        .options = options,
        .address = &scene->address,
        .buyers = &scene->buyers,
        .skus = skus,
        .closed = options->closed,
        .plan = options->plan,
        .duration_seconds = options->duration_seconds,
        .attempts = options->requests,
        .seed = options->seed,
        .nonce = scene->admin.nonce,
        .stop = scene->stop,
    };
    struct load_run *run = load_run_create(&config);
    if (run == NULL) {
        return load_scene_no_memory();
    }
    if (!load_run_start(run, CONNECT_WAIT_MS)) {
        int error = load_client_connect_error(run->client);
        load_run_destroy(run);
        return load_scene_unreachable(scene, error);
    }
    run_drive(run, options);
    struct load_verdict verdict;
    load_verdict_clear(&verdict);
    scenario_check(options, run, &verdict);
    int result = LOAD_EXIT_OK;
    if (proof != NULL && options->progress) {
        fprintf(stderr, "reading the server's books\n");
    }
    if (proof != NULL && !load_proof_finish(proof, run, &verdict)) {
        result = load_scene_admin_failed(scene, LOAD_EXIT_VERDICT);
    } else {
        struct load_report report = {.options = options,
                                     .run = run,
                                     .verdict = &verdict,
                                     .totals = proof != NULL ? &proof->totals : NULL};
        load_machine_read(&report.machine);
        result = report_print(&report);
    }
    load_run_destroy(run);
    return result;
}

int load_scenario_run(struct load_scene *scene)
{
    const struct load_options *options = scene->options;
    struct load_skus skus;
    struct load_proof proof = {0};
    if (!load_skus_open(&skus, options->quantity)) {
        return load_scene_no_memory();
    }
    int result = skus_choose(scene, &skus);
    bool proves = !options->no_proof;
    if (result == LOAD_EXIT_OK && proves && !load_proof_begin(&proof, &scene->admin, &skus)) {
        result = load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
    }
    if (result == LOAD_EXIT_OK && proves && options->scenario == LOAD_SCENARIO_SOLDOUT &&
        skus.rows[0].before.available > 0) {
        fprintf(stderr,
                "stampede-load: %s has %" PRId64 " units left: soldout wants a SKU without "
                "any\n",
                skus.rows[0].name, skus.rows[0].before.available);
        result = LOAD_EXIT_SETUP;
    }
    if (result == LOAD_EXIT_OK) {
        result = run_judge(scene, &skus, proves ? &proof : NULL);
    }
    load_proof_close(&proof);
    load_skus_close(&skus);
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario `sale`: a flash sale from its opening to the last unit.
 *
 *  1. Calibrate: sold-out refusals in a closed loop give the capacity.
 *  2. Ramp: arrivals grow exponentially from FROM_PER_SECOND to twice the capacity. One buyer in
 *     LEAVES_ONE_IN lets the hold lapse, by the seed; the others check it out and pay for it half
 *     a second to a second later.
 *  3. At 40 % held, the executable of --at-40-percent runs, which may kill the server and start it
 *     again. Lost requests are repeated with their keys when it is back.
 *  4. Settle: a trickle of buyers until every unit is paid, SETTLE_SECONDS at most.
 *  5. The verdict, from answers and books.
 */
#include "load_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load_proof.h"
#include "load_purchase.h"
#include "load_report.h"
#include "load_run.h"

#define NS_PER_SECOND       UINT64_C(1000000000)
#define NS_PER_MS           UINT64_C(1000000)
#define FROM_PER_SECOND     100.0
#define CAPACITY_TIMES      2.0
#define CALIBRATION_SECONDS 1.5
#define SETTLE_SECONDS      15.0
#define SETTLE_PER_SECOND   50.0

enum {
    CONNECT_WAIT_MS = 3000,
    LEAVES_ONE_IN = 10,
    CONVERT_MS_MIN = 500,
    CONVERT_MS_SPREAD = 500,
    TRIGGER_PERCENT = 40,
    BAR_CELLS = 25,
};

struct sale {
    struct load_scene *scene;
    struct load_run *run;
    FILE *output; /* of the lines */
    struct load_purchases purchases;
    bool triggered;
    pid_t child;
    struct load_sale_result result;
    struct load_counters at_line; /* as they were at the last line */
};

static double seconds_of(uint64_t nanoseconds)
{
    return (double)nanoseconds / (double)NS_PER_SECOND;
}

/* ---- buyers after their hold ---- */

static void sale_held(void *context, uint32_t row, uint64_t now_ns)
{
    struct sale *sale = context;
    struct load_hold *hold = &sale->run->answers.holds[row];
    uint64_t chance = load_random_mix(sale->run->config.seed * UINT64_C(1000003) + hold->attempt);
    if (sale->result.killed && sale->result.back_at_ns == 0) {
        sale->result.back_at_ns = hold->held_ns;
        fprintf(sale->output,
                "%5.1f s  -- the server is back: first unit held %.2f s after the loss\n",
                seconds_of(hold->held_ns), seconds_of(hold->held_ns - sale->result.lost_at_ns));
    }
    hold->leaves = chance % LEAVES_ONE_IN == 0;
    if (!hold->leaves) {
        uint64_t delay_ms = CONVERT_MS_MIN + (chance >> 32) % CONVERT_MS_SPREAD;
        load_purchase_begin(&sale->purchases, row, delay_ms * NS_PER_MS, now_ns);
    }
}

static size_t sale_render(void *context, uint64_t tag, char *target)
{
    return load_purchase_render(&((struct sale *)context)->purchases, tag, target);
}

static void sale_answered(void *context, uint64_t tag, const struct load_response *response,
                          uint64_t now_ns)
{
    load_purchase_answered(&((struct sale *)context)->purchases, tag, response, now_ns);
}

static void sale_lost(void *context, uint64_t tag, uint64_t now_ns)
{
    load_purchase_lost(&((struct sale *)context)->purchases, tag, now_ns);
}

/* ---- what is seen while it runs ---- */

/* Units that no one holds or has bought, as far as the answers tell. */
static int64_t units_left(const struct sale *sale)
{
    const struct load_answers *answers = &sale->run->answers;
    uint64_t now_ns = load_run_elapsed_ns(sale->run);
    uint64_t ttl_ns = sale->scene->options->hold_ttl_ms * NS_PER_MS;
    int64_t left = sale->result.units - sale->purchases.paid;
    for (uint32_t i = 0; i < answers->holds_count; i++) {
        const struct load_hold *hold = &answers->holds[i];
        bool live = hold->fate == LOAD_FATE_HELD && now_ns < hold->held_ns + ttl_ns;
        left -= live ? 1 : 0;
    }
    return left > 0 ? left : 0;
}

static void line_print(struct sale *sale)
{
    const struct load_counters *now = &sale->run->counters;
    const struct load_counters *before = &sale->at_line;
    int64_t left = units_left(sale);
    char bar[BAR_CELLS + 1];
    char offered[LOAD_NUMBER_BYTES_MAX];
    char held[LOAD_NUMBER_BYTES_MAX];
    char refused[LOAD_NUMBER_BYTES_MAX];
    char not_sent[LOAD_NUMBER_BYTES_MAX];
    char latency[LOAD_NUMBER_BYTES_MAX];
    int64_t full = (left * BAR_CELLS + sale->result.units - 1) / sale->result.units;
    for (int64_t i = 0; i < BAR_CELLS; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[BAR_CELLS] = '\0';
    bool quiet = sale->run->interval.count == 0;
    load_latency_format(load_histogram_percentile(&sale->run->interval, 99), latency);
    fprintf(sale->output,
            "%5.1f s %9s/s offered %7s held %11s refused  p99 %9s  [%s] %" PRId64 " left",
            seconds_of(load_run_elapsed_ns(sale->run)),
            load_number_format(now->arrivals - before->arrivals, offered),
            load_number_format(now->held, held), load_number_format(now->refused, refused),
            quiet ? "-" : latency, bar, left);
    if (now->not_sent > before->not_sent) {
        fprintf(sale->output, ", %s not sent",
                load_number_format(now->not_sent - before->not_sent, not_sent));
    }
    fputc('\n', sale->output);
    fflush(sale->output);
    sale->at_line = *now;
    load_histogram_reset(&sale->run->interval);
}

/* Starts the executable of --at-40-percent; it runs beside the sale. */
static void trigger(struct sale *sale)
{
    const char *command = sale->scene->options->at_40_percent;
    char *const arguments[] = {(char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t actions;
    sale->triggered = true;
    fprintf(sale->output, "%5.1f s  -- %u of %" PRId64 " units held: running %s\n",
            seconds_of(load_run_elapsed_ns(sale->run)), (unsigned)sale->run->counters.held,
            sale->result.units, command);
    fflush(sale->output);
    posix_spawn_file_actions_init(&actions);
    if (sale->scene->options->json) {
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    }
    int error = posix_spawn(&sale->child, command, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        sale->child = -1;
        fprintf(stderr, "stampede-load: --at-40-percent %s: %s\n", command, strerror(error));
    }
}

/* After each turn of the loop: has 40 % been reached, has the server gone? */
static void sale_watch(struct sale *sale)
{
    const struct load_counters *counters = &sale->run->counters;
    struct load_sale_result *result = &sale->result;
    bool due = counters->held * 100 >= (uint64_t)result->units * TRIGGER_PERCENT;
    if (!sale->triggered && due && sale->scene->options->at_40_percent != NULL) {
        trigger(sale);
    }
    if (!result->killed && load_client_open_count(sale->run->client) == 0) {
        result->killed = true;
        result->lost_at_ns = load_run_elapsed_ns(sale->run);
        result->acknowledged_before_loss = sale->run->answers.holds_count;
        result->units_left_at_loss = units_left(sale);
        fprintf(sale->output,
                "%5.1f s  -- the server is gone: %" PRId64 " holds acknowledged, %" PRId64
                " units left; buyers keep coming\n",
                seconds_of(result->lost_at_ns), result->acknowledged_before_loss,
                result->units_left_at_loss);
        fflush(sale->output);
    }
}

/* ---- the phases ---- */

static struct load_run_config run_config(struct load_scene *scene, struct load_skus *skus)
{
    return (struct load_run_config){
        .options = scene->options,
        .address = &scene->address,
        .buyers = &scene->buyers,
        .skus = skus,
        .seed = scene->options->seed,
        .nonce = scene->admin.nonce,
        .stop = scene->stop,
    };
}

/* A product of our own with that stock; its SKU is the only one of `skus`. */
static int product_make(struct load_scene *scene, struct load_skus *skus, const char *name,
                        uint32_t stock)
{
    char sku[LOAD_SKU_BYTES_MAX + 1];
    snprintf(sku, sizeof sku, "%s-%08x", name, scene->admin.nonce);
    if (!load_skus_open(skus, 1)) {
        return load_scene_no_memory();
    }
    if (!load_admin_product_create(&scene->admin, sku, stock)) {
        return load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
    }
    return load_skus_add(skus, sku, strlen(sku)) ? LOAD_EXIT_OK : LOAD_EXIT_SETUP;
}

/* Sold-out refusals in a closed loop, counted for CALIBRATION_SECONDS. */
static int refusals_measure(struct load_scene *scene, struct load_run *run, double *per_second_out)
{
    if (!load_run_start(run, CONNECT_WAIT_MS)) {
        return load_scene_unreachable(scene, load_client_connect_error(run->client));
    }
    uint64_t end_ns = run->epoch_ns + (uint64_t)(CALIBRATION_SECONDS * 1e9);
    while (load_clock_ns() < end_ns) {
        load_run_step(run, end_ns);
    }
    *per_second_out = (double)run->counters.refused / seconds_of(load_run_elapsed_ns(run));
    if (run->counters.refused == 0) {
        fprintf(stderr,
                "stampede-load: no sold-out refusal in %.1f s: the capacity cannot be measured\n",
                CALIBRATION_SECONDS);
        return LOAD_EXIT_SETUP;
    }
    return LOAD_EXIT_OK;
}

static int calibrate(struct load_scene *scene, double *per_second_out)
{
    struct load_skus skus = {0};
    int result = product_make(scene, &skus, "CALIBRATION", 0);
    if (result == LOAD_EXIT_OK) {
        struct load_run_config config = run_config(scene, &skus);
        config.closed = true;
        config.duration_seconds = CALIBRATION_SECONDS;
        config.nonce++; /* the sale's keys are other keys */
        struct load_run *run = load_run_create(&config);
        result =
            run != NULL ? refusals_measure(scene, run, per_second_out) : load_scene_no_memory();
        load_run_destroy(run);
    }
    load_skus_close(&skus);
    return result;
}

/* Turns the loop until the schedule, and then the settling, are over. */
static void sale_drive(struct sale *sale)
{
    struct load_run *run = sale->run;
    const struct load_options *options = sale->scene->options;
    uint64_t line_ns = run->epoch_ns + NS_PER_SECOND;
    uint64_t drain_ns = UINT64_MAX;
    bool settling = false;
    for (;;) {
        load_run_step(run, line_ns);
        uint64_t now_ns = load_clock_ns();
        sale_watch(sale);
        if (now_ns >= line_ns) {
            line_ns += NS_PER_SECOND;
            line_print(sale);
        }
        bool gone = load_run_target_is_gone(run);
        bool done = sale->purchases.paid >= sale->result.units && sale->purchases.open == 0;
        if (gone || (settling && done)) {
            load_run_stop_arrivals(run);
        }
        if (run->arriving) {
            continue;
        }
        if (!settling && !done && !gone && *run->config.stop == 0) {
            struct load_schedule_plan trickle = {.shape = LOAD_SCHEDULE_CONSTANT,
                                                 .to_per_second = SETTLE_PER_SECOND};
            load_run_reschedule(run, &trickle, SETTLE_SECONDS);
            settling = true;
            continue;
        }
        if (drain_ns == UINT64_MAX) {
            drain_ns = now_ns + options->drain_seconds * NS_PER_SECOND;
        }
        bool quiet = run->unsettled == 0 && sale->purchases.open == 0;
        if (quiet || gone || now_ns >= drain_ns) {
            return;
        }
    }
}

/* ---- the verdict ---- */

static void kill_check(struct sale *sale, struct load_verdict *verdict)
{
    struct load_sale_result *result = &sale->result;
    const struct load_answers *answers = &sale->run->answers;
    for (int64_t i = 0; i < result->acknowledged_before_loss; i++) {
        result->acknowledged_lost += answers->holds[i].in_books ? 0 : 1;
    }
    if (sale->scene->options->at_40_percent == NULL && !result->killed) {
        return;
    }
    load_verdict_check(verdict, result->killed && result->units_left_at_loss > 0,
                       "the server was lost while units remained", "%" PRId64 " units left",
                       result->units_left_at_loss);
    load_verdict_check(
        verdict, result->back_at_ns > 0, "the sale went on after it", "down for %.2f s",
        result->back_at_ns > 0 ? seconds_of(result->back_at_ns - result->lost_at_ns) : 0.0);
    load_verdict_check(verdict, result->acknowledged_lost == 0,
                       "what was acknowledged before it stands",
                       "acknowledged before the kill: %" PRId64 ", lost: %" PRId64,
                       result->acknowledged_before_loss, result->acknowledged_lost);
    int status = 0;
    if (sale->child > 0 && waitpid(sale->child, &status, WNOHANG) == sale->child) {
        load_verdict_check(verdict, WIFEXITED(status) && WEXITSTATUS(status) == 0,
                           "the command at 40 % succeeded", "exit status %d",
                           WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    } else if (sale->child < 0) {
        load_verdict_check(verdict, false, "the command at 40 % succeeded", "it did not start");
    }
}

static void sale_check(struct sale *sale, const struct load_proof_totals *totals,
                       struct load_verdict *verdict)
{
    struct load_sale_result *result = &sale->result;
    const struct load_answers *answers = &sale->run->answers;
    uint64_t unrecorded = 0;
    result->sold = totals->books.sold;
    result->oversold = totals->oversold_units;
    result->lapsed = totals->ended_units;
    for (uint32_t i = 0; i < answers->holds_count; i++) {
        const struct load_hold *hold = &answers->holds[i];
        if (hold->fate == LOAD_FATE_CONVERTED && hold->book_status != LOAD_BOOK_CONVERTED) {
            unrecorded++;
            load_verdict_problem(verdict, "%s was paid, and the books do not say that it is sold",
                                 hold->id);
        }
    }
    load_verdict_check(verdict,
                       result->sold == result->units && totals->books.reserved == 0 &&
                           totals->books.available == 0,
                       "every unit is sold", "sold %" PRId64 " of %" PRId64, result->sold,
                       result->units);
    load_verdict_check(
        verdict, unrecorded == 0 && sale->purchases.failed == 0, "every unit that was paid is sold",
        "%" PRId64 " paid, %" PRIu64 " came too late, %" PRIu64 " failed, %" PRIu64 " lost",
        sale->purchases.paid, sale->purchases.refused, sale->purchases.failed, unrecorded);
    kill_check(sale, verdict);
}

static int sale_judge(struct sale *sale, struct load_proof *proof)
{
    struct load_scene *scene = sale->scene;
    struct load_verdict verdict;
    load_run_settle(sale->run);
    load_verdict_clear(&verdict);
    load_proof_check_answers(sale->run, &verdict);
    if (!load_proof_finish(proof, sale->run, &verdict)) {
        return load_scene_admin_failed(scene, LOAD_EXIT_VERDICT);
    }
    sale_check(sale, &proof->totals, &verdict);
    sale->result.orders = sale->purchases.paid;
    sale->result.revenue_minor = sale->purchases.revenue_minor;
    sale->result.declined = sale->purchases.declined;
    if (!load_purchases_check(&sale->purchases, &scene->admin, &verdict) ||
        !load_admin_metric(&scene->admin, "stampede_commits_total", &sale->result.commits) ||
        !load_admin_metric(&scene->admin, "stampede_commit_records_total",
                           &sale->result.commit_records)) {
        return load_scene_admin_failed(scene, LOAD_EXIT_VERDICT);
    }
    struct load_report report = {.options = scene->options,
                                 .run = sale->run,
                                 .verdict = &verdict,
                                 .totals = &proof->totals,
                                 .sale = &sale->result};
    load_machine_read(&report.machine);
    if (!scene->options->json) {
        fputc('\n', stdout);
        load_report_print(&report, stdout);
    } else if (!load_report_print_json(&report, stdout)) {
        return load_scene_no_memory();
    }
    fflush(stdout);
    return verdict.ok ? LOAD_EXIT_OK : LOAD_EXIT_VERDICT;
}

static int sale_hold(struct sale *sale, struct load_skus *skus, struct load_proof *proof)
{
    struct load_scene *scene = sale->scene;
    struct load_run_config config = run_config(scene, skus);
    config.duration_seconds = scene->options->duration_seconds;
    config.plan = (struct load_schedule_plan){
        .shape = LOAD_SCHEDULE_EXPONENTIAL,
        .poisson = scene->options->plan.poisson,
        .from_per_second = FROM_PER_SECOND,
        .to_per_second = CAPACITY_TIMES * sale->result.capacity_per_second,
        .ramp_seconds = config.duration_seconds,
    };
    config.hooks = (struct load_run_hooks){
        .context = sale,
        .held = sale_held,
        .render = sale_render,
        .answered = sale_answered,
        .lost = sale_lost,
    };
    sale->run = load_run_create(&config);
    int result = LOAD_EXIT_OK;
    if (sale->run == NULL || !load_purchases_open(&sale->purchases, sale->run, scene->options)) {
        result = load_scene_no_memory();
    } else if (!load_run_start(sale->run, CONNECT_WAIT_MS)) {
        result = load_scene_unreachable(scene, load_client_connect_error(sale->run->client));
    } else {
        sale_drive(sale);
        result = sale_judge(sale, proof);
    }
    load_purchases_close(&sale->purchases);
    load_run_destroy(sale->run);
    return result;
}

int load_sale_run(struct load_scene *scene)
{
    struct sale sale = {.scene = scene,
                        .output = scene->options->json ? stderr : stdout,
                        .result = {.units = scene->options->units}};
    struct load_skus skus = {0};
    struct load_proof proof = {0};
    char capacity[LOAD_NUMBER_BYTES_MAX];
    char peak[LOAD_NUMBER_BYTES_MAX];
    int result = calibrate(scene, &sale.result.capacity_per_second);
    if (result == LOAD_EXIT_OK) {
        double per_second = sale.result.capacity_per_second;
        fprintf(
            sale.output,
            "capacity: %s sold-out refusals a second; arrivals go from %.0f/s to %s/s in %g s\n",
            load_number_format((uint64_t)per_second, capacity), FROM_PER_SECOND,
            load_number_format((uint64_t)(CAPACITY_TIMES * per_second), peak),
            scene->options->duration_seconds);
        fflush(sale.output);
        result = product_make(scene, &skus, "SALE", scene->options->units);
    }
    if (result == LOAD_EXIT_OK && !load_proof_begin(&proof, &scene->admin, &skus)) {
        result = load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
    }
    if (result == LOAD_EXIT_OK) {
        result = sale_hold(&sale, &skus, &proof);
    }
    load_proof_close(&proof);
    load_skus_close(&skus);
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a run found, as one JSON object. Times are in microseconds, to the histogram's digits. */
#include "load_report.h"

#include <stdlib.h>
#include <yyjson.h>

static yyjson_mut_val *latencies(yyjson_mut_doc *document, const struct load_histogram *histogram)
{
    static const struct {
        const char *name;
        double percent;
    } rows[] = {{"p50_us", 50}, {"p90_us", 90}, {"p99_us", 99}, {"p99_9_us", 99.9}};
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_obj_add_uint(document, object, "count", histogram->count);
    double mean_ns =
        histogram->count > 0 ? (double)histogram->sum_ns / (double)histogram->count : 0.0;
    yyjson_mut_obj_add_real(document, object, "mean_us", mean_ns / 1e3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value_ns = load_histogram_percentile(histogram, rows[i].percent);
        yyjson_mut_obj_add_real(document, object, rows[i].name, (double)value_ns / 1e3);
    }
    yyjson_mut_obj_add_real(document, object, "max_us", (double)histogram->max_ns / 1e3);
    return object;
}

static void add_load(yyjson_mut_doc *document, yyjson_mut_val *root,
                     const struct load_report *report)
{
    const struct load_options *options = report->options;
    const struct load_run *run = report->run;
    const struct load_schedule_plan *plan = &run->config.plan;
    static const char *const shapes[] = {
        [LOAD_SCHEDULE_CONSTANT] = "constant",
        [LOAD_SCHEDULE_LINEAR] = "linear",
        [LOAD_SCHEDULE_EXPONENTIAL] = "exponential",
    };
    yyjson_mut_obj_add_str(document, root, "scenario", load_scenario_name(options->scenario));
    yyjson_mut_obj_add_str(document, root, "target", options->target);
    yyjson_mut_obj_add_uint(document, root, "seed", options->seed);
    yyjson_mut_val *load = yyjson_mut_obj_add_obj(document, root, "load");
    yyjson_mut_obj_add_str(document, load, "loop", run->config.closed ? "closed" : "open");
    if (!run->config.closed) {
        yyjson_mut_obj_add_str(document, load, "shape", shapes[plan->shape]);
        yyjson_mut_obj_add_str(document, load, "arrivals", plan->poisson ? "poisson" : "uniform");
        yyjson_mut_obj_add_real(document, load, "from_per_second",
                                plan->shape == LOAD_SCHEDULE_CONSTANT ? plan->to_per_second
                                                                      : plan->from_per_second);
        yyjson_mut_obj_add_real(document, load, "to_per_second", plan->to_per_second);
    }
    yyjson_mut_obj_add_uint(document, load, "connections", options->connections);
    yyjson_mut_obj_add_uint(document, load, "pipeline", options->pipeline);
    yyjson_mut_obj_add_uint(document, load, "buyers", options->buyers);
    yyjson_mut_obj_add_uint(document, load, "skus", run->config.skus->count);
    yyjson_mut_obj_add_uint(document, load, "quantity", run->config.skus->quantity);
}

void load_report_add_latencies(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name,
                               const struct load_histogram *histogram)
{
    yyjson_mut_obj_add_val(document, object, name, latencies(document, histogram));
}

static void add_counts(yyjson_mut_doc *document, yyjson_mut_val *root, const struct load_run *run)
{
    const struct load_counters *counters = &run->counters;
    double seconds = (double)run->last_answer_ns / 1e9;
    uint64_t settled = counters->held + counters->refused + counters->other;
    yyjson_mut_val *counts = yyjson_mut_obj_add_obj(document, root, "counts");
    yyjson_mut_obj_add_uint(document, counts, "attempts", counters->arrivals);
    yyjson_mut_obj_add_uint(document, counts, "not_sent", counters->not_sent);
    yyjson_mut_obj_add_uint(document, counts, "requests", counters->sent);
    yyjson_mut_obj_add_uint(document, counts, "retried", counters->retried);
    yyjson_mut_obj_add_uint(document, counts, "answers", counters->answers);
    yyjson_mut_obj_add_uint(document, counts, "answers_lost", counters->lost);
    yyjson_mut_obj_add_uint(document, counts, "held", counters->held);
    yyjson_mut_obj_add_uint(document, counts, "replayed", counters->replayed);
    yyjson_mut_obj_add_uint(document, counts, "refused", counters->refused);
    yyjson_mut_obj_add_uint(document, counts, "other", counters->other);
    yyjson_mut_obj_add_uint(document, counts, "unknown", counters->unknown);
    yyjson_mut_obj_add_uint(document, counts, "repeats", counters->repeats);
    yyjson_mut_obj_add_uint(document, counts, "repeats_right", counters->repeats_right);
    yyjson_mut_obj_add_uint(document, counts, "disconnects", load_client_disconnects(run->client));
    yyjson_mut_val *by_status = yyjson_mut_obj_add_obj(document, root, "by_status");
    for (int status = 0; status < LOAD_STATUS_MAX; status++) {
        if (counters->by_status[status] > 0) {
            char name[16];
            snprintf(name, sizeof name, "%d", status);
            yyjson_mut_obj_add(by_status, yyjson_mut_strcpy(document, name),
                               yyjson_mut_uint(document, counters->by_status[status]));
        }
    }
    yyjson_mut_val *by_code = yyjson_mut_obj_add_arr(document, root, "by_code");
    for (uint32_t i = 0; i < run->codes_count; i++) {
        const struct load_code *code = &run->codes[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, by_code);
        yyjson_mut_obj_add_int(document, object, "status", code->status);
        yyjson_mut_obj_add_str(document, object, "code", code->name);
        yyjson_mut_obj_add_uint(document, object, "count", code->count);
    }
    yyjson_mut_obj_add_real(document, root, "seconds", seconds);
    yyjson_mut_obj_add_real(document, root, "offered_per_second",
                            seconds > 0 ? (double)counters->arrivals / seconds : 0.0);
    yyjson_mut_obj_add_real(document, root, "answered_per_second",
                            seconds > 0 ? (double)settled / seconds : 0.0);
    yyjson_mut_val *latency = yyjson_mut_obj_add_obj(document, root, "latency");
    yyjson_mut_obj_add_val(document, latency, "accepted", latencies(document, &run->accepted));
    yyjson_mut_obj_add_val(document, latency, "refused", latencies(document, &run->refused));
    yyjson_mut_obj_add_val(document, latency, "other", latencies(document, &run->other));
    yyjson_mut_obj_add_val(document, latency, "from_send", latencies(document, &run->service));
}

static void add_books(yyjson_mut_doc *document, yyjson_mut_val *root,
                      const struct load_proof_totals *totals)
{
    if (totals == NULL) {
        yyjson_mut_obj_add_null(document, root, "books");
        return;
    }
    yyjson_mut_val *books = yyjson_mut_obj_add_obj(document, root, "books");
    yyjson_mut_obj_add_sint(document, books, "stock", totals->books.stock);
    yyjson_mut_obj_add_sint(document, books, "available", totals->books.available);
    yyjson_mut_obj_add_sint(document, books, "reserved", totals->books.reserved);
    yyjson_mut_obj_add_sint(document, books, "sold", totals->books.sold);
    yyjson_mut_obj_add_sint(document, books, "acknowledged", totals->acknowledged);
    yyjson_mut_obj_add_sint(document, books, "acknowledged_lost", totals->lost);
    yyjson_mut_obj_add_sint(document, books, "unacknowledged", totals->unacknowledged);
    yyjson_mut_obj_add_sint(document, books, "units_held", totals->live_units);
    yyjson_mut_obj_add_sint(document, books, "units_converted", totals->converted_units);
    yyjson_mut_obj_add_sint(document, books, "units_came_back", totals->ended_units);
    yyjson_mut_obj_add_sint(document, books, "units_oversold", totals->oversold_units);
}

static void add_sale(yyjson_mut_doc *document, yyjson_mut_val *root,
                     const struct load_sale_result *sale)
{
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(document, root, "sale");
    yyjson_mut_obj_add_sint(document, object, "units", sale->units);
    yyjson_mut_obj_add_sint(document, object, "sold", sale->sold);
    yyjson_mut_obj_add_sint(document, object, "oversold", sale->oversold);
    yyjson_mut_obj_add_sint(document, object, "lapsed", sale->lapsed);
    yyjson_mut_obj_add_sint(document, object, "orders", sale->orders);
    yyjson_mut_obj_add_sint(document, object, "revenue_minor", sale->revenue_minor);
    yyjson_mut_obj_add_uint(document, object, "declined", sale->declined);
    yyjson_mut_obj_add_real(document, object, "capacity_per_second", sale->capacity_per_second);
    yyjson_mut_obj_add_bool(document, object, "killed", sale->killed);
    yyjson_mut_obj_add_sint(document, object, "acknowledged_before_kill",
                            sale->acknowledged_before_loss);
    yyjson_mut_obj_add_sint(document, object, "acknowledged_lost", sale->acknowledged_lost);
    yyjson_mut_obj_add_sint(document, object, "units_left_at_kill", sale->units_left_at_loss);
    yyjson_mut_obj_add_real(document, object, "lost_at_ms", (double)sale->lost_at_ns / 1e6);
    yyjson_mut_obj_add_real(document, object, "back_at_ms", (double)sale->back_at_ns / 1e6);
    yyjson_mut_obj_add_real(document, object, "commits", sale->commits);
    yyjson_mut_obj_add_real(document, object, "records_per_commit",
                            sale->commits > 0 ? sale->commit_records / sale->commits : 0.0);
}

void load_report_add_verdict(yyjson_mut_doc *document, yyjson_mut_val *root,
                             const struct load_verdict *verdict)
{
    yyjson_mut_val *checks = yyjson_mut_obj_add_arr(document, root, "checks");
    for (uint32_t i = 0; i < verdict->checks_count; i++) {
        const struct load_check *check = &verdict->checks[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, checks);
        yyjson_mut_obj_add_bool(document, object, "ok", check->ok);
        yyjson_mut_obj_add_str(document, object, "name", check->name);
        yyjson_mut_obj_add_str(document, object, "detail", check->detail);
    }
    yyjson_mut_val *problems = yyjson_mut_obj_add_arr(document, root, "problems");
    for (uint64_t i = 0; i < verdict->problems_count && i < LOAD_PROBLEMS_MAX; i++) {
        yyjson_mut_arr_add_str(document, problems, verdict->problems[i]);
    }
    yyjson_mut_obj_add_uint(document, root, "problems_count", verdict->problems_count);
    yyjson_mut_obj_add_str(document, root, "verdict", verdict->ok ? "ok" : "wrong");
    struct load_machine read;
    load_machine_read(&read);
    yyjson_mut_val *machine = yyjson_mut_obj_add_obj(document, root, "machine");
    yyjson_mut_obj_add_strcpy(document, machine, "cpu", read.cpu);
    yyjson_mut_obj_add_sint(document, machine, "cores", read.cores);
    yyjson_mut_obj_add_strcpy(document, machine, "kernel", read.kernel);
}

bool load_report_write_json(yyjson_mut_doc *document, FILE *output)
{
    char *text = yyjson_mut_write(document, 0, NULL);
    yyjson_mut_doc_free(document);
    if (text == NULL) {
        return false;
    }
    fprintf(output, "%s\n", text);
    free(text);
    return true;
}

bool load_report_print_json(const struct load_report *report, FILE *output)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    add_load(document, root, report);
    add_counts(document, root, report->run);
    add_books(document, root, report->totals);
    if (report->sale != NULL) {
        add_sale(document, root, report->sale);
    }
    load_report_add_verdict(document, root, report->verdict);
    return load_report_write_json(document, output);
}

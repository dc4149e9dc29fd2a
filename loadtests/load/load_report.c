/* SPDX-License-Identifier: Apache-2.0 */
/* What a run found, as text for people. */
#include "load_report.h"

#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NS_PER_SECOND 1e9

void load_machine_read(struct load_machine *machine_out)
{
    *machine_out = (struct load_machine){.cores = sysconf(_SC_NPROCESSORS_ONLN)};
    snprintf(machine_out->cpu, sizeof machine_out->cpu, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && value != NULL) {
            value += strspn(value, ": \t");
            snprintf(machine_out->cpu, sizeof machine_out->cpu, "%.*s", (int)strcspn(value, "\n"),
                     value);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    struct utsname system;
    if (uname(&system) == 0) {
        snprintf(machine_out->kernel, sizeof machine_out->kernel, "%.50s %.60s", system.sysname,
                 system.release);
    }
}

char *load_number_format(uint64_t value, char target[LOAD_NUMBER_BYTES_MAX])
{
    char digits[LOAD_NUMBER_BYTES_MAX];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *at = target;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return target;
}

char *load_latency_format(uint64_t value_ns, char target[LOAD_NUMBER_BYTES_MAX])
{
    double milliseconds = (double)value_ns / 1e6;
    if (milliseconds < 10) {
        snprintf(target, LOAD_NUMBER_BYTES_MAX, "%.3f ms", milliseconds);
    } else if (milliseconds < 1000) {
        snprintf(target, LOAD_NUMBER_BYTES_MAX, "%.1f ms", milliseconds);
    } else {
        snprintf(target, LOAD_NUMBER_BYTES_MAX, "%.2f s", milliseconds / 1000);
    }
    return target;
}

static void print_latencies(FILE *output, const char *name, const struct load_histogram *histogram)
{
    static const double percents[] = {50, 90, 99, 99.9, 100};
    char number[LOAD_NUMBER_BYTES_MAX];
    fprintf(output, "  %-16s %11s", name, load_number_format(histogram->count, number));
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        uint64_t value_ns = load_histogram_percentile(histogram, percents[i]);
        fprintf(output, " %10s",
                histogram->count == 0 ? "-" : load_latency_format(value_ns, number));
    }
    fputc('\n', output);
}

static void print_load(const struct load_report *report, FILE *output)
{
    const struct load_options *options = report->options;
    const struct load_run *run = report->run;
    const struct load_schedule_plan *plan = &run->config.plan;
    fprintf(output, "%s on %s: seed %" PRIu64 ", %u connections",
            load_scenario_name(options->scenario), options->target, options->seed,
            (unsigned)options->connections);
    if (options->pipeline > 1) {
        fprintf(output, " x %u", (unsigned)options->pipeline);
    }
    fprintf(output, ", %u buyers, ", (unsigned)options->buyers);
    if (run->config.closed) {
        fputs("closed loop\n\n", output);
    } else if (plan->shape == LOAD_SCHEDULE_CONSTANT) {
        fprintf(output, "open loop %g/s %s\n\n", plan->to_per_second,
                plan->poisson ? "poisson" : "uniform");
    } else {
        fprintf(output, "open loop %g/s to %.0f/s in %g s %s\n\n", plan->from_per_second,
                plan->to_per_second, plan->ramp_seconds, plan->poisson ? "poisson" : "uniform");
    }
}

static void print_counts(const struct load_report *report, FILE *output)
{
    const struct load_run *run = report->run;
    const struct load_counters *counters = &run->counters;
    char arrivals[LOAD_NUMBER_BYTES_MAX];
    char sent[LOAD_NUMBER_BYTES_MAX];
    char retried[LOAD_NUMBER_BYTES_MAX];
    char not_sent[LOAD_NUMBER_BYTES_MAX];
    char rate[LOAD_NUMBER_BYTES_MAX];
    double seconds = (double)run->last_answer_ns / NS_PER_SECOND;
    double answers = (double)(counters->held + counters->refused + counters->other);
    fprintf(output, "  %-16s %11s %10s %10s %10s %10s %10s\n", "", "count", "p50", "p90", "p99",
            "p99.9", "max");
    print_latencies(output, "held (201)", &run->accepted);
    print_latencies(output, "refused (409)", &run->refused);
    if (run->other.count > 0) {
        print_latencies(output, "other", &run->other);
    }
    print_latencies(output, "from the send", &run->service);
    fprintf(output, "\n  %s attempts in %.1f s, %s answered a second\n",
            load_number_format(counters->arrivals, arrivals), seconds,
            load_number_format((uint64_t)(seconds > 0 ? answers / seconds : 0), rate));
    fprintf(
        output, "  %s requests sent, %s of them again with the same key; %s attempts not sent\n",
        load_number_format(counters->sent, sent), load_number_format(counters->retried, retried),
        load_number_format(counters->not_sent, not_sent));
    if (counters->lost > 0 || counters->replayed > 0 || counters->unknown > 0) {
        fprintf(output,
                "  %" PRIu64 " answers lost with their connection, %" PRIu64
                " got by repeating the key, %" PRIu64 " never known\n",
                counters->lost, counters->replayed, counters->unknown);
    }
    for (uint32_t i = 0; i < run->codes_count; i++) {
        const struct load_code *code = &run->codes[i];
        fprintf(output, "  %d %-24s %s\n", code->status, code->name[0] ? code->name : "(no code)",
                load_number_format(code->count, rate));
    }
    fputc('\n', output);
}

static void print_sale(const struct load_sale_result *sale, const struct load_run *run,
                       FILE *output)
{
    char number[LOAD_NUMBER_BYTES_MAX];
    fprintf(output, "  sold %" PRId64 " of %" PRId64 "\n", sale->sold, sale->units);
    fprintf(output, "  oversold %" PRId64 "\n", sale->oversold);
    if (sale->killed) {
        fprintf(output, "  acknowledged before the kill: %" PRId64 ", lost: %" PRId64 "\n",
                sale->acknowledged_before_loss, sale->acknowledged_lost);
    }
    fprintf(output, "  %" PRId64 " holds lapsed and their units sold again\n", sale->lapsed);
    fprintf(output,
            "  revenue %" PRId64 ".%02" PRId64 " EUR in %" PRId64 " paid orders; %" PRIu64
            " cards declined at first; %s buyers refused\n",
            sale->revenue_minor / 100, sale->revenue_minor % 100, sale->orders, sale->declined,
            load_number_format(run->counters.refused, number));
    fprintf(output, "  capacity measured: %s refusals a second\n",
            load_number_format((uint64_t)sale->capacity_per_second, number));
    char outage[64] = "";
    if (sale->back_at_ns > 0) {
        snprintf(outage, sizeof outage, " (%.2f s without a server included)",
                 (double)(sale->back_at_ns - sale->lost_at_ns) / NS_PER_SECOND);
    }
    const struct {
        const char *name;
        const struct load_histogram *histogram;
    } rows[] = {{"accepted", &run->accepted}, {"refused", &run->refused}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char p50[LOAD_NUMBER_BYTES_MAX];
        char p99[LOAD_NUMBER_BYTES_MAX];
        char p999[LOAD_NUMBER_BYTES_MAX];
        fprintf(output, "  %s: p50 %s, p99 %s, p99.9 %s%s\n", rows[i].name,
                load_latency_format(load_histogram_percentile(rows[i].histogram, 50), p50),
                load_latency_format(load_histogram_percentile(rows[i].histogram, 99), p99),
                load_latency_format(load_histogram_percentile(rows[i].histogram, 99.9), p999),
                outage);
    }
    fprintf(output, "  %s commits%s, %.1f records each on average\n",
            load_number_format((uint64_t)sale->commits, number),
            sale->killed ? " since the restart" : "",
            sale->commits > 0 ? sale->commit_records / sale->commits : 0.0);
}

void load_report_print_checks(const struct load_verdict *verdict, FILE *output)
{
    for (uint32_t i = 0; i < verdict->checks_count; i++) {
        const struct load_check *check = &verdict->checks[i];
        fprintf(output, "  %-5s %-48s %s\n", check->ok ? "ok" : "WRONG", check->name,
                check->detail);
    }
    uint64_t told =
        verdict->problems_count < LOAD_PROBLEMS_MAX ? verdict->problems_count : LOAD_PROBLEMS_MAX;
    for (uint64_t i = 0; i < told; i++) {
        fprintf(output, "        %s\n", verdict->problems[i]);
    }
    if (verdict->problems_count > told) {
        fprintf(output, "        and %" PRIu64 " more\n", verdict->problems_count - told);
    }
}

void load_report_print(const struct load_report *report, FILE *output)
{
    const struct load_proof_totals *totals = report->totals;
    const char *verdict = report->verdict->ok ? "ok" : "WRONG";
    print_load(report, output);
    print_counts(report, output);
    load_report_print_checks(report->verdict, output);
    if (report->sale != NULL) {
        fputc('\n', output);
        print_sale(report->sale, report->run, output);
    }
    fprintf(output, "\nmachine: %s, %ld cores, %s\n", report->machine.cpu, report->machine.cores,
            report->machine.kernel);
    if (totals == NULL) {
        fprintf(output, "verdict: %s, by the answers alone: nothing was compared with the books\n",
                verdict);
    } else if (report->sale != NULL) {
        fprintf(output, "verdict: %s\n", verdict);
    } else {
        fprintf(output,
                "verdict: %s, %" PRId64 " units held of the %" PRId64 " in stock, %" PRId64
                " left, oversold %" PRId64 "\n",
                verdict, totals->live_units, totals->books.stock, totals->books.available,
                totals->oversold_units);
    }
}

void load_report_progress(struct load_run *run, struct load_progress *progress, FILE *output)
{
    const struct load_counters *counters = &run->counters;
    uint64_t settled = counters->held + counters->refused + counters->other;
    char arrivals[LOAD_NUMBER_BYTES_MAX];
    char answered[LOAD_NUMBER_BYTES_MAX];
    char held[LOAD_NUMBER_BYTES_MAX];
    char refused[LOAD_NUMBER_BYTES_MAX];
    char latency[LOAD_NUMBER_BYTES_MAX];
    fprintf(output, "%4.0f s  offered %9s/s  answered %9s/s  held %9s  refused %11s  p99 %9s",
            (double)load_run_elapsed_ns(run) / NS_PER_SECOND,
            load_number_format(counters->arrivals - progress->arrivals, arrivals),
            load_number_format(settled - progress->settled, answered),
            load_number_format(counters->held, held),
            load_number_format(counters->refused, refused),
            load_latency_format(load_histogram_percentile(&run->interval, 99), latency));
    if (counters->not_sent > 0) {
        fprintf(output, "  not sent %s", load_number_format(counters->not_sent, arrivals));
    }
    if (load_client_open_count(run->client) == 0) {
        fputs("  no connection", output);
    }
    fputc('\n', output);
    fflush(output);
    progress->arrivals = counters->arrivals;
    progress->settled = settled;
    load_histogram_reset(&run->interval);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the journeys of a run came to: a table of the calls, or one JSON object. */
#include "load_journey_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <yyjson.h>

#include "load_report.h"

static double seconds_of(const struct load_journeys *journeys)
{
    return (double)journeys->last_end_ns / 1e9;
}

static double rate_of(const struct load_journeys *journeys, uint64_t count)
{
    double seconds = seconds_of(journeys);
    return seconds > 0 ? (double)count / seconds : 0.0;
}

/* ---- for people ---- */

static void print_row(FILE *output, const char *name, double per_second, uint64_t count,
                      const struct load_histogram *histogram)
{
    static const double percents[] = {50, 90, 99, 99.9, 100};
    char text[LOAD_NUMBER_BYTES_MAX];
    fprintf(output, "  %-16s %10s", name, load_number_format(count, text));
    fprintf(output, " %9s", load_number_format((uint64_t)per_second, text));
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        uint64_t value_ns = load_histogram_percentile(histogram, percents[i]);
        fprintf(output, " %10s", histogram->count == 0 ? "-" : load_latency_format(value_ns, text));
    }
    fputc('\n', output);
}

static void print_load(const struct load_journeys *journeys, FILE *output)
{
    const struct load_options *options = journeys->options;
    const struct load_schedule_plan *plan = &options->plan;
    fprintf(output, "journey on %s: seed %" PRIu64 ", %u connections", options->target,
            options->seed, options->connections);
    if (options->pipeline > 1) {
        fprintf(output, " x %u", options->pipeline);
    }
    fprintf(output, ", %u buyers, ", journeys->buyers->count);
    if (options->closed) {
        fputs("closed loop\n\n", output);
    } else if (plan->shape == LOAD_SCHEDULE_CONSTANT) {
        fprintf(output, "open loop %g/s %s\n\n", plan->to_per_second,
                plan->poisson ? "poisson" : "uniform");
    } else {
        fprintf(output, "open loop %g/s to %.0f/s in %g s %s\n\n", plan->from_per_second,
                plan->to_per_second, plan->ramp_seconds, plan->poisson ? "poisson" : "uniform");
    }
}

static void print_calls(const struct load_journeys *journeys, FILE *output)
{
    fprintf(output, "  %-16s %10s %9s %10s %10s %10s %10s %10s\n", "", "answers", "/s", "p50",
            "p90", "p99", "p99.9", "max");
    for (unsigned call = 0; call < LOAD_JOURNEY_CALLS; call++) {
        const struct load_journey_figures *figures = &journeys->calls[call];
        print_row(output, load_journey_call_name((enum load_journey_call)call),
                  rate_of(journeys, figures->latency.count), figures->latency.count,
                  &figures->latency);
    }
    print_row(output, "whole journey", rate_of(journeys, journeys->confirmed), journeys->confirmed,
              &journeys->whole);
    fputs("  from the send\n", output);
    for (unsigned call = 0; call < LOAD_JOURNEY_CALLS; call++) {
        const struct load_journey_figures *figures = &journeys->calls[call];
        print_row(output, load_journey_call_name((enum load_journey_call)call),
                  rate_of(journeys, figures->service.count), figures->service.count,
                  &figures->service);
    }
}

static void print_counts(const struct load_journeys *journeys, FILE *output)
{
    char text[5][LOAD_NUMBER_BYTES_MAX];
    fprintf(output, "\n  %s orders in %.1f s, %s a second; revenue %" PRId64 ".%02" PRId64 "\n",
            load_number_format(journeys->confirmed, text[0]), seconds_of(journeys),
            load_number_format((uint64_t)rate_of(journeys, journeys->confirmed), text[1]),
            journeys->revenue_minor / 100, journeys->revenue_minor % 100);
    fprintf(output, "  %s journeys: %s refused, %s failed, %s never known, %s not sent\n",
            load_number_format(journeys->arrivals, text[0]),
            load_number_format(journeys->refused, text[1]),
            load_number_format(journeys->failed, text[2]),
            load_number_format(journeys->unknown, text[3]),
            load_number_format(journeys->not_sent, text[4]));
    for (unsigned call = 0; call < LOAD_JOURNEY_CALLS; call++) {
        const struct load_journey_figures *figures = &journeys->calls[call];
        const char *name = load_journey_call_name((enum load_journey_call)call);
        for (uint32_t i = 0; i < figures->codes_count; i++) {
            const struct load_code *code = &figures->codes[i];
            fprintf(output, "  %-9s %d %-24s %s\n", name, code->status,
                    code->name[0] != '\0' ? code->name : "(no code)",
                    load_number_format(code->count, text[0]));
        }
        if (figures->lost > 0 || figures->waits > 0) {
            fprintf(output, "  %-9s %" PRIu64 " answers lost, %" PRIu64 " not confirmed yet\n",
                    name, figures->lost, figures->waits);
        }
    }
    fputc('\n', output);
}

void load_journey_report_print(const struct load_journeys *journeys,
                               const struct load_verdict *verdict, bool is_proved, FILE *output)
{
    struct load_machine machine;
    print_load(journeys, output);
    print_calls(journeys, output);
    print_counts(journeys, output);
    load_report_print_checks(verdict, output);
    load_machine_read(&machine);
    fprintf(output, "\nmachine: %s, %ld cores, %s\nverdict: %s%s\n", machine.cpu, machine.cores,
            machine.kernel, verdict->ok ? "ok" : "WRONG",
            is_proved ? "" : ", by the answers alone: nothing was compared with the books");
}

uint64_t load_journey_report_progress(struct load_journeys *journeys, uint64_t confirmed,
                                      FILE *output)
{
    char orders[LOAD_NUMBER_BYTES_MAX];
    char all[LOAD_NUMBER_BYTES_MAX];
    char latency[LOAD_NUMBER_BYTES_MAX];
    fprintf(output, "%4.0f s  orders %8s/s, %11s in all  under way %6u  journey p99 %9s%s\n",
            (double)load_journeys_elapsed_ns(journeys) / 1e9,
            load_number_format(journeys->confirmed - confirmed, orders),
            load_number_format(journeys->confirmed, all), journeys->under_way,
            load_latency_format(load_histogram_percentile(&journeys->interval, 99), latency),
            load_client_open_count(journeys->client) == 0 ? "  no connection" : "");
    fflush(output);
    load_histogram_reset(&journeys->interval);
    return journeys->confirmed;
}

/* ---- for programs ---- */

static void add_calls(yyjson_mut_doc *document, yyjson_mut_val *root,
                      const struct load_journeys *journeys)
{
    yyjson_mut_val *calls = yyjson_mut_obj_add_obj(document, root, "calls");
    for (unsigned call = 0; call < LOAD_JOURNEY_CALLS; call++) {
        const struct load_journey_figures *figures = &journeys->calls[call];
        yyjson_mut_val *object = yyjson_mut_obj_add_obj(
            document, calls, load_journey_call_name((enum load_journey_call)call));
        yyjson_mut_obj_add_uint(document, object, "requests", figures->requests);
        yyjson_mut_obj_add_uint(document, object, "done", figures->done);
        yyjson_mut_obj_add_uint(document, object, "answers_lost", figures->lost);
        yyjson_mut_obj_add_uint(document, object, "not_confirmed_yet", figures->waits);
        yyjson_mut_obj_add_real(document, object, "per_second",
                                rate_of(journeys, figures->latency.count));
        load_report_add_latencies(document, object, "latency", &figures->latency);
        load_report_add_latencies(document, object, "from_send", &figures->service);
        yyjson_mut_val *by_code = yyjson_mut_obj_add_arr(document, object, "by_code");
        for (uint32_t i = 0; i < figures->codes_count; i++) {
            const struct load_code *code = &figures->codes[i];
            yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, by_code);
            yyjson_mut_obj_add_int(document, entry, "status", code->status);
            yyjson_mut_obj_add_str(document, entry, "code", code->name);
            yyjson_mut_obj_add_uint(document, entry, "count", code->count);
        }
    }
    load_report_add_latencies(document, root, "journey", &journeys->whole);
}

bool load_journey_report_print_json(const struct load_journeys *journeys,
                                    const struct load_verdict *verdict, bool is_proved,
                                    FILE *output)
{
    const struct load_options *options = journeys->options;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "scenario", load_scenario_name(options->scenario));
    yyjson_mut_obj_add_str(document, root, "target", options->target);
    yyjson_mut_obj_add_uint(document, root, "seed", options->seed);
    yyjson_mut_val *load = yyjson_mut_obj_add_obj(document, root, "load");
    yyjson_mut_obj_add_str(document, load, "loop", options->closed ? "closed" : "open");
    if (!options->closed) {
        yyjson_mut_obj_add_real(document, load, "to_per_second", options->plan.to_per_second);
    }
    yyjson_mut_obj_add_uint(document, load, "connections", options->connections);
    yyjson_mut_obj_add_uint(document, load, "pipeline", options->pipeline);
    yyjson_mut_obj_add_uint(document, load, "buyers", journeys->buyers->count);
    yyjson_mut_obj_add_uint(document, load, "skus", journeys->skus->count);
    yyjson_mut_obj_add_uint(document, load, "quantity", journeys->skus->quantity);
    yyjson_mut_val *counts = yyjson_mut_obj_add_obj(document, root, "counts");
    yyjson_mut_obj_add_uint(document, counts, "journeys", journeys->arrivals);
    yyjson_mut_obj_add_uint(document, counts, "confirmed", journeys->confirmed);
    yyjson_mut_obj_add_uint(document, counts, "refused", journeys->refused);
    yyjson_mut_obj_add_uint(document, counts, "failed", journeys->failed);
    yyjson_mut_obj_add_uint(document, counts, "unknown", journeys->unknown);
    yyjson_mut_obj_add_uint(document, counts, "not_sent", journeys->not_sent);
    yyjson_mut_obj_add_uint(document, counts, "disconnects",
                            load_client_disconnects(journeys->client));
    yyjson_mut_obj_add_sint(document, root, "revenue_minor", journeys->revenue_minor);
    yyjson_mut_obj_add_real(document, root, "seconds", seconds_of(journeys));
    yyjson_mut_obj_add_real(document, root, "orders_per_second",
                            rate_of(journeys, journeys->confirmed));
    add_calls(document, root, journeys);
    yyjson_mut_obj_add_bool(document, root, "proved", is_proved);
    load_report_add_verdict(document, root, verdict);
    return load_report_write_json(document, output);
}

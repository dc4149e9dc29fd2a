/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario `availability`: --subscribers readers of one SKU by server-sent events, while its
 * stock changes: by this tool, --rate times a second, or with --sku by whoever sells it meanwhile.
 *
 *  - every reader is let in and told how it is; none is cut;
 *  - in the end every reader knows what the books say;
 *  - while the stock only falls, no reader is told of more than before;
 *  - no reader is told more often than ten times a second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "load_proof.h"
#include "load_report.h"
#include "load_scenario.h"
#include "load_streams.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
    OPEN_WAIT_MS = 60000,
    EVENTS_PER_SECOND_MAX = 10,
    EVENTS_SPARE = 5, /* the first one, and what is on its way at the end */
};

#define CHANGES_PER_SECOND 20.0

static uint32_t events_most(const struct load_streams *streams)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < streams->count; i++) {
        most = streams->rows[i].events > most ? streams->rows[i].events : most;
    }
    return most;
}

static int judge(struct load_scene *scene, struct load_streams *streams, double seconds,
                 struct load_verdict *verdict)
{
    const struct load_options *options = scene->options;
    struct load_inventory books = {0};
    uint32_t most = events_most(streams);
    uint32_t allowed = (uint32_t)(seconds * EVENTS_PER_SECOND_MAX) + EVENTS_SPARE;
    bool has_books = !options->no_proof;
    if (has_books && !load_admin_inventory(&scene->admin, streams->sku, &books)) {
        return load_scene_admin_failed(scene, LOAD_EXIT_VERDICT);
    }
    load_verdict_check(verdict, streams->open == streams->count && streams->cut == 0,
                       "every reader was let in, and none was cut",
                       "%" PRIu32 " of %" PRIu32 ", %" PRIu32 " refused, %" PRIu32 " cut",
                       streams->open, streams->count, streams->refused, streams->cut);
    if (has_books) {
        uint32_t others =
            load_streams_settle(streams, books.available, options->drain_seconds * 1000);
        load_verdict_check(verdict, others == 0, "every reader knows what the books say",
                           "%" PRId64 " available, %" PRIu32 " readers know of others",
                           books.available, others);
    }
    load_verdict_check(verdict, streams->malformed == 0, "every event can be read",
                       "%" PRIu64 " cannot", streams->malformed);
    load_verdict_check(verdict, streams->backwards == 0, "no reader was told of more than before",
                       "%" PRIu64 " times", streams->backwards);
    load_verdict_check(verdict, most <= allowed, "no reader was told too often",
                       "%" PRIu32 " events at most in %.1f s", most, seconds);
    if (streams->falls) {
        load_verdict_check(
            verdict, streams->acknowledged > 0 && streams->changes <= streams->acknowledged + 1,
            "every change was taken", "%" PRIu32 " of %" PRIu32, streams->acknowledged,
            streams->changes);
    }
    return LOAD_EXIT_OK;
}

static void report_print(const struct load_streams *streams, double seconds,
                         const struct load_verdict *verdict)
{
    char texts[4][LOAD_NUMBER_BYTES_MAX];
    printf("availability: %s readers of %s, let in within %.2f s\n",
           load_number_format(streams->count, texts[0]), streams->sku,
           (double)streams->opened_ns / (double)NS_PER_SECOND);
    printf("  events      %s (%s a second), %s changes\n",
           load_number_format(streams->events, texts[0]),
           load_number_format((uint64_t)((double)streams->events / seconds), texts[1]),
           load_number_format(streams->acknowledged, texts[2]));
    if (streams->delay.count > 0) {
        printf("  delay       p50 %s  p99 %s  max %s, from the sending of a change\n",
               load_latency_format(load_histogram_percentile(&streams->delay, 50), texts[0]),
               load_latency_format(load_histogram_percentile(&streams->delay, 99), texts[1]),
               load_latency_format(streams->delay.max_ns, texts[2]));
    }
    load_report_print_checks(verdict, stdout);
}

static bool report_print_json(const struct load_streams *streams, double seconds,
                              const struct load_verdict *verdict)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    if (document == NULL) {
        return false;
    }
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "scenario", "availability");
    yyjson_mut_obj_add_uint(document, root, "subscribers", streams->count);
    yyjson_mut_obj_add_uint(document, root, "open", streams->open);
    yyjson_mut_obj_add_uint(document, root, "refused", streams->refused);
    yyjson_mut_obj_add_uint(document, root, "cut", streams->cut);
    yyjson_mut_obj_add_real(document, root, "open_seconds",
                            (double)streams->opened_ns / (double)NS_PER_SECOND);
    yyjson_mut_obj_add_real(document, root, "seconds", seconds);
    yyjson_mut_obj_add_uint(document, root, "events", streams->events);
    yyjson_mut_obj_add_uint(document, root, "events_most", events_most(streams));
    yyjson_mut_obj_add_uint(document, root, "changes", streams->acknowledged);
    load_report_add_latencies(document, root, "delay", &streams->delay);
    load_report_add_verdict(document, root, verdict);
    return load_report_write_json(document, stdout);
}

static int streams_run(struct load_scene *scene, struct load_streams *streams)
{
    const struct load_options *options = scene->options;
    struct load_verdict verdict;
    bool is_ours = options->sku == NULL;
    double rate = options->rate > 0 ? options->rate : CHANGES_PER_SECOND;
    if (!load_streams_open(streams, OPEN_WAIT_MS) && streams->open == 0) {
        return load_scene_unreachable(scene, 0);
    }
    uint64_t began_ns = load_clock_ns();
    load_streams_drive(streams,
                       began_ns + (uint64_t)(options->duration_seconds * (double)NS_PER_SECOND),
                       is_ours ? rate : 0);
    double seconds = (double)(load_clock_ns() - began_ns) / (double)NS_PER_SECOND;
    /* The last change may be on its way. */
    load_streams_drive(streams, load_clock_ns() + NS_PER_SECOND, 0);
    load_verdict_clear(&verdict);
    int result = judge(scene, streams, seconds + 1, &verdict);
    if (result != LOAD_EXIT_OK) {
        return result;
    }
    if (!options->json) {
        report_print(streams, seconds, &verdict);
    } else if (!report_print_json(streams, seconds, &verdict)) {
        return load_scene_no_memory();
    }
    fflush(stdout);
    return verdict.ok ? LOAD_EXIT_OK : LOAD_EXIT_VERDICT;
}

int load_streams_run(struct load_scene *scene)
{
    const struct load_options *options = scene->options;
    char made[LOAD_SKU_BYTES_MAX + 1];
    snprintf(made, sizeof made, "WATCHED-%08x", scene->admin.nonce);
    if (options->sku == NULL && !load_admin_product_create(&scene->admin, made, options->units)) {
        return load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
    }
    struct load_streams *streams = load_streams_create(
        options, &scene->address, options->sku != NULL ? options->sku : made, scene->stop);
    if (streams == NULL) {
        return load_scene_no_memory();
    }
    int result = streams_run(scene, streams);
    load_streams_destroy(streams);
    return result;
}

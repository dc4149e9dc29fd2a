/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario `journey`: products with stock, guests who buy them, and what the books say after.
 *
 *  - every order that a buyer saw confirmed is in the books, confirmed, of that total, captured;
 *  - what was sold grew by the units of those, and by no more than of those whose end is unknown;
 *  - stock = available + reserved + sold, none negative.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_journey.h"
#include "load_journey_report.h"
#include "load_proof.h"
#include "load_scenario.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum { CONNECT_WAIT_MS = 3000 };

/* ---- the products ---- */

static int product_take(struct load_scene *scene, struct load_skus *skus, const char *sku)
{
    if (!load_skus_add(skus, sku, strlen(sku))) {
        return LOAD_EXIT_SETUP;
    }
    if (scene->options->no_proof) {
        return LOAD_EXIT_OK;
    }
    return load_admin_inventory(&scene->admin, sku, &skus->rows[skus->count - 1].before)
               ? LOAD_EXIT_OK
               : load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
}

static int products_make(struct load_scene *scene, struct load_skus *skus)
{
    const struct load_options *options = scene->options;
    int result = LOAD_EXIT_OK;
    if (options->sku != NULL) {
        return product_take(scene, skus, options->sku);
    }
    for (uint32_t i = 0; i < options->products && result == LOAD_EXIT_OK; i++) {
        char sku[LOAD_SKU_BYTES_MAX + 1];
        snprintf(sku, sizeof sku, "JOURNEY-%08x-%u", scene->admin.nonce, i);
        if (!load_admin_product_create(&scene->admin, sku, options->units)) {
            return load_scene_admin_failed(scene, LOAD_EXIT_SETUP);
        }
        result = product_take(scene, skus, sku);
    }
    return result;
}

/* ---- the proof ---- */

struct order_books {
    struct load_journeys *journeys;
    struct load_index index; /* the order's ID: the row of its journey */
    struct load_verdict *verdict;
    uint64_t found;
    uint64_t wrong;
};

static bool order_compare(void *context, const struct load_book_order *order)
{
    struct order_books *books = context;
    uint32_t row = 0;
    if (!load_index_find(&books->index, order->id.data, order->id.length, &row)) {
        return true;
    }
    struct load_journey *journey = &books->journeys->rows[row];
    bool is_right = order->is_confirmed && order->total_minor == journey->total_minor &&
                    order->captured_minor == journey->total_minor && order->refunded_minor == 0 &&
                    order->units == books->journeys->skus->quantity;
    books->found += journey->in_books ? 0 : 1;
    journey->in_books = true;
    if (!is_right) {
        books->wrong++;
        load_verdict_problem(books->verdict,
                             "%s: seen confirmed with a total of %" PRId64 "; in the books %s, "
                             "%" PRId64 " of %" PRId64 " captured, %" PRId64 " units",
                             journey->order_id, journey->total_minor,
                             order->is_confirmed ? "confirmed" : "not confirmed",
                             order->captured_minor, order->total_minor, order->units);
    }
    return true;
}

static int orders_prove(struct load_scene *scene, struct load_journeys *journeys,
                        struct load_verdict *verdict)
{
    struct order_books books = {.journeys = journeys, .verdict = verdict};
    uint64_t twice = 0;
    int result = LOAD_EXIT_OK;
    for (uint32_t row = 0; row < journeys->rows_count && result == LOAD_EXIT_OK; row++) {
        const struct load_journey *journey = &journeys->rows[row];
        if (journey->state != LOAD_JOURNEY_CONFIRMED) {
            continue;
        }
        enum load_index_result added =
            load_index_add(&books.index, journey->order_id, strlen(journey->order_id), row);
        twice += added == LOAD_INDEX_PRESENT ? 1 : 0;
        result = added == LOAD_INDEX_NO_MEMORY ? load_scene_no_memory() : LOAD_EXIT_OK;
    }
    if (result == LOAD_EXIT_OK && !load_admin_orders_each(&scene->admin, order_compare, &books)) {
        result = load_scene_admin_failed(scene, LOAD_EXIT_VERDICT);
    }
    load_index_close(&books.index);
    if (result == LOAD_EXIT_OK) {
        load_verdict_check(verdict, twice == 0, "no two buyers were told the same order",
                           "%" PRIu64 " told twice", twice);
        load_verdict_check(verdict, books.found == journeys->confirmed && books.wrong == 0,
                           "every confirmed order is in the books, paid",
                           "%" PRIu64 " of %" PRIu64 ", %" PRIu64 " wrong", books.found,
                           journeys->confirmed, books.wrong);
    }
    return result;
}

static int stock_prove(struct load_scene *scene, const struct load_journeys *journeys,
                       struct load_verdict *verdict)
{
    struct load_skus *skus = journeys->skus;
    struct load_inventory sum = {0};
    int64_t grew = 0;
    int64_t least = (int64_t)(journeys->confirmed * skus->quantity);
    int64_t most = least + (int64_t)(journeys->unknown * skus->quantity);
    bool is_conserved = true;
    for (uint32_t i = 0; i < skus->count; i++) {
        struct load_inventory now;
        if (!load_admin_inventory(&scene->admin, skus->rows[i].name, &now)) {
            return load_scene_admin_failed(scene, LOAD_EXIT_VERDICT);
        }
        is_conserved = is_conserved && now.stock == now.available + now.reserved + now.sold &&
                       now.available >= 0 && now.reserved >= 0 && now.sold >= 0 &&
                       now.stock == skus->rows[i].before.stock;
        grew += now.sold - skus->rows[i].before.sold;
        sum.stock += now.stock;
        sum.available += now.available;
        sum.reserved += now.reserved;
        sum.sold += now.sold;
    }
    if (journeys->last == LOAD_JOURNEY_LOOK) {
        load_verdict_check(verdict, grew >= least && grew <= most,
                           "what was sold is what was confirmed",
                           "%" PRId64 " units sold, %" PRId64 " confirmed%s", grew, least,
                           most > least ? ", some never known" : "");
    }
    load_verdict_check(verdict, is_conserved, "stock = available + reserved + sold",
                       "%" PRId64 " = %" PRId64 " + %" PRId64 " + %" PRId64, sum.stock,
                       sum.available, sum.reserved, sum.sold);
    return LOAD_EXIT_OK;
}

static void answers_check(const struct load_journeys *journeys, struct load_verdict *verdict)
{
    load_verdict_check(verdict, journeys->confirmed + journeys->refused > 0,
                       "buyers came to an end", "%" PRIu64 " confirmed, %" PRIu64 " refused",
                       journeys->confirmed, journeys->refused);
    load_verdict_check(verdict, journeys->failed == 0, "no answer that a buyer cannot expect",
                       "%" PRIu64 " journeys failed, %" PRIu64 " by what the answer lacks",
                       journeys->failed, journeys->malformed);
}

/* ---- the run ---- */

static void journeys_drive(struct load_journeys *journeys)
{
    const struct load_options *options = journeys->options;
    uint64_t line_ns = journeys->epoch_ns + NS_PER_SECOND;
    uint64_t deadline_ns = UINT64_MAX;
    uint64_t now_ns = load_clock_ns();
    uint64_t confirmed = 0;
    while (journeys->arriving || (journeys->under_way > 0 && now_ns < deadline_ns)) {
        load_journeys_step(journeys, line_ns < deadline_ns ? line_ns : deadline_ns);
        now_ns = load_clock_ns();
        if (load_journeys_target_is_gone(journeys)) {
            break;
        }
        if (!journeys->arriving && deadline_ns == UINT64_MAX) {
            deadline_ns = now_ns + options->drain_seconds * NS_PER_SECOND;
        }
        if (now_ns >= line_ns) {
            line_ns += NS_PER_SECOND;
            if (options->progress) {
                confirmed = load_journey_report_progress(journeys, confirmed, stderr);
            }
        }
    }
    load_journeys_settle(journeys);
}

static int journeys_judge(struct load_scene *scene, struct load_journeys *journeys)
{
    const struct load_options *options = scene->options;
    struct load_verdict verdict;
    int result = LOAD_EXIT_OK;
    load_verdict_clear(&verdict);
    answers_check(journeys, &verdict);
    if (!options->no_proof) {
        result = stock_prove(scene, journeys, &verdict);
    }
    if (!options->no_proof && result == LOAD_EXIT_OK && journeys->last == LOAD_JOURNEY_LOOK) {
        result = orders_prove(scene, journeys, &verdict);
    }
    if (result != LOAD_EXIT_OK) {
        return result;
    }
    if (!options->json) {
        load_journey_report_print(journeys, &verdict, !options->no_proof, stdout);
    } else if (!load_journey_report_print_json(journeys, &verdict, !options->no_proof, stdout)) {
        return load_scene_no_memory();
    }
    fflush(stdout);
    return verdict.ok ? LOAD_EXIT_OK : LOAD_EXIT_VERDICT;
}

int load_journey_run(struct load_scene *scene)
{
    const struct load_options *options = scene->options;
    struct load_skus skus;
    if (!load_skus_open(&skus, options->quantity)) {
        return load_scene_no_memory();
    }
    int result = products_make(scene, &skus);
    struct load_journeys *journeys = NULL;
    if (result == LOAD_EXIT_OK) {
        journeys = load_journeys_create(options, &scene->address, &scene->buyers, &skus,
                                        scene->admin.nonce, scene->stop);
        result = journeys != NULL ? LOAD_EXIT_OK : load_scene_no_memory();
    }
    if (result == LOAD_EXIT_OK && !load_journeys_start(journeys, CONNECT_WAIT_MS)) {
        result = load_scene_unreachable(scene, load_client_connect_error(journeys->client));
    }
    if (result == LOAD_EXIT_OK) {
        journeys_drive(journeys);
        result = journeys_judge(scene, journeys);
    }
    load_journeys_destroy(journeys);
    load_skus_close(&skus);
    return result;
}

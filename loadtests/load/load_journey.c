/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buyers on the whole journey.
 *
 * A journey that is open is in exactly one place: the ring of what can be sent, the client (in
 * flight), or the timers (to be sent again, or to be looked at again). The ring and the timers
 * have room for all that can be under way.
 */
#include "load_journey.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MS     UINT64_C(1000000)

enum {
    BACKOFF_MS_MIN = 20,
    BACKOFF_MS_MAX = 1000,
    LOOK_AGAIN_MS = 2, /* an order that is not confirmed yet */
    LOOKS_MAX = 2000,
};

static uint64_t tag_of(enum load_journey_call call, uint32_t row)
{
    return ((uint64_t)call << 32) | row;
}

/* ---- a journey's way ---- */

static void ready_push(struct load_journeys *journeys, uint64_t tag)
{
    assert(journeys->ready_count < journeys->ready_max);
    uint32_t slot = (journeys->ready_head + journeys->ready_count) % journeys->ready_max;
    journeys->ready[slot] = tag;
    journeys->ready_count++;
}

/* The next call, from now on. */
static void journey_go_on(struct load_journeys *journeys, uint32_t row, enum load_journey_call call,
                          uint64_t now_ns)
{
    struct load_journey *journey = &journeys->rows[row];
    journey->call = (uint8_t)call;
    journey->tries = 0;
    journey->call_ns = now_ns - journeys->epoch_ns;
    ready_push(journeys, tag_of(call, row));
}

static void journey_end(struct load_journeys *journeys, struct load_journey *journey,
                        enum load_journey_state state, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - journeys->epoch_ns;
    uint32_t buyers = journeys->buyers->count;
    assert(journey->state == LOAD_JOURNEY_OPEN && journeys->under_way > 0);
    journey->state = (uint8_t)state;
    journeys->under_way--;
    journeys->last_end_ns = elapsed_ns;
    journeys->carts[journey->buyer] = state == LOAD_JOURNEY_CONFIRMED ? 0 : journey->sku + 1;
    journeys->free_buyers[(journeys->free_head + journeys->free_count) % buyers] = journey->buyer;
    journeys->free_count++;
    switch (state) {
    case LOAD_JOURNEY_CONFIRMED:
        journeys->confirmed++;
        journeys->revenue_minor += journey->total_minor;
        load_histogram_record(&journeys->whole, elapsed_ns - journey->intended_ns);
        load_histogram_record(&journeys->interval, elapsed_ns - journey->intended_ns);
        break;
    case LOAD_JOURNEY_REFUSED:
        journeys->refused++;
        break;
    case LOAD_JOURNEY_FAILED:
        journeys->failed++;
        break;
    case LOAD_JOURNEY_UNKNOWN:
        journeys->unknown++;
        break;
    case LOAD_JOURNEY_OPEN:
    case LOAD_JOURNEY_UNSENT:
        assert(false && "no end");
    }
}

/* Begins one; false when there is no buyer without a journey, or no row. */
static bool journey_begin(struct load_journeys *journeys, uint64_t intended_ns)
{
    if (journeys->free_count == 0 || journeys->rows_count == journeys->rows_max ||
        journeys->ready_count == journeys->ready_max) {
        return false;
    }
    uint32_t row = journeys->rows_count++;
    uint32_t buyer = journeys->free_buyers[journeys->free_head];
    uint32_t sku = journeys->carts[buyer];
    journeys->free_head = (journeys->free_head + 1) % journeys->buyers->count;
    journeys->free_count--;
    if (sku > 0) {
        sku--;
    } else if (journeys->skus->count > 1) {
        sku = load_random_below(&journeys->random, journeys->skus->count);
    }
    journeys->under_way++;
    journeys->rows[row] = (struct load_journey){.intended_ns = intended_ns,
                                                .call_ns = intended_ns,
                                                .buyer = buyer,
                                                .sku = sku,
                                                .call = LOAD_JOURNEY_CART,
                                                .state = LOAD_JOURNEY_OPEN};
    ready_push(journeys, tag_of(LOAD_JOURNEY_CART, row));
    return true;
}

/* ---- answers ---- */

static bool text_is(struct load_text text, const char *expected)
{
    return text.length == strlen(expected) && memcmp(text.data, expected, text.length) == 0;
}

static void code_count(struct load_journey_figures *figures, int status, struct load_text code)
{
    size_t length = code.length < LOAD_CODE_BYTES_MAX ? code.length : LOAD_CODE_BYTES_MAX;
    for (uint32_t i = 0; i < figures->codes_count; i++) {
        struct load_code *row = &figures->codes[i];
        if (row->status == status && strncmp(row->name, code.data, length) == 0 &&
            row->name[length] == '\0') {
            row->count++;
            return;
        }
    }
    struct load_code *row = &figures->codes[LOAD_JOURNEY_CODES_MAX - 1];
    if (figures->codes_count < LOAD_JOURNEY_CODES_MAX) {
        row = &figures->codes[figures->codes_count++];
        row->status = status;
        memcpy(row->name, code.data, length);
    }
    row->count++;
}

static uint64_t backoff_ns(struct load_journeys *journeys, uint32_t tries, uint32_t retry_after_s)
{
    uint64_t wait_ms = BACKOFF_MS_MIN;
    for (uint32_t i = 1; i < tries && wait_ms < BACKOFF_MS_MAX; i++) {
        wait_ms *= 2;
    }
    wait_ms = retry_after_s * UINT64_C(1000) > wait_ms ? retry_after_s * UINT64_C(1000) : wait_ms;
    wait_ms = wait_ms < BACKOFF_MS_MAX ? wait_ms : BACKOFF_MS_MAX;
    uint32_t half_us = (uint32_t)wait_ms * 500;
    return (half_us + load_random_below(&journeys->random, half_us)) * UINT64_C(1000);
}

/* The same call once more, or the end of the journey. */
static void call_again(struct load_journeys *journeys, uint64_t tag, uint64_t delay_ns,
                       uint64_t now_ns)
{
    struct load_journey *journey = &journeys->rows[load_tag_row(tag)];
    if (journey->tries > journeys->options->retries ||
        !load_timers_push(&journeys->timers, now_ns + delay_ns, tag)) {
        journey_end(journeys, journey, LOAD_JOURNEY_UNKNOWN, now_ns);
        return;
    }
    if (journey->call == LOAD_JOURNEY_CART) { /* it may have been done */
        journeys->carts[journey->buyer] = journey->sku + 1;
    }
}

/* An answer that is an error, or another than was due. */
static void error_answered(struct load_journeys *journeys, uint64_t tag,
                           const struct load_response *response, uint64_t now_ns)
{
    struct load_journey *journey = &journeys->rows[load_tag_row(tag)];
    struct load_journey_figures *figures = &journeys->calls[journey->call];
    struct load_text code = {.data = "", .length = 0};
    load_response_find_string(response->body, response->body_length, "code", &code);
    if (response->status == 404 && journey->call == LOAD_JOURNEY_CART && journey->tries > 0 &&
        journeys->carts[journey->buyer] != 0) { /* setting found nothing there: it is added */
        journeys->carts[journey->buyer] = 0;
        ready_push(journeys, tag);
        return;
    }
    code_count(figures, response->status, code);
    if (response->status == 503 || text_is(code, "idempotency_in_flight")) {
        uint64_t delay_ns = backoff_ns(journeys, journey->tries, response->retry_after_s);
        call_again(journeys, tag, delay_ns, now_ns);
        return;
    }
    load_histogram_record(&figures->latency, now_ns - journeys->epoch_ns - journey->call_ns);
    bool refused = response->status == 409 || response->status == 402;
    journey_end(journeys, journey, refused ? LOAD_JOURNEY_REFUSED : LOAD_JOURNEY_FAILED, now_ns);
}

/* False: the answer has no order that can be read. */
static bool order_read(struct load_journey *journey, const struct load_response *response)
{
    struct load_text id;
    if (!load_response_find_string(response->body, response->body_length, "id", &id) ||
        id.length == 0 || id.length > LOAD_ID_BYTES_MAX ||
        !load_journey_find_minor(response->body, response->body_length, "totals", "total",
                                 &journey->total_minor)) {
        return false;
    }
    memcpy(journey->order_id, id.data, id.length);
    journey->order_id[id.length] = '\0';
    return true;
}

/* What a buyer sees of the order at the end. */
static void look_answered(struct load_journeys *journeys, uint64_t tag,
                          const struct load_response *response, uint64_t now_ns)
{
    struct load_journey *journey = &journeys->rows[load_tag_row(tag)];
    struct load_journey_figures *figures = &journeys->calls[LOAD_JOURNEY_LOOK];
    struct load_text status = {.data = "", .length = 0};
    int64_t captured = -1;
    load_response_find_string(response->body, response->body_length, "status", &status);
    bool pending = text_is(status, "pending_payment");
    if (pending && journey->tries < LOOKS_MAX &&
        load_timers_push(&journeys->timers, now_ns + LOOK_AGAIN_MS * NS_PER_MS, tag)) {
        figures->waits++;
        return;
    }
    load_histogram_record(&figures->latency, now_ns - journeys->epoch_ns - journey->call_ns);
    load_journey_find_minor(response->body, response->body_length, "payment", "captured",
                            &captured);
    if (text_is(status, "confirmed") && captured == journey->total_minor) {
        figures->done++;
        journey_end(journeys, journey, LOAD_JOURNEY_CONFIRMED, now_ns);
    } else {
        journeys->malformed++;
        journey_end(journeys, journey, LOAD_JOURNEY_FAILED, now_ns);
    }
}

static void journey_answered(void *context, uint64_t tag, const struct load_response *response,
                             uint64_t sent_ns, uint64_t now_ns)
{
    static const int wanted[] = {
        [LOAD_JOURNEY_CART] = 200,
        [LOAD_JOURNEY_CHECKOUT] = 201,
        [LOAD_JOURNEY_PAY] = 200,
        [LOAD_JOURNEY_LOOK] = 200,
    };
    struct load_journeys *journeys = context;
    uint32_t row = load_tag_row(tag);
    struct load_journey *journey = &journeys->rows[row];
    enum load_journey_call call = (enum load_journey_call)journey->call;
    struct load_journey_figures *figures = &journeys->calls[call];
    load_histogram_record(&figures->service, now_ns - sent_ns);
    if (response->status != wanted[call]) {
        error_answered(journeys, tag, response, now_ns);
        return;
    }
    if (call == LOAD_JOURNEY_LOOK) {
        look_answered(journeys, tag, response, now_ns);
        return;
    }
    load_histogram_record(&figures->latency, now_ns - journeys->epoch_ns - journey->call_ns);
    if (call == LOAD_JOURNEY_CHECKOUT && !order_read(journey, response)) {
        journeys->malformed++;
        journey_end(journeys, journey, LOAD_JOURNEY_FAILED, now_ns);
        return;
    }
    figures->done++;
    if (call == journeys->last) {
        journey_end(journeys, journey, LOAD_JOURNEY_CONFIRMED, now_ns);
        if (call == LOAD_JOURNEY_CART) {
            journeys->carts[journey->buyer] = journey->sku + 1;
        }
        return;
    }
    journey_go_on(journeys, row, (enum load_journey_call)(call + 1), now_ns);
}

static void journey_lost(void *context, uint64_t tag, uint64_t now_ns)
{
    struct load_journeys *journeys = context;
    const struct load_journey *journey = &journeys->rows[load_tag_row(tag)];
    journeys->calls[journey->call].lost++;
    call_again(journeys, tag, 0, now_ns);
}

/* ---- the loop ---- */

uint64_t load_journeys_elapsed_ns(const struct load_journeys *journeys)
{
    return load_clock_ns() - journeys->epoch_ns;
}

bool load_journeys_target_is_gone(const struct load_journeys *journeys)
{
    return load_clock_ns() > journeys->connected_ns + LOAD_DOWN_SECONDS_MAX * NS_PER_SECOND;
}

bool load_journeys_start(struct load_journeys *journeys, uint32_t wait_ms)
{
    uint64_t now_ns = load_clock_ns();
    uint64_t deadline_ns = now_ns + wait_ms * NS_PER_MS;
    while (now_ns < deadline_ns &&
           load_client_open_count(journeys->client) < journeys->options->connections) {
        load_client_poll(journeys->client, now_ns, deadline_ns);
        now_ns = load_clock_ns();
    }
    journeys->epoch_ns = now_ns;
    journeys->connected_ns = now_ns;
    journeys->arriving = true;
    if (!journeys->options->closed) {
        journeys->next_arrival_ns = load_schedule_next_ns(&journeys->schedule);
    }
    return load_client_open_count(journeys->client) > 0;
}

static bool arrivals_are_over(const struct load_journeys *journeys, uint64_t moment_ns)
{
    const struct load_options *options = journeys->options;
    bool is_late = options->duration_seconds > 0 &&
                   (double)moment_ns >= options->duration_seconds * (double)NS_PER_SECOND;
    return is_late || (options->requests > 0 && journeys->arrivals >= options->requests) ||
           journeys->rows_count == journeys->rows_max;
}

/* Open loop: those whose time has come. Who finds no buyer, or too many waiting, is not sent. */
static void arrivals_take(struct load_journeys *journeys, uint64_t elapsed_ns)
{
    while (journeys->arriving && journeys->next_arrival_ns <= elapsed_ns) {
        uint64_t intended_ns = journeys->next_arrival_ns;
        if (arrivals_are_over(journeys, intended_ns)) {
            journeys->arriving = false;
            return;
        }
        journeys->arrivals++;
        if (journeys->ready_count >= journeys->options->backlog ||
            !journey_begin(journeys, intended_ns)) {
            journeys->not_sent++;
        }
        journeys->next_arrival_ns = load_schedule_next_ns(&journeys->schedule);
    }
    if (arrivals_are_over(journeys, elapsed_ns)) {
        journeys->arriving = false;
    }
}

/* Closed loop: as many journeys as there are places. */
static void places_fill(struct load_journeys *journeys, uint64_t elapsed_ns)
{
    const struct load_options *options = journeys->options;
    uint32_t places = options->connections * options->pipeline;
    while (journeys->arriving && journeys->under_way < places) {
        if (arrivals_are_over(journeys, elapsed_ns)) {
            journeys->arriving = false;
            return;
        }
        if (!journey_begin(journeys, elapsed_ns)) {
            return;
        }
        journeys->arrivals++;
    }
    if (arrivals_are_over(journeys, elapsed_ns)) {
        journeys->arriving = false;
    }
}

void load_journeys_step(struct load_journeys *journeys, uint64_t until_ns)
{
    struct load_client *client = journeys->client;
    uint64_t now_ns = load_clock_ns();
    if (*journeys->stop != 0) {
        journeys->arriving = false;
    }
    if (load_client_open_count(client) > 0) {
        journeys->connected_ns = now_ns;
    }
    if (journeys->arriving && journeys->options->closed) {
        places_fill(journeys, now_ns - journeys->epoch_ns);
    } else if (journeys->arriving) {
        arrivals_take(journeys, now_ns - journeys->epoch_ns);
    }
    while (load_timers_next_ns(&journeys->timers) <= now_ns && load_client_has_room(client)) {
        load_client_submit(client, load_timers_pop(&journeys->timers).tag, now_ns);
    }
    while (journeys->ready_count > 0 && load_client_has_room(client)) {
        uint64_t tag = journeys->ready[journeys->ready_head];
        journeys->ready_head = (journeys->ready_head + 1) % journeys->ready_max;
        journeys->ready_count--;
        load_client_submit(client, tag, now_ns);
    }
    if (journeys->arriving && !journeys->options->closed) {
        uint64_t next_ns = journeys->epoch_ns + journeys->next_arrival_ns;
        until_ns = next_ns < until_ns ? next_ns : until_ns;
    }
    if (load_client_has_room(client)) {
        uint64_t due_ns = load_timers_next_ns(&journeys->timers);
        until_ns = due_ns < until_ns ? due_ns : until_ns;
    }
    load_client_poll(client, now_ns, until_ns);
}

void load_journeys_settle(struct load_journeys *journeys)
{
    uint64_t now_ns = load_clock_ns();
    journeys->arriving = false;
    for (uint32_t row = 0; row < journeys->rows_count && journeys->under_way > 0; row++) {
        struct load_journey *journey = &journeys->rows[row];
        if (journey->state != LOAD_JOURNEY_OPEN) {
            continue;
        }
        if (journey->call == LOAD_JOURNEY_CART && journey->tries == 0) {
            journey->state = LOAD_JOURNEY_UNSENT;
            journeys->under_way--;
            journeys->not_sent++;
        } else {
            journey_end(journeys, journey, LOAD_JOURNEY_UNKNOWN, now_ns);
        }
    }
}

/* ---- life ---- */

static uint64_t rows_planned(const struct load_options *options)
{
    uint64_t planned = LOAD_JOURNEYS_MAX;
    if (!options->closed && options->duration_seconds > 0) {
        double expected = load_schedule_expected(&options->plan, options->duration_seconds);
        double roomy = expected * 1.05 + 10000.0;
        planned = roomy < (double)LOAD_JOURNEYS_MAX ? (uint64_t)roomy : LOAD_JOURNEYS_MAX;
    }
    return options->requests > 0 && options->requests < planned ? options->requests : planned;
}

static bool tables_open(struct load_journeys *journeys)
{
    const struct load_options *options = journeys->options;
    uint32_t buyers = journeys->buyers->count;
    journeys->rows_max = (uint32_t)rows_planned(options);
    journeys->ready_max = buyers;
    journeys->rows = load_pages_reserve((size_t)journeys->rows_max * sizeof *journeys->rows);
    journeys->free_buyers = calloc(buyers, sizeof *journeys->free_buyers);
    journeys->carts = calloc(buyers, sizeof *journeys->carts);
    journeys->ready = calloc(journeys->ready_max, sizeof *journeys->ready);
    if (journeys->rows == NULL || journeys->free_buyers == NULL || journeys->carts == NULL ||
        journeys->ready == NULL || !load_timers_open(&journeys->timers, buyers)) {
        return false;
    }
    for (uint32_t i = 0; i < buyers; i++) {
        journeys->free_buyers[i] = i;
    }
    journeys->free_count = buyers;
    return true;
}

struct load_journeys *load_journeys_create(const struct load_options *options,
                                           const struct load_address *address,
                                           struct load_buyers *buyers, struct load_skus *skus,
                                           uint32_t nonce, const volatile sig_atomic_t *stop)
{
    struct load_journeys *journeys = calloc(1, sizeof *journeys);
    if (journeys == NULL) {
        return NULL;
    }
    journeys->options = options;
    journeys->buyers = buyers;
    journeys->skus = skus;
    journeys->nonce = nonce;
    journeys->stop = stop;
    journeys->last = LOAD_JOURNEY_LOOK;
    for (unsigned call = 0; options->until != NULL && call < LOAD_JOURNEY_LOOK; call++) {
        if (strcmp(options->until, load_journey_call_name((enum load_journey_call)call)) == 0) {
            journeys->last = (enum load_journey_call)call;
        }
    }
    journeys->random = load_random_seeded(load_random_mix(options->seed) + 2);
    if (!options->closed) {
        load_schedule_start(&journeys->schedule, &options->plan, options->seed);
    }
    journeys->address_length = (size_t)snprintf(
        journeys->address, sizeof journeys->address,
        "{\"email\":\"buyer@example.com\",\"shipping_method\":\"%s\","
        "\"payment\":{\"provider\":\"sandbox\"},\"shipping_address\":{\"name\":\"Load Test\","
        "\"line1\":\"1 Mill Lane\",\"city\":\"Paris\",\"postal_code\":\"75001\","
        "\"country\":\"FR\"}}",
        options->shipping_method);
    assert(journeys->address_length < sizeof journeys->address);
    struct load_client_config config = {
        .address = *address,
        .connections = options->connections,
        .pipeline = options->pipeline,
        .fill = options->closed,
        .timeout_ns = options->timeout_ms * NS_PER_MS,
        .seed = options->seed,
    };
    struct load_client_handler handler = {
        .context = journeys,
        .render = load_journey_render,
        .answered = journey_answered,
        .lost = journey_lost,
    };
    journeys->client = load_client_create(&config, &handler);
    if (journeys->client == NULL || !tables_open(journeys)) {
        load_journeys_destroy(journeys);
        return NULL;
    }
    return journeys;
}

void load_journeys_destroy(struct load_journeys *journeys)
{
    if (journeys == NULL) {
        return;
    }
    load_client_destroy(journeys->client);
    load_timers_close(&journeys->timers);
    load_pages_release(journeys->rows, (size_t)journeys->rows_max * sizeof *journeys->rows);
    free(journeys->free_buyers);
    free(journeys->carts);
    free(journeys->ready);
    free(journeys);
}

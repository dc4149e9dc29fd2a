/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of reservation attempts.
 *
 * An attempt is open from its arrival until its final answer. While it is open it is in exactly
 * one place: the backlog (never sent), the client (in flight), or the timers (to be sent again).
 * Room in the timers is kept for all that can be in flight, so that what is lost together with its
 * connections always finds its place.
 */
#include "load_run.h"

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
    KEY_BYTES = 17, /* nonce-attempt, eight hexadecimal digits each */
};

/* ---- life ---- */

static size_t run_render(void *context, uint64_t tag, char *target);
static void run_answered(void *context, uint64_t tag, const struct load_response *response,
                         uint64_t sent_ns, uint64_t now_ns);
static void run_lost(void *context, uint64_t tag, uint64_t now_ns);

/* Attempts that the tables need room for: what the plan expects, and some luck. */
static uint64_t attempts_planned(const struct load_run_config *config)
{
    uint64_t planned = LOAD_ATTEMPTS_MAX;
    if (!config->closed && config->duration_seconds > 0) {
        double expected = load_schedule_expected(&config->plan, config->duration_seconds);
        double roomy = expected * 1.05 + 10000.0;
        planned = roomy < (double)LOAD_ATTEMPTS_MAX ? (uint64_t)roomy : LOAD_ATTEMPTS_MAX;
    }
    return config->attempts > 0 && config->attempts < planned ? config->attempts : planned;
}

static bool acknowledged_open(struct load_run *run)
{
    const char *path = run->config.options->acknowledged_file;
    if (path != NULL) {
        run->acknowledged = fopen(path, "ae");
    }
    return path == NULL || run->acknowledged != NULL;
}

struct load_run *load_run_create(const struct load_run_config *config)
{
    const struct load_options *options = config->options;
    struct load_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return NULL;
    }
    run->config = *config;
    run->random = load_random_seeded(load_random_mix(config->seed) + 1);
    if (!config->closed) {
        load_schedule_start(&run->schedule, &config->plan, config->seed);
    }
    run->prefix_length = (size_t)snprintf(run->prefix, sizeof run->prefix,
                                          "POST /v1/reservations HTTP/1.1\r\nHost: %s\r\n"
                                          "Content-Type: application/json\r\n",
                                          options->authority);
    assert(run->prefix_length < sizeof run->prefix);
    struct load_client_config client_config = {
        .address = *config->address,
        .connections = options->connections,
        .pipeline = options->pipeline,
        .fill = config->closed,
        .timeout_ns = options->timeout_ms * NS_PER_MS,
        .seed = config->seed,
    };
    struct load_client_handler handler = {
        .context = run,
        .render = run_render,
        .answered = run_answered,
        .lost = run_lost,
    };
    size_t in_flight_max = (size_t)options->connections * options->pipeline;
    run->backlog = calloc(options->backlog, sizeof *run->backlog);
    run->client = load_client_create(&client_config, &handler);
    if (run->backlog == NULL || run->client == NULL ||
        !load_answers_open(&run->answers, attempts_planned(config)) ||
        !load_timers_open(&run->timers, LOAD_RETRIES_WAITING_MAX + in_flight_max) ||
        !acknowledged_open(run)) {
        load_run_destroy(run);
        return NULL;
    }
    return run;
}

void load_run_destroy(struct load_run *run)
{
    if (run == NULL) {
        return;
    }
    load_client_destroy(run->client);
    load_timers_close(&run->timers);
    load_answers_close(&run->answers);
    free(run->backlog);
    if (run->acknowledged != NULL && (ferror(run->acknowledged) | fclose(run->acknowledged)) != 0) {
        fputs("stampede-load: the file of --acknowledged is not whole\n", stderr);
    }
    free(run);
}

uint64_t load_run_elapsed_ns(const struct load_run *run)
{
    return load_clock_ns() - run->epoch_ns;
}

bool load_run_start(struct load_run *run, uint32_t wait_ms)
{
    uint64_t now_ns = load_clock_ns();
    uint64_t deadline_ns = now_ns + wait_ms * NS_PER_MS;
    while (now_ns < deadline_ns &&
           load_client_open_count(run->client) < run->config.options->connections) {
        load_client_poll(run->client, now_ns, deadline_ns);
        now_ns = load_clock_ns();
    }
    run->epoch_ns = now_ns;
    run->connected_ns = now_ns;
    run->arriving = true;
    if (!run->config.closed) {
        run->next_arrival_ns = load_schedule_next_ns(&run->schedule);
    }
    return load_client_open_count(run->client) > 0;
}

void load_run_reschedule(struct load_run *run, const struct load_schedule_plan *plan,
                         double duration_seconds)
{
    assert(!run->config.closed);
    load_schedule_start(&run->schedule, plan, run->config.seed + 1);
    run->config.duration_seconds = duration_seconds;
    run->schedule_ns = load_run_elapsed_ns(run);
    run->next_arrival_ns = run->schedule_ns + load_schedule_next_ns(&run->schedule);
    run->arriving = true;
}

bool load_run_target_is_gone(const struct load_run *run)
{
    return load_clock_ns() > run->connected_ns + LOAD_DOWN_SECONDS_MAX * NS_PER_SECOND;
}

void load_run_stop_arrivals(struct load_run *run)
{
    run->arriving = false;
}

/* ---- arrivals ---- */

/* A new attempt; false when the table is full, which ends the arrivals. */
static bool attempt_begin(struct load_run *run, uint64_t intended_ns, uint32_t *attempt_out)
{
    struct load_answers *answers = &run->answers;
    struct load_skus *skus = run->config.skus;
    if (answers->attempts_count == answers->attempts_max) {
        run->arriving = false;
        return false;
    }
    uint32_t sku = skus->count > 1 ? load_random_below(&run->random, skus->count) : 0;
    skus->rows[sku].attempts++;
    *attempt_out = answers->attempts_count++;
    answers->attempts[*attempt_out] =
        (struct load_attempt){.intended_ns = intended_ns, .sku = sku, .state = LOAD_ATTEMPT_OPEN};
    run->unsettled++;
    return true;
}

static void arrivals_take(struct load_run *run, uint64_t elapsed_ns)
{
    const struct load_run_config *config = &run->config;
    uint64_t end_ns = UINT64_MAX;
    if (config->duration_seconds > 0) {
        end_ns = run->schedule_ns + (uint64_t)(config->duration_seconds * (double)NS_PER_SECOND);
    }
    uint32_t backlog_max = config->options->backlog;
    while (run->arriving && run->next_arrival_ns <= elapsed_ns) {
        if (run->next_arrival_ns > end_ns) {
            run->arriving = false;
            return;
        }
        uint32_t attempt = 0;
        run->counters.arrivals++;
        if (run->backlog_count == backlog_max) {
            run->counters.not_sent++;
        } else if (attempt_begin(run, run->next_arrival_ns, &attempt)) {
            uint32_t slot = (run->backlog_head + run->backlog_count) % backlog_max;
            run->backlog[slot] = attempt;
            run->backlog_count++;
        } else {
            run->counters.arrivals--;
        }
        run->next_arrival_ns = run->schedule_ns + load_schedule_next_ns(&run->schedule);
        if (config->attempts > 0 && run->counters.arrivals >= config->attempts) {
            run->arriving = false;
        }
    }
    if (run->arriving && elapsed_ns > end_ns) {
        run->arriving = false;
    }
}

/* Closed loop: every place that is free takes a new attempt. */
static void places_fill(struct load_run *run, uint64_t now_ns)
{
    const struct load_run_config *config = &run->config;
    uint64_t elapsed_ns = now_ns - run->epoch_ns;
    if (config->duration_seconds > 0 &&
        (double)elapsed_ns >= config->duration_seconds * (double)NS_PER_SECOND) {
        run->arriving = false;
    }
    uint32_t attempt = 0;
    while (run->arriving && load_client_has_room(run->client) &&
           attempt_begin(run, elapsed_ns, &attempt)) {
        bool submitted =
            load_client_submit(run->client, load_tag(LOAD_TAG_RESERVE, attempt), now_ns);
        assert(submitted);
        run->counters.arrivals++;
        if (config->attempts > 0 && run->counters.arrivals >= config->attempts) {
            run->arriving = false;
        }
    }
}

void load_run_step(struct load_run *run, uint64_t until_ns)
{
    uint64_t now_ns = load_clock_ns();
    if (*run->config.stop != 0) {
        run->arriving = false;
    }
    if (load_client_open_count(run->client) > 0) {
        run->connected_ns = now_ns;
    }
    if (!run->config.closed) {
        arrivals_take(run, now_ns - run->epoch_ns);
    }
    while (load_timers_next_ns(&run->timers) <= now_ns && load_client_has_room(run->client)) {
        load_client_submit(run->client, load_timers_pop(&run->timers).tag, now_ns);
    }
    while (run->backlog_count > 0 && load_client_has_room(run->client)) {
        uint32_t attempt = run->backlog[run->backlog_head];
        run->backlog_head = (run->backlog_head + 1) % run->config.options->backlog;
        run->backlog_count--;
        load_client_submit(run->client, load_tag(LOAD_TAG_RESERVE, attempt), now_ns);
    }
    if (run->config.closed) {
        places_fill(run, now_ns);
    }
    if (run->arriving && !run->config.closed) {
        uint64_t next_ns = run->epoch_ns + run->next_arrival_ns;
        until_ns = next_ns < until_ns ? next_ns : until_ns;
    }
    if (load_client_has_room(run->client)) {
        uint64_t due_ns = load_timers_next_ns(&run->timers);
        until_ns = due_ns < until_ns ? due_ns : until_ns;
    }
    load_client_poll(run->client, now_ns, until_ns);
    if (run->acknowledged != NULL) {
        fflush(run->acknowledged);
    }
}

/* ---- requests ---- */

static char *hex_write(char *target, uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4) {
        *target++ = "0123456789abcdef"[(value >> shift) & 15];
    }
    return target;
}

static char *bytes_write(char *target, const char *data, size_t length)
{
    memcpy(target, data, length);
    return target + length;
}

static size_t reservation_render(struct load_run *run, uint32_t row, char *target)
{
    struct load_attempt *attempt = &run->answers.attempts[row];
    const struct load_sku *sku = &run->config.skus->rows[attempt->sku];
    struct load_text header =
        load_buyers_header(run->config.buyers, row % run->config.buyers->count);
    static const char key_name[] = "Idempotency-Key: ";
    run->counters.retried += attempt->tries > 0 ? 1 : 0;
    attempt->tries++;
    char *at = bytes_write(target, run->prefix, run->prefix_length);
    at = bytes_write(at, header.data, header.length);
    at = bytes_write(at, key_name, sizeof key_name - 1);
    at = hex_write(at, run->config.nonce);
    *at++ = '-';
    at = hex_write(at, row);
    at = bytes_write(at, "\r\n", 2);
    at = bytes_write(at, sku->tail, sku->tail_length);
    return (size_t)(at - target);
}

static size_t run_render(void *context, uint64_t tag, char *target)
{
    struct load_run *run = context;
    uint32_t row = load_tag_row(tag);
    run->counters.sent++;
    switch (load_tag_kind(tag)) {
    case LOAD_TAG_RESERVE:
        return reservation_render(run, row, target);
    case LOAD_TAG_REPEAT:
        return reservation_render(run, run->answers.holds[row].attempt, target);
    case LOAD_TAG_BUY:
        break;
    }
    return run->config.hooks.render(run->config.hooks.context, tag, target);
}

static_assert(512 + LOAD_TOKEN_BYTES_MAX + 32 + 17 + KEY_BYTES + 2 + LOAD_SKU_TAIL_BYTES_MAX <=
                  LOAD_CLIENT_REQUEST_BYTES_MAX,
              "every reservation request fits the room that the client gives it");

bool load_run_send_later(struct load_run *run, uint64_t tag, uint64_t delay_ns, uint64_t now_ns)
{
    return run->timers.count < LOAD_RETRIES_WAITING_MAX &&
           load_timers_push(&run->timers, now_ns + delay_ns, tag);
}

uint64_t load_run_backoff_ns(struct load_run *run, uint32_t tries,
                             const struct load_response *response)
{
    uint64_t wait_ms = BACKOFF_MS_MIN;
    for (uint32_t i = 1; i < tries && wait_ms < BACKOFF_MS_MAX; i++) {
        wait_ms *= 2;
    }
    if (response != NULL && response->retry_after_s * UINT64_C(1000) > wait_ms) {
        wait_ms = response->retry_after_s * UINT64_C(1000);
    }
    wait_ms = wait_ms < BACKOFF_MS_MAX ? wait_ms : BACKOFF_MS_MAX;
    uint32_t half_us = (uint32_t)wait_ms * 500;
    return (half_us + load_random_below(&run->random, half_us)) * UINT64_C(1000);
}

/* ---- answers ---- */

static void attempt_finish(struct load_run *run, struct load_attempt *attempt,
                           enum load_attempt_state state, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - run->epoch_ns;
    uint64_t latency_ns = elapsed_ns - attempt->intended_ns;
    struct load_sku *sku = &run->config.skus->rows[attempt->sku];
    struct load_counters *counters = &run->counters;
    assert(attempt->state == LOAD_ATTEMPT_OPEN);
    attempt->state = (uint8_t)state;
    run->unsettled--;
    run->last_answer_ns = elapsed_ns;
    load_histogram_record(&run->interval, latency_ns);
    if (state == LOAD_ATTEMPT_HELD) {
        counters->held++;
        sku->held++;
        load_histogram_record(&run->accepted, latency_ns);
    } else if (state == LOAD_ATTEMPT_REFUSED) {
        counters->refused++;
        load_histogram_record(&run->refused, latency_ns);
    } else {
        counters->other++;
        load_histogram_record(&run->other, latency_ns);
        if (state == LOAD_ATTEMPT_UNKNOWN) {
            counters->unknown++;
            sku->unknown++;
        }
    }
}

/* Gives up: was it perhaps done all the same? */
static void attempt_give_up(struct load_run *run, struct load_attempt *attempt, uint64_t now_ns)
{
    attempt_finish(run, attempt, attempt->doubtful ? LOAD_ATTEMPT_UNKNOWN : LOAD_ATTEMPT_FAILED,
                   now_ns);
}

static bool attempt_has_tries(const struct load_run *run, const struct load_attempt *attempt)
{
    return attempt->tries <= run->config.options->retries;
}

/* Counts an error answer by its code. */
static void code_count(struct load_run *run, int status, struct load_text code)
{
    size_t length = code.length < LOAD_CODE_BYTES_MAX ? code.length : LOAD_CODE_BYTES_MAX;
    for (uint32_t i = 0; i < run->codes_count; i++) {
        struct load_code *row = &run->codes[i];
        if (row->status == status && strncmp(row->name, code.data, length) == 0 &&
            row->name[length] == '\0') {
            row->count++;
            return;
        }
    }
    struct load_code *row = &run->codes[LOAD_CODES_MAX - 1];
    if (run->codes_count < LOAD_CODES_MAX) {
        row = &run->codes[run->codes_count++];
        row->status = status;
        memcpy(row->name, code.data, length);
    }
    row->count++;
}

static bool code_is(struct load_text code, const char *name)
{
    return code.length == strlen(name) && memcmp(code.data, name, code.length) == 0;
}

static void acknowledged_write(const struct load_run *run, const struct load_hold *hold,
                               uint64_t sent_ns, uint64_t now_ns)
{
    uint32_t sku = run->answers.attempts[hold->attempt].sku;
    if (run->acknowledged != NULL) {
        fprintf(run->acknowledged, "%" PRIu64 " %" PRIu64 " %s %s\n", sent_ns, now_ns, hold->id,
                run->config.skus->rows[sku].name);
    }
}

static void hold_keep(struct load_run *run, uint64_t tag, const struct load_response *response,
                      uint64_t sent_ns, uint64_t now_ns)
{
    struct load_answers *answers = &run->answers;
    uint32_t row = load_tag_row(tag);
    struct load_text id;
    run->counters.replayed += response->replayed ? 1 : 0;
    attempt_finish(run, &answers->attempts[row], LOAD_ATTEMPT_HELD, now_ns);
    if (!load_response_find_string(response->body, response->body_length, "id", &id) ||
        id.length == 0 || id.length > LOAD_ID_BYTES_MAX) {
        run->counters.malformed++;
        return;
    }
    if (answers->holds_count == answers->holds_max) {
        run->counters.holds_overflow++;
        return;
    }
    struct load_hold *hold = &answers->holds[answers->holds_count];
    *hold = (struct load_hold){.held_ns = now_ns - run->epoch_ns, .attempt = row};
    memcpy(hold->id, id.data, id.length);
    answers->holds_count++;
    acknowledged_write(run, hold, sent_ns, now_ns);
    if (run->config.hooks.held != NULL) {
        run->config.hooks.held(run->config.hooks.context, answers->holds_count - 1, now_ns);
    }
}

static void error_answered(struct load_run *run, uint64_t tag, const struct load_response *response,
                           uint64_t now_ns)
{
    struct load_attempt *attempt = &run->answers.attempts[load_tag_row(tag)];
    struct load_text code = {.data = "", .length = 0};
    load_response_find_string(response->body, response->body_length, "code", &code);
    code_count(run, response->status, code);
    if (response->status == 503 || code_is(code, "idempotency_in_flight")) {
        run->last_trouble_ns = now_ns - run->epoch_ns;
        attempt->doubtful |= response->status == 409 || code_is(code, "outcome_unknown");
        uint64_t delay_ns = load_run_backoff_ns(run, attempt->tries, response);
        if (!attempt_has_tries(run, attempt) || !load_run_send_later(run, tag, delay_ns, now_ns)) {
            attempt_give_up(run, attempt, now_ns);
        }
    } else if (response->status == 409) {
        bool sold_out = code_is(code, "sold_out") || code_is(code, "insufficient_stock");
        if (sold_out) {
            struct load_sku *sku = &run->config.skus->rows[attempt->sku];
            sku->sold_out++;
            sku->last_sold_out_ns = now_ns - run->epoch_ns;
        }
        attempt_finish(run, attempt, LOAD_ATTEMPT_REFUSED, now_ns);
    } else {
        attempt_give_up(run, attempt, now_ns);
    }
}

/* The same reservation, and the mark of a replay, is what a winner must get. */
static void repeat_answered(struct load_run *run, uint64_t tag,
                            const struct load_response *response, uint64_t now_ns)
{
    const struct load_hold *hold = &run->answers.holds[load_tag_row(tag)];
    struct load_text id = {0};
    if (response->status == 503 &&
        load_run_send_later(run, tag, BACKOFF_MS_MIN * NS_PER_MS, now_ns)) {
        return;
    }
    bool found = load_response_find_string(response->body, response->body_length, "id", &id);
    bool right = found && response->status == 201 && response->replayed &&
                 id.length == strlen(hold->id) && memcmp(id.data, hold->id, id.length) == 0;
    run->counters.repeats_open--;
    run->counters.repeats_right += right ? 1 : 0;
}

static void run_answered(void *context, uint64_t tag, const struct load_response *response,
                         uint64_t sent_ns, uint64_t now_ns)
{
    struct load_run *run = context;
    run->counters.answers++;
    load_histogram_record(&run->service, now_ns - sent_ns);
    if (load_tag_kind(tag) == LOAD_TAG_REPEAT) {
        repeat_answered(run, tag, response, now_ns);
        return;
    }
    if (load_tag_kind(tag) == LOAD_TAG_BUY) {
        run->config.hooks.answered(run->config.hooks.context, tag, response, now_ns);
        return;
    }
    int status = response->status < LOAD_STATUS_MAX ? response->status : LOAD_STATUS_MAX - 1;
    run->counters.by_status[status]++;
    run->answers.attempts[load_tag_row(tag)].status = (uint16_t)status;
    if (status == 201) {
        hold_keep(run, tag, response, sent_ns, now_ns);
    } else {
        error_answered(run, tag, response, now_ns);
    }
}

static void run_lost(void *context, uint64_t tag, uint64_t now_ns)
{
    struct load_run *run = context;
    run->counters.lost++;
    run->last_trouble_ns = now_ns - run->epoch_ns;
    if (load_tag_kind(tag) == LOAD_TAG_REPEAT) {
        load_timers_push(&run->timers, now_ns, tag);
        return;
    }
    if (load_tag_kind(tag) == LOAD_TAG_BUY) {
        run->config.hooks.lost(run->config.hooks.context, tag, now_ns);
        return;
    }
    struct load_attempt *attempt = &run->answers.attempts[load_tag_row(tag)];
    attempt->doubtful = true;
    if (!attempt_has_tries(run, attempt) || !load_timers_push(&run->timers, now_ns, tag)) {
        attempt_give_up(run, attempt, now_ns);
    }
}

void load_run_repeat(struct load_run *run, uint32_t count)
{
    uint64_t now_ns = load_clock_ns();
    uint32_t holds = run->answers.holds_count;
    count = count < holds ? count : holds;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = (uint32_t)((uint64_t)i * holds / count);
        if (load_run_send_later(run, load_tag(LOAD_TAG_REPEAT, row), 0, now_ns)) {
            run->counters.repeats++;
            run->counters.repeats_open++;
        }
    }
}

void load_run_settle(struct load_run *run)
{
    uint64_t now_ns = load_clock_ns();
    run->arriving = false;
    for (uint32_t i = 0; i < run->answers.attempts_count && run->unsettled > 0; i++) {
        struct load_attempt *attempt = &run->answers.attempts[i];
        if (attempt->state != LOAD_ATTEMPT_OPEN) {
            continue;
        }
        if (attempt->tries == 0) {
            attempt->state = LOAD_ATTEMPT_UNSENT;
            run->unsettled--;
            run->counters.not_sent++;
        } else {
            /* A last try may still be on its way. */
            attempt_finish(run, attempt, LOAD_ATTEMPT_UNKNOWN, now_ns);
        }
    }
}

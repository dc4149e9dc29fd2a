/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_webhooks.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/digest.h"
#include "outbound/outbound.h"

enum {
    SALT_REORDER = 2000,
    SALT_DUPLICATE,
    HEADER_BYTES = 40 + PSP_WEBHOOK_SECRETS_MAX * (PSP_SIGNATURE_TEXT + 4),
    HEADERS = 3,
    ASIDE_MAX = 256, /* events of busy payments that one look passes over */
};

/* One event on its way, at its next attempt. */
struct delivery {
    uint64_t due_ms; /* of the loop's clock */
    uint64_t order;  /* those due at once go in this order */
    uint64_t event;
    uint16_t attempts;
    uint8_t forgery; /* enum psp_forgery */
    bool is_copy;    /* what becomes of it is not recorded */
};

struct request {
    struct psp_webhooks *webhooks;
    struct outbound_job job;
    struct delivery delivery;
    uint32_t payment; /* psp_books_payment_at */
    char *body;
    char signature[HEADER_BYTES];
    const char *headers[HEADERS];
    struct request *next;
    bool is_used;
};

struct psp_webhooks {
    struct psp_books *books;
    struct psp_webhooks_options options;
    struct outbound *outbound;
    struct outbound_port port;
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_async_t wake;
    uint64_t next_event;
    uint64_t next_order;
    struct psp_webhooks_counts counts;
    bool is_closing;

    struct delivery *heap; /* the one due first is on top */
    uint32_t heap_count, heap_capacity;
    struct delivery aside[ASIDE_MAX];
    struct request requests[PSP_DELIVERIES_ACTIVE_MAX];

    uv_mutex_t lock;      /* of what follows */
    struct request *done; /* written by the outbound thread */
};

/* ---- the heap ---- */

static bool is_before(const struct delivery *a, const struct delivery *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_push(struct psp_webhooks *webhooks, const struct delivery *delivery)
{
    uint32_t at = webhooks->heap_count;

    if (at == PSP_DELIVERIES_MAX) {
        webhooks->counts.dropped++;
        return;
    }
    if (at == webhooks->heap_capacity) {
        webhooks->heap_capacity = at == 0 ? 64 : 2 * at;
        webhooks->heap = realloc(webhooks->heap, webhooks->heap_capacity * sizeof(*webhooks->heap));
        if (webhooks->heap == NULL)
            abort();
    }
    webhooks->heap_count++;
    for (; at > 0 && is_before(delivery, &webhooks->heap[(at - 1) / 2]); at = (at - 1) / 2)
        webhooks->heap[at] = webhooks->heap[(at - 1) / 2];
    webhooks->heap[at] = *delivery;
}

static struct delivery heap_pop(struct psp_webhooks *webhooks)
{
    struct delivery top = webhooks->heap[0];
    struct delivery last = webhooks->heap[--webhooks->heap_count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= webhooks->heap_count)
            break;
        if (child + 1 < webhooks->heap_count &&
            is_before(&webhooks->heap[child + 1], &webhooks->heap[child]))
            child++;
        if (!is_before(&webhooks->heap[child], &last))
            break;
        webhooks->heap[at] = webhooks->heap[child];
        at = child;
    }
    webhooks->heap[at] = last;
    return top;
}

/* ---- what becomes of an event ---- */

static void schedule_forgeries(struct psp_webhooks *webhooks, uint64_t event, uint64_t due_ms)
{
    static const struct {
        enum psp_chance chance;
        enum psp_forgery forgery;
    } rows[] = {
        {PSP_CHANCE_forged_signature, PSP_FORGERY_SIGNATURE},
        {PSP_CHANCE_forged_amount, PSP_FORGERY_AMOUNT},
        {PSP_CHANCE_forged_currency, PSP_FORGERY_CURRENCY},
        {PSP_CHANCE_forged_order, PSP_FORGERY_ORDER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (psp_misbehave_happens(webhooks->options.misbehaviour, rows[i].chance, event))
            heap_push(webhooks, &(struct delivery){
                                    .due_ms = due_ms,
                                    .order = webhooks->next_order++,
                                    .event = event,
                                    .forgery = (uint8_t)rows[i].forgery,
                                    .is_copy = true,
                                });
    }
}

static void schedule(struct psp_webhooks *webhooks, uint64_t event)
{
    const struct psp_misbehaviour *wrong = webhooks->options.misbehaviour;
    struct delivery delivery = {.due_ms = uv_now(webhooks->loop), .event = event};

    schedule_forgeries(webhooks, event, delivery.due_ms);
    if (psp_misbehave_happens(wrong, PSP_CHANCE_event_lost, event)) {
        webhooks->counts.lost++;
        return;
    }
    if (psp_misbehave_happens(wrong, PSP_CHANCE_event_late, event))
        delivery.due_ms += psp_misbehave_ms(wrong, PSP_SPAN_event_late_ms, event);
    if (psp_misbehave_happens(wrong, PSP_CHANCE_event_reorder, event))
        delivery.due_ms +=
            PSP_REORDER_LEAST_MS + psp_misbehave_below(wrong, SALT_REORDER, event,
                                                       PSP_REORDER_MOST_MS - PSP_REORDER_LEAST_MS);
    delivery.order = webhooks->next_order++;
    heap_push(webhooks, &delivery);
    if (!psp_misbehave_happens(wrong, PSP_CHANCE_event_duplicate, event))
        return;
    delivery.due_ms += psp_misbehave_below(wrong, SALT_DUPLICATE, event, PSP_DUPLICATE_MOST_MS);
    delivery.order = webhooks->next_order++;
    delivery.is_copy = true;
    heap_push(webhooks, &delivery);
}

/* ---- one attempt ---- */

void psp_webhook_sign(const char *secret, int64_t time_s, const char *body, size_t length,
                      char text_out[PSP_SIGNATURE_TEXT])
{
    uint8_t mac[DIGEST_SHA256_BYTES];
    char *message = malloc(length + 32);
    int prefix;

    if (message == NULL)
        abort();
    prefix = snprintf(message, 32, "%" PRId64 ".", time_s);
    memcpy(message + prefix, body, length);
    digest_hmac_sha256(secret, strlen(secret), message, (size_t)prefix + length, mac);
    free(message);
    for (size_t i = 0; i < sizeof(mac); i++)
        snprintf(text_out + 2 * i, 3, "%02x", mac[i]);
}

static void sign(struct request *request)
{
    const struct psp_webhooks_options *options = &request->webhooks->options;
    bool is_forged = request->delivery.forgery == PSP_FORGERY_SIGNATURE;
    int64_t now_s = options->wall_ms(options->user) / 1000;
    char *text = request->signature;
    size_t length = (size_t)snprintf(text, HEADER_BYTES, "Stripe-Signature: t=%" PRId64, now_s);

    for (uint32_t i = 0; i < options->secret_count; i++) {
        char signature[PSP_SIGNATURE_TEXT];

        psp_webhook_sign(is_forged ? "whsec_of_nobody" : options->secrets[i], now_s, request->body,
                         request->job.body_length, signature);
        length += (size_t)snprintf(text + length, HEADER_BYTES - length, ",v1=%s", signature);
    }
    assert(length < HEADER_BYTES);
}

/* On the outbound thread. */
static void on_job_done(struct outbound_job *job)
{
    struct request *request = (struct request *)((char *)job - offsetof(struct request, job));
    struct psp_webhooks *webhooks = request->webhooks;

    uv_mutex_lock(&webhooks->lock);
    request->next = webhooks->done;
    webhooks->done = request;
    uv_mutex_unlock(&webhooks->lock);
    uv_async_send(&webhooks->wake);
}

/* Fills in body and headers. */
static void prepare(struct request *request)
{
    struct psp_webhooks *webhooks = request->webhooks;
    const struct psp_known_event *known;
    struct psp_entry entry;

    known = psp_books_event_at(webhooks->books, request->delivery.event);
    if (!psp_books_entry(webhooks->books, known->offset, &entry))
        abort();
    request->payment = known->payment;
    request->job = (struct outbound_job){
        .kind = OUTBOUND_HTTP,
        .method = OUTBOUND_POST,
        .url = webhooks->options.url,
        .timeout_ms = PSP_DELIVERY_TIMEOUT_MS,
        .headers = request->headers,
        .header_count = HEADERS,
        .done = on_job_done,
    };
    request->body =
        psp_entry_event(&entry, known->index, webhooks->options.base_url, true,
                        (enum psp_forgery)request->delivery.forgery, &request->job.body_length);
    psp_entry_free(&entry);
    request->job.body = request->body;
    sign(request);
    request->headers[0] = "Content-Type: application/json; charset=utf-8";
    request->headers[1] = "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)";
    request->headers[2] = request->signature;
}

static void give_back(struct request *request)
{
    free(request->body);
    request->body = NULL;
    request->is_used = false;
}

/* An event of this payment is under way already: what follows waits, so that only misbehaviour, a
 * failure or a restart makes one overtake another. */
static bool is_under_way(const struct psp_webhooks *webhooks, uint32_t payment)
{
    for (size_t i = 0; i < PSP_DELIVERIES_ACTIVE_MAX; i++) {
        if (webhooks->requests[i].is_used && webhooks->requests[i].payment == payment)
            return true;
    }
    return false;
}

static struct request *free_request(struct psp_webhooks *webhooks)
{
    for (size_t i = 0; i < PSP_DELIVERIES_ACTIVE_MAX; i++) {
        if (!webhooks->requests[i].is_used)
            return &webhooks->requests[i];
    }
    return NULL;
}

static void retry(struct psp_webhooks *webhooks, struct delivery delivery)
{
    uint64_t pause = PSP_RETRY_FIRST_MS;

    for (uint16_t i = 1; i < delivery.attempts && pause < PSP_RETRY_MOST_MS; i++)
        pause *= 2;
    delivery.due_ms =
        uv_now(webhooks->loop) + (pause < PSP_RETRY_MOST_MS ? pause : PSP_RETRY_MOST_MS);
    heap_push(webhooks, &delivery);
}

static void send_due(struct psp_webhooks *webhooks);

static void on_timer(uv_timer_t *timer)
{
    send_due(timer->data);
}

static void send_one(struct psp_webhooks *webhooks, struct request *request,
                     const struct delivery *delivery)
{
    request->delivery = *delivery;
    request->is_used = true;
    prepare(request);
    if (webhooks->port.submit(webhooks->port.self, &request->job))
        return;
    request->delivery.attempts++;
    retry(webhooks, request->delivery);
    give_back(request);
}

/* Sends what is due as far as there are connections, and sets the timer to what is due next. What
 * waits for a connection or for its payment is looked at again when an answer comes. */
static void send_due(struct psp_webhooks *webhooks)
{
    uint64_t now_ms = uv_now(webhooks->loop);
    uint32_t aside = 0;
    struct request *request;

    if (webhooks->is_closing)
        return;
    while (webhooks->heap_count > 0 && webhooks->heap[0].due_ms <= now_ms && aside < ASIDE_MAX &&
           (request = free_request(webhooks)) != NULL) {
        struct delivery delivery = heap_pop(webhooks);

        if (delivery.event < psp_books_event_first(webhooks->books))
            webhooks->counts.dropped++;
        else if (is_under_way(webhooks,
                              psp_books_event_at(webhooks->books, delivery.event)->payment))
            webhooks->aside[aside++] = delivery;
        else
            send_one(webhooks, request, &delivery);
    }
    uv_timer_stop(&webhooks->timer);
    if (webhooks->heap_count > 0 && webhooks->heap[0].due_ms > now_ms)
        uv_timer_start(&webhooks->timer, on_timer, webhooks->heap[0].due_ms - now_ms, 0);
    while (aside > 0)
        heap_push(webhooks, &webhooks->aside[--aside]);
}

/* ---- how it went ---- */

static void record_delivery(struct psp_webhooks *webhooks, const struct delivery *delivery)
{
    const struct psp_known_event *known;
    struct psp_entry of_event, entry = {.name = "delivered"};

    if (delivery->is_copy || delivery->event < psp_books_event_first(webhooks->books))
        return;
    known = psp_books_event_at(webhooks->books, delivery->event);
    if (!psp_books_entry(webhooks->books, known->offset, &of_event))
        abort();
    entry.at_ms = webhooks->options.wall_ms(webhooks->options.user);
    entry.delivered = of_event.events[known->index].id;
    psp_books_commit(webhooks->books, &entry);
    psp_entry_free(&of_event);
    webhooks->options.on_change(webhooks->options.user);
}

static void finish(struct psp_webhooks *webhooks, struct request *request)
{
    struct delivery *delivery = &request->delivery;
    uint32_t status = request->job.status;

    delivery->attempts++;
    if (request->job.result == OUTBOUND_DELIVERED && status >= 200 && status < 300) {
        webhooks->counts.delivered++;
        record_delivery(webhooks, delivery);
    } else {
        webhooks->counts.failed++;
        if (delivery->forgery != PSP_FORGERY_NONE)
            ; /* whoever forges tries once */
        else if (delivery->attempts >= PSP_DELIVERY_ATTEMPTS_MAX)
            webhooks->counts.given_up++;
        else if (!webhooks->is_closing)
            retry(webhooks, *delivery);
    }
    give_back(request);
}

static void on_wake(uv_async_t *wake)
{
    struct psp_webhooks *webhooks = wake->data;
    struct request *done;

    uv_mutex_lock(&webhooks->lock);
    done = webhooks->done;
    webhooks->done = NULL;
    uv_mutex_unlock(&webhooks->lock);
    while (done != NULL) {
        struct request *next = done->next;

        finish(webhooks, done);
        done = next;
    }
    send_due(webhooks);
}

/* ---- life ---- */

void psp_webhooks_notice(struct psp_webhooks *webhooks)
{
    uint64_t end = psp_books_event_end(webhooks->books);

    if (webhooks->next_event == end)
        return;
    for (; webhooks->next_event < end; webhooks->next_event++)
        if (webhooks->next_event >= psp_books_event_first(webhooks->books) &&
            !psp_books_event_at(webhooks->books, webhooks->next_event)->is_delivered)
            schedule(webhooks, webhooks->next_event);
    send_due(webhooks);
}

struct psp_webhooks *psp_webhooks_create(uv_loop_t *loop, struct psp_books *books,
                                         const struct psp_webhooks_options *options, char *error,
                                         size_t error_size)
{
    struct psp_webhooks *webhooks = calloc(1, sizeof(*webhooks));
    struct outbound_options outbound;

    if (webhooks == NULL)
        abort();
    assert(options->secret_count > 0 && options->secret_count <= PSP_WEBHOOK_SECRETS_MAX);
    webhooks->books = books;
    webhooks->options = *options;
    webhooks->loop = loop;
    webhooks->next_event = psp_books_event_first(books);
    for (size_t i = 0; i < PSP_DELIVERIES_ACTIVE_MAX; i++)
        webhooks->requests[i].webhooks = webhooks;
    outbound_options_default(&outbound);
    outbound.private_allowed = true;
    outbound.host_jobs_max = PSP_DELIVERIES_ACTIVE_MAX;
    outbound.host_transfers_max = PSP_DELIVERIES_ACTIVE_MAX;
    webhooks->outbound = outbound_create(&outbound, error, error_size);
    if (webhooks->outbound == NULL) {
        free(webhooks);
        return NULL;
    }
    webhooks->port = outbound_port_get(webhooks->outbound);
    if (uv_mutex_init(&webhooks->lock) != 0 || uv_timer_init(loop, &webhooks->timer) != 0 ||
        uv_async_init(loop, &webhooks->wake, on_wake) != 0)
        abort();
    webhooks->timer.data = webhooks;
    webhooks->wake.data = webhooks;
    return webhooks;
}

struct psp_webhooks_counts psp_webhooks_count(const struct psp_webhooks *webhooks)
{
    struct psp_webhooks_counts counts = webhooks->counts;

    counts.waiting = webhooks->heap_count;
    for (size_t i = 0; i < PSP_DELIVERIES_ACTIVE_MAX; i++)
        counts.waiting += webhooks->requests[i].is_used;
    return counts;
}

void psp_webhooks_close(struct psp_webhooks *webhooks)
{
    webhooks->is_closing = true;
    outbound_destroy(webhooks->outbound);
    on_wake(&webhooks->wake);
    uv_close((uv_handle_t *)&webhooks->timer, NULL);
    uv_close((uv_handle_t *)&webhooks->wake, NULL);
}

void psp_webhooks_free(struct psp_webhooks *webhooks)
{
    uv_mutex_destroy(&webhooks->lock);
    free(webhooks->heap);
    free(webhooks);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a hold to a paid order. */
#include "load_purchase.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "load_index.h"
#include "load_journey.h"
#include "load_random.h"

#define NS_PER_MS UINT64_C(1000000)

enum {
    DECLINED_ONE_IN = 20,
    AGAIN_MS = 50, /* a payment that is under way is asked after */
};

bool load_purchases_open(struct load_purchases *purchases, struct load_run *run,
                         const struct load_options *options)
{
    *purchases =
        (struct load_purchases){.run = run, .options = options, .rows_max = run->answers.holds_max};
    purchases->rows = load_pages_reserve(purchases->rows_max * sizeof *purchases->rows);
    return purchases->rows != NULL;
}

void load_purchases_close(struct load_purchases *purchases)
{
    load_pages_release(purchases->rows, purchases->rows_max * sizeof *purchases->rows);
    purchases->rows = NULL;
}

static void send_later(struct load_purchases *purchases, uint32_t row, uint64_t delay_ns,
                       uint64_t now_ns)
{
    if (!load_run_send_later(purchases->run, load_tag(LOAD_TAG_BUY, row), delay_ns, now_ns)) {
        purchases->failed++;
        purchases->open--;
    }
}

void load_purchase_begin(struct load_purchases *purchases, uint32_t hold, uint64_t delay_ns,
                         uint64_t now_ns)
{
    const struct load_run *run = purchases->run;
    uint64_t chance = load_random_mix(run->config.seed * UINT64_C(1000033) + hold);
    purchases->rows[hold].will_be_declined = chance % DECLINED_ONE_IN == 0;
    purchases->open++;
    send_later(purchases, hold, delay_ns, now_ns);
}

/* ---- requests ---- */

size_t load_purchase_render(void *context, uint64_t tag, char *target)
{
    const struct load_purchases *purchases = context;
    const struct load_run *run = purchases->run;
    const struct load_hold *hold = &run->answers.holds[load_tag_row(tag)];
    const struct load_purchase *purchase = &purchases->rows[load_tag_row(tag)];
    const struct load_buyers *buyers = run->config.buyers;
    struct load_text bearer = load_buyers_header(buyers, hold->attempt % buyers->count);
    char body[512];
    char key[64] = "";
    bool pays = purchase->order_id[0] != '\0';
    int body_length = 0;
    if (pays) {
        body_length = snprintf(body, sizeof body, "{\"order_id\":\"%s\",\"payment_method\":\"%s\"}",
                               purchase->order_id,
                               purchase->will_be_declined ? "pm_card_declined" : "pm_card_visa");
    } else {
        body_length =
            snprintf(body, sizeof body,
                     "{\"reservation_id\":\"%s\",\"email\":\"buyer@example.com\","
                     "\"shipping_method\":\"%s\",\"payment\":{\"provider\":\"sandbox\"},"
                     "\"shipping_address\":{\"name\":\"Load Test\",\"line1\":\"1 Mill Lane\","
                     "\"city\":\"Paris\",\"postal_code\":\"75001\",\"country\":\"FR\"}}",
                     hold->id, purchases->options->shipping_method);
        snprintf(key, sizeof key, "Idempotency-Key: %08x-buy-%08x\r\n", run->config.nonce,
                 hold->attempt);
    }
    assert(body_length > 0 && (size_t)body_length < sizeof body);
    int length = snprintf(target, LOAD_CLIENT_REQUEST_BYTES_MAX,
                          "POST /v1/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                          "%.*s%sContent-Length: %d\r\n\r\n%s",
                          pays ? "payments/confirm" : "checkout", purchases->options->authority,
                          (int)bearer.length, bearer.data, key, body_length, body);
    assert(length > 0 && length < LOAD_CLIENT_REQUEST_BYTES_MAX);
    return (size_t)length;
}

/* ---- answers ---- */

static bool code_is(const struct load_response *response, const char *name)
{
    struct load_text code;
    return load_response_find_string(response->body, response->body_length, "code", &code) &&
           code.length == strlen(name) && memcmp(code.data, name, code.length) == 0;
}

static void end_refused(struct load_purchases *purchases, struct load_hold *hold)
{
    hold->fate = LOAD_FATE_LAPSED; /* the server was away for longer than the hold had left */
    purchases->refused++;
    purchases->open--;
}

static void end_failed(struct load_purchases *purchases)
{
    purchases->failed++;
    purchases->open--;
}

static void checkout_answered(struct load_purchases *purchases, uint32_t row,
                              const struct load_response *response, uint64_t now_ns)
{
    struct load_purchase *purchase = &purchases->rows[row];
    struct load_text id;
    if (!load_response_find_string(response->body, response->body_length, "id", &id) ||
        id.length == 0 || id.length > LOAD_ID_BYTES_MAX ||
        !load_journey_find_minor(response->body, response->body_length, "totals", "total",
                                 &purchase->total_minor)) {
        end_failed(purchases);
        return;
    }
    memcpy(purchase->order_id, id.data, id.length);
    purchase->order_id[id.length] = '\0';
    send_later(purchases, row, 0, now_ns);
}

static void payment_answered(struct load_purchases *purchases, uint32_t row,
                             const struct load_response *response, uint64_t now_ns)
{
    struct load_purchase *purchase = &purchases->rows[row];
    struct load_hold *hold = &purchases->run->answers.holds[row];
    struct load_text status = {.data = "", .length = 0};
    load_response_find_string(response->body, response->body_length, "status", &status);
    if (status.length == strlen("pending_payment")) {
        send_later(purchases, row, AGAIN_MS * NS_PER_MS, now_ns);
        return;
    }
    if (status.length != strlen("confirmed") || memcmp(status.data, "confirmed", 9) != 0) {
        end_refused(purchases, hold); /* expired meanwhile */
        return;
    }
    hold->fate = LOAD_FATE_CONVERTED;
    purchase->is_paid = true;
    purchases->paid++;
    purchases->revenue_minor += purchase->total_minor;
    purchases->open--;
}

void load_purchase_answered(void *context, uint64_t tag, const struct load_response *response,
                            uint64_t now_ns)
{
    struct load_purchases *purchases = context;
    uint32_t row = load_tag_row(tag);
    struct load_purchase *purchase = &purchases->rows[row];
    bool pays = purchase->order_id[0] != '\0';
    if (response->status == 503 || code_is(response, "payment_in_progress") ||
        code_is(response, "idempotency_in_flight")) {
        send_later(purchases, row, load_run_backoff_ns(purchases->run, 1, response), now_ns);
    } else if (response->status == 402 && purchase->will_be_declined) {
        purchases->declined++;
        purchase->will_be_declined = false; /* there is another card */
        send_later(purchases, row, AGAIN_MS * NS_PER_MS, now_ns);
    } else if (response->status == 409) {
        end_refused(purchases, &purchases->run->answers.holds[row]);
    } else if (response->status == 201 && !pays) {
        checkout_answered(purchases, row, response, now_ns);
    } else if (response->status == 200 && pays) {
        payment_answered(purchases, row, response, now_ns);
    } else {
        end_failed(purchases);
    }
}

void load_purchase_lost(void *context, uint64_t tag, uint64_t now_ns)
{
    send_later(context, load_tag_row(tag), 0, now_ns);
}

/* ---- the books ---- */

struct comparison {
    struct load_purchases *purchases;
    struct load_index index;
    struct load_verdict *verdict;
    int64_t found;
    int64_t booked_minor;
};

static bool order_compare(void *context, const struct load_book_order *order)
{
    struct comparison *comparison = context;
    uint32_t row = 0;
    if (!load_index_find(&comparison->index, order->id.data, order->id.length, &row)) {
        return true;
    }
    struct load_purchase *purchase = &comparison->purchases->rows[row];
    if (!order->is_confirmed || order->captured_minor != order->total_minor ||
        order->refunded_minor != 0) {
        load_verdict_problem(
            comparison->verdict,
            "%s was paid, and in the books it is %s, %" PRId64 " of %" PRId64 " captured",
            purchase->order_id, order->is_confirmed ? "confirmed" : "not confirmed",
            order->captured_minor, order->total_minor);
        return true;
    }
    comparison->found += purchase->in_books ? 0 : 1;
    comparison->booked_minor += order->total_minor;
    purchase->in_books = true;
    return true;
}

bool load_purchases_check(struct load_purchases *purchases, struct load_admin *admin,
                          struct load_verdict *verdict)
{
    struct comparison comparison = {.purchases = purchases, .verdict = verdict};
    bool ok = true;
    admin->error[0] = '\0';
    for (uint32_t row = 0; row < purchases->run->answers.holds_count && ok; row++) {
        const struct load_purchase *purchase = &purchases->rows[row];
        ok = !purchase->is_paid ||
             load_index_add(&comparison.index, purchase->order_id, strlen(purchase->order_id),
                            row) != LOAD_INDEX_NO_MEMORY;
    }
    ok = ok && load_admin_orders_each(admin, order_compare, &comparison);
    load_index_close(&comparison.index);
    if (ok) {
        load_verdict_check(verdict,
                           comparison.found == purchases->paid &&
                               comparison.booked_minor == purchases->revenue_minor,
                           "every paid order is in the books, captured",
                           "%" PRId64 " of %" PRId64 ", %" PRId64 ".%02" PRId64 " EUR",
                           comparison.found, purchases->paid, comparison.booked_minor / 100,
                           comparison.booked_minor % 100);
    }
    return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What Stripe's API has not: the ledger, misbehaviour, and the page on which a card's holder
 * authenticates. */
#include "psp_server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "psp_render.h"

static void respond_document(struct http_exchange *http, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    size_t length;
    char *text;

    yyjson_mut_doc_set_root(doc, root);
    text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, &length);
    yyjson_mut_doc_free(doc);
    if (text == NULL)
        abort();
    http_exchange_cache(http, HTTP_CACHE_NO_STORE);
    http_respond(http, 200, "application/json", text, length);
    free(text);
}

/* ---- GET /_ledger ---- */

static yyjson_mut_val *render_balances(const struct psp_server *server, yyjson_mut_doc *doc,
                                       bool *is_balanced_out)
{
    const struct psp_balance *balances;
    uint32_t count = psp_books_balances(server->books, &balances);
    yyjson_mut_val *list = yyjson_mut_arr(doc);

    *is_balanced_out = true;
    for (uint32_t i = 0; i < count; i++) {
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, list);
        int64_t sum = 0;

        yyjson_mut_obj_add_str(doc, object, "currency", balances[i].currency);
        for (int account = 0; account < PSP_ACCOUNT_COUNT; account++) {
            yyjson_mut_obj_add_sint(doc, object, psp_account_names[account],
                                    balances[i].accounts[account]);
            sum += balances[i].accounts[account];
        }
        *is_balanced_out = *is_balanced_out && sum == 0;
    }
    return list;
}

static void render_payment(yyjson_mut_doc *doc, yyjson_mut_val *list,
                           const struct psp_payment *payment)
{
    const char *order_id = psp_texts_get(&payment->metadata, "order_id");
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, list);

    yyjson_mut_obj_add_str(doc, object, "id", payment->id);
    yyjson_mut_obj_add_str(doc, object, "status", psp_status_names[payment->status]);
    yyjson_mut_obj_add_str(doc, object, "order_id", order_id);
    yyjson_mut_obj_add_str(doc, object, "currency", payment->currency);
    yyjson_mut_obj_add_sint(doc, object, "amount", payment->amount);
    yyjson_mut_obj_add_sint(doc, object, "authorised", psp_payment_authorised(payment));
    yyjson_mut_obj_add_sint(doc, object, "captured", payment->amount_received);
    yyjson_mut_obj_add_sint(doc, object, "refunded", payment->amount_refunded);
}

static void render_webhook(const struct psp_server *server, yyjson_mut_doc *doc,
                           yyjson_mut_val *root)
{
    yyjson_mut_val *object;
    struct psp_webhooks_counts counts;

    if (server->webhooks == NULL)
        return;
    counts = psp_webhooks_count(server->webhooks);
    object = yyjson_mut_obj_add_obj(doc, root, "webhook");
    yyjson_mut_obj_add_uint(doc, object, "delivered", counts.delivered);
    yyjson_mut_obj_add_uint(doc, object, "failed", counts.failed);
    yyjson_mut_obj_add_uint(doc, object, "given_up", counts.given_up);
    yyjson_mut_obj_add_uint(doc, object, "lost", counts.lost);
    yyjson_mut_obj_add_uint(doc, object, "dropped", counts.dropped);
    yyjson_mut_obj_add_uint(doc, object, "waiting", counts.waiting);
}

/* A number of the query; false: there is none that can be read. */
static bool query_number(struct http_exchange *http, const char *name, int64_t *number_out)
{
    char text[24];

    return http_query_parameter(http, name, 0, text, sizeof(text)) > 0 &&
           psp_form_integer(text, number_out);
}

/* Query: from (position of the first payment), limit, order_id. */
void psp_control_ledger(struct psp_server *server, struct http_exchange *http)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_arr(doc);
    uint32_t count = psp_books_payment_count(server->books);
    int64_t from = 0, limit = PSP_LEDGER_LIST_MAX;
    char order_id[PSP_METADATA_VALUE_MAX + 1];
    bool is_balanced;

    psp_exchange_flush(server);
    bool by_order = http_query_parameter(http, "order_id", 0, order_id, sizeof(order_id)) >= 0;

    query_number(http, "from", &from);
    query_number(http, "limit", &limit);
    if (limit < 0 || limit > PSP_LEDGER_LIST_MAX)
        limit = PSP_LEDGER_LIST_MAX;
    yyjson_mut_obj_add_uint(doc, root, "entries", psp_books_entry_count(server->books));
    yyjson_mut_obj_add_val(doc, root, "totals", render_balances(server, doc, &is_balanced));
    yyjson_mut_obj_add_bool(doc, root, "balanced", is_balanced);
    yyjson_mut_obj_add_uint(doc, root, "payment_count", count);
    for (; from >= 0 && from < count && (int64_t)yyjson_mut_arr_size(list) < limit; from++) {
        const struct psp_payment *payment = psp_books_payment_at(server->books, (uint32_t)from);
        const char *found = psp_texts_get(&payment->metadata, "order_id");

        if (!by_order || (found != NULL && strcmp(found, order_id) == 0))
            render_payment(doc, list, payment);
    }
    yyjson_mut_obj_add_val(doc, root, "payments", list);
    if (from < count)
        yyjson_mut_obj_add_sint(doc, root, "next_from", from);
    render_webhook(server, doc, root);
    respond_document(http, doc, root);
}

/* ---- /_misbehave ---- */

static void respond_misbehaviour(const struct psp_server *server, struct http_exchange *http)
{
    const struct psp_misbehaviour *wrong = &server->misbehaviour;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);

    for (int i = 0; i < PSP_CHANCE_COUNT; i++)
        yyjson_mut_obj_add_uint(doc, root, psp_chance_rows[i].name, wrong->per_mille[i]);
    for (int i = 0; i < PSP_SPAN_COUNT; i++) {
        yyjson_mut_val *span = yyjson_mut_obj_add_arr(doc, root, psp_span_names[i]);

        yyjson_mut_arr_add_uint(doc, span, wrong->spans[i][0]);
        yyjson_mut_arr_add_uint(doc, span, wrong->spans[i][1]);
    }
    yyjson_mut_obj_add_uint(doc, root, "seed", wrong->seed);
    respond_document(http, doc, root);
}

static bool set_word(struct psp_misbehaviour *wrong, const char *name, const char *value,
                     struct psp_error *error)
{
    char word[PSP_FORM_NAME_MAX + 64], reason[200];

    /* all=true and none=true are words of their own. */
    if ((strcmp(name, "all") == 0 || strcmp(name, "none") == 0) &&
        (strcmp(value, "true") == 0 || value[0] == 0))
        snprintf(word, sizeof(word), "%s", name);
    else
        snprintf(word, sizeof(word), "%s=%.40s", name, value);
    if (psp_misbehave_set(wrong, word, reason, sizeof(reason)))
        return true;
    psp_error_set(error, 400, NULL, NULL, "%s", reason);
    return false;
}

/* A value of JSON as the text that the option would take; false: it is none of these. */
static bool value_text(yyjson_val *value, char text_out[64])
{
    if (yyjson_is_uint(value))
        snprintf(text_out, 64, "%llu", (unsigned long long)yyjson_get_uint(value));
    else if (yyjson_is_str(value))
        snprintf(text_out, 64, "%s", yyjson_get_str(value));
    else if (yyjson_is_true(value))
        snprintf(text_out, 64, "true");
    else if (yyjson_arr_size(value) == 2)
        snprintf(text_out, 64, "%llu..%llu",
                 (unsigned long long)yyjson_get_uint(yyjson_arr_get(value, 0)),
                 (unsigned long long)yyjson_get_uint(yyjson_arr_get(value, 1)));
    else
        return false;
    return true;
}

static bool set_by_json(struct psp_misbehaviour *wrong, struct http_slice body,
                        struct psp_error *error)
{
    yyjson_doc *doc = yyjson_read(body.data, body.length, 0);
    yyjson_obj_iter iterator;
    yyjson_val *name;
    bool is_good = doc != NULL && yyjson_obj_iter_init(yyjson_doc_get_root(doc), &iterator);

    if (!is_good)
        psp_error_set(error, 400, NULL, NULL, "Give one JSON object, such as {\"decline\": 50}.");
    while (is_good && (name = yyjson_obj_iter_next(&iterator)) != NULL) {
        char text[64];

        is_good = value_text(yyjson_obj_iter_get_val(name), text);
        if (!is_good)
            psp_error_set(error, 400, NULL, NULL, "%.60s: give a number or two of them.",
                          yyjson_get_str(name));
        is_good = is_good && set_word(wrong, yyjson_get_str(name), text, error);
    }
    yyjson_doc_free(doc);
    return is_good;
}

static bool set_by_form(struct psp_misbehaviour *wrong, struct http_slice body,
                        struct psp_error *error)
{
    struct psp_form *form = calloc(1, sizeof(*form));
    char *memory = malloc(body.length + 1);
    bool is_good =
        form != NULL && memory != NULL &&
        psp_form_read(form, body.data, body.length, memory, body.length + 1) == PSP_FORM_READ;

    if (!is_good)
        psp_error_set(error, 400, NULL, NULL, "The form cannot be read.");
    for (uint32_t i = 0; is_good && i < form->count; i++)
        is_good = set_word(wrong, form->pairs[i].name, form->pairs[i].value, error);
    free(memory);
    free(form);
    return is_good;
}

void psp_control_misbehave(struct psp_server *server, struct http_exchange *http)
{
    struct http_slice body = http_exchange_body(http);
    struct psp_misbehaviour wanted = server->misbehaviour;
    struct psp_error error;
    bool is_good;

    if (http_exchange_method(http) == HTTP_METHOD_POST) {
        is_good = body.length > 0 && body.data[0] == '{' ? set_by_json(&wanted, body, &error)
                                                         : set_by_form(&wanted, body, &error);
        if (!is_good) {
            psp_respond_error(server, http, &error);
            return;
        }
        server->misbehaviour = wanted;
    }
    respond_misbehaviour(server, http);
}

/* ---- /_authenticate/{id} ---- */

/* With result=succeeded or result=failed: done, and back to where the payment said. Else the page
 * that asks. */
void psp_control_authenticate(struct psp_server *server, struct http_exchange *http)
{
    char id[PSP_ID_MAX + 1], secret[PSP_SECRET_MAX + 1] = "", result[16] = "";
    char page[3 * PSP_TEXT_MAX];
    const struct psp_payment *payment;
    int length;

    http_exchange_cache(http, HTTP_CACHE_NO_STORE);
    if (http_path_parameter(http, 0, id, sizeof(id)) < 0)
        id[0] = 0;
    http_query_parameter(http, "client_secret", 0, secret, sizeof(secret));
    http_query_parameter(http, "result", 0, result, sizeof(result));
    payment = psp_books_payment(server->books, id);
    if (payment == NULL || strcmp(payment->client_secret, secret) != 0) {
        http_respond(http, 404, "text/plain; charset=utf-8", "There is no such payment.\n", 26);
        return;
    }
    if (result[0] == 0) {
        length = snprintf(page, sizeof(page),
                          "<!doctype html><title>Test bank</title><h1>Test bank</h1>"
                          "<p>Pay %lld %s (minor units)?</p>"
                          "<p><a href=\"?client_secret=%s&amp;result=succeeded\">Yes</a> "
                          "<a href=\"?client_secret=%s&amp;result=failed\">No</a></p>\n",
                          (long long)payment->amount, payment->currency, secret, secret);
        http_respond(http, 200, "text/html; charset=utf-8", page, (size_t)length);
        return;
    }
    psp_call_authenticate(server->books, id, secret, strcmp(result, "succeeded") == 0,
                          psp_server_now_ms(server));
    psp_exchange_flush(server);
    payment = psp_books_payment(server->books, id);
    if (payment->return_url[0] != 0) {
        snprintf(page, sizeof(page), "%s%cpayment_intent=%s&payment_intent_client_secret=%s",
                 payment->return_url, strchr(payment->return_url, '?') != NULL ? '&' : '?', id,
                 secret);
        http_header_add(http, "Location", page);
    }
    length = snprintf(page, sizeof(page), "%s\n", psp_status_names[payment->status]);
    http_respond(http, payment->return_url[0] != 0 ? 303 : 200, "text/plain; charset=utf-8", page,
                 (size_t)length);
}

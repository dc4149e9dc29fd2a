/* SPDX-License-Identifier: Apache-2.0 */
/* A request from its bytes to its answer, with its fate:
 *
 *   begin -> [429, 500 before] -> (delay) -> call -> (delay) -> ledger flushed -> answer, 500, or
 * none
 *
 * A key is in flight from begin to answer. Whether the client still listens changes nothing. */
#include "psp_server_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/digest.h"
#include "psp_render.h"

enum {
    SALT_DECLINE = 3000,
    SALT_DELAY,
    KEY_BYTES = 200, /* of a secret key, in Authorization */
    REQUEST_ID_LETTERS = 14,
};

struct psp_exchange {
    struct psp_server *server;
    struct psp_exchange *next;            /* that waits for the ledger */
    struct psp_exchange *older, *younger; /* of all */
    uint64_t cookie;
    uint64_t number; /* of the request: what its fate is drawn by */
    struct psp_request request;
    struct psp_answer answer;
    struct psp_form form;
    uv_timer_t timer;
    bool has_timer;
    bool has_key; /* its key is in flight */
    uint32_t delay_after_ms;
    char request_id[PSP_ID_MAX + 1];
    char version[PSP_VERSION_MAX + 1];
    char path[PSP_FORM_NAME_MAX + 1];
    char target[PSP_FORM_NAME_MAX + 1];
    char key[PSP_KEY_LENGTH_MAX + 1];
    char memory[]; /* of the form */
};

static bool happens(const struct psp_exchange *exchange, enum psp_chance chance)
{
    return psp_misbehave_happens(&exchange->server->misbehaviour, chance, exchange->number);
}

/* ---- who asks ---- */

static int base64_value(char letter)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = letter != 0 ? strchr(letters, letter) : NULL;

    return found != NULL ? (int)(found - letters) : -1;
}

/* The name of Basic's name:password; "" if it cannot be read. */
static void read_basic(struct http_slice text, char key_out[KEY_BYTES])
{
    uint32_t bits = 0;
    size_t length = 0;

    for (size_t i = 0; i < text.length && base64_value(text.data[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)base64_value(text.data[i]);
        if (i % 4 == 0)
            continue;
        key_out[length] = (char)(bits >> (6 - 2 * (i % 4)));
        if (key_out[length] == ':' || ++length == KEY_BYTES - 1)
            break;
    }
    key_out[length] = 0;
}

static void read_key(struct http_slice header, char key_out[KEY_BYTES])
{
    key_out[0] = 0;
    if (header.length > 7 && strncasecmp(header.data, "Bearer ", 7) == 0 &&
        header.length - 7 < KEY_BYTES)
        snprintf(key_out, KEY_BYTES, "%.*s", (int)header.length - 7, header.data + 7);
    else if (header.length > 6 && strncasecmp(header.data, "Basic ", 6) == 0)
        read_basic((struct http_slice){header.data + 6, header.length - 6}, key_out);
}

enum psp_caller psp_authenticate(struct psp_server *server, struct http_exchange *http)
{
    const char *secret = server->options->secret;
    struct psp_error error;
    char key[KEY_BYTES];

    read_key(http_exchange_header(http, HTTP_HEADER_AUTHORIZATION), key);
    if (secret[0] == 0 ? strncmp(key, "sk_test_", 8) == 0
                       : strlen(key) == strlen(secret) && digest_equal(key, secret, strlen(key)))
        return PSP_CALLER_SECRET;
    if (strncmp(key, "pk_test_", 8) == 0)
        return PSP_CALLER_PUBLIC;
    if (key[0] == 0)
        psp_error_set(&error, 401, NULL, NULL,
                      "You did not provide an API key. You need to provide your API key in the "
                      "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                      "YOUR_SECRET_KEY').");
    else
        psp_error_set(&error, 401, NULL, NULL, "Invalid API Key provided: %.8s****", key);
    http_header_add(http, "WWW-Authenticate", "Basic realm=\"Stripe\"");
    psp_respond_error(server, http, &error);
    return PSP_CALLER_NOBODY;
}

/* ---- answers ---- */

void psp_respond_error(struct psp_server *server, struct http_exchange *http,
                       const struct psp_error *error)
{
    struct psp_answer answer;

    (void)server;
    psp_answer_error(error, &answer);
    http_exchange_cache(http, HTTP_CACHE_NO_STORE);
    http_respond(http, answer.status, "application/json", answer.body, answer.length);
    free(answer.body);
}

static void free_exchange(struct psp_exchange *exchange)
{
    struct psp_server *server = exchange->server;

    if (exchange->has_key)
        psp_table_remove(&server->in_flight, psp_hash_of(exchange->key, strlen(exchange->key)));
    if (exchange->younger != NULL)
        exchange->younger->older = exchange->older;
    else
        server->youngest = exchange->older;
    if (exchange->older != NULL)
        exchange->older->younger = exchange->younger;
    server->calls--;
    free(exchange->answer.body);
    free(exchange);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_exchange(handle->data);
}

static void end(struct psp_exchange *exchange)
{
    if (exchange->has_timer)
        uv_close((uv_handle_t *)&exchange->timer, on_timer_closed);
    else
        free_exchange(exchange);
}

static void add_headers(const struct psp_exchange *exchange, struct http_exchange *http)
{
    http_header_add(http, "Request-Id", exchange->request_id);
    http_header_add(http, "Stripe-Version", exchange->version);
    if (exchange->key[0] != 0)
        http_header_add(http, "Idempotency-Key", exchange->key);
    if (exchange->answer.is_replayed) {
        http_header_add(http, "Idempotent-Replayed", "true");
        http_header_add(http, "Original-Request", exchange->answer.original);
    }
    http_exchange_cache(http, HTTP_CACHE_NO_STORE);
}

static void replace_answer(struct psp_exchange *exchange, const struct psp_error *error)
{
    free(exchange->answer.body);
    psp_answer_error(error, &exchange->answer);
}

static void respond(struct psp_exchange *exchange)
{
    struct http_exchange *http =
        http_exchange_from_cookie(exchange->server->http, exchange->cookie);

    if (http != NULL) {
        add_headers(exchange, http);
        http_respond(http, exchange->answer.status, "application/json", exchange->answer.body,
                     exchange->answer.length);
    }
    end(exchange);
}

static void vanish(struct psp_exchange *exchange)
{
    struct http_exchange *http =
        http_exchange_from_cookie(exchange->server->http, exchange->cookie);

    if (http != NULL)
        http_exchange_vanish(http);
    end(exchange);
}

/* ---- the way of a request ---- */

/* Calls on after so many milliseconds. */
static void wait(struct psp_exchange *exchange, uint32_t ms, uv_timer_cb on_end)
{
    if (!exchange->has_timer) {
        uv_timer_init(&exchange->server->loop, &exchange->timer);
        exchange->timer.data = exchange;
        exchange->has_timer = true;
    }
    uv_timer_start(&exchange->timer, on_end, ms, 0);
}

static void wait_for_ledger(struct psp_exchange *exchange)
{
    struct psp_server *server = exchange->server;

    exchange->next = NULL;
    *server->waiting_end = exchange;
    server->waiting_end = &exchange->next;
}

static void after_delay(uv_timer_t *timer)
{
    wait_for_ledger(timer->data);
}

static void call(struct psp_exchange *exchange)
{
    struct psp_server *server = exchange->server;
    struct psp_error error;

    exchange->request.now_ms = psp_server_now_ms(server);
    psp_call(server->books, &exchange->request, &exchange->answer);
    if (exchange->request.id == PSP_CALL_REFUND_CREATE)
        psp_server_settle_later(server, false);
    if (happens(exchange, PSP_CHANCE_error_after)) {
        psp_error_set(&error, 500, NULL, NULL,
                      "An unknown error occurred. If you see this, the gateway was asked to fail.");
        replace_answer(exchange, &error);
    }
    if (exchange->delay_after_ms > 0)
        wait(exchange, exchange->delay_after_ms, after_delay);
    else
        wait_for_ledger(exchange);
}

static void before_delay(uv_timer_t *timer)
{
    call(timer->data);
}

static void on_hung(uv_timer_t *timer)
{
    vanish(timer->data);
}

static void let_go(struct psp_exchange *exchange)
{
    uint32_t ms;

    if (!happens(exchange, PSP_CHANCE_timeout)) {
        respond(exchange);
        return;
    }
    ms = psp_misbehave_ms(&exchange->server->misbehaviour, PSP_SPAN_timeout_ms, exchange->number);
    if (ms > 0)
        wait(exchange, ms, on_hung);
    else
        vanish(exchange);
}

void psp_exchange_flush(struct psp_server *server)
{
    struct psp_exchange *exchange = server->waiting;

    if (server->has_failed)
        return;
    if (psp_ledger_is_dirty(psp_books_ledger(server->books))) {
        if (!psp_ledger_flush(psp_books_ledger(server->books))) {
            snprintf(server->error, server->error_size, "the ledger could not be written: %s",
                     strerror(errno));
            server->has_failed = true;
            uv_stop(&server->loop);
            return;
        }
        if (server->webhooks != NULL)
            psp_webhooks_notice(server->webhooks);
    }
    server->waiting = NULL;
    server->waiting_end = &server->waiting;
    while (exchange != NULL) {
        struct psp_exchange *next = exchange->next;

        let_go(exchange);
        exchange = next;
    }
    http_server_flush(server->http);
}

void psp_exchange_drop_all(struct psp_server *server)
{
    struct psp_exchange *exchange = server->youngest;

    server->waiting = NULL;
    server->waiting_end = &server->waiting;
    while (exchange != NULL) {
        struct psp_exchange *older = exchange->older;

        end(exchange);
        exchange = older;
    }
}

/* ---- its beginning ---- */

static void make_request_id(struct psp_exchange *exchange)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const struct psp_server *server = exchange->server;
    uint64_t input[3] = {server->options->seed, psp_books_entry_count(server->books),
                         server->requests};
    uint8_t digest[DIGEST_SHA256_BYTES];

    digest_sha256(input, sizeof(input), digest);
    memcpy(exchange->request_id, "req_", 4);
    for (size_t i = 0; i < REQUEST_ID_LETTERS; i++)
        exchange->request_id[4 + i] = letters[digest[i] % (sizeof(letters) - 1)];
    exchange->request_id[4 + REQUEST_ID_LETTERS] = 0;
}

static bool copy_header(struct http_slice header, char *target, size_t size)
{
    if (header.length >= size)
        return false;
    if (header.length > 0)
        memcpy(target, header.data, header.length);
    target[header.length] = 0;
    return true;
}

static bool is_printable(const char *text)
{
    for (; *text != 0; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

/* The parameters: of the query, or of the body. */
static bool read_form(struct psp_exchange *exchange, struct http_exchange *http, size_t size,
                      struct psp_error *error)
{
    bool is_post = http_exchange_method(http) == HTTP_METHOD_POST;
    struct http_slice text = is_post ? http_exchange_body(http) : http_exchange_query(http);
    struct http_slice type = http_exchange_header(http, HTTP_HEADER_CONTENT_TYPE);
    static const char form_type[] = "application/x-www-form-urlencoded";

    if (is_post && text.length > 0 && type.length > 0 &&
        (type.length < sizeof(form_type) - 1 ||
         strncasecmp(type.data, form_type, sizeof(form_type) - 1) != 0)) {
        psp_error_set(error, 400, NULL, NULL,
                      "Invalid request (check that your POST content type is "
                      "application/x-www-form-urlencoded). If you have any questions, we can help "
                      "at https://support.stripe.com/.");
        return false;
    }
    switch (psp_form_read(&exchange->form, text.data, text.length, exchange->memory, size)) {
    case PSP_FORM_READ:
        return true;
    case PSP_FORM_MALFORMED:
        psp_error_set(error, 400, NULL, NULL,
                      "Invalid request: the parameters cannot be decoded (percent-encoding, UTF-8 "
                      "or brackets).");
        return false;
    case PSP_FORM_TOO_LARGE:
        break;
    }
    psp_error_set(error, 400, NULL, NULL, "Invalid request: too many parameters (at most %d).",
                  (int)PSP_FORM_PAIRS_MAX);
    return false;
}

static bool read_request(struct psp_exchange *exchange, struct http_exchange *http,
                         const struct route *route, size_t size, struct psp_error *error)
{
    struct psp_server *server = exchange->server;
    struct http_slice key = http_exchange_header(http, HTTP_HEADER_IDEMPOTENCY_KEY);
    struct http_slice path = http_exchange_path(http);

    make_request_id(exchange);
    if (!copy_header(http_exchange_header_find(http, "stripe-version"), exchange->version,
                     sizeof(exchange->version)) ||
        exchange->version[0] == 0)
        snprintf(exchange->version, sizeof(exchange->version), "%s", PSP_API_VERSION);
    exchange->request = (struct psp_request){
        .id = (enum psp_call_id)router_index(server->router, route),
        .path = exchange->path,
        .target = exchange->target,
        .form = &exchange->form,
        .key = exchange->key,
        .request_id = exchange->request_id,
        .base_url = server->url,
    };
    if (!copy_header(path, exchange->path, sizeof(exchange->path)) ||
        (strchr(route->pattern, '{') != NULL &&
         http_path_parameter(http, 0, exchange->target, sizeof(exchange->target)) < 0)) {
        psp_error_set(error, 404, "resource_missing", "id", "No such object.");
        return false;
    }
    if (http_exchange_method(http) == HTTP_METHOD_POST &&
        (!copy_header(key, exchange->key, sizeof(exchange->key)) || !is_printable(exchange->key))) {
        exchange->key[0] = 0;
        psp_error_set(error, 400, NULL, NULL,
                      "Idempotency keys can be at most %d characters of ASCII long.",
                      (int)PSP_KEY_LENGTH_MAX);
        error->type = "idempotency_error";
        return false;
    }
    return read_form(exchange, http, size, error);
}

/* Refusals before anything has begun: the fate's, and that of a key in flight. */
static bool is_admitted(struct psp_exchange *exchange, struct http_exchange *http,
                        struct psp_error *error)
{
    struct psp_server *server = exchange->server;

    if (happens(exchange, PSP_CHANCE_rate_limit)) {
        psp_error_set(error, 429, "rate_limit", NULL, "Request rate limit exceeded.");
        http_header_add(http, "Stripe-Rate-Limited-Reason", "global-rate");
        http_header_add(http, "Retry-After", "1");
        return false;
    }
    if (happens(exchange, PSP_CHANCE_error_before)) {
        psp_error_set(error, 500, NULL, NULL,
                      "An unknown error occurred. If you see this, the gateway was asked to fail.");
        return false;
    }
    if (exchange->key[0] == 0)
        return true;
    struct psp_hash hash = psp_hash_of(exchange->key, strlen(exchange->key));
    if (psp_table_find(&server->in_flight, hash) != PSP_ABSENT) {
        psp_error_set(error, 409, "idempotency_key_in_use", NULL,
                      "There is currently another in-progress request using this Idempotency Key "
                      "(that probably means you submitted twice, and the other request is still "
                      "going through): %.255s. Please try again later.",
                      exchange->key);
        error->type = "idempotency_error";
        return false;
    }
    psp_table_put(&server->in_flight, hash, 1);
    exchange->has_key = true;
    return true;
}

static void draw_fate(struct psp_exchange *exchange)
{
    const struct psp_misbehaviour *wrong = &exchange->server->misbehaviour;
    /* Those of PSP_DECLINES that a bank would say of any card. */
    static const enum psp_decline declines[] = {PSP_DECLINE_GENERIC, PSP_DECLINE_FUNDS,
                                                PSP_DECLINE_PROCESSING};
    uint32_t ms;

    if (happens(exchange, PSP_CHANCE_decline))
        exchange->request.decline = declines[psp_misbehave_below(
            wrong, SALT_DECLINE, exchange->number, sizeof(declines) / sizeof(declines[0]))];
    exchange->request.fails_kept =
        happens(exchange, PSP_CHANCE_error_after) && happens(exchange, PSP_CHANCE_error_kept);
    if (!happens(exchange, PSP_CHANCE_delay)) {
        call(exchange);
        return;
    }
    ms = psp_misbehave_ms(wrong, PSP_SPAN_delay_ms, exchange->number);
    exchange->delay_after_ms = psp_misbehave_below(wrong, SALT_DELAY, exchange->number, ms + 1);
    wait(exchange, ms - exchange->delay_after_ms, before_delay);
}

void psp_exchange_begin(struct psp_server *server, struct http_exchange *http,
                        const struct route *route)
{
    size_t size = http_exchange_body(http).length + http_exchange_query(http).length + 2;
    enum psp_caller caller = psp_authenticate(server, http);
    enum psp_call_id id = (enum psp_call_id)router_index(server->router, route);
    struct psp_error error = {0};
    struct psp_exchange *exchange;

    if (caller == PSP_CALLER_NOBODY)
        return;
    if (caller == PSP_CALLER_PUBLIC && id != PSP_CALL_INTENT_READ &&
        id != PSP_CALL_INTENT_CONFIRM) {
        psp_error_set(&error, 403, NULL, NULL,
                      "This API call cannot be made with a publishable API key. Please use a "
                      "secret API key.");
        psp_respond_error(server, http, &error);
        return;
    }
    exchange = server->calls < PSP_CALLS_MAX ? calloc(1, sizeof(*exchange) + size) : NULL;
    if (exchange == NULL) {
        psp_error_set(&error, 503, NULL, NULL, "Too many requests are under way.");
        psp_respond_error(server, http, &error);
        return;
    }
    server->calls++;
    exchange->server = server;
    exchange->older = server->youngest;
    if (exchange->older != NULL)
        exchange->older->younger = exchange;
    server->youngest = exchange;
    exchange->number = ++server->requests;
    exchange->cookie = http_exchange_cookie(http);
    if (!read_request(exchange, http, route, size, &error) ||
        !is_admitted(exchange, http, &error)) {
        psp_answer_error(&error, &exchange->answer);
        respond(exchange);
        return;
    }
    exchange->request.is_public = caller == PSP_CALLER_PUBLIC;
    draw_fate(exchange);
}

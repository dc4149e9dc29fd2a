/* SPDX-License-Identifier: Apache-2.0 */
/* The server's life: ledger, port, loop, signals, end. After each turn of the loop the ledger is
 * flushed once for all that the turn has changed, and then the answers leave. */
#include "psp_server_internal.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAIN_MS = 2000,
    CONNECTIONS_MAX = 4096,
    ANSWER_MAX = 16 * 1024 * 1024,
    MEMORY_MAX = 256 * 1024 * 1024,
    CALLER_ANY = 1, /* the router wants one; who may call what is decided here */
};

/* ---- routes ---- */

static void on_call(struct http_exchange *http, void *user)
{
    psp_exchange_begin(user, http, http_exchange_route(http));
}

static void on_ledger(struct http_exchange *http, void *user)
{
    if (psp_authenticate(user, http) != PSP_CALLER_NOBODY)
        psp_control_ledger(user, http);
}

static void on_misbehave(struct http_exchange *http, void *user)
{
    if (psp_authenticate(user, http) != PSP_CALLER_NOBODY)
        psp_control_misbehave(user, http);
}

static void on_authenticate(struct http_exchange *http, void *user)
{
    psp_control_authenticate(user, http);
}

/* Those of the API first: a route's index is its call's number. */
static const struct route routes[] = {
#define X(name, method, pattern, function, takes)                                                  \
    [PSP_CALL_##name] = {HTTP_METHOD_##method, pattern, on_call, CALLER_ANY, 0, NULL, PSP_BODY_MAX},
    PSP_CALLS(X)
#undef X
        {HTTP_METHOD_GET, "/_ledger", on_ledger, CALLER_ANY, 0, NULL, 0},
    {HTTP_METHOD_GET, "/_misbehave", on_misbehave, CALLER_ANY, 0, NULL, 0},
    {HTTP_METHOD_POST, "/_misbehave", on_misbehave, CALLER_ANY, 0, NULL, PSP_BODY_MAX},
    {HTTP_METHOD_GET, "/_authenticate/{id}", on_authenticate, CALLER_ANY, 0, NULL, 0},
};

/* What the HTTP layer refuses, in the API's words. */
static void render_problem(struct http_exchange *http, int status, const char *code,
                           const char *detail, void *user)
{
    struct psp_error error;
    struct http_slice path = http_exchange_path(http);

    if (status == 404)
        psp_error_set(&error, status, NULL, NULL,
                      "Unrecognized request URL (%s: %.*s). Please see "
                      "https://stripe.com/docs or we can help at https://support.stripe.com/.",
                      http_method_name(http_exchange_method(http)),
                      path.length < 200 ? (int)path.length : 200,
                      path.data != NULL ? path.data : "");
    else
        psp_error_set(&error, status, NULL, NULL, "Invalid request: %.100s%s%.200s", code,
                      detail != NULL ? ": " : "", detail != NULL ? detail : "");
    psp_respond_error(user, http, &error);
}

/* ---- time ---- */

int64_t psp_server_now_ms(const struct psp_server *server)
{
    return server->options->wall_ms(server->options->user);
}

static uint64_t http_wall_ms(void *user)
{
    return (uint64_t)psp_server_now_ms(user);
}

static int64_t webhook_wall_ms(void *user)
{
    return psp_server_now_ms(user);
}

static void on_settle(uv_timer_t *timer)
{
    struct psp_server *server = timer->data;
    uint32_t count = psp_books_known_count(server->books);

    server->is_settling = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct psp_known *known = psp_books_known_at(server->books, i);
        const struct psp_payment *payment = psp_books_payment_at(server->books, known->payment);
        char id[PSP_ID_MAX + 1];

        if (known->object != PSP_OBJECT_REFUND ||
            !psp_call_is_settling(payment, psp_payment_refund_find(payment, known->id)))
            continue;
        memcpy(id, known->id, sizeof(id));
        psp_call_settle_refund(server->books, id, psp_server_now_ms(server));
    }
}

void psp_server_settle_later(struct psp_server *server, bool anyway)
{
    uint32_t count = psp_books_known_count(server->books);
    bool is_due = anyway;

    if (count > 0 && !anyway) {
        const struct psp_known *known = psp_books_known_at(server->books, count - 1);
        const struct psp_payment *payment = psp_books_payment_at(server->books, known->payment);

        is_due = known->object == PSP_OBJECT_REFUND &&
                 psp_call_is_settling(payment, psp_payment_refund_find(payment, known->id));
    }
    if (!is_due || server->is_settling)
        return;
    server->is_settling = true;
    uv_timer_start(&server->settle, on_settle, PSP_SETTLE_MS, 0);
}

/* ---- the loop ---- */

static void on_check(uv_check_t *check)
{
    psp_exchange_flush(check->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    psp_exchange_flush(prepare->data);
}

/* An entry that nobody waits for; the turn's end flushes it. */
static void on_webhook_change(void *user)
{
    (void)user;
}

static void on_drained(void *user)
{
    struct psp_server *server = user;

    uv_stop(&server->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct psp_server *server = handle->data;

    (void)number;
    uv_signal_stop(handle);
    if (server->is_draining)
        return;
    server->is_draining = true;
    http_server_drain(server->http, DRAIN_MS, on_drained);
}

static void open_handles(struct psp_server *server)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    if (uv_loop_init(&server->loop) != 0)
        abort();
    uv_check_init(&server->loop, &server->check);
    uv_prepare_init(&server->loop, &server->prepare);
    uv_timer_init(&server->loop, &server->settle);
    server->check.data = server;
    server->prepare.data = server;
    server->settle.data = server;
    uv_check_start(&server->check, on_check);
    uv_prepare_start(&server->prepare, on_prepare);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    }
}

static void close_handles(struct psp_server *server)
{
    uv_close((uv_handle_t *)&server->check, NULL);
    uv_close((uv_handle_t *)&server->prepare, NULL);
    uv_close((uv_handle_t *)&server->settle, NULL);
    uv_close((uv_handle_t *)&server->signals[0], NULL);
    uv_close((uv_handle_t *)&server->signals[1], NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&server->loop) != 0)
        abort();
}

/* ---- begin and end ---- */

static bool open_http(struct psp_server *server, struct http_probe *probe)
{
    static const char *const origins[] = {"*"};
    const struct psp_server_options *options = server->options;
    bool is_ipv6 = strchr(options->host, ':') != NULL;
    struct http_options wanted;
    int code = http_probe_bind(options->host, options->port, probe);

    if (code != 0) {
        snprintf(server->error, server->error_size, "cannot serve at %s:%u: %s", options->host,
                 options->port, uv_strerror(code));
        return false;
    }
    snprintf(server->url, sizeof(server->url), "http://%s%s%s:%u", is_ipv6 ? "[" : "",
             options->host, is_ipv6 ? "]" : "", probe->port);
    http_options_default(&wanted);
    wanted.host = options->host;
    wanted.port = probe->port;
    wanted.connections_max = CONNECTIONS_MAX;
    wanted.connections_per_ip_max = 0;
    wanted.exchanges_max = PSP_CALLS_MAX;
    wanted.answer_max = ANSWER_MAX;
    wanted.memory_max = MEMORY_MAX;
    wanted.cors_origins = origins;
    wanted.cors_origins_count = 1;
    wanted.seed = options->seed;
    wanted.wall_ms = http_wall_ms;
    wanted.render_problem = render_problem;
    server->router = router_build(routes, sizeof(routes) / sizeof(routes[0]));
    if (server->router == NULL)
        abort();
    code = http_server_start(&server->loop, &wanted, server->router, server, &server->http);
    if (code != 0)
        snprintf(server->error, server->error_size, "cannot serve at %s: %s", server->url,
                 uv_strerror(code));
    return code == 0;
}

static bool open_webhooks(struct psp_server *server)
{
    const struct psp_server_options *options = server->options;

    psp_books_set_webhook(server->books, options->webhook[0] != 0);
    if (options->webhook[0] == 0)
        return true;
    server->webhooks = psp_webhooks_create(&server->loop, server->books,
                                           &(struct psp_webhooks_options){
                                               .url = options->webhook,
                                               .secrets = options->webhook_secrets,
                                               .secret_count = options->webhook_secret_count,
                                               .base_url = server->url,
                                               .misbehaviour = &server->misbehaviour,
                                               .wall_ms = webhook_wall_ms,
                                               .user = server,
                                               .on_change = on_webhook_change,
                                           },
                                           server->error, server->error_size);
    return server->webhooks != NULL;
}

static enum psp_server_result serve(struct psp_server *server, struct http_probe *probe)
{
    if (!open_http(server, probe) || !open_webhooks(server))
        return PSP_SERVER_REFUSED;
    http_probe_release(probe);
    server->options->on_ready(server->options->user, server->url);
    psp_server_settle_later(server, true);
    if (server->webhooks != NULL)
        psp_webhooks_notice(server->webhooks);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return server->has_failed ? PSP_SERVER_FAILED : PSP_SERVER_DONE;
}

enum psp_server_result psp_server_run(const struct psp_server_options *options, char *error,
                                      size_t error_size)
{
    struct psp_server *server = calloc(1, sizeof(*server));
    struct http_probe probe = {.fd = -1};
    enum psp_server_result result = PSP_SERVER_REFUSED;
    enum psp_ledger_result opened;

    if (server == NULL)
        abort();
    server->options = options;
    server->misbehaviour = options->misbehaviour;
    server->waiting_end = &server->waiting;
    server->error = error;
    server->error_size = error_size;
    opened = psp_books_open(options->ledger, options->seed, &server->books, error, error_size);
    if (opened != PSP_LEDGER_OPENED) {
        free(server);
        return opened == PSP_LEDGER_DAMAGED   ? PSP_SERVER_DAMAGED
               : opened == PSP_LEDGER_NO_DISK ? PSP_SERVER_FAILED
                                              : PSP_SERVER_REFUSED;
    }
    open_handles(server);
    result = serve(server, &probe);
    http_probe_release(&probe);
    if (server->webhooks != NULL)
        psp_webhooks_close(server->webhooks);
    if (result == PSP_SERVER_DONE && !psp_ledger_flush(psp_books_ledger(server->books)))
        result = PSP_SERVER_FAILED;
    psp_exchange_drop_all(server);
    if (server->http != NULL)
        http_server_close(server->http, NULL);
    close_handles(server);
    if (server->webhooks != NULL)
        psp_webhooks_free(server->webhooks);
    router_free(server->router);
    psp_table_free(&server->in_flight);
    psp_books_close(server->books);
    free(server);
    return result;
}

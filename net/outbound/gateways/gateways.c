/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/gateways/gateways.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "outbound/gateways/sandbox.h"
#include "outbound/gateways/stripe.h"
#include "outbound/gateways/stripe_events.h"

/* A job that is under way at another host. */
struct call {
    struct gateways *gateways;
    struct gateway_job *owner;
    struct call *next; /* of the free ones */
    struct outbound_job job;
    struct stripe_request request;
    char answer[STRIPE_ANSWER_MAX];
};

struct counters {
    _Atomic int64_t calls[PROVIDER_COUNT][GATEWAY_OPERATION_COUNT][GATEWAY_RESULT_COUNT];
    _Atomic int64_t calls_refused[PROVIDER_COUNT];
    _Atomic int64_t mismatches[PROVIDER_COUNT];
    _Atomic int64_t events[PROVIDER_COUNT][GATEWAY_EVENT_RESULT_COUNT];
};

struct gateways {
    /* Constant after the start. */
    bool has_sandbox;
    bool has_stripe;
    struct outbound_port outbound;
    struct stripe_settings stripe;
    struct stripe_event_secrets event_secrets;
    struct call *calls; /* GATEWAY_CALLS_MAX, NULL without Stripe */

    pthread_mutex_t lock;
    struct call *free_calls; /* the lock's; the one used last first */

    struct json_memory memory; /* the outbound thread's */
    struct counters counters;
};

/* ---- names ---- */

const char *gateway_operation_name(uint8_t operation)
{
    static const char *const names[GATEWAY_OPERATION_COUNT] = {
        [GATEWAY_CREATE] = "create", [GATEWAY_CONFIRM] = "confirm", [GATEWAY_CAPTURE] = "capture",
        [GATEWAY_CANCEL] = "cancel", [GATEWAY_REFUND] = "refund",   [GATEWAY_QUERY] = "query",
    };

    return names[operation];
}

const char *gateway_result_name(uint8_t result)
{
    static const char *const names[GATEWAY_RESULT_COUNT] = {
        [GATEWAY_DONE] = "done",
        [GATEWAY_DECLINED] = "declined",
        [GATEWAY_REFUSED] = "refused",
        [GATEWAY_UNKNOWN] = "unknown",
        [GATEWAY_UNAVAILABLE] = "unavailable",
    };

    return names[result];
}

const char *gateway_event_result_name(uint8_t result)
{
    static const char *const names[GATEWAY_EVENT_RESULT_COUNT] = {
#define X(name, text) [GATEWAY_EVENT_##name] = text,
        GATEWAY_EVENT_RESULTS(X)
#undef X
    };

    return names[result];
}

/* ---- results ---- */

void gateway_job_set(struct gateway_job *job, enum gateway_result result, enum payment_state state,
                     const char *reason)
{
    job->result = (uint8_t)result;
    job->state = (uint8_t)state;
    snprintf(job->reason, sizeof(job->reason), "%s", reason);
}

void gateway_job_set_unknown(struct gateway_job *job, bool may_be_seen, const char *reason)
{
    bool is_unknown = may_be_seen && job->operation != GATEWAY_QUERY;

    gateway_job_set(job, is_unknown ? GATEWAY_UNKNOWN : GATEWAY_UNAVAILABLE, PAYMENT_NONE, reason);
}

static void count(_Atomic int64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void finish(struct gateways *gateways, struct gateway_job *job)
{
    count(&gateways->counters.calls[job->provider][job->operation][job->result]);
    job->done(job);
}

/* ---- calls ---- */

static struct call *take_call(struct gateways *gateways)
{
    struct call *call;

    pthread_mutex_lock(&gateways->lock);
    call = gateways->free_calls;
    if (call != NULL)
        gateways->free_calls = call->next;
    pthread_mutex_unlock(&gateways->lock);
    return call;
}

static void give_call_back(struct gateways *gateways, struct call *call)
{
    pthread_mutex_lock(&gateways->lock);
    call->next = gateways->free_calls;
    gateways->free_calls = call;
    pthread_mutex_unlock(&gateways->lock);
}

/* The outbound thread. */
static void on_answer(struct outbound_job *request)
{
    struct call *call = (struct call *)(void *)((char *)request - offsetof(struct call, job));
    struct gateways *gateways = call->gateways;
    struct gateway_job *job = call->owner;

    if (stripe_answer_read(job, request, gateways->memory))
        count(&gateways->counters.mismatches[job->provider]);
    give_call_back(gateways, call);
    finish(gateways, job);
}

static bool submit_to_stripe(struct gateways *gateways, struct gateway_job *job)
{
    struct call *call = take_call(gateways);

    if (call == NULL)
        return false;
    if (!stripe_request_write(&gateways->stripe, job, &call->request)) {
        give_call_back(gateways, call);
        finish(gateways, job);
        return true;
    }
    call->owner = job;
    call->job = (struct outbound_job){
        .kind = OUTBOUND_HTTP,
        .timeout_ms = job->timeout_ms,
        .method = call->request.method,
        .url = call->request.url,
        .headers = call->request.headers,
        .header_count = call->request.header_count,
        .body = call->request.body,
        .body_length = call->request.body_length,
        .answer = call->answer,
        .answer_max = sizeof(call->answer),
        .done = on_answer,
    };
    if (gateways->outbound.submit(gateways->outbound.self, &call->job))
        return true;
    give_call_back(gateways, call);
    return false;
}

static bool has(void *self, uint8_t provider)
{
    const struct gateways *gateways = self;

    return (provider == PROVIDER_SANDBOX && gateways->has_sandbox) ||
           (provider == PROVIDER_STRIPE && gateways->has_stripe);
}

static bool confirms(void *self, uint8_t provider)
{
    const struct gateways *gateways = self;

    return has(self, provider) && (provider == PROVIDER_SANDBOX || gateways->stripe.confirms);
}

static bool submit(void *self, struct gateway_job *job)
{
    struct gateways *gateways = self;
    bool is_taken = false;

    assert(job->provider < PROVIDER_COUNT && job->operation < GATEWAY_OPERATION_COUNT);
    assert(job->done != NULL && job->timeout_ms >= 1 && job->timeout_ms <= GATEWAY_TIMEOUT_MS_MAX);
    job->captured_minor = 0;
    job->refunded_minor = 0;
    job->retry_after_s = 0;
    job->client_secret[0] = 0;
    job->redirect_url[0] = 0;
    job->refund_id[0] = 0;
    gateway_job_set_unknown(job, false, "");
    if (!has(self, job->provider)) {
        is_taken = false;
    } else if (job->provider == PROVIDER_SANDBOX) {
        sandbox_run(job);
        finish(gateways, job);
        return true;
    } else {
        is_taken = submit_to_stripe(gateways, job);
    }
    if (!is_taken)
        count(&gateways->counters.calls_refused[job->provider]);
    return is_taken;
}

struct gateway_port gateways_port(struct gateways *gateways)
{
    return (struct gateway_port){
        .self = gateways, .submit = submit, .has = has, .confirms = confirms};
}

/* ---- events ---- */

enum gateway_event_result gateways_read_event(struct gateways *gateways, uint8_t provider,
                                              const struct gateway_event_input *input,
                                              struct gateway_event *event_out)
{
    enum gateway_event_result result = GATEWAY_EVENT_NO_PROVIDER;

    assert(provider < PROVIDER_COUNT);
    *event_out = (struct gateway_event){.captured_minor = -1, .refunded_minor = -1};
    if (provider == PROVIDER_STRIPE && gateways->event_secrets.count > 0) {
        result = stripe_signature_check(&gateways->event_secrets,
                                        input->headers[GATEWAY_HEADER_STRIPE_SIGNATURE],
                                        input->body, input->now_wall_ms / 1000);
        if (result == GATEWAY_EVENT_GENUINE && !stripe_event_read(input, event_out))
            result = GATEWAY_EVENT_UNREADABLE;
    }
    count(&gateways->counters.events[provider][result]);
    return result;
}

void gateways_metrics_get(const struct gateways *gateways, struct gateway_metrics *metrics_out)
{
    const struct counters *counters = &gateways->counters;

#define READ(field) atomic_load_explicit(&counters->field, memory_order_relaxed)
    for (unsigned i = 0; i < PROVIDER_COUNT; i++) {
        for (unsigned j = 0; j < GATEWAY_OPERATION_COUNT; j++) {
            for (unsigned k = 0; k < GATEWAY_RESULT_COUNT; k++)
                metrics_out->calls[i][j][k] = READ(calls[i][j][k]);
        }
        metrics_out->calls_refused[i] = READ(calls_refused[i]);
        metrics_out->mismatches[i] = READ(mismatches[i]);
        for (unsigned j = 0; j < GATEWAY_EVENT_RESULT_COUNT; j++)
            metrics_out->events[i][j] = READ(events[i][j]);
    }
#undef READ
}

/* ---- begin and end ---- */

void gateways_options_default(struct gateways_options *options_out)
{
    *options_out = (struct gateways_options){
        .sandbox = true,
        .stripe_secret_key = "",
        .stripe_base_url = STRIPE_BASE_URL,
        .stripe_event_secrets = "",
    };
}

bool gateway_url_is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    size_t length;

    if (host == NULL)
        return false;
    host += 3;
    if (host[0] == '[')
        return strncmp(host, "[::1]", 5) == 0 && (host[5] == 0 || strchr(":/", host[5]) != NULL);
    length = strcspn(host, ":/?#");
    if (length == strlen("localhost") && strncasecmp(host, "localhost", length) == 0)
        return true;
    /* An address, not a name that begins like one. */
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length;
}

static bool is_secret(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return length > 0 && length <= GATEWAY_SECRET_LENGTH_MAX;
}

static bool read_event_secrets(struct stripe_event_secrets *secrets, const char *text, char *error,
                               size_t error_size)
{
    unsigned line = 1;

    for (; *text != 0; line++) {
        size_t length = strcspn(text, "\n");
        struct slice secret = slice_trim((struct slice){.text = text, .length = length});

        text += length + (text[length] != 0);
        if (secret.length == 0)
            continue;
        if (secrets->count == GATEWAY_SECRETS_MAX || !is_secret(secret.text, secret.length)) {
            snprintf(error, error_size,
                     "stripe_webhook_secrets_file, line %u: give at most %d secrets, one a line,"
                     " each of at most %d printable characters",
                     line, (int)GATEWAY_SECRETS_MAX, (int)GATEWAY_SECRET_LENGTH_MAX);
            return false;
        }
        memcpy(secrets->texts[secrets->count++], secret.text, secret.length);
    }
    return true;
}

static bool is_test_key(const char *key)
{
    return strncmp(key, "sk_test_", 8) == 0 || strncmp(key, "rk_test_", 8) == 0;
}

static bool set_up_stripe(struct gateways *gateways, const struct gateways_options *options,
                          char *error, size_t error_size)
{
    struct stripe_settings *stripe = &gateways->stripe;
    const char *url = options->stripe_base_url;
    size_t length = strlen(url);

    if (!is_secret(options->stripe_secret_key, strlen(options->stripe_secret_key))) {
        snprintf(error, error_size,
                 "stripe_secret_key_file has no key in its first line: at most %d printable"
                 " characters",
                 (int)GATEWAY_SECRET_LENGTH_MAX);
        return false;
    }
    while (length > 0 && url[length - 1] == '/')
        length--;
    if (length > GATEWAY_URL_MAX ||
        (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)) {
        snprintf(error, error_size, "stripe_base_url is \"%.100s\": give a URL", url);
        return false;
    }
    if (options->stripe_confirm && !is_test_key(options->stripe_secret_key) &&
        !gateway_url_is_loopback(url)) {
        snprintf(error, error_size,
                 "stripe_confirm is on, but the key is no test key (sk_test_...): customers"
                 " confirm in their browser; leave it off");
        return false;
    }
    memcpy(stripe->base_url, url, length);
    memcpy(stripe->secret_key, options->stripe_secret_key, strlen(options->stripe_secret_key) + 1);
    stripe->confirms = options->stripe_confirm;
    gateways->memory.size = json_memory_needed(STRIPE_ANSWER_MAX);
    gateways->memory.bytes = malloc(gateways->memory.size);
    gateways->calls = calloc(GATEWAY_CALLS_MAX, sizeof(*gateways->calls));
    if (gateways->memory.bytes == NULL || gateways->calls == NULL) {
        snprintf(error, error_size, "not enough memory for payment gateways");
        return false;
    }
    for (size_t i = 0; i < GATEWAY_CALLS_MAX; i++) {
        gateways->calls[i].gateways = gateways;
        gateways->calls[i].next = gateways->free_calls;
        gateways->free_calls = &gateways->calls[i];
    }
    gateways->has_stripe = true;
    return true;
}

struct gateways *gateways_create(const struct gateways_options *options,
                                 const struct outbound_port *outbound, char *error,
                                 size_t error_size)
{
    struct gateways *gateways = calloc(1, sizeof(*gateways));

    if (gateways == NULL) {
        snprintf(error, error_size, "not enough memory for payment gateways");
        return NULL;
    }
    pthread_mutex_init(&gateways->lock, NULL);
    gateways->has_sandbox = options->sandbox;
    gateways->outbound = *outbound;
    if ((options->stripe_secret_key[0] != 0 &&
         !set_up_stripe(gateways, options, error, error_size)) ||
        !read_event_secrets(&gateways->event_secrets, options->stripe_event_secrets, error,
                            error_size)) {
        gateways_destroy(gateways);
        return NULL;
    }
    return gateways;
}

void gateways_destroy(struct gateways *gateways)
{
    if (gateways->calls != NULL) {
        for (size_t i = 0; i < GATEWAY_CALLS_MAX; i++) {
            if (gateways->calls[i].owner != NULL)
                explicit_bzero(&gateways->calls[i].request, sizeof(gateways->calls[i].request));
        }
    }
    free(gateways->calls);
    free(gateways->memory.bytes);
    pthread_mutex_destroy(&gateways->lock);
    explicit_bzero(gateways, sizeof(*gateways));
    free(gateways);
}

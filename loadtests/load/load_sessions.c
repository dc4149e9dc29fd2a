/* SPDX-License-Identifier: Apache-2.0 */
/* Guest sessions for the buyers: as many calls as there are buyers, over a few connections. */
#include "load_sessions.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

enum {
    CONNECTIONS_MAX = 32,
    PATIENCE_MS = 5000,         /* without one more session */
    PATIENCE_CONNECT_MS = 1500, /* without a connection */
    PAUSE_MS = 100,             /* after a 503 */
};

struct opening {
    struct load_buyers *buyers;
    const struct load_options *options;
    struct load_sessions_error *error;
    uint64_t pause_until_ns;
    bool failed;
};

static void fail(struct opening *opening, bool unreachable, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct opening *opening, bool unreachable, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(opening->error->text, sizeof opening->error->text, format, arguments);
    va_end(arguments);
    opening->error->unreachable = unreachable;
    opening->failed = true;
}

static size_t session_render(void *context, uint64_t tag, char *target)
{
    const struct opening *opening = context;
    (void)tag;
    int length = snprintf(target, LOAD_CLIENT_REQUEST_BYTES_MAX,
                          "POST /v1/sessions HTTP/1.1\r\nHost: %s\r\n"
                          "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
                          opening->options->authority);
    assert(length > 0 && length < LOAD_CLIENT_REQUEST_BYTES_MAX);
    return (size_t)length;
}

static void session_answered(void *context, uint64_t tag, const struct load_response *response,
                             uint64_t sent_ns, uint64_t now_ns)
{
    struct opening *opening = context;
    struct load_text token;
    (void)tag;
    (void)sent_ns;
    if (response->status == 503) {
        opening->pause_until_ns = now_ns + PAUSE_MS * NS_PER_MS;
    } else if (response->status == 429) {
        fail(opening, false,
             "the target limits the rate of sessions: start it with "
             "--rate-limits off");
    } else if (response->status != 201) {
        fail(opening, false, "POST /v1/sessions was answered %d: is this a Stampede server?",
             response->status);
    } else if (!load_response_find_string(response->body, response->body_length, "token", &token) ||
               !load_buyers_add(opening->buyers, token)) {
        fail(opening, false, "POST /v1/sessions gave no token that can be used");
    }
}

static void session_lost(void *context, uint64_t tag, uint64_t now_ns)
{
    /* Nothing to do: one more is asked for as long as one is missing. */
    (void)context;
    (void)tag;
    (void)now_ns;
}

static void sessions_ask(struct opening *opening, struct load_client *client)
{
    struct load_buyers *buyers = opening->buyers;
    uint64_t progress_ns = load_clock_ns();
    while (buyers->count < buyers->count_max && !opening->failed) {
        uint64_t now_ns = load_clock_ns();
        bool connected = load_client_open_count(client) > 0;
        uint64_t patience_ns = (connected ? PATIENCE_MS : PATIENCE_CONNECT_MS) * NS_PER_MS;
        uint32_t count = buyers->count;
        while (now_ns >= opening->pause_until_ns &&
               count + load_client_in_flight(client) < buyers->count_max &&
               load_client_submit(client, 0, now_ns)) {
        }
        load_client_poll(client, now_ns, now_ns + PAUSE_MS * NS_PER_MS);
        if (buyers->count > count) {
            progress_ns = now_ns;
        } else if (now_ns > progress_ns + patience_ns) {
            int error = load_client_connect_error(client);
            fail(opening, !connected, "cannot %s %s: %s",
                 connected ? "get sessions from" : "connect to", opening->options->target,
                 connected || error == 0 ? "no answer" : strerror(error));
        }
    }
}

bool load_sessions_open(struct load_buyers *buyers, const struct load_options *options,
                        const struct load_address *address, struct load_sessions_error *error_out)
{
    struct opening opening = {.buyers = buyers, .options = options, .error = error_out};
    struct load_client_config config = {
        .address = *address,
        .connections = buyers->count_max < CONNECTIONS_MAX ? buyers->count_max : CONNECTIONS_MAX,
        .pipeline = 1,
        .timeout_ns = options->timeout_ms * NS_PER_MS,
        .seed = options->seed,
    };
    struct load_client_handler handler = {
        .context = &opening,
        .render = session_render,
        .answered = session_answered,
        .lost = session_lost,
    };
    struct load_client *client = load_client_create(&config, &handler);
    if (client == NULL) {
        fail(&opening, false, "no memory or descriptors for the connections");
        return false;
    }
    sessions_ask(&opening, client);
    load_client_destroy(client);
    return !opening.failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The API over the in-memory engine of engine_fixture.h, on one thread: real sockets, a clock and a
 * journal of the test's. `service_call` sends a request and turns everything until it is answered.
 */
#ifndef STAMPEDE_API_FIXTURE_H
#define STAMPEDE_API_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "engine_fixture.h"

#define SERVICE_ADMIN_KEY "0123456789abcdef0123456789abcdef"

enum { SERVICE_ANSWER_MAX = 1 << 20, SERVICE_TURNS_MAX = 20000 };

struct service {
    struct fixture fixture;
    struct api_options options;
    struct api *api;
    struct http_probe probe;
    uv_loop_t loop;
    bool holds_commits; /* nothing becomes durable */
    char answer[SERVICE_ANSWER_MAX];
    int status;
    const char *body; /* of the answer, with a zero behind it */
};

static inline void service_mac(void *self, const char *purpose, const void *bytes, size_t length,
                               uint8_t mac_out[MAC_BYTES])
{
    const struct hash_key key = {{(uint64_t)strlen(purpose), (uint64_t)(unsigned char)*purpose}};
    struct hash128 hash = hash_bytes_128(&key, bytes, length);

    (void)self;
    memcpy(mac_out, &hash, sizeof(hash));
}

/* Prepares what service_start starts; options may be changed in between. */
static inline struct service *service_new(uint32_t shards)
{
    struct service *service = calloc(1, sizeof(*service));

    assert_non_null(service);
    fixture_create(&service->fixture, shards);
    /* The engine's fixture has no sessions and therefore no MAC. */
    ((struct secrets_port *)(uintptr_t)engine_secrets(service->fixture.engine))->mac = service_mac;
    api_options_default(&service->options);
    service->options.admin_key = SERVICE_ADMIN_KEY;
    service->options.rate_limits = false;
    service->options.http.sweep_ms = 20;
    return service;
}

static inline void service_start(struct service *service)
{
    char error[160];

    assert_int_equal(http_probe_bind("127.0.0.1", 0, &service->probe), 0);
    service->options.http.host = "127.0.0.1";
    service->options.http.port = service->probe.port;
    service->api = api_create(service->fixture.engine, &service->options, error, sizeof(error));
    assert_non_null(service->api);
    assert_int_equal(uv_loop_init(&service->loop), 0);
    for (uint32_t i = 0; i < service->fixture.options.shards; i++)
        assert_int_equal(
            api_shard_start(service->api, engine_shard(service->fixture.engine, i), &service->loop),
            0);
    http_probe_release(&service->probe);
}

static inline void service_turn(struct service *service)
{
    fixture_step(&service->fixture, !service->holds_commits);
    for (uint32_t i = 0; i < service->fixture.options.shards; i++)
        api_shard_turn(service->api, engine_shard(service->fixture.engine, i));
    uv_run(&service->loop, UV_RUN_NOWAIT);
}

static inline void service_stop(struct service *service)
{
    for (uint32_t i = 0; i < service->fixture.options.shards; i++)
        api_shard_stop(service->api, engine_shard(service->fixture.engine, i));
    uv_run(&service->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&service->loop), 0);
    api_destroy(service->api);
    fixture_close(&service->fixture);
    free(service);
}

/* ---- a client ---- */

static inline int service_connect(const struct service *service)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(service->probe.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int client = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(client >= 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    return client;
}

static inline void service_send(struct service *service, int client, const char *bytes,
                                size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t count = send(client, bytes + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            sent += (size_t)count;
        else
            service_turn(service);
    }
}

/* `headers` are whole lines, each with its CRLF. `body` may be NULL. */
static inline void service_request(struct service *service, int client, const char *method,
                                   const char *target, const char *headers, const char *body)
{
    static char request[SERVICE_ANSWER_MAX];
    size_t length = body == NULL ? 0 : strlen(body);
    int used = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n%s", method, target,
                        headers);

    if (body != NULL)
        used += snprintf(request + used, sizeof(request) - (size_t)used,
                         "Content-Length: %zu\r\n\r\n%s", length, body);
    else
        used += snprintf(request + used, sizeof(request) - (size_t)used, "\r\n");
    assert_true((size_t)used < sizeof(request));
    service_send(service, client, request, (size_t)used);
}

/* Turns until an answer is complete; fails after SERVICE_TURNS_MAX. */
static inline int service_await(struct service *service, int client)
{
    size_t used = 0;

    for (unsigned turn = 0; turn < SERVICE_TURNS_MAX; turn++) {
        ssize_t count =
            recv(client, service->answer + used, sizeof(service->answer) - 1 - used, MSG_DONTWAIT);
        if (count > 0)
            used += (size_t)count;
        service->answer[used] = '\0';
        char *end = strstr(service->answer, "\r\n\r\n");
        const char *length = strstr(service->answer, "Content-Length: ");
        size_t wanted = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
        if (end != NULL && used >= (size_t)(end + 4 - service->answer) + wanted) {
            service->body = end + 4;
            service->status = atoi(service->answer + strlen("HTTP/1.1 "));
            return service->status;
        }
        service_turn(service);
        if (count <= 0)
            usleep(100);
    }
    fail_msg("no answer: %s", service->answer);
    return 0;
}

/* One request on a connection of its own; its status. */
static inline int service_call(struct service *service, const char *method, const char *target,
                               const char *headers, const char *body)
{
    int client = service_connect(service);

    service_request(service, client, method, target, headers, body);
    int status = service_await(service, client);
    close(client);
    return status;
}

#define ADMIN "Authorization: Bearer " SERVICE_ADMIN_KEY "\r\n"
#define JSON  "Content-Type: application/json\r\n"

/* A guest's Authorization line. */
static inline void service_guest(struct service *service, char header_out[128])
{
    assert_int_equal(service_call(service, "POST", "/v1/sessions", "", ""), 201);
    const char *token = strstr(service->answer, "X-Session-Token: ");
    assert_non_null(token);
    snprintf(header_out, 128, "Authorization: Bearer %.55s\r\n", token + 17);
}

static inline int service_reserve(struct service *service, const char *guest, const char *key,
                                  const char *sku, unsigned quantity)
{
    char headers[512];
    char body[256];

    snprintf(headers, sizeof(headers), "%s" JSON "Idempotency-Key: %s\r\n", guest, key);
    snprintf(body, sizeof(body), "{\"sku\":\"%s\",\"quantity\":%u}", sku, quantity);
    return service_call(service, "POST", "/v1/reservations", headers, body);
}

static inline void service_product(struct service *service, const char *sku, unsigned stock)
{
    char body[512];

    snprintf(body, sizeof(body),
             "{\"id\":\"p-%s\",\"name\":\"x\",\"price_minor\":1,\"currency\":\"EUR\","
             "\"sku\":\"%s\",\"stock\":%u}",
             sku, sku, stock);
    assert_int_equal(service_call(service, "POST", "/v1/admin/products", ADMIN JSON, body), 201);
}

static inline bool service_said(const struct service *service, const char *text)
{
    return strstr(service->body, text) != NULL;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the calls on accounts: any bytes, to the real API over the engine in memory. What is
 * taken is kept as it was answered; what is not is a problem of a documented code; and whatever was
 * sent, the account is whose it was, with the role that it had.
 *
 * Input: which call; the body.
 *
 * No password is hashed but at the beginning: the workers are full then, so that a body that is
 * good ends in 503, and an input costs what its reading costs. */
#include "fuzz.h"

#include "api/json.h"
#include "api_fixture.h"
#include "vault.h"

#undef assert /* cmocka's harness is not running here */
#include <assert.h>

enum {
    INPUT_MAX = 16 * 1024,
    INPUTS_PER_SERVICE = 1000, /* what they leave is bounded */
    JSON_BYTES_MAX = SERVICE_ANSWER_MAX,
};

enum caller { NOBODY, OWN, STAFF };

static const struct {
    const char *method;
    const char *target;
    enum caller caller;
} calls[] = {
    {"POST", "/v1/auth/register", NOBODY},
    {"POST", "/v1/auth/login", NOBODY},
    {"POST", "/v1/auth/verify", NOBODY},
    {"POST", "/v1/auth/password/forgot", NOBODY},
    {"POST", "/v1/auth/password/reset", NOBODY},
    {"PATCH", "/v1/me", OWN},
    {"POST", "/v1/me/email", OWN},
    {"POST", "/v1/me/password", OWN},
    {"POST", "/v1/me/addresses", OWN},
    {"PUT", "/v1/me/addresses/", OWN}, /* and the ID of one */
    {"POST", "/v1/me/totp", OWN},
    {"POST", "/v1/me/totp/confirm", OWN},
    {"DELETE", "/v1/me/totp", OWN},
    {"DELETE", "/v1/me", OWN},
    {"POST", "/v1/admin/staff", STAFF},
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]), CALL_ADDRESS_ADD = 8, CALL_ADDRESS_SET = 9 };

static struct service *service;
static struct vault *vault;
static bool workers_are_full;
static int connection;
static unsigned inputs;
static char own[128]; /* the Authorization line of Ann's session */
static char address[64];
static char said[SERVICE_ANSWER_MAX]; /* an answer's body, to be compared with a later one's */
static char request[INPUT_MAX + 1024];
static struct json_memory memory;

static bool submit_work(void *self, struct work *work)
{
    (void)self;
    if (workers_are_full)
        return false;
    work->run(work);
    work->done(work);
    return true;
}

/* Any body; its status. */
static int call(const char *method, const char *target, enum caller caller, const void *body,
                size_t length)
{
    int used = snprintf(request, sizeof(request),
                        "%s %s HTTP/1.1\r\nHost: x\r\n%s" JSON "Content-Length: %zu\r\n\r\n",
                        method, target,
                        caller == OWN     ? own
                        : caller == STAFF ? ADMIN
                                          : "",
                        length);

    assert(used > 0 && (size_t)used + length <= sizeof(request));
    memcpy(request + used, body, length);
    service_send(service, connection, request, (size_t)used + length);
    service_await(service, connection);
    if (strstr(service->answer, "Connection: close") != NULL) {
        close(connection);
        connection = service_connect(service);
    }
    return service->status;
}

static int call_text(const char *method, const char *target, enum caller caller, const char *body)
{
    return call(method, target, caller, body, strlen(body));
}

/* ---- the shop ---- */

static void copy_between(const char *before, char *text_out, size_t size)
{
    const char *found = strstr(service->body, before);
    size_t length;

    assert(found != NULL);
    found += strlen(before);
    length = strcspn(found, "\"");
    assert(length < size);
    memcpy(text_out, found, length);
    text_out[length] = '\0';
}

static void enter_ann(void)
{
    char token[80];

    workers_are_full = false;
    assert(call_text("POST", "/v1/auth/register", NOBODY,
                     "{\"email\":\"ann@example.org\",\"password\":\"correct horse battery\"}") ==
           201);
    copy_between("\"token\":\"", token, sizeof(token));
    snprintf(own, sizeof(own), "Authorization: Bearer %s\r\n", token);
    assert(call_text("POST", "/v1/me/addresses", OWN,
                     "{\"name\":\"Ann\",\"line1\":\"Lane 7\",\"city\":\"Bern\","
                     "\"postal_code\":\"3000\",\"country\":\"CH\"}") == 201);
    copy_between("\"id\":\"", address, sizeof(address));
    workers_are_full = true;
}

static void open_shop(void)
{
    static const struct vault_keys keys = {.count = 1, .keys = {{1}}};
    static const uint8_t index_key[VAULT_KEY_BYTES] = {3};

    if (vault == NULL)
        vault = vault_create(&keys, index_key, NULL, NULL);
    service = service_new(2);
    engine_destroy(service->fixture.engine);
    service->fixture.workers = (struct worker_port){.submit = submit_work};
    service->fixture.vault = vault_port_of(vault);
    assert(fixture_open(&service->fixture) == 0);
    ((struct secrets_port *)(uintptr_t)engine_secrets(service->fixture.engine))->mac = service_mac;
    service->options.auth_verify = false;
    service_start(service);
    connection = service_connect(service);
    enter_ann();
}

static void close_shop(void)
{
    close(connection);
    service_stop(service);
    service = NULL;
}

/* ---- what must be so ---- */

static void check_answer(void)
{
    static const int statuses[] = {200, 201, 202, 204, 400, 401, 403, 409, 422, 503};
    size_t length = strlen(service->body);
    const char *message;
    size_t position;
    size_t i = 0;

    while (i < sizeof(statuses) / sizeof(statuses[0]) && statuses[i] != service->status)
        i++;
    assert(i < sizeof(statuses) / sizeof(statuses[0]));
    if (service->status == 204)
        return;
    memory.size = json_memory_needed(length);
    assert(memory.size <= JSON_BYTES_MAX * 16);
    memory.bytes = malloc(memory.size);
    const struct json_value *value = json_read(memory, service->body, length, &message, &position);
    assert(value != NULL && json_type(value) == JSON_OBJECT);
    if (service->status >= 400) {
        const struct json_value *code = json_member(value, "code");
        assert(code != NULL && json_type(code) == JSON_STRING);
    }
    free(memory.bytes);
}

/* It is there as it was answered. */
static void check_kept(const char *target)
{
    strcpy(said, service->body);
    assert(call("GET", target, OWN, "", 0) == 200);
    assert(strcmp(service->body, said) == 0);
}

static void check_address(const char *id)
{
    char target[128] = "/v1/me/addresses/";

    strcat(target, id);
    check_kept(target);
}

/* The one that was added goes again: there are so many and no more. */
static void remove_address(const char *id)
{
    char target[128] = "/v1/me/addresses/";

    strcat(target, id);
    assert(call("DELETE", target, OWN, "", 0) == 204);
}

static void check_ann(void)
{
    assert(call("GET", "/v1/me", OWN, "", 0) == 200);
    assert(service_said(service, "\"email\":\"ann@example.org\""));
    assert(service_said(service, "\"role\":\"customer\",\"status\":\"active\""));
    assert(service_said(service, "\"new_email\":null,\"second_factor\":false"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char target[128];
    char id[64];

    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (service == NULL)
        open_shop();
    unsigned which = data[0] % CALLS;
    snprintf(target, sizeof(target), "%s%s", calls[which].target,
             which == CALL_ADDRESS_SET ? address : "");
    int status = call(calls[which].method, target, calls[which].caller, data + 1, size - 1);
    check_answer();
    if (calls[which].caller == OWN && status < 300) {
        if (which == CALL_ADDRESS_ADD) {
            copy_between("\"id\":\"", id, sizeof(id));
            check_address(id);
            remove_address(id);
        } else if (which == CALL_ADDRESS_SET) {
            check_address(address);
        } else if (strcmp(calls[which].method, "PATCH") == 0) {
            check_kept("/v1/me");
        }
        check_ann();
    }
    if (++inputs % INPUTS_PER_SERVICE == 0)
        close_shop();
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the calls from cart to refund: any bytes, to the real API over the engine in memory and
 * the sandbox's gateway. What was taken is kept as it was answered, and adds up; what is not is a
 * problem of a documented code; and whatever was sent, units are conserved, no more is captured
 * than an order's total, and no more goes back than was captured.
 *
 * Input: which call; the body, in which @H stands for the ID of a hold of the caller's, and @O for
 * that of an order that waits for its payment. */
#include "fuzz.h"

#include "api/json.h"
#include "api_fixture.h"
#include "outbound/gateways/gateways.h"
#include "vault.h"

#undef assert /* cmocka's harness is not running here */
#include <assert.h>

enum {
    INPUT_MAX = 16 * 1024,
    INPUTS_PER_SERVICE = 300, /* what they leave is bounded */
    ID_MAX = 80,
    STOCK = 1000,
};

enum caller { GUEST, STAFF };

static const struct {
    const char *method;
    const char *target; /* and the rest of it below */
    const char *behind; /* @O: the order's path */
    enum caller caller;
} calls[] = {
    {"POST", "/v1/checkout", "", GUEST},
    {"POST", "/v1/payments/confirm", "", GUEST},
    {"POST", "/v1/cart/items", "", GUEST},
    {"PATCH", "/v1/cart/items/SHOE", "", GUEST},
    {"POST", "/v1/cart/coupon", "", GUEST},
    {"POST", "/v1/orders/", "/cancel", GUEST},
    {"POST", "/v1/admin/orders/", "/fulfil", STAFF},
    {"POST", "/v1/admin/orders/", "/refund", STAFF},
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]), CALL_CHECKOUT = 0, CALL_FULFIL = 6 };

static struct service *service;
static struct vault *vault;
static struct gateways *gateways;
static int connection;
static unsigned inputs;
static uint64_t keys;   /* given so far */
static char guest[128]; /* its Authorization line */
static char hold[ID_MAX];
static char order[ID_MAX];
static char request[4 * INPUT_MAX];
static char body[2 * INPUT_MAX];

/* Any body; its status. Each call has a key of its own. */
static int call(const char *method, const char *target, enum caller caller, const void *bytes,
                size_t length)
{
    int used = snprintf(request, sizeof(request),
                        "%s %s HTTP/1.1\r\nHost: x\r\n%s" JSON
                        "Idempotency-Key: %llu\r\nContent-Length: %zu\r\n\r\n",
                        method, target, caller == STAFF ? ADMIN : guest, (unsigned long long)++keys,
                        length);

    assert(used > 0 && (size_t)used + length <= sizeof(request));
    memcpy(request + used, bytes, length);
    service_send(service, connection, request, (size_t)used + length);
    service_await(service, connection);
    if (strstr(service->answer, "Connection: close") != NULL) {
        close(connection);
        connection = service_connect(service);
    }
    return service->status;
}

static int call_text(const char *method, const char *target, enum caller caller, const char *text)
{
    return call(method, target, caller, text, strlen(text));
}

/* ---- reading answers ---- */

/* The answer's body, an object; freed by `forget`. */
static struct json_memory memory;

static const struct json_value *read_answer(void)
{
    size_t length = strlen(service->body);
    const struct json_value *value;
    const char *message;
    size_t position;

    memory.size = json_memory_needed(length);
    memory.bytes = malloc(memory.size);
    assert(memory.bytes != NULL);
    value = json_read(memory, service->body, length, &message, &position);
    assert(value != NULL && json_type(value) == JSON_OBJECT);
    return value;
}

static void forget(void)
{
    free(memory.bytes);
    memory.bytes = NULL;
}

static int64_t number(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member(object, name);

    assert(value != NULL && json_type(value) == JSON_INTEGER);
    return json_integer(value);
}

static void copy_id(char id_out[ID_MAX])
{
    const struct json_value *value = json_member(read_answer(), "id");

    assert(value != NULL && json_type(value) == JSON_STRING && json_string(value).length < ID_MAX);
    memcpy(id_out, json_string(value).text, json_string(value).length);
    id_out[json_string(value).length] = '\0';
    forget();
}

/* ---- the shop ---- */

static void open_shop(void)
{
    static const struct vault_keys vault_keys = {.count = 1, .keys = {{1}}};
    static const uint8_t index_key[VAULT_KEY_BYTES] = {3};
    const struct outbound_port nowhere = {0};
    struct gateways_options options;
    char error[256];

    if (vault == NULL) {
        vault = vault_create(&vault_keys, index_key, NULL, NULL);
        gateways_options_default(&options);
        gateways = gateways_create(&options, &nowhere, error, sizeof(error));
    }
    assert(vault != NULL && gateways != NULL);
    service = service_new(2);
    engine_destroy(service->fixture.engine);
    service->fixture.options.orders_live_max = 64;
    service->fixture.vault = vault_port_of(vault);
    service->fixture.gateway = gateways_port(gateways);
    assert(fixture_open(&service->fixture) == 0);
    ((struct secrets_port *)(uintptr_t)engine_secrets(service->fixture.engine))->mac = service_mac;
    service_start(service);
    connection = service_connect(service);
    assert(call_text("POST", "/v1/admin/products", STAFF,
                     "{\"id\":\"shoe\",\"name\":\"Shoe\",\"price_minor\":1999,\"currency\":\"EUR\","
                     "\"variants\":[{\"sku\":\"SHOE\",\"options\":{},\"stock\":1000},"
                     "{\"sku\":\"LACE\",\"options\":{},\"stock\":1000,\"price_minor\":333}]}") ==
           201);
    assert(call_text("POST", "/v1/admin/coupons", STAFF,
                     "{\"code\":\"TEN\",\"kind\":\"percentage\",\"percent_bp\":1000}") == 201);
    assert(call_text("POST", "/v1/admin/coupons", STAFF,
                     "{\"code\":\"FREE\",\"kind\":\"percentage\",\"percent_bp\":10000}") == 201);
    service_guest(service, guest);
}

static void close_shop(void)
{
    close(connection);
    service_stop(service);
    service = NULL;
    hold[0] = '\0';
    order[0] = '\0';
}

/* A hold of the guest's, of two lines. */
static void make_hold(void)
{
    assert(call_text("POST", "/v1/reservations", GUEST,
                     "{\"items\":[{\"sku\":\"SHOE\",\"quantity\":2},"
                     "{\"sku\":\"LACE\",\"quantity\":1}]}") == 201);
    copy_id(hold);
}

/* An order that waits for its payment, or is paid for staff to go on with. */
static void make_order(bool is_paid)
{
    char text[512];

    make_hold();
    snprintf(text, sizeof(text),
             "{\"email\":\"ann@example.org\",\"shipping_address\":{\"name\":\"Ann\",\"line1\":"
             "\"Lane 7\",\"city\":\"Bern\",\"postal_code\":\"3000\",\"country\":\"CH\"},"
             "\"shipping_method\":\"shm_1\",\"payment\":{\"provider\":\"sandbox\"},"
             "\"reservation_id\":\"%s\"}",
             hold);
    assert(call_text("POST", "/v1/checkout", GUEST, text) == 201);
    copy_id(order);
    if (!is_paid)
        return;
    snprintf(text, sizeof(text), "{\"order_id\":\"%s\",\"payment_method\":\"pm_card_visa\"}",
             order);
    assert(call_text("POST", "/v1/payments/confirm", GUEST, text) == 200);
}

/* The input with IDs in place of @H and @O; its length. */
static size_t write_body(const uint8_t *data, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        const char *id = i + 1 == size || data[i] != '@' ? NULL
                         : data[i + 1] == 'H'            ? hold
                         : data[i + 1] == 'O'            ? order
                                                         : NULL;

        if (used + ID_MAX > sizeof(body))
            break;
        if (id == NULL) {
            body[used++] = (char)data[i];
            continue;
        }
        memcpy(body + used, id, strlen(id));
        used += strlen(id);
        i++;
    }
    return used;
}

/* ---- what must be so ---- */

static void check_answer(void)
{
    static const int statuses[] = {200, 201, 400, 402, 404, 409, 422, 503};
    const struct json_value *answer = read_answer();
    size_t i = 0;

    while (i < sizeof(statuses) / sizeof(statuses[0]) && statuses[i] != service->status)
        i++;
    assert(i < sizeof(statuses) / sizeof(statuses[0]));
    if (service->status >= 400) {
        const struct json_value *code = json_member(answer, "code");

        assert(code != NULL && json_type(code) == JSON_STRING);
    }
    forget();
}

static void check_totals(const struct json_value *totals)
{
    int64_t shipping = number(totals, "shipping_minor");
    int64_t tax = number(totals, "tax_minor");
    int64_t subtotal = number(totals, "subtotal_minor");
    int64_t discount = number(totals, "discount_minor");

    assert(shipping >= 0 && tax >= 0 && discount >= 0 && discount <= subtotal + shipping);
    assert(number(totals, "total_minor") == subtotal - discount + shipping + tax);
}

static void check_order(const char *id)
{
    const struct json_value *shown;
    char target[2 * ID_MAX];
    int64_t captured;

    snprintf(target, sizeof(target), "/v1/orders/%s", id);
    assert(call("GET", target, GUEST, "", 0) == 200);
    shown = read_answer();
    check_totals(json_member(shown, "totals"));
    const struct json_value *payment = json_member(shown, "payment");

    captured = number(payment, "captured_minor");
    assert(captured == 0 || captured == number(json_member(shown, "totals"), "total_minor"));
    assert(number(payment, "refunded_minor") >= 0 && number(payment, "refunded_minor") <= captured);
    forget();
}

/* All units are somewhere. */
static void check_stock(const char *target)
{
    const struct json_value *books;

    assert(call("GET", target, STAFF, "", 0) == 200);
    books = read_answer();
    assert(number(books, "available") >= 0 && number(books, "reserved") >= 0 &&
           number(books, "sold") >= 0);
    assert(number(books, "stock") == STOCK &&
           number(books, "available") + number(books, "reserved") + number(books, "sold") == STOCK);
    forget();
}

/* What was bought for this input alone is not there for the next. */
static void clear_away(void)
{
    char target[2 * ID_MAX];

    if (order[0] != '\0') {
        check_order(order);
        snprintf(target, sizeof(target), "/v1/orders/%s/cancel", order);
        call_text("POST", target, GUEST, "{}");
        check_order(order);
    }
    snprintf(target, sizeof(target), "/v1/reservations/%s", hold);
    call("DELETE", target, GUEST, "", 0);
    call("DELETE", "/v1/cart/items/SHOE", GUEST, "", 0);
    call("DELETE", "/v1/cart/items/LACE", GUEST, "", 0);
    call("DELETE", "/v1/cart/coupon", GUEST, "", 0);
    order[0] = '\0';
    hold[0] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char target[2 * ID_MAX];
    size_t length;

    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (service == NULL)
        open_shop();
    unsigned which = data[0] % CALLS;

    if (which == CALL_CHECKOUT)
        make_hold();
    else
        make_order(which >= CALL_FULFIL);
    if (which == CALL_CHECKOUT && data[0] >= 128) /* with a cart as well */
        assert(call_text("POST", "/v1/cart/items", GUEST, "{\"sku\":\"LACE\",\"quantity\":2}") ==
               200);
    length = write_body(data + 1, size - 1);
    snprintf(target, sizeof(target), "%s%s%s", calls[which].target,
             calls[which].behind[0] == '\0' ? "" : order, calls[which].behind);
    int status = call(calls[which].method, target, calls[which].caller, body, length);

    check_answer();
    if (which == CALL_CHECKOUT && status == 201)
        copy_id(order);
    clear_away();
    check_stock("/v1/admin/inventory/SHOE");
    check_stock("/v1/admin/inventory/LACE");
    if (++inputs % INPUTS_PER_SERVICE == 0)
        close_shop();
    return 0;
}

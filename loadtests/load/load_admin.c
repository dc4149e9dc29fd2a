/* SPDX-License-Identifier: Apache-2.0 */
/* The admin API over one blocking connection. */
#include "load_admin.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    CALL_TIMEOUT_SECONDS = 15,
    BUFFER_BYTES = 64 * 1024,
    PATH_BYTES_MAX = 1024,
    PAGE_ENTRIES = 100, /* the most that a listing gives at once */
    CURSOR_BYTES_MAX = 512,
    UNAVAILABLE_RETRIES = 20,
    UNAVAILABLE_WAIT_US = 100 * 1000,
};

static bool fail(struct load_admin *admin, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct load_admin *admin, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(admin->error, sizeof admin->error, format, arguments);
    va_end(arguments);
    return false;
}

bool load_percent_encode(const char *text, char *target, size_t capacity)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z') || strchr("-._~", byte) != NULL;
        if (used + 4 > capacity) {
            return false;
        }
        if (plain) {
            target[used++] = *at;
        } else {
            target[used++] = '%';
            target[used++] = digits[byte >> 4];
            target[used++] = digits[byte & 15];
        }
    }
    target[used] = '\0';
    return true;
}

/* ---- transport ---- */

bool load_admin_open(struct load_admin *admin, const struct load_options *options,
                     const struct load_address *address)
{
    *admin = (struct load_admin){.options = options, .address = *address, .fd = -1};
    admin->capacity = BUFFER_BYTES;
    admin->buffer = malloc(admin->capacity);
    if (admin->buffer == NULL ||
        getrandom(&admin->nonce, sizeof admin->nonce, 0) != (ssize_t)sizeof admin->nonce) {
        return fail(admin, "no memory for the admin connection");
    }
    return true;
}

static void hang_up(struct load_admin *admin)
{
    if (admin->fd >= 0) {
        close(admin->fd);
    }
    admin->fd = -1;
    admin->used = 0;
    admin->consumed = 0;
}

void load_admin_close(struct load_admin *admin)
{
    hang_up(admin);
    free(admin->buffer);
    admin->buffer = NULL;
}

static bool dial(struct load_admin *admin)
{
    struct timeval timeout = {.tv_sec = CALL_TIMEOUT_SECONDS};
    int fd = socket(admin->address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (connect(fd, (const struct sockaddr *)&admin->address.storage, admin->address.length) ==
            0) {
            admin->fd = fd;
            return true;
        }
    }
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return fail(admin, "cannot connect to %s: %s", admin->options->target, strerror(error));
}

static bool send_all(struct load_admin *admin, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(admin->fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        if (sent > 0) {
            data += sent;
            length -= (size_t)sent;
        }
    }
    return true;
}

/* Receives until the parser has a whole answer; the buffer grows with it. */
static bool receive_answer(struct load_admin *admin, struct load_response *response_out)
{
    struct load_response_parser parser = {0};
    admin->used -= admin->consumed;
    memmove(admin->buffer, admin->buffer + admin->consumed, admin->used);
    admin->consumed = 0;
    for (;;) {
        if (admin->used == admin->capacity) {
            char *larger = realloc(admin->buffer, admin->capacity * 2);
            if (larger == NULL) {
                return false;
            }
            admin->buffer = larger;
            admin->capacity *= 2;
        }
        ssize_t received =
            recv(admin->fd, admin->buffer + admin->used, admin->capacity - admin->used, 0);
        if (received < 0 && errno == EINTR) {
            continue;
        }
        if (received <= 0) {
            return false;
        }
        admin->used += (size_t)received;
        enum load_response_result result =
            load_response_parse(&parser, admin->buffer, admin->used, response_out);
        if (result == LOAD_RESPONSE_COMPLETE) {
            admin->consumed = response_out->consumed;
            return true;
        }
        if (result == LOAD_RESPONSE_BROKEN) {
            return false;
        }
    }
}

/* One request and its answer; a kept connection that has died meanwhile is replaced once. */
static bool exchange(struct load_admin *admin, const char *request, size_t length,
                     struct load_response *response_out)
{
    for (int tries = 0; tries < 2; tries++) {
        bool kept = admin->fd >= 0;
        if (!kept && !dial(admin)) {
            admin->unreachable = true;
            return false;
        }
        if (send_all(admin, request, length) && receive_answer(admin, response_out)) {
            return true;
        }
        hang_up(admin);
        if (!kept) {
            break;
        }
    }
    admin->unreachable = true;
    return fail(admin, "%s ended the admin connection without an answer", admin->options->target);
}

/*
 * The call, repeated while the server says 503. Writes carry a key of their own, so that a repeat
 * has one effect. True with whatever status came in the end.
 */
static bool call(struct load_admin *admin, const char *method, const char *path, const char *body,
                 struct load_response *response_out)
{
    char request[LOAD_ADMIN_KEY_BYTES_MAX + PATH_BYTES_MAX + 2048];
    char key[64] = "";
    *response_out = (struct load_response){0};
    admin->calls++;
    admin->unreachable = false;
    if (body != NULL) {
        snprintf(key, sizeof key, "Idempotency-Key: admin-%08x-%llu\r\n", admin->nonce,
                 (unsigned long long)admin->calls);
    }
    int length =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s%s%s"
                 "Content-Length: %zu\r\n\r\n%s",
                 method, path, admin->options->authority,
                 admin->options->admin_key[0] != '\0' ? "Authorization: Bearer " : "",
                 admin->options->admin_key, admin->options->admin_key[0] != '\0' ? "\r\n" : "", key,
                 body != NULL ? "Content-Type: application/json\r\n" : "",
                 body != NULL ? strlen(body) : 0, body != NULL ? body : "");
    assert(length > 0 && length < (int)sizeof request);
    for (int tries = 0;; tries++) {
        if (!exchange(admin, request, (size_t)length, response_out)) {
            return false;
        }
        if (response_out->close) {
            /* The answer stays in the buffer until the next call. */
            close(admin->fd);
            admin->fd = -1;
            admin->used = 0;
            admin->consumed = 0;
        }
        if (response_out->status != 503 || tries == UNAVAILABLE_RETRIES) {
            return true;
        }
        usleep(UNAVAILABLE_WAIT_US);
    }
}

/* Says which call was refused and how. */
static bool refused(struct load_admin *admin, const char *method, const char *path,
                    const struct load_response *response)
{
    struct load_text code = {.data = "no code", .length = 7};
    struct load_text detail = {0};
    load_response_find_string(response->body, response->body_length, "code", &code);
    load_response_find_string(response->body, response->body_length, "detail", &detail);
    const char *hint = "";
    if (response->status == 401 || response->status == 403) {
        hint = " (is this the server's admin key?)";
    } else if (response->status == 429) {
        hint = " (start the server with --rate-limits off)";
    }
    return fail(admin, "%s %s was answered %d %.*s%s%.*s%s", method, path, response->status,
                (int)code.length, code.data, detail.length > 0 ? ": " : "",
                (int)(detail.length < 120 ? detail.length : 120),
                detail.length > 0 ? detail.data : "", hint);
}

/* GET that must answer 200 with a JSON object. The document is the caller's to free. */
static yyjson_doc *get_json(struct load_admin *admin, const char *path)
{
    struct load_response response;
    if (!call(admin, "GET", path, NULL, &response)) {
        return NULL;
    }
    if (response.status != 200) {
        refused(admin, "GET", path, &response);
        return NULL;
    }
    yyjson_doc *document = yyjson_read(response.body, response.body_length, 0);
    if (!yyjson_is_obj(yyjson_doc_get_root(document))) {
        yyjson_doc_free(document);
        fail(admin, "GET %s: the answer is no JSON object", path);
        return NULL;
    }
    return document;
}

/* ---- calls ---- */

static bool integer_read(yyjson_val *object, const char *name, int64_t *value_out)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    *value_out = yyjson_get_sint(value);
    return yyjson_is_int(value);
}

bool load_admin_inventory(struct load_admin *admin, const char *sku,
                          struct load_inventory *inventory_out)
{
    char encoded[LOAD_SKU_BYTES_MAX * 3 + 4];
    char path[PATH_BYTES_MAX];
    if (!load_percent_encode(sku, encoded, sizeof encoded)) {
        return fail(admin, "the SKU %s is too long", sku);
    }
    snprintf(path, sizeof path, "/v1/admin/inventory/%s", encoded);
    yyjson_doc *document = get_json(admin, path);
    if (document == NULL) {
        return false;
    }
    yyjson_val *root = yyjson_doc_get_root(document);
    bool ok = integer_read(root, "stock", &inventory_out->stock) &&
              integer_read(root, "available", &inventory_out->available) &&
              integer_read(root, "reserved", &inventory_out->reserved) &&
              integer_read(root, "sold", &inventory_out->sold);
    yyjson_doc_free(document);
    return ok || fail(admin, "GET %s: stock, available, reserved or sold is missing", path);
}

bool load_admin_product_create(struct load_admin *admin, const char *sku, uint32_t stock)
{
    char body[512];
    struct load_response response;
    snprintf(body, sizeof body,
             "{\"name\":\"Load test %s\",\"description\":\"Made by stampede-load.\","
             "\"price_minor\":4900,\"currency\":\"EUR\",\"category\":\"load test\","
             "\"brand\":\"stampede-load\",\"sku\":\"%s\",\"stock\":%u}",
             sku, sku, (unsigned)stock);
    if (!call(admin, "POST", "/v1/admin/products", body, &response)) {
        return false;
    }
    return response.status == 201 || refused(admin, "POST", "/v1/admin/products", &response);
}

/* Calls `page` with each page of a listing whose path ends where a query goes on. */
static bool pages_each(struct load_admin *admin, const char *path,
                       bool (*page)(struct load_admin *admin, yyjson_val *data, void *context),
                       void *context)
{
    char full[PATH_BYTES_MAX];
    char cursor[CURSOR_BYTES_MAX] = "";
    for (;;) {
        snprintf(full, sizeof full, "%slimit=%d%s%s", path, PAGE_ENTRIES,
                 cursor[0] != '\0' ? "&cursor=" : "", cursor);
        yyjson_doc *document = get_json(admin, full);
        if (document == NULL) {
            return false;
        }
        yyjson_val *root = yyjson_doc_get_root(document);
        yyjson_val *data = yyjson_obj_get(root, "data");
        yyjson_val *next = yyjson_obj_get(root, "next_cursor");
        bool ok = yyjson_is_arr(data) || fail(admin, "GET %s: `data` is no list", full);
        ok = ok && page(admin, data, context);
        bool more = ok && yyjson_is_str(next);
        if (more && !load_percent_encode(yyjson_get_str(next), cursor, sizeof cursor)) {
            ok = fail(admin, "GET %s: the cursor is too long", full);
        }
        yyjson_doc_free(document);
        if (!ok || !more) {
            return ok;
        }
    }
}

struct skus_listing {
    load_admin_sku_callback callback;
    void *context;
    bool stopped;
};

static bool skus_page(struct load_admin *admin, yyjson_val *data, void *context)
{
    struct skus_listing *listing = context;
    size_t i;
    size_t count;
    yyjson_val *product;
    (void)admin;
    yyjson_arr_foreach(data, i, count, product)
    {
        yyjson_val *variants = yyjson_obj_get(product, "variants");
        size_t j;
        size_t variants_count;
        yyjson_val *variant;
        yyjson_arr_foreach(variants, j, variants_count, variant)
        {
            yyjson_val *sku = yyjson_obj_get(variant, "sku");
            if (yyjson_is_str(sku) &&
                !listing->callback(listing->context, yyjson_get_str(sku), yyjson_get_len(sku))) {
                listing->stopped = true;
                return false;
            }
        }
    }
    return true;
}

bool load_admin_skus_each(struct load_admin *admin, load_admin_sku_callback callback, void *context)
{
    struct skus_listing listing = {.callback = callback, .context = context};
    return pages_each(admin, "/v1/admin/products?", skus_page, &listing) || listing.stopped;
}

static enum load_book_status status_read(yyjson_val *value)
{
    static const char *const names[] = {
        [LOAD_BOOK_HELD] = "held",
        [LOAD_BOOK_CONVERTED] = "converted",
        [LOAD_BOOK_RELEASED] = "released",
        [LOAD_BOOK_EXPIRED] = "expired",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (yyjson_equals_str(value, names[i])) {
            return (enum load_book_status)i;
        }
    }
    return LOAD_BOOK_STATUS_OTHER;
}

static bool entry_read(yyjson_val *value, struct load_book_entry *entry_out)
{
    yyjson_val *id = yyjson_obj_get(value, "id");
    yyjson_val *items = yyjson_obj_get(value, "items");
    if (!yyjson_is_str(id) || !yyjson_is_arr(items) ||
        yyjson_arr_size(items) > LOAD_BOOK_LINES_MAX) {
        return false;
    }
    *entry_out =
        (struct load_book_entry){.id = {.data = yyjson_get_str(id), .length = yyjson_get_len(id)},
                                 .status = status_read(yyjson_obj_get(value, "status"))};
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(items, i, count, item)
    {
        yyjson_val *sku = yyjson_obj_get(item, "sku");
        struct load_book_line *line = &entry_out->lines[entry_out->lines_count++];
        line->sku = (struct load_text){.data = yyjson_get_str(sku), .length = yyjson_get_len(sku)};
        if (line->sku.data == NULL || !integer_read(item, "quantity", &line->quantity)) {
            return false;
        }
    }
    return true;
}

struct reservations_listing {
    load_admin_entry_callback callback;
    void *context;
};

static bool reservations_page(struct load_admin *admin, yyjson_val *data, void *context)
{
    const struct reservations_listing *listing = context;
    struct load_book_entry entry;
    size_t i;
    size_t count;
    yyjson_val *value;
    yyjson_arr_foreach(data, i, count, value)
    {
        if (!entry_read(value, &entry)) {
            return fail(admin, "a reservation in the books cannot be read");
        }
        if (!listing->callback(listing->context, &entry)) {
            return false;
        }
    }
    return true;
}

bool load_admin_reservations_each(struct load_admin *admin, const char *sku,
                                  load_admin_entry_callback callback, void *context)
{
    struct reservations_listing listing = {.callback = callback, .context = context};
    char path[PATH_BYTES_MAX] = "/v1/admin/reservations?";
    char encoded[LOAD_SKU_BYTES_MAX * 3 + 4];
    if (sku != NULL) {
        if (!load_percent_encode(sku, encoded, sizeof encoded)) {
            return fail(admin, "the SKU %s is too long", sku);
        }
        snprintf(path, sizeof path, "/v1/admin/reservations?sku=%s&", encoded);
    }
    return pages_each(admin, path, reservations_page, &listing);
}

struct orders_listing {
    load_admin_order_callback callback;
    void *context;
};

static bool order_read(yyjson_val *value, struct load_book_order *order_out)
{
    yyjson_val *id = yyjson_obj_get(value, "id");
    yyjson_val *items = yyjson_obj_get(value, "items");
    yyjson_val *payment = yyjson_obj_get(value, "payment");
    *order_out = (struct load_book_order){
        .id = {.data = yyjson_get_str(id), .length = yyjson_get_len(id)},
        .is_confirmed = yyjson_equals_str(yyjson_obj_get(value, "status"), "confirmed")};
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(items, i, count, item)
    {
        int64_t quantity = 0;
        if (!integer_read(item, "quantity", &quantity)) {
            return false;
        }
        order_out->units += quantity;
    }
    return yyjson_is_str(id) && yyjson_is_arr(items) &&
           integer_read(yyjson_obj_get(value, "totals"), "total_minor", &order_out->total_minor) &&
           integer_read(payment, "captured_minor", &order_out->captured_minor) &&
           integer_read(payment, "refunded_minor", &order_out->refunded_minor);
}

static bool orders_page(struct load_admin *admin, yyjson_val *data, void *context)
{
    const struct orders_listing *listing = context;
    struct load_book_order order;
    size_t i;
    size_t count;
    yyjson_val *value;
    yyjson_arr_foreach(data, i, count, value)
    {
        if (!order_read(value, &order)) {
            return fail(admin, "an order in the books cannot be read");
        }
        if (!listing->callback(listing->context, &order)) {
            return false;
        }
    }
    return true;
}

bool load_admin_orders_each(struct load_admin *admin, load_admin_order_callback callback,
                            void *context)
{
    struct orders_listing listing = {.callback = callback, .context = context};
    return pages_each(admin, "/v1/admin/orders?", orders_page, &listing);
}

bool load_admin_metric(struct load_admin *admin, const char *name, double *value_out)
{
    struct load_response response;
    size_t name_length = strlen(name);
    bool found = false;
    *value_out = 0;
    if (!call(admin, "GET", "/metrics", NULL, &response)) {
        return false;
    }
    if (response.status != 200) {
        return refused(admin, "GET", "/metrics", &response);
    }
    const char *at = response.body;
    const char *end = at + response.body_length;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end != NULL ? line_end : end;
        size_t length = (size_t)(line_end - at);
        if (length > name_length && memcmp(at, name, name_length) == 0 &&
            (at[name_length] == ' ' || at[name_length] == '{')) {
            const char *space = memrchr(at, ' ', length);
            char number[64];
            snprintf(number, sizeof number, "%.*s", space != NULL ? (int)(line_end - space - 1) : 0,
                     space != NULL ? space + 1 : "");
            *value_out += strtod(number, NULL);
            found = true;
        }
        at = line_end + 1;
    }
    return found || fail(admin, "/metrics has no %s", name);
}

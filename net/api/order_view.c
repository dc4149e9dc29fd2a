/* SPDX-License-Identifier: Apache-2.0 */
#include "api/order_view.h"

#include <assert.h>
#include <string.h>

#include "api/log.h"
#include "api/order_person.h"
#include "api/password.h"
#include "api/problems.h"

/* ---- the text ---- */

static struct slice next_line(struct slice *rest)
{
    struct slice line = *rest;
    const char *end = rest->length == 0 ? NULL : memchr(rest->text, '\n', rest->length);

    if (end != NULL)
        line.length = (size_t)(end - line.text);
    rest->text += line.length;
    rest->length -= line.length;
    if (end != NULL) {
        rest->text++;
        rest->length--;
    }
    return line;
}

void order_text_read(const struct order_envelope *envelope, struct order_text *text_out)
{
    struct slice rest = {envelope->text, envelope->body.text_length};

    text_out->shipping = next_line(&rest);
    text_out->coupon = next_line(&rest);
    for (unsigned i = 0; i < RESERVATION_LINES_MAX; i++)
        text_out->items[i] = next_line(&rest);
}

/* ---- the token ---- */

void order_token_make(const struct secrets_port *secrets, const struct reservation_id *id,
                      char token_out[ORDER_TOKEN_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    char text[RESERVATION_ID_LENGTH + 1];
    uint8_t mac[MAC_BYTES];

    order_id_format(id, &secrets->id_key, text);
    secrets->mac(secrets->self, "order", text, RESERVATION_ID_LENGTH, mac);
    for (unsigned i = 0; i < MAC_BYTES; i++) {
        token_out[2 * i] = digits[mac[i] >> 4];
        token_out[2 * i + 1] = digits[mac[i] & 15];
    }
    token_out[ORDER_TOKEN_LENGTH] = '\0';
}

bool order_token_is_right(const struct secrets_port *secrets, const struct reservation_id *id,
                          const char *token, size_t length)
{
    char right[ORDER_TOKEN_LENGTH + 1];
    unsigned difference = 0;

    if (length != ORDER_TOKEN_LENGTH)
        return false;
    order_token_make(secrets, id, right);
    for (unsigned i = 0; i < ORDER_TOKEN_LENGTH; i++)
        difference |= (unsigned)(unsigned char)token[i] ^ (unsigned char)right[i];
    return difference == 0;
}

/* ---- parts ---- */

static void write_money(struct writer *writer, const char *name, int64_t minor)
{
    write_byte(writer, '"');
    write_text(writer, name);
    write_literal(writer, "_minor\":");
    write_signed(writer, minor);
}

static void write_text_member(struct writer *writer, const char *name, const char *text)
{
    write_literal(writer, ",\"");
    write_text(writer, name);
    write_literal(writer, "\":");
    write_json_string(writer, text, strlen(text));
}

static void write_item(struct writer *writer, const struct directory *directory,
                       const struct order_line *line, struct slice text)
{
    const struct sku_entry *entry = directory_find_sku_id(directory, line->sku_id);

    assert(entry != NULL); /* a sold SKU is in the directory, for ever */
    write_literal(writer, "{\"sku\":\"");
    write_bytes(writer, entry->sku, entry->sku_length);
    write_literal(writer, "\",\"product_id\":\"");
    write_text(writer, entry->product->id);
    write_literal(writer, "\",");
    if (text.length > 0) {
        write_bytes(writer, text.text, text.length);
        write_byte(writer, ',');
    }
    write_literal(writer, "\"quantity\":");
    write_unsigned(writer, line->quantity);
    write_byte(writer, ',');
    write_money(writer, "unit_price", line->unit_price_minor);
    write_byte(writer, ',');
    write_money(writer, "discount", line->discount_minor);
    write_byte(writer, ',');
    write_money(writer, "tax", line->tax_minor);
    write_literal(writer, ",\"tax_included\":");
    write_boolean(writer, line->tax_included != 0);
    write_byte(writer, ',');
    write_money(writer, "total", line->total_minor);
    write_byte(writer, '}');
}

static void write_totals(struct writer *writer, const struct order_record *order)
{
    const struct order_totals *totals = &order->totals;

    write_literal(writer, ",\"totals\":{");
    write_money(writer, "subtotal", totals->subtotal_minor);
    write_byte(writer, ',');
    write_money(writer, "discount", totals->discount_minor);
    write_byte(writer, ',');
    write_money(writer, "shipping", totals->shipping_minor);
    write_byte(writer, ',');
    write_money(writer, "tax", totals->tax_minor);
    write_byte(writer, ',');
    write_money(writer, "tax_included", totals->tax_included_minor);
    write_byte(writer, ',');
    write_money(writer, "total", totals->total_minor);
    write_text_member(writer, "currency", order->currency);
    write_byte(writer, '}');
}

static void write_payment(struct writer *writer, const struct order_record *order,
                          enum order_shape shape)
{
    bool is_first = shape == ORDER_SHAPE_CREATED;
    bool has_payment = order->payment_id[0] != '\0';
    enum payment_state state = (enum payment_state)order->payment_state;
    bool may_pay = shape == ORDER_SHAPE_CREATED || shape == ORDER_SHAPE_OWN;

    if (is_first)
        state = has_payment ? PAYMENT_CREATED : PAYMENT_NONE;
    write_literal(writer, ",\"payment\":{\"provider\":\"");
    write_text(writer, payment_provider_name((enum payment_provider)order->provider));
    write_literal(writer, "\",\"id\":");
    if (has_payment)
        write_json_string(writer, order->payment_id, strlen(order->payment_id));
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"state\":\"");
    write_text(writer, payment_state_name(state));
    write_literal(writer, "\",");
    write_money(writer, "captured", is_first ? 0 : order->captured_minor);
    write_byte(writer, ',');
    write_money(writer, "refunded", is_first ? 0 : order->refunded_minor);
    if (may_pay && order->client_secret[0] != '\0')
        write_text_member(writer, "client_secret", order->client_secret);
    if (may_pay && order->redirect_url[0] != '\0')
        write_text_member(writer, "redirect_url", order->redirect_url);
    write_byte(writer, '}');
}

static void write_shipping(struct writer *writer, const struct order_record *order,
                           const struct order_text *text, enum order_shape shape)
{
    write_literal(writer, ",\"shipping\":{");
    write_bytes(writer, text->shipping.text, text->shipping.length);
    if (shape != ORDER_SHAPE_CREATED && order->tracking[0] != '\0') {
        write_literal(writer, ",\"tracking\":{\"carrier\":");
        write_json_string(writer, order->carrier, strlen(order->carrier));
        write_text_member(writer, "number", order->tracking);
        write_byte(writer, '}');
    }
    write_literal(writer, "},\"coupon\":");
    if (text->coupon.length > 0) {
        write_byte(writer, '{');
        write_bytes(writer, text->coupon.text, text->coupon.length);
        write_byte(writer, '}');
    } else {
        write_literal(writer, "null");
    }
}

static void write_refunds(struct writer *writer, const struct order_record *order,
                          enum order_shape shape)
{
    static const char *const states[] = {
        [REFUND_ASKED] = "pending", [REFUND_DONE] = "succeeded", [REFUND_REFUSED] = "failed"};

    write_literal(writer, ",\"refunds\":[");
    for (unsigned i = 0; i < order->refund_count; i++) {
        const struct order_refund *refund = &order->refunds[i];

        write_text(writer, i > 0 ? ",{" : "{");
        write_money(writer, "amount", refund->amount_minor);
        write_literal(writer, ",\"status\":\"");
        write_text(writer, states[refund->state]);
        write_literal(writer, "\",\"restock\":");
        write_boolean(writer, refund->restock != 0);
        write_literal(writer, ",\"at\":");
        write_json_time(writer, refund->wall_ms);
        if (shape == ORDER_SHAPE_STAFF)
            write_text_member(writer, "reason", refund->reason);
        write_byte(writer, '}');
    }
    write_byte(writer, ']');
}

static void write_timeline(struct writer *writer, const struct order_record *order,
                           enum order_shape shape)
{
    unsigned count = shape == ORDER_SHAPE_CREATED ? 1 : order->timeline_count;

    write_literal(writer, ",\"timeline\":[");
    for (unsigned i = 0; i < count; i++) {
        write_text(writer, i > 0 ? ",{\"at\":" : "{\"at\":");
        write_json_time(writer, order->timeline[i].wall_ms);
        write_literal(writer, ",\"status\":\"");
        write_text(writer, order_status_name((enum order_status)order->timeline[i].status));
        write_literal(writer, "\"}");
    }
    write_byte(writer, ']');
}

/* ---- what is private ---- */

static bool refuse_damaged(struct api_shard *shard, const char *id, const char *field)
{
    struct log_line line;

    log_begin(&line, LOG_ERROR, "private_field_damaged", shard->now.wall_ms);
    log_text(&line, "order", id);
    log_text(&line, "field", field);
    log_end(&line);
    return false;
}

static bool write_person(struct writer *writer, struct api_shard *shard,
                         const struct order_envelope *envelope, const char *id)
{
    const struct engine *engine = shard->api->engine;
    char text[ADDRESS_LENGTH_MAX + 1];
    enum order_person_state state;
    size_t length;

    _Static_assert((int)ADDRESS_LENGTH_MAX >= (int)EMAIL_LENGTH_MAX, "one buffer for both");
    state = order_email_open(engine, &envelope->order, &envelope->person, text, &length);
    if (state == ORDER_PERSON_DAMAGED)
        return refuse_damaged(shard, id, "email");
    write_literal(writer, ",\"email\":");
    if (state == ORDER_PERSON_OPEN)
        write_json_string(writer, text, length);
    else
        write_literal(writer, "null");
    state = order_address_open(engine, &envelope->order, &envelope->person, text, &length);
    if (state == ORDER_PERSON_DAMAGED || (state == ORDER_PERSON_OPEN && length < 1))
        return refuse_damaged(shard, id, "shipping_address");
    write_literal(writer, ",\"shipping_address\":");
    if (state == ORDER_PERSON_OPEN) {
        write_byte(writer, '{');
        write_bytes(writer, text + 1, length - 1); /* its first byte is a comma */
        write_byte(writer, '}');
    } else {
        write_literal(writer, "null");
    }
    password_wipe(text, sizeof(text));
    return true;
}

/* ---- the whole ---- */

static void write_attention(struct writer *writer, uint8_t attention)
{
    static const struct {
        uint8_t bit;
        const char *text;
    } rows[] = {
#define X(name, bit, text) {bit, text},
        ORDER_ATTENTIONS(X)
#undef X
    };
    bool is_first = true;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((attention & rows[i].bit) == 0)
            continue;
        write_text(writer, is_first ? "\"" : ",\"");
        write_text(writer, rows[i].text);
        write_byte(writer, '"');
        is_first = false;
    }
}

static void write_staff_members(struct writer *writer, const struct order_envelope *envelope)
{
    const struct order_record *order = &envelope->order;
    char principal[PRINCIPAL_TEXT_LENGTH + 1];

    principal_format(&order->principal, principal);
    write_literal(writer, ",\"principal\":\"");
    write_bytes(writer, principal, PRINCIPAL_TEXT_LENGTH);
    write_literal(writer, "\",\"step\":\"");
    write_text(writer, order_step_name((enum order_step)order->step));
    write_literal(writer, "\",\"needs_attention\":[");
    write_attention(writer, order->attention);
    write_byte(writer, ']');
}

bool write_order(struct writer *writer, struct api_shard *shard,
                 const struct order_envelope *envelope, enum order_shape shape)
{
    const struct secrets_port *secrets = engine_secrets(shard->api->engine);
    const struct order_record *order = &envelope->order;
    const struct directory *directory = shard_directory(shard->shard);
    enum order_status status =
        shape == ORDER_SHAPE_CREATED ? ORDER_PENDING : (enum order_status)order->status;
    char id[RESERVATION_ID_LENGTH + 1];
    char hold[RESERVATION_ID_LENGTH + 1];
    struct order_text text;

    order_id_format(&envelope->id, &secrets->id_key, id);
    reservation_id_format(&order->hold, &secrets->id_key, hold);
    order_text_read(envelope, &text);
    write_literal(writer, "{\"id\":\"");
    write_bytes(writer, id, RESERVATION_ID_LENGTH);
    write_literal(writer, "\",\"status\":\"");
    write_text(writer, order_status_name(status));
    write_literal(writer, "\",\"items\":[");
    for (unsigned i = 0; i < envelope->body.line_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_item(writer, directory, &envelope->body.lines[i], text.items[i]);
    }
    write_byte(writer, ']');
    write_totals(writer, order);
    write_payment(writer, order, shape);
    write_shipping(writer, order, &text, shape);
    if (shape != ORDER_SHAPE_EVENT && !write_person(writer, shard, envelope, id))
        return false;
    write_literal(writer, ",\"reservation_id\":\"");
    write_bytes(writer, hold, RESERVATION_ID_LENGTH);
    write_byte(writer, '"');
    if (status == ORDER_PENDING) {
        write_literal(writer, ",\"expires_at\":");
        write_json_time(writer, shape == ORDER_SHAPE_CREATED ? order->first_expires_wall_ms
                                                             : order->expires_wall_ms);
    }
    if (shape != ORDER_SHAPE_CREATED)
        write_refunds(writer, order, shape);
    write_timeline(writer, order, shape);
    if (shape == ORDER_SHAPE_STAFF)
        write_staff_members(writer, envelope);
    write_literal(writer, ",\"created_at\":");
    write_json_time(writer, order->created_wall_ms);
    write_byte(writer, '}');
    return true;
}

void respond_order(struct api_shard *shard, struct http_exchange *exchange, int status,
                   const struct order_envelope *envelope, enum order_shape shape)
{
    static const char path[] = "/v1/orders/";
    char location[sizeof(path) + RESERVATION_ID_LENGTH];
    struct writer writer = writer_growing();

    if (!write_order(&writer, shard, envelope, shape)) {
        writer_free(&writer);
        problem_respond(exchange, PROBLEM_PRIVATE_DATA_UNREADABLE,
                        "A stored field of this order cannot be opened.");
        return;
    }
    if (status == 201) {
        memcpy(location, path, sizeof(path));
        order_id_format(&envelope->id, &engine_secrets(shard->api->engine)->id_key,
                        location + sizeof(path) - 1);
        http_header_add(exchange, "Location", location);
        if (envelope->replayed)
            http_header_add(exchange, "Idempotent-Replayed", "true");
    }
    respond_json(exchange, status, &writer);
}

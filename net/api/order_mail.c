/* SPDX-License-Identifier: Apache-2.0 */
#include "api/order_mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/money.h"
#include "api/order_person.h"
#include "api/order_view.h"
#include "api/password.h"
#include "outbound/mail_payload.h"

enum {
    NAME_MAX_BYTES = 512, /* of a product or a shipping method, as the order keeps it */
    ADDRESS_LINES = 6,
    COUNT_MAX_DIGITS = 12,
    LINK_MAX = MAIL_PUBLIC_URL_MAX + 160,
};

/* All that a mail is filled with. */
struct texts {
    char email[EMAIL_LENGTH_MAX + 1];
    char order[RESERVATION_ID_LENGTH + 1];
    char link[LINK_MAX];
    char address[ADDRESS_LINES][ADDRESS_LENGTH_MAX + 1];
    char titles[RESERVATION_LINES_MAX][NAME_MAX_BYTES];
    char quantities[RESERVATION_LINES_MAX][COUNT_MAX_DIGITS];
    char unit_prices[RESERVATION_LINES_MAX][MONEY_TEXT_MAX];
    char line_totals[RESERVATION_LINES_MAX][MONEY_TEXT_MAX];
    char shipping_method[NAME_MAX_BYTES];
    char subtotal[MONEY_TEXT_MAX];
    char discount[MONEY_TEXT_MAX];
    char shipping[MONEY_TEXT_MAX];
    char tax[MONEY_TEXT_MAX];
    char tax_included[MONEY_TEXT_MAX];
    char total[MONEY_TEXT_MAX];
    char refund[MONEY_TEXT_MAX];
    char refunded[MONEY_TEXT_MAX];
    struct mail_row lines[RESERVATION_LINES_MAX];
    struct mail_row address_rows[ADDRESS_LINES];
    unsigned address_count;
    char json[ORDER_TEXT_MAX + ADDRESS_LENGTH_MAX];
    struct json_memory memory;
};

enum mail_kind order_mail_template(enum order_mail_kind kind)
{
    static const enum mail_kind kinds[ORDER_MAIL_KIND_COUNT] = {
        [ORDER_MAIL_CONFIRMED] = MAIL_ORDER_CONFIRMED,
        [ORDER_MAIL_SHIPPED] = MAIL_ORDER_SHIPPED,
        [ORDER_MAIL_CANCELLED] = MAIL_ORDER_CANCELLED,
        [ORDER_MAIL_REFUNDED] = MAIL_ORDER_REFUNDED,
    };

    return kinds[kind];
}

/* ---- what is kept as JSON ---- */

/* The object whose members, without its braces, are these; valid until the next. NULL: it is none.
 */
static const struct json_value *read_members(struct texts *texts, struct slice members)
{
    const char *message;
    size_t position;

    if (members.length + 2 > sizeof(texts->json))
        return NULL;
    texts->json[0] = '{';
    memcpy(texts->json + 1, members.text, members.length);
    texts->json[members.length + 1] = '}';
    return json_read(texts->memory, texts->json, members.length + 2, &message, &position);
}

/* A member that is a string; empty if it is not there. What is too long is cut between characters.
 */
static void copy_member(const struct json_value *object, const char *name, char *text_out,
                        size_t size)
{
    const struct json_value *member = object == NULL ? NULL : json_member(object, name);
    struct slice text = {"", 0};

    if (member != NULL && json_type(member) == JSON_STRING)
        text = json_string(member);
    if (text.length >= size)
        for (text.length = size - 1;
             text.length > 0 && ((unsigned char)text.text[text.length] & 0xc0) == 0x80;)
            text.length--;
    memcpy(text_out, text.text, text.length);
    text_out[text.length] = '\0';
}

/* ---- parts ---- */

static void add_address_line(struct texts *texts, const struct json_value *object, const char *name,
                             const char *second)
{
    char *line = texts->address[texts->address_count];
    size_t length;

    copy_member(object, name, line, sizeof(texts->address[0]));
    length = strlen(line);
    if (second != NULL) {
        if (length > 0 && length < sizeof(texts->address[0]) - 1)
            line[length++] = ' ';
        copy_member(object, second, line + length, sizeof(texts->address[0]) - length);
    }
    if (line[0] == '\0')
        return;
    texts->address_rows[texts->address_count++].values[MAIL_VALUE_address_line] = line;
}

static bool fill_person(struct texts *texts, const struct engine *engine,
                        const struct order_envelope *envelope)
{
    char address[ADDRESS_LENGTH_MAX + 1];
    const struct json_value *object = NULL;
    size_t length;
    bool is_open = order_email_open(engine, &envelope->order, &envelope->person, texts->email,
                                    &length) == ORDER_PERSON_OPEN &&
                   order_address_open(engine, &envelope->order, &envelope->person, address,
                                      &length) == ORDER_PERSON_OPEN &&
                   length >= 1;

    if (is_open) /* its first byte is a comma */
        object = read_members(texts, (struct slice){address + 1, length - 1});
    password_wipe(address, sizeof(address));
    if (object == NULL)
        return false;
    add_address_line(texts, object, "name", NULL);
    add_address_line(texts, object, "line1", NULL);
    add_address_line(texts, object, "line2", NULL);
    add_address_line(texts, object, "postal_code", "city");
    add_address_line(texts, object, "region", NULL);
    add_address_line(texts, object, "country", NULL);
    return true;
}

static void fill_lines(struct texts *texts, const struct order_envelope *envelope,
                       const struct order_text *text)
{
    const char *currency = envelope->order.currency;

    for (unsigned i = 0; i < envelope->body.line_count; i++) {
        const struct order_line *line = &envelope->body.lines[i];
        struct mail_row *row = &texts->lines[i];

        copy_member(read_members(texts, text->items[i]), "name", texts->titles[i], NAME_MAX_BYTES);
        snprintf(texts->quantities[i], COUNT_MAX_DIGITS, "%u", line->quantity);
        money_format(line->unit_price_minor, currency, texts->unit_prices[i]);
        money_format(line->unit_price_minor * line->quantity, currency, texts->line_totals[i]);
        row->values[MAIL_VALUE_title] = texts->titles[i];
        row->values[MAIL_VALUE_quantity] = texts->quantities[i];
        row->values[MAIL_VALUE_unit_price] = texts->unit_prices[i];
        row->values[MAIL_VALUE_line_total] = texts->line_totals[i];
    }
}

/* Empty where there is nothing of it. */
static void format_some(int64_t minor, const char *currency, char text_out[MONEY_TEXT_MAX])
{
    text_out[0] = '\0';
    if (minor != 0)
        money_format(minor, currency, text_out);
}

/* In a cancellation, whose refund is the shop's own: what went back before was told of. */
static int64_t goes_back_with_cancellation(const struct order_record *order)
{
    int64_t earlier_minor = 0;

    for (uint32_t i = 0; i < order->refund_count; i++) {
        const struct order_refund *refund = &order->refunds[i];

        if (refund->key == 0 && refund->restock)
            return order->refunded_minor - earlier_minor;
        if (refund->state == REFUND_DONE)
            earlier_minor += refund->amount_minor;
    }
    return order->refunded_minor;
}

static void fill_amounts(struct texts *texts, const struct order_record *order,
                         const struct engine_mail *mail)
{
    const struct order_totals *totals = &order->totals;
    int64_t refund_minor = order->refunded_minor;

    if (mail->template == ORDER_MAIL_REFUNDED)
        refund_minor = order->refunds[mail->refund].amount_minor;
    else if (mail->template == ORDER_MAIL_CANCELLED)
        refund_minor = goes_back_with_cancellation(order);
    money_format(totals->subtotal_minor, order->currency, texts->subtotal);
    format_some(totals->discount_minor, order->currency, texts->discount);
    money_format(totals->shipping_minor, order->currency, texts->shipping);
    format_some(totals->tax_minor, order->currency, texts->tax);
    format_some(totals->tax_included_minor, order->currency, texts->tax_included);
    money_format(totals->total_minor, order->currency, texts->total);
    format_some(refund_minor, order->currency, texts->refund);
    if (order->refunded_minor != refund_minor)
        format_some(order->refunded_minor, order->currency, texts->refunded);
}

/* Where shoppers see it without logging in, by its token: a link that works as it is, whether the
 * shop's pages or this server answer there. */
static void fill_link(struct texts *texts, const struct api *api, const struct reservation_id *id)
{
    const struct secrets_port *secrets = engine_secrets(api->engine);
    char token[ORDER_TOKEN_LENGTH + 1];

    order_token_make(secrets, id, token);
    snprintf(texts->link, sizeof(texts->link), "%s/orders/%s?token=%s",
             api->options.mail->public_url, texts->order, token);
    password_wipe(token, sizeof(token));
}

/* What may be followed: of letters, digits and what stands in addresses. */
static bool is_url(const char *text)
{
    static const char others[] = "-._~:/?#[]@!$&()*+,;=%";

    if (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0)
        return false;
    for (; *text != '\0'; text++) {
        bool is_plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                        (*text >= '0' && *text <= '9');

        if (!is_plain && strchr(others, *text) == NULL)
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static struct mail_job *make(const struct api *api, const struct engine_mail *mail,
                             const char *name, struct texts *texts)
{
    const struct order_envelope *envelope = mail->order;
    const struct order_record *order = &envelope->order;
    bool is_in_full = order->refunded_minor == order->captured_minor;
    struct mail_order wanted = {
        .kind = order_mail_template((enum order_mail_kind)mail->template),
        .id = name,
        .wall_ms = mail->created_wall_ms,
        .to_address = texts->email,
        .values = {[MAIL_VALUE_link] = texts->link,
                   [MAIL_VALUE_order] = texts->order,
                   [MAIL_VALUE_contact] = api->options.mail->from_address,
                   [MAIL_VALUE_subtotal] = texts->subtotal,
                   [MAIL_VALUE_discount] = texts->discount,
                   [MAIL_VALUE_coupon] = order->coupon,
                   [MAIL_VALUE_shipping] = texts->shipping,
                   [MAIL_VALUE_shipping_method] = texts->shipping_method,
                   [MAIL_VALUE_tax] = texts->tax,
                   [MAIL_VALUE_tax_included] = texts->tax_included,
                   [MAIL_VALUE_total] = texts->total,
                   [MAIL_VALUE_refund] = texts->refund,
                   [MAIL_VALUE_refunded] = texts->refunded,
                   [MAIL_VALUE_refunded_in_full] = is_in_full ? "yes" : "",
                   [MAIL_VALUE_carrier] = order->carrier,
                   [MAIL_VALUE_tracking] = order->tracking,
                   [MAIL_VALUE_tracking_url] = is_url(order->tracking) ? order->tracking : ""},
        .lists = {[MAIL_LIST_lines] = {texts->lines, envelope->body.line_count},
                  [MAIL_LIST_address] = {texts->address_rows, texts->address_count}},
    };

    return mail_job_create(api->options.mail, &wanted);
}

static struct texts *texts_create(void)
{
    size_t needed = json_memory_needed(ORDER_TEXT_MAX + ADDRESS_LENGTH_MAX);
    struct texts *texts = calloc(1, sizeof(*texts));

    if (texts == NULL)
        return NULL;
    texts->memory = (struct json_memory){.bytes = malloc(needed), .size = needed};
    if (texts->memory.bytes != NULL)
        return texts;
    free(texts);
    return NULL;
}

static void texts_free(struct texts *texts)
{
    password_wipe(texts->memory.bytes, texts->memory.size);
    free(texts->memory.bytes);
    password_wipe(texts, sizeof(*texts));
    free(texts);
}

struct mail_job *order_mail_compose(const struct api *api, const struct engine_mail *mail,
                                    const char *name, enum courier_result *result_out,
                                    const char **reason_out)
{
    const struct order_envelope *envelope = mail->order;
    struct texts *texts = texts_create();
    struct mail_job *job = NULL;
    struct order_text text;

    *result_out = COURIER_BUSY;
    *reason_out = "no memory";
    if (texts == NULL)
        return NULL;
    if (mail->template >= ORDER_MAIL_KIND_COUNT || mail->refund >= ORDER_REFUNDS_MAX ||
        !fill_person(texts, api->engine, envelope)) {
        *result_out = COURIER_REFUSED;
        *reason_out = "its contents can't be opened";
    } else {
        order_id_format(&envelope->id, &engine_secrets(api->engine)->id_key, texts->order);
        order_text_read(envelope, &text);
        fill_lines(texts, envelope, &text);
        copy_member(read_members(texts, text.shipping), "name", texts->shipping_method,
                    NAME_MAX_BYTES);
        fill_amounts(texts, &envelope->order, mail);
        fill_link(texts, api, &envelope->id);
        *result_out = COURIER_LATER;
        *reason_out = "it can't be composed";
        job = make(api, mail, name, texts);
    }
    texts_free(texts);
    return job;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of tax rates, shipping methods and webhook endpoints. */
#include <string.h>

#include "api/settings_api.h"

void api_tax_rate_list(struct api_call *call)
{
    settings_list(call, SETTING_TAX_RATE);
}

void api_tax_rate_get(struct api_call *call)
{
    settings_get(call, SETTING_TAX_RATE);
}

void api_tax_rate_remove(struct api_call *call)
{
    settings_remove(call, SETTING_TAX_RATE);
}

void api_method_list(struct api_call *call)
{
    settings_list(call, SETTING_SHIPPING_METHOD);
}

void api_method_get(struct api_call *call)
{
    settings_get(call, SETTING_SHIPPING_METHOD);
}

void api_method_remove(struct api_call *call)
{
    settings_remove(call, SETTING_SHIPPING_METHOD);
}

void api_endpoint_list(struct api_call *call)
{
    settings_list(call, SETTING_WEBHOOK_ENDPOINT);
}

void api_endpoint_get(struct api_call *call)
{
    settings_get(call, SETTING_WEBHOOK_ENDPOINT);
}

void api_endpoint_remove(struct api_call *call)
{
    settings_remove(call, SETTING_WEBHOOK_ENDPOINT);
}

/* ---- writes with a body ---- */

/* Creates (`number` 0), changes, or replaces: then what is not said is as in a new row. */
static void write_row(struct api_call *call, enum setting_kind kind, uint32_t number, bool is_whole)
{
    enum settings_call what = is_whole ? SETTINGS_CALL_CREATE : SETTINGS_CALL_CHANGE;
    const struct setting_shipping_method *method =
        settings_find_method(shard_settings(call->shard->shard), number);
    bool is_new_endpoint = number == 0 && kind == SETTING_WEBHOOK_ENDPOINT;
    const struct json_value *object;
    struct settings_envelope *envelope;
    struct validation validation;

    if (!request_object(call, &object))
        return;
    validation_init(&validation);
    envelope = settings_envelope_create(what, kind);
    if (envelope == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    envelope->number = number;
    if (kind == SETTING_TAX_RATE)
        settings_read_tax_rate(&validation, object, envelope);
    else if (kind == SETTING_SHIPPING_METHOD)
        settings_read_method(&validation, object,
                             method == NULL ? SHIPPING_FLAT : (enum shipping_kind)method->kind,
                             envelope);
    else
        settings_read_endpoint(&validation, object, call->shard->api->options.private_targets,
                               envelope);
    if (number != 0 && is_whole) {
        envelope->call = SETTINGS_CALL_CHANGE;
        envelope->fields = UINT32_MAX;
    }
    settings_submit(call, &validation, envelope, is_new_endpoint);
}

static void change_row(struct api_call *call, enum setting_kind kind, bool is_whole)
{
    uint32_t number = settings_path_number(call, kind);

    if (number != 0)
        write_row(call, kind, number, is_whole);
}

void api_tax_rate_create(struct api_call *call)
{
    write_row(call, SETTING_TAX_RATE, 0, true);
}

void api_tax_rate_change(struct api_call *call)
{
    change_row(call, SETTING_TAX_RATE, false);
}

void api_tax_rate_replace(struct api_call *call)
{
    change_row(call, SETTING_TAX_RATE, true);
}

void api_method_create(struct api_call *call)
{
    write_row(call, SETTING_SHIPPING_METHOD, 0, true);
}

void api_method_change(struct api_call *call)
{
    change_row(call, SETTING_SHIPPING_METHOD, false);
}

void api_method_replace(struct api_call *call)
{
    change_row(call, SETTING_SHIPPING_METHOD, true);
}

void api_endpoint_create(struct api_call *call)
{
    write_row(call, SETTING_WEBHOOK_ENDPOINT, 0, true);
}

void api_endpoint_change(struct api_call *call)
{
    change_row(call, SETTING_WEBHOOK_ENDPOINT, false);
}

void api_endpoint_replace(struct api_call *call)
{
    change_row(call, SETTING_WEBHOOK_ENDPOINT, true);
}

void api_endpoint_rotate(struct api_call *call)
{
    struct settings_envelope *envelope;
    struct validation none = {0};
    uint32_t number;

    if (!request_empty_object(call))
        return;
    number = settings_path_number(call, SETTING_WEBHOOK_ENDPOINT);
    if (number == 0)
        return;
    envelope = settings_envelope_create(SETTINGS_CALL_ROTATE, SETTING_WEBHOOK_ENDPOINT);
    if (envelope != NULL)
        envelope->number = number;
    settings_submit(call, &none, envelope, true);
}

/* ---- shoppers ---- */

void api_shipping_methods(struct api_call *call)
{
    static const char *const names[] = {"country", NULL};
    const struct settings_view *view = shard_settings(call->shard->shard);
    struct validation validation;
    uint16_t country = 0;
    uint32_t count = 0;
    char text[4];

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    int length = http_query_parameter(call->exchange, "country", 0, text, sizeof(text));
    if (length != HTTP_ABSENT) {
        if (length == 2 && country_is_known(text, 2))
            country = pricing_country(text, 2);
        else
            validation_add(&validation, FIELD("country"),
                           "must be a code of ISO 3166-1: two capital letters");
    }
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    struct writer writer = writer_growing();
    write_literal(&writer, "{\"data\":[");
    for (uint32_t i = 0; i < view->method_count; i++) {
        if (country != 0 && !settings_method_serves(&view->methods[i], country))
            continue;
        if (count++ > 0)
            write_byte(&writer, ',');
        settings_write_method_public(&writer, &view->methods[i]);
    }
    write_literal(&writer, "]}");
    respond_json(call->exchange, 200, &writer);
}

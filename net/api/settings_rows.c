/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from and to JSON (docs/openapi.yaml). What spans fields (a table's order, uniqueness) is
 * the actor's to judge: it knows the row as it is then. */
#include <assert.h>
#include <string.h>

#include "api/endpoint_url.h"
#include "api/money.h"
#include "api/settings_api.h"

enum { LABEL_CHARACTERS_MAX = 100 };

_Static_assert(4 * LABEL_CHARACTERS_MAX <= SETTING_LABEL_BYTES_MAX, "of UTF-8, four bytes each");

/* clang-format off */
#define TAX_RATE_MEMBERS(X) X(country) X(region) X(category) X(rate_bp) X(inclusive)
#define METHOD_MEMBERS(X)                                                                          \
    X(name) X(countries) X(kind) X(table) X(free_over_minor) X(currency)
#define ENDPOINT_MEMBERS(X) X(url) X(events) X(description) X(enabled)
/* clang-format on */

#define X(name) TAX_RATE_##name,
enum { TAX_RATE_MEMBERS(X) TAX_RATE_MEMBER_COUNT };
#undef X
#define X(name) METHOD_##name,
enum { METHOD_MEMBERS(X) METHOD_MEMBER_COUNT };
#undef X
#define X(name) ENDPOINT_##name,
enum { ENDPOINT_MEMBERS(X) ENDPOINT_MEMBER_COUNT };
#undef X

static const char *const kind_names[SHIPPING_KIND_COUNT] = {
#define X(name, text) [SHIPPING_##name] = text,
    SHIPPING_KINDS(X)
#undef X
};

/* What a table's rows go up to, by kind. */
static const char *const bound_names[SHIPPING_KIND_COUNT] = {
    [SHIPPING_FLAT] = NULL, [SHIPPING_WEIGHT] = "up_to_grams", [SHIPPING_PRICE] = "up_to_minor"};

/* ---- reading ---- */

/* Notes the field as given; false if there is nothing to be read. */
static bool begin(struct validation *validation, struct settings_envelope *envelope,
                  enum setting_field field, const struct json_value *value, bool is_required)
{
    const char *name = setting_field_name(field);

    if (value != NULL)
        envelope->fields |= 1u << field;
    else if (is_required && envelope->call == SETTINGS_CALL_CREATE)
        validation_add(validation, (struct field){.name = {name, strlen(name)}}, "is required");
    return value != NULL;
}

/* Null is none, where that may be. */
static void read_label(struct validation *validation, struct settings_envelope *envelope,
                       enum setting_field field, const struct json_value *value,
                       struct setting_label *label, bool is_required)
{
    const char *name = setting_field_name(field);
    struct slice text = {0};

    if (!begin(validation, envelope, field, value, is_required) ||
        (!is_required && json_type(value) == JSON_NULL) ||
        !validate_string(validation, (struct field){.name = {name, strlen(name)}}, value,
                         is_required, LABEL_CHARACTERS_MAX, &text))
        return;
    label->length = (uint16_t)text.length;
    memcpy(label->text, text.text, text.length);
}

static void read_flag(struct validation *validation, struct settings_envelope *envelope,
                      enum setting_field field, const struct json_value *value, bool is_required,
                      bool *flag)
{
    const char *name = setting_field_name(field);

    if (!begin(validation, envelope, field, value, is_required))
        return;
    if (json_type(value) == JSON_BOOLEAN)
        *flag = json_boolean(value);
    else
        validation_add(validation, (struct field){.name = {name, strlen(name)}},
                       "must be true or false");
}

void settings_read_tax_rate(struct validation *validation, const struct json_value *object,
                            struct settings_envelope *envelope)
{
#define X(name) #name,
    static const char *const names[] = {TAX_RATE_MEMBERS(X)};
#undef X
    const struct json_value *values[TAX_RATE_MEMBER_COUNT];
    struct setting_tax_rate *rate = &envelope->row.tax_rate;
    struct slice country = {0};
    int64_t rate_bp = 0;

    validation_sort_members(validation, NULL, 0, object, names, TAX_RATE_MEMBER_COUNT, values);
    if (begin(validation, envelope, SETTING_FIELD_COUNTRY, values[TAX_RATE_country], true)) {
        if (json_type(values[TAX_RATE_country]) == JSON_STRING)
            country = json_string(values[TAX_RATE_country]);
        if (country_is_known(country.text, country.length))
            memcpy(rate->country, country.text, 2);
        else
            validation_add(validation, FIELD("country"),
                           "must be a code of ISO 3166-1: two capital letters");
    }
    read_label(validation, envelope, SETTING_FIELD_REGION, values[TAX_RATE_region], &rate->region,
               false);
    read_label(validation, envelope, SETTING_FIELD_CATEGORY, values[TAX_RATE_category],
               &rate->category, false);
    if (begin(validation, envelope, SETTING_FIELD_RATE_BP, values[TAX_RATE_rate_bp], true) &&
        validate_integer(validation, FIELD("rate_bp"), values[TAX_RATE_rate_bp], 0, TAX_RATE_BP_MAX,
                         &rate_bp))
        rate->rate_bp = (uint32_t)rate_bp;
    read_flag(validation, envelope, SETTING_FIELD_INCLUSIVE, values[TAX_RATE_inclusive], true,
              &rate->inclusive);
}

/* ---- shipping methods ---- */

static void add_country(struct validation *validation, size_t index, const struct json_value *value,
                        struct setting_shipping_method *method)
{
    struct slice text = {0};
    uint16_t country;
    unsigned at;

    if (json_type(value) == JSON_STRING)
        text = json_string(value);
    if (!country_is_known(text.text, text.length)) {
        validation_add(validation, ELEMENT("countries", index),
                       "must be a code of ISO 3166-1 (two capital letters), or * alone");
        return;
    }
    country = pricing_country(text.text, 2);
    at = method->country_count;
    while (at > 0 && method->countries[at - 1] > country) {
        method->countries[at] = method->countries[at - 1];
        at--;
    }
    method->countries[at] = country;
    method->country_count++;
    if (at > 0 && method->countries[at - 1] == country)
        validation_add(validation, ELEMENT("countries", index), "is given twice");
}

static void read_countries(struct validation *validation, const struct json_value *array,
                           struct setting_shipping_method *method)
{
    const struct json_value *element;
    struct json_iterator elements;
    size_t index = 0;

    if (json_type(array) != JSON_ARRAY || json_size(array) < 1 ||
        json_size(array) > SHIPPING_COUNTRIES_MAX) {
        validation_add(validation, FIELD("countries"),
                       "must be an array of 1 to %d countries, or [\"*\"]: all of them",
                       (int)SHIPPING_COUNTRIES_MAX);
        return;
    }
    elements = json_elements(array);
    for (; json_next_element(&elements, &element); index++) {
        if (json_size(array) == 1 && json_type(element) == JSON_STRING &&
            slice_is(json_string(element), "*"))
            return;
        add_country(validation, index, element, method);
    }
}

static void read_table_row(struct validation *validation, size_t index,
                           const struct json_value *object, enum shipping_kind kind,
                           struct pricing_shipping_row *row)
{
    const char *names[] = {"price_minor", bound_names[kind]};
    const struct json_value *values[2] = {NULL, NULL};
    struct field bound = {.array = "table", .index = index};

    row->up_to = INT64_MAX;
    if (json_type(object) != JSON_OBJECT) {
        validation_add(validation, ELEMENT("table", index), "must be an object");
        return;
    }
    validation_sort_members(validation, "table", index, object, names,
                            kind == SHIPPING_FLAT ? 1 : 2, values);
    if (values[0] == NULL)
        validation_add(validation, ELEMENT_FIELD("table", index, "price_minor"), "is required");
    else
        validate_integer(validation, ELEMENT_FIELD("table", index, "price_minor"), values[0], 0,
                         PRICE_MINOR_MAX, &row->price_minor);
    if (values[1] == NULL || json_type(values[1]) == JSON_NULL)
        return;
    bound.name = (struct slice){names[1], strlen(names[1])};
    validate_integer(validation, bound, values[1], 0, PRICE_MINOR_MAX, &row->up_to);
}

static void read_table(struct validation *validation, const struct json_value *array,
                       struct setting_shipping_method *method)
{
    enum shipping_kind kind = (enum shipping_kind)method->kind;
    size_t rows_max = kind == SHIPPING_FLAT ? 1 : SHIPPING_ROWS_MAX;
    struct pricing_shipping_row rows[SHIPPING_ROWS_MAX] = {0};
    const struct json_value *element;
    struct json_iterator elements;
    uint8_t count = 0;

    if (json_type(array) != JSON_ARRAY || json_size(array) < 1 || json_size(array) > rows_max) {
        if (kind == SHIPPING_FLAT)
            validation_add(validation, FIELD("table"), "must be an array of one row");
        else
            validation_add(validation, FIELD("table"), "must be an array of 1 to %d rows",
                           (int)SHIPPING_ROWS_MAX);
        return;
    }
    elements = json_elements(array);
    for (; json_next_element(&elements, &element); count++) {
        read_table_row(validation, count, element, kind, &rows[count]);
        if (count > 0 && rows[count].up_to <= rows[count - 1].up_to)
            validation_add(validation, ELEMENT("table", count),
                           "must go further than the row before");
    }
    if (kind == SHIPPING_FLAT) {
        method->flat_minor = rows[0].price_minor;
        return;
    }
    method->row_count = count;
    memcpy(method->rows, rows, sizeof(rows));
}

static void read_kind(struct validation *validation, const struct json_value *value,
                      struct setting_shipping_method *method)
{
    unsigned kind = 0;

    while (kind < SHIPPING_KIND_COUNT &&
           (json_type(value) != JSON_STRING || !slice_is(json_string(value), kind_names[kind])))
        kind++;
    if (kind == SHIPPING_KIND_COUNT)
        validation_add(validation, FIELD("kind"), "must be flat, weight or price");
    else
        method->kind = (uint8_t)kind;
}

static void read_currency(struct validation *validation, const struct json_value *value,
                          struct setting_shipping_method *method)
{
    struct slice text = {0};

    if (json_type(value) == JSON_STRING)
        text = json_string(value);
    if (money_currency_exponent(text.text, text.length) < 0)
        validation_add(validation, FIELD("currency"), "must be a currency code of ISO 4217");
    else
        memcpy(method->currency, text.text, 3);
}

void settings_read_method(struct validation *validation, const struct json_value *object,
                          enum shipping_kind known, struct settings_envelope *envelope)
{
#define X(name) #name,
    static const char *const names[] = {METHOD_MEMBERS(X)};
#undef X
    const struct json_value *values[METHOD_MEMBER_COUNT];
    struct setting_shipping_method *method = &envelope->row.method;

    validation_sort_members(validation, NULL, 0, object, names, METHOD_MEMBER_COUNT, values);
    method->kind = (uint8_t)known;
    read_label(validation, envelope, SETTING_FIELD_NAME, values[METHOD_name], &method->name, true);
    if (begin(validation, envelope, SETTING_FIELD_COUNTRIES, values[METHOD_countries], true))
        read_countries(validation, values[METHOD_countries], method);
    if (values[METHOD_kind] != NULL)
        read_kind(validation, values[METHOD_kind], method);
    else if (envelope->call == SETTINGS_CALL_CREATE)
        validation_add(validation, FIELD("kind"), "is required");
    if (values[METHOD_kind] != NULL && values[METHOD_table] == NULL)
        validation_add(validation, FIELD("table"), "is required with a kind");
    if (begin(validation, envelope, SETTING_FIELD_TABLE, values[METHOD_table], false))
        read_table(validation, values[METHOD_table], method);
    if (begin(validation, envelope, SETTING_FIELD_FREE_OVER, values[METHOD_free_over_minor],
              false) &&
        json_type(values[METHOD_free_over_minor]) != JSON_NULL)
        validate_integer(validation, FIELD("free_over_minor"), values[METHOD_free_over_minor], 1,
                         PRICE_MINOR_MAX, &method->free_over_minor);
    if (begin(validation, envelope, SETTING_FIELD_CURRENCY, values[METHOD_currency], true))
        read_currency(validation, values[METHOD_currency], method);
}

/* ---- webhook endpoints ---- */

static void read_events(struct validation *validation, const struct json_value *array,
                        struct setting_endpoint *endpoint)
{
    const struct json_value *element;
    struct json_iterator elements;
    size_t index = 0;

    if (json_type(array) != JSON_ARRAY || json_size(array) < 1 ||
        json_size(array) > EVENT_TYPE_COUNT) {
        validation_add(validation, FIELD("events"), "must be an array of 1 to %d events",
                       (int)EVENT_TYPE_COUNT);
        return;
    }
    elements = json_elements(array);
    for (; json_next_element(&elements, &element); index++) {
        enum event_type type = EVENT_TYPE_COUNT;

        if (json_type(element) == JSON_STRING)
            type = event_type_find(json_string(element).text, json_string(element).length);
        if (type == EVENT_TYPE_COUNT)
            validation_add(validation, ELEMENT("events", index), "is no event of this shop's");
        else if (endpoint->events & 1u << type)
            validation_add(validation, ELEMENT("events", index), "is given twice");
        else
            endpoint->events |= 1u << type;
    }
}

void settings_read_endpoint(struct validation *validation, const struct json_value *object,
                            bool private_allowed, struct settings_envelope *envelope)
{
#define X(name) #name,
    static const char *const names[] = {ENDPOINT_MEMBERS(X)};
#undef X
    const struct json_value *values[ENDPOINT_MEMBER_COUNT];
    struct setting_endpoint *endpoint = &envelope->row.endpoint;
    struct slice url = {0};

    validation_sort_members(validation, NULL, 0, object, names, ENDPOINT_MEMBER_COUNT, values);
    if (begin(validation, envelope, SETTING_FIELD_URL, values[ENDPOINT_url], true) &&
        validate_string(validation, FIELD("url"), values[ENDPOINT_url], 1, ENDPOINT_URL_MAX,
                        &url)) {
        const char *problem = endpoint_url_problem(url.text, url.length, private_allowed);

        if (problem != NULL) {
            validation_add(validation, FIELD("url"), "%s", problem);
        } else {
            endpoint->url_length = (uint16_t)url.length;
            memcpy(endpoint->url, url.text, url.length);
        }
    }
    if (begin(validation, envelope, SETTING_FIELD_EVENTS, values[ENDPOINT_events], true))
        read_events(validation, values[ENDPOINT_events], endpoint);
    read_label(validation, envelope, SETTING_FIELD_DESCRIPTION, values[ENDPOINT_description],
               &endpoint->description, false);
    endpoint->enabled = true;
    read_flag(validation, envelope, SETTING_FIELD_ENABLED, values[ENDPOINT_enabled], false,
              &endpoint->enabled);
}

/* ---- writing ---- */

static void write_label(struct writer *writer, const struct setting_label *label)
{
    if (label->length == 0)
        write_literal(writer, "null");
    else
        write_json_string(writer, label->text, label->length);
}

static void write_optional_time(struct writer *writer, int64_t wall_ms)
{
    if (wall_ms == 0)
        write_literal(writer, "null");
    else
        write_json_time(writer, wall_ms);
}

static void write_tax_rate(struct writer *writer, const struct setting_tax_rate *rate)
{
    write_literal(writer, ",\"country\":");
    write_json_string(writer, rate->country, 2);
    write_literal(writer, ",\"region\":");
    write_label(writer, &rate->region);
    write_literal(writer, ",\"category\":");
    write_label(writer, &rate->category);
    write_literal(writer, ",\"rate_bp\":");
    write_unsigned(writer, rate->rate_bp);
    write_literal(writer, ",\"inclusive\":");
    write_boolean(writer, rate->inclusive);
}

static void write_countries(struct writer *writer, const struct setting_shipping_method *method)
{
    char text[3];

    write_literal(writer, ",\"countries\":[");
    if (method->country_count == 0)
        write_literal(writer, "\"*\"");
    for (unsigned i = 0; i < method->country_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        country_text(method->countries[i], text);
        write_json_string(writer, text, 2);
    }
    write_byte(writer, ']');
}

static void write_bound(struct writer *writer, enum shipping_kind kind, int64_t up_to)
{
    write_json_string(writer, bound_names[kind], strlen(bound_names[kind]));
    write_byte(writer, ':');
    if (up_to == INT64_MAX)
        write_literal(writer, "null");
    else
        write_signed(writer, up_to);
    write_byte(writer, ',');
}

static void write_table(struct writer *writer, const struct setting_shipping_method *method)
{
    write_literal(writer, ",\"kind\":");
    write_json_string(writer, kind_names[method->kind], strlen(kind_names[method->kind]));
    write_literal(writer, ",\"table\":[");
    if (method->kind == SHIPPING_FLAT) {
        write_literal(writer, "{\"price_minor\":");
        write_signed(writer, method->flat_minor);
        write_byte(writer, '}');
    }
    for (unsigned i = 0; i < method->row_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_byte(writer, '{');
        write_bound(writer, (enum shipping_kind)method->kind, method->rows[i].up_to);
        write_literal(writer, "\"price_minor\":");
        write_signed(writer, method->rows[i].price_minor);
        write_byte(writer, '}');
    }
    write_literal(writer, "],\"free_over_minor\":");
    if (method->free_over_minor == 0)
        write_literal(writer, "null");
    else
        write_signed(writer, method->free_over_minor);
    write_literal(writer, ",\"currency\":");
    if (method->currency[0] == '\0')
        write_literal(writer, "null");
    else
        write_json_string(writer, method->currency, 3);
}

static void write_method(struct writer *writer, const struct setting_shipping_method *method)
{
    write_literal(writer, ",\"name\":");
    write_label(writer, &method->name);
    write_countries(writer, method);
    write_table(writer, method);
}

static void write_endpoint(struct writer *writer, const struct setting_endpoint *endpoint,
                           const char *secret)
{
    bool has_before = endpoint->secrets[1].length != 0;
    unsigned written = 0;

    write_literal(writer, ",\"url\":");
    write_json_string(writer, endpoint->url, endpoint->url_length);
    write_literal(writer, ",\"events\":[");
    for (unsigned type = 0; type < EVENT_TYPE_COUNT; type++) {
        const char *name = event_type_name((enum event_type)type);

        if ((endpoint->events & 1u << type) == 0)
            continue;
        if (written++ > 0)
            write_byte(writer, ',');
        write_json_string(writer, name, strlen(name));
    }
    write_literal(writer, "],\"description\":");
    write_label(writer, &endpoint->description);
    write_literal(writer, ",\"enabled\":");
    write_boolean(writer, endpoint->enabled);
    write_literal(writer, ",\"secret_created_at\":");
    write_json_time(writer, endpoint->rotated_wall_ms);
    write_literal(writer, ",\"previous_secret_expires_at\":");
    write_optional_time(writer, has_before ? endpoint->secrets[1].expires_wall_ms : 0);
    if (secret == NULL)
        return;
    write_literal(writer, ",\"secret\":");
    write_json_string(writer, secret, strlen(secret));
}

void settings_write_row(struct writer *writer, enum setting_kind kind,
                        const struct setting_common *row, const char *secret)
{
    char id[SETTING_ID_LENGTH_MAX + 1];

    setting_id_format(kind, row->number, id);
    write_literal(writer, "{\"id\":");
    write_json_string(writer, id, strlen(id));
    if (kind == SETTING_TAX_RATE)
        write_tax_rate(writer, (const struct setting_tax_rate *)(const void *)row);
    else if (kind == SETTING_SHIPPING_METHOD)
        write_method(writer, (const struct setting_shipping_method *)(const void *)row);
    else
        write_endpoint(writer, (const struct setting_endpoint *)(const void *)row, secret);
    write_literal(writer, ",\"created_at\":");
    write_optional_time(writer, row->created_wall_ms);
    write_literal(writer, ",\"updated_at\":");
    write_optional_time(writer, row->updated_wall_ms);
    write_byte(writer, '}');
}

/* What it costs at least; a table's prices need not ascend. */
static int64_t least_price(const struct setting_shipping_method *method)
{
    int64_t least_minor = method->kind == SHIPPING_FLAT ? method->flat_minor : INT64_MAX;

    for (unsigned i = 0; i < method->row_count; i++)
        if (method->rows[i].price_minor < least_minor)
            least_minor = method->rows[i].price_minor;
    return least_minor;
}

void settings_write_method_public(struct writer *writer,
                                  const struct setting_shipping_method *method)
{
    char id[SETTING_ID_LENGTH_MAX + 1];

    setting_id_format(SETTING_SHIPPING_METHOD, method->common.number, id);
    write_literal(writer, "{\"id\":");
    write_json_string(writer, id, strlen(id));
    write_literal(writer, ",\"name\":");
    write_label(writer, &method->name);
    write_literal(writer, ",\"price_minor\":");
    write_signed(writer, least_price(method));
    write_table(writer, method);
    write_byte(writer, '}');
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in their tables, and how others read them. */
#include <string.h>

#include "settings_private.h"

/* ---- IDs ---- */

static const char *prefix_of(enum setting_kind kind)
{
    static const char *const prefixes[SETTING_KIND_COUNT] = {
#define X(name, prefix, text) [SETTING_##name] = prefix,
        SETTING_KINDS(X)
#undef X
    };

    assert(kind >= SETTING_TAX_RATE && kind < SETTING_KIND_COUNT);
    return prefixes[kind];
}

void setting_id_format(enum setting_kind kind, uint32_t number,
                       char text_out[SETTING_ID_LENGTH_MAX + 1])
{
    size_t length = strlen(prefix_of(kind));
    char digits[10];
    unsigned count = 0;

    memcpy(text_out, prefix_of(kind), length);
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        text_out[length++] = digits[--count];
    text_out[length] = '\0';
}

uint32_t setting_id_parse(enum setting_kind kind, const char *text, size_t length)
{
    size_t at = strlen(prefix_of(kind));
    uint64_t number = 0;

    if (length <= at || length > SETTING_ID_LENGTH_MAX || memcmp(text, prefix_of(kind), at) != 0 ||
        text[at] == '0')
        return 0;
    for (; at < length; at++) {
        if (text[at] < '0' || text[at] > '9')
            return 0;
        number = number * 10 + (unsigned)(text[at] - '0');
    }
    return number > UINT32_MAX ? 0 : (uint32_t)number;
}

/* ---- tables of rows ---- */

struct settings_table settings_table_of(struct settings_view *view, enum setting_kind kind)
{
    assert(kind >= SETTING_TAX_RATE && kind < SETTING_KIND_COUNT);
    if (kind == SETTING_TAX_RATE)
        return (struct settings_table){(uint8_t *)view->tax_rates, &view->tax_rate_count,
                                       sizeof(view->tax_rates[0]), TAX_RATES_MAX};
    if (kind == SETTING_SHIPPING_METHOD)
        return (struct settings_table){(uint8_t *)view->methods, &view->method_count,
                                       sizeof(view->methods[0]), SHIPPING_METHODS_MAX};
    return (struct settings_table){(uint8_t *)view->endpoints, &view->endpoint_count,
                                   sizeof(view->endpoints[0]), WEBHOOK_ENDPOINTS_MAX};
}

struct setting_common *settings_row_at(const struct settings_table *table, uint32_t index)
{
    return (struct setting_common *)(void *)(table->rows + (size_t)index * table->row_bytes);
}

/* Where a number stands, or would. */
static uint32_t place_of(const struct settings_table *table, uint32_t number)
{
    uint32_t begin = 0;
    uint32_t end = *table->count;

    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;

        if (settings_row_at(table, middle)->number < number)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

struct setting_common *settings_row(const struct settings_table *table, uint32_t number)
{
    uint32_t at = place_of(table, number);

    return at < *table->count && settings_row_at(table, at)->number == number
               ? settings_row_at(table, at)
               : NULL;
}

const struct setting_common *settings_find(const struct settings_view *view, enum setting_kind kind,
                                           uint32_t number)
{
    /* The table is only read. */
    struct settings_table table = settings_table_of((struct settings_view *)(uintptr_t)view, kind);

    return settings_row(&table, number);
}

const struct setting_shipping_method *settings_find_method(const struct settings_view *view,
                                                           uint32_t number)
{
    return (const struct setting_shipping_method *)(const void *)settings_find(
        view, SETTING_SHIPPING_METHOD, number);
}

const struct setting_endpoint *settings_find_endpoint(const struct settings_view *view,
                                                      uint32_t number)
{
    return (const struct setting_endpoint *)(const void *)settings_find(
        view, SETTING_WEBHOOK_ENDPOINT, number);
}

struct pricing_shipping_method settings_method_price(const struct setting_shipping_method *method,
                                                     const char currency[4])
{
    struct pricing_shipping_method price = {.countries = method->countries,
                                            .rows = method->rows,
                                            .country_count = method->country_count,
                                            .row_count = method->row_count,
                                            .kind = method->kind,
                                            .flat_minor = method->flat_minor,
                                            .free_over_minor = method->free_over_minor};

    memcpy(price.currency, method->currency[0] == '\0' ? currency : method->currency,
           sizeof(price.currency));
    return price;
}

bool settings_method_serves(const struct setting_shipping_method *method, uint16_t country)
{
    for (unsigned i = 0; i < method->country_count; i++)
        if (method->countries[i] == country)
            return true;
    return method->country_count == 0;
}

void settings_view_copy(const struct settings_view *source, struct settings_view *view_out)
{
    view_out->version = source->version;
    view_out->key = source->key;
    view_out->tax_rate_count = source->tax_rate_count;
    view_out->method_count = source->method_count;
    view_out->endpoint_count = source->endpoint_count;
    memcpy(view_out->rates, source->rates, source->tax_rate_count * sizeof(source->rates[0]));
    memcpy(view_out->tax_rates, source->tax_rates,
           source->tax_rate_count * sizeof(source->tax_rates[0]));
    memcpy(view_out->methods, source->methods, source->method_count * sizeof(source->methods[0]));
    memcpy(view_out->endpoints, source->endpoints,
           source->endpoint_count * sizeof(source->endpoints[0]));
}

/* ---- changing a view that is not published ---- */

static uint64_t label_hash(const struct setting_label *label)
{
    return label->length == 0 ? 0 : pricing_label(label->text, label->length);
}

struct pricing_tax_rate settings_rate_of(const struct setting_tax_rate *row)
{
    return (struct pricing_tax_rate){.region = label_hash(&row->region),
                                     .category = label_hash(&row->category),
                                     .rate_bp = row->rate_bp,
                                     .country = pricing_country(row->country, 2),
                                     .inclusive = row->inclusive};
}

/* What pricing sees stands beside its row. */
static void show_rates(struct settings_view *view, uint32_t first)
{
    for (uint32_t i = first; i < view->tax_rate_count; i++)
        view->rates[i] = settings_rate_of(&view->tax_rates[i]);
}

void settings_put_row(struct settings_view *view, enum setting_kind kind,
                      const struct setting_record *row)
{
    struct settings_table table = settings_table_of(view, kind);
    uint32_t at = place_of(&table, row->common.number);
    bool is_new = at == *table.count || settings_row_at(&table, at)->number != row->common.number;

    if (is_new) {
        assert(*table.count < table.rows_max);
        memmove(settings_row_at(&table, at + 1), settings_row_at(&table, at),
                (size_t)(*table.count - at) * table.row_bytes);
        ++*table.count;
    }
    memcpy(settings_row_at(&table, at), row, table.row_bytes);
    if (kind == SETTING_TAX_RATE)
        show_rates(view, at);
}

void settings_remove_row(struct settings_view *view, enum setting_kind kind, uint32_t number)
{
    struct settings_table table = settings_table_of(view, kind);
    uint32_t at = place_of(&table, number);

    assert(at < *table.count && settings_row_at(&table, at)->number == number);
    --*table.count;
    memmove(settings_row_at(&table, at), settings_row_at(&table, at + 1),
            (size_t)(*table.count - at) * table.row_bytes);
    if (kind == SETTING_TAX_RATE)
        show_rates(view, at);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Valid records of settings, as different as can be, for the codec's tests. */
#ifndef STAMPEDE_RANDOM_SETTING_H
#define STAMPEDE_RANDOM_SETTING_H

#include "random_account.h"
#include "settings.h"

static inline void random_label(random_source source, uint64_t *seed, struct setting_label *label,
                                uint32_t length_min)
{
    label->length =
        (uint16_t)(length_min +
                   random_below(source, seed, SETTING_LABEL_BYTES_MAX + 1u - length_min));
    for (unsigned i = 0; i < label->length; i++)
        label->text[i] = (char)(1 + random_below(source, seed, 255));
}

static inline void random_rate(random_source source, uint64_t *seed, struct setting_tax_rate *rate)
{
    memcpy(rate->country, source(seed) % 2 == 0 ? "DE" : "XK", 2);
    random_label(source, seed, &rate->region, 0);
    random_label(source, seed, &rate->category, 0);
    rate->rate_bp = (uint32_t)random_below(source, seed, TAX_RATE_BP_MAX + 1);
    rate->inclusive = source(seed) % 2 == 0;
}

static inline int64_t random_price(random_source source, uint64_t *seed)
{
    return (int64_t)random_below(source, seed, (uint64_t)SETTING_PRICE_MINOR_MAX + 1);
}

static inline void random_method(random_source source, uint64_t *seed,
                                 struct setting_shipping_method *method)
{
    static const char countries[][3] = {"AT", "CH", "DE", "US", "ZW"};

    random_label(source, seed, &method->name, 1);
    method->kind = (uint8_t)random_below(source, seed, SHIPPING_KIND_COUNT);
    memcpy(method->currency, "JPY", 4);
    for (unsigned i = 0; i < 5; i++)
        if (source(seed) % 2 == 0)
            method->countries[method->country_count++] = pricing_country(countries[i], 2);
    method->free_over_minor = random_price(source, seed);
    if (method->kind == SHIPPING_FLAT) {
        method->flat_minor = random_price(source, seed);
        return;
    }
    method->row_count = (uint8_t)(1 + random_below(source, seed, SHIPPING_ROWS_MAX));
    for (unsigned i = 0; i < method->row_count; i++) {
        method->rows[i].up_to =
            i + 1 == SHIPPING_ROWS_MAX
                ? INT64_MAX
                : (int64_t)(i * 1000000ULL + random_below(source, seed, 1000000));
        method->rows[i].price_minor = random_price(source, seed);
    }
}

static inline void random_endpoint(random_source source, uint64_t *seed,
                                   struct setting_endpoint *endpoint)
{
    random_label(source, seed, &endpoint->description, 0);
    endpoint->enabled = source(seed) % 2 == 0;
    endpoint->events = 1 + (uint32_t)random_below(source, seed, EVENT_SET_ALL);
    endpoint->url_length = (uint16_t)(20 + random_below(source, seed, ENDPOINT_URL_MAX - 19));
    memset(endpoint->url, 'x', endpoint->url_length);
    memcpy(endpoint->url, "https://", 8);
    endpoint->rotated_wall_ms = random_time(source, seed);
    for (unsigned i = 0; i < ENDPOINT_SECRETS_MAX; i++) {
        struct setting_secret *secret = &endpoint->secrets[i];

        secret->length = (uint8_t)(1 + random_below(source, seed, SEALED_SECRET_MAX));
        random_bytes(source, seed, secret->sealed, secret->length);
        secret->place = source(seed);
        secret->expires_wall_ms = random_time(source, seed);
    }
}

static inline void random_setting_record(random_source source, uint64_t *seed,
                                         struct record *record)
{
    struct setting_record *setting = &record->setting;

    record->subject = (uint32_t)random_below(source, seed, SETTING_KIND_COUNT);
    if (record->subject == SETTING_HEAD) {
        setting->head.version = 1 + random_below(source, seed, INT64_MAX);
        for (unsigned i = SETTING_TAX_RATE; i < SETTING_KIND_COUNT; i++)
            setting->head.next_numbers[i] = (uint32_t)source(seed);
        setting->head.has_methods = source(seed) % 2 == 0;
        return;
    }
    if (record->subject == SETTING_KEY) {
        setting->key.length = (uint8_t)(1 + random_below(source, seed, WRAPPED_KEY_MAX));
        random_bytes(source, seed, setting->key.bytes, setting->key.length);
        return;
    }
    setting->common =
        (struct setting_common){.number = 1 + (uint32_t)random_below(source, seed, UINT32_MAX - 1),
                                .version = 1 + random_below(source, seed, INT64_MAX),
                                .created_wall_ms = random_time(source, seed),
                                .updated_wall_ms = random_time(source, seed)};
    record->sequence = setting->common.number;
    if (record->subject == SETTING_TAX_RATE)
        random_rate(source, seed, &setting->tax_rate);
    else if (record->subject == SETTING_SHIPPING_METHOD)
        random_method(source, seed, &setting->method);
    else
        random_endpoint(source, seed, &setting->endpoint);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A setting as a run of bytes: its format's number, then its fields; of arrays only what is in use.
 * A row's number is in the key. */
#include "codec_settings.h"

#include <string.h>

#include "codec_run.h"

static void run_flag(struct run *run, bool *flag)
{
    *flag = run_number(run, *flag, 1, 1) != 0;
}

static void run_amount(struct run *run, int64_t *field)
{
    *field = (int64_t)run_number(run, (uint64_t)*field, 8, INT64_MAX);
}

static void run_label(struct run *run, struct setting_label *label)
{
    run_sealed(run, &label->length, (uint8_t *)label->text, SETTING_LABEL_BYTES_MAX);
}

static void run_common(struct run *run, struct setting_common *common)
{
    run_64(run, &common->version);
    run_time(run, &common->created_wall_ms);
    run_time(run, &common->updated_wall_ms);
}

static void run_head(struct run *run, struct setting_head *head)
{
    run_64(run, &head->version);
    for (unsigned i = SETTING_TAX_RATE; i < SETTING_KIND_COUNT; i++)
        run_32(run, &head->next_numbers[i]);
    run_flag(run, &head->has_methods);
}

static void run_tax_rate(struct run *run, struct setting_tax_rate *rate)
{
    run_common(run, &rate->common);
    run_bytes(run, rate->country, 2);
    run_label(run, &rate->region);
    run_label(run, &rate->category);
    run_32(run, &rate->rate_bp);
    run_flag(run, &rate->inclusive);
}

static void run_method(struct run *run, struct setting_shipping_method *method)
{
    run_common(run, &method->common);
    run_label(run, &method->name);
    run_8(run, &method->kind, SHIPPING_KIND_COUNT - 1);
    run_bytes(run, method->currency, 3);
    run_amount(run, &method->flat_minor);
    run_amount(run, &method->free_over_minor);
    run_8(run, &method->country_count, SHIPPING_COUNTRIES_MAX);
    for (unsigned i = 0; i < method->country_count; i++)
        method->countries[i] = (uint16_t)run_number(run, method->countries[i], 2, UINT16_MAX);
    run_8(run, &method->row_count, SHIPPING_ROWS_MAX);
    for (unsigned i = 0; i < method->row_count; i++) {
        run_amount(run, &method->rows[i].up_to);
        run_amount(run, &method->rows[i].price_minor);
    }
}

static void run_endpoint(struct run *run, struct setting_endpoint *endpoint)
{
    run_common(run, &endpoint->common);
    run_label(run, &endpoint->description);
    run_flag(run, &endpoint->enabled);
    run_sealed(run, &endpoint->url_length, (uint8_t *)endpoint->url, ENDPOINT_URL_MAX);
    run_32(run, &endpoint->events);
    run_time(run, &endpoint->rotated_wall_ms);
    for (unsigned i = 0; i < ENDPOINT_SECRETS_MAX; i++) {
        struct setting_secret *secret = &endpoint->secrets[i];

        run_short(run, &secret->length, secret->sealed, SEALED_SECRET_MAX);
        run_64(run, &secret->place);
        run_time(run, &secret->expires_wall_ms);
    }
}

static void run_setting(struct run *run, uint32_t kind, struct setting_record *setting)
{
    uint8_t format = CODEC_SETTING_FORMAT;

    run_8(run, &format, CODEC_SETTING_FORMAT);
    if (format != CODEC_SETTING_FORMAT) {
        run->failed = true;
        return;
    }
    switch (kind) {
    case SETTING_HEAD:
        run_head(run, &setting->head);
        break;
    case SETTING_KEY:
        run_short(run, &setting->key.length, setting->key.bytes, WRAPPED_KEY_MAX);
        break;
    case SETTING_TAX_RATE:
        run_tax_rate(run, &setting->tax_rate);
        break;
    case SETTING_SHIPPING_METHOD:
        run_method(run, &setting->method);
        break;
    case SETTING_WEBHOOK_ENDPOINT:
        run_endpoint(run, &setting->endpoint);
        break;
    default:
        run->failed = true;
        break;
    }
}

size_t codec_setting_pack(uint32_t kind, const struct setting_record *setting, uint8_t *bytes_out,
                          size_t capacity)
{
    struct run run = {.at = bytes_out, .end = bytes_out + capacity};

    /* The walk writes to fields only what it read from them. */
    run_setting(&run, kind, (struct setting_record *)(uintptr_t)setting);
    assert(!run.failed);
    return (size_t)(run.at - bytes_out);
}

bool codec_setting_unpack(uint32_t kind, uint64_t number, const uint8_t *bytes, size_t length,
                          struct setting_record *setting_out)
{
    struct run run = {.at = (uint8_t *)(uintptr_t)bytes, .end = bytes + length, .reads = true};

    memset(setting_out, 0, sizeof(*setting_out));
    run_setting(&run, kind, setting_out);
    if (kind != SETTING_HEAD && kind != SETTING_KEY)
        setting_out->common.number = (uint32_t)number;
    return !run.failed && run.at == run.end && number <= UINT32_MAX;
}

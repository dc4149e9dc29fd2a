/* SPDX-License-Identifier: Apache-2.0 */
/* What a row may be: bounds, text, tables. */
#include "settings.h"

#include <string.h>

/* ISO 3166-1 alpha-2, and XK (Kosovo), which it leaves to its users. */
static const char known_countries[] =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCM"
    "CNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGY"
    "HKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMF"
    "MGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARE"
    "RORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZ"
    "VAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";
_Static_assert(sizeof(known_countries) == 2 * 250 + 1, "249 codes, and one");

static const struct setting_problem no_problem = {0};

static struct setting_problem problem(enum setting_field field, const char *message)
{
    return (struct setting_problem){.field = (uint8_t)field, .message = message};
}

bool country_is_known(const char *text, size_t length)
{
    if (length != 2)
        return false;
    for (size_t i = 0; i + 1 < sizeof(known_countries); i += 2)
        if (memcmp(known_countries + i, text, 2) == 0)
            return true;
    return false;
}

void country_text(uint16_t country, char text_out[3])
{
    text_out[0] = (char)(country >> 8);
    text_out[1] = (char)(country & 0xff);
    text_out[2] = '\0';
}

static bool currency_is_valid(const char currency[4])
{
    for (unsigned i = 0; i < 3; i++)
        if (currency[i] < 'A' || currency[i] > 'Z')
            return false;
    return currency[3] == '\0';
}

/* What is not in use is zero, so that equal rows have equal bytes. */
static bool rest_is_zero(const char *text, size_t length, size_t room)
{
    for (size_t i = length; i < room; i++)
        if (text[i] != '\0')
            return false;
    return true;
}

static bool label_is_valid(const struct setting_label *label, size_t length_min)
{
    return label->length >= length_min && label->length <= SETTING_LABEL_BYTES_MAX &&
           memchr(label->text, '\0', label->length) == NULL &&
           rest_is_zero(label->text, label->length, sizeof(label->text));
}

static struct setting_problem tax_problem(const struct setting_tax_rate *rate)
{
    if (rate->country[2] != '\0' || !country_is_known(rate->country, 2))
        return problem(SETTING_FIELD_COUNTRY, "must be a code of ISO 3166-1: two capital letters");
    if (!label_is_valid(&rate->region, 0))
        return problem(SETTING_FIELD_REGION, "is too long");
    if (!label_is_valid(&rate->category, 0))
        return problem(SETTING_FIELD_CATEGORY, "is too long");
    if (rate->rate_bp > TAX_RATE_BP_MAX)
        return problem(SETTING_FIELD_RATE_BP, "must be an integer from 0 to 100000");
    return no_problem;
}

static struct setting_problem countries_problem(const struct setting_shipping_method *method)
{
    char text[3];

    if (method->country_count > SHIPPING_COUNTRIES_MAX)
        return problem(SETTING_FIELD_COUNTRIES, "must be at most 250 countries");
    for (unsigned i = 0; i < method->country_count; i++) {
        country_text(method->countries[i], text);
        if (!country_is_known(text, 2))
            return problem(SETTING_FIELD_COUNTRIES,
                           "must be codes of ISO 3166-1 (two capital letters), or * alone");
        if (i > 0 && method->countries[i - 1] >= method->countries[i])
            return problem(SETTING_FIELD_COUNTRIES, "must name each country once");
    }
    return no_problem;
}

static bool price_is_valid(int64_t minor)
{
    return minor >= 0 && minor <= SETTING_PRICE_MINOR_MAX;
}

static bool table_is_valid(const struct setting_shipping_method *method)
{
    if (method->kind == SHIPPING_FLAT)
        return method->row_count == 0 && price_is_valid(method->flat_minor);
    if (method->row_count < 1 || method->row_count > SHIPPING_ROWS_MAX || method->flat_minor != 0)
        return false;
    for (unsigned i = 0; i < method->row_count; i++) {
        const struct pricing_shipping_row *row = &method->rows[i];

        if (!price_is_valid(row->price_minor) || row->up_to < 0 ||
            (i > 0 && row->up_to <= row[-1].up_to))
            return false;
    }
    return true;
}

static bool costs_anything(const struct setting_shipping_method *method)
{
    int64_t sum = method->flat_minor | method->free_over_minor;

    for (unsigned i = 0; i < method->row_count; i++)
        sum |= method->rows[i].price_minor;
    return sum != 0 || method->kind == SHIPPING_PRICE;
}

static struct setting_problem method_problem(const struct setting_shipping_method *method)
{
    struct setting_problem found = countries_problem(method);

    if (!label_is_valid(&method->name, 1))
        return problem(SETTING_FIELD_NAME, "must be a string of 1 to 100 characters");
    if (found.message != NULL)
        return found;
    if (method->kind >= SHIPPING_KIND_COUNT || !table_is_valid(method))
        return problem(SETTING_FIELD_TABLE, "must be rows in ascending order, with prices of at "
                                            "least 0; of a flat method one, without a bound");
    if (!price_is_valid(method->free_over_minor))
        return problem(SETTING_FIELD_FREE_OVER, "must be an amount of at least 1, or null");
    if (method->currency[0] == '\0' ? costs_anything(method) : !currency_is_valid(method->currency))
        return problem(SETTING_FIELD_CURRENCY, "must be a currency code of ISO 4217");
    return no_problem;
}

static bool url_is_valid(const struct setting_endpoint *endpoint)
{
    size_t scheme = endpoint->url_length > 8 && memcmp(endpoint->url, "https://", 8) == 0  ? 8
                    : endpoint->url_length > 7 && memcmp(endpoint->url, "http://", 7) == 0 ? 7
                                                                                           : 0;

    if (scheme == 0 || endpoint->url_length > ENDPOINT_URL_MAX)
        return false;
    for (size_t i = 0; i < endpoint->url_length; i++)
        if (endpoint->url[i] <= ' ' || endpoint->url[i] > '~')
            return false;
    return rest_is_zero(endpoint->url, endpoint->url_length, sizeof(endpoint->url));
}

static struct setting_problem endpoint_problem(const struct setting_endpoint *endpoint)
{
    if (!url_is_valid(endpoint))
        return problem(SETTING_FIELD_URL, "must be a URL of at most 1000 characters of ASCII");
    if (endpoint->events == 0 || (endpoint->events & ~EVENT_SET_ALL) != 0)
        return problem(SETTING_FIELD_EVENTS, "must name at least one event");
    if (!label_is_valid(&endpoint->description, 0))
        return problem(SETTING_FIELD_DESCRIPTION, "is too long");
    return no_problem;
}

struct setting_problem setting_row_problem(enum setting_kind kind, const struct setting_record *row)
{
    switch (kind) {
    case SETTING_TAX_RATE:
        return tax_problem(&row->tax_rate);
    case SETTING_SHIPPING_METHOD:
        return method_problem(&row->method);
    case SETTING_WEBHOOK_ENDPOINT:
        return endpoint_problem(&row->endpoint);
    case SETTING_HEAD:
    case SETTING_KEY:
    case SETTING_KIND_COUNT:
        break;
    }
    return problem(SETTING_FIELD_BODY, "is no row");
}

/* ---- stored ones ---- */

static bool time_is_valid(int64_t wall_ms)
{
    return wall_ms >= 0 && wall_ms < SETTING_TIME_MS_END;
}

static bool secrets_are_valid(const struct setting_endpoint *endpoint)
{
    for (unsigned i = 0; i < ENDPOINT_SECRETS_MAX; i++) {
        const struct setting_secret *secret = &endpoint->secrets[i];

        if (secret->length > SEALED_SECRET_MAX || !time_is_valid(secret->expires_wall_ms) ||
            (secret->length == 0 && i == 0))
            return false;
    }
    return time_is_valid(endpoint->rotated_wall_ms);
}

bool setting_record_is_valid(uint32_t kind, uint64_t number, const struct setting_record *row)
{
    switch (kind) {
    case SETTING_HEAD:
        return number == 0 && row->head.version >= 1 && row->head.version <= INT64_MAX;
    case SETTING_KEY:
        return number == 0 && row->key.length >= 1 && row->key.length <= WRAPPED_KEY_MAX;
    case SETTING_WEBHOOK_ENDPOINT:
        if (!secrets_are_valid(&row->endpoint))
            return false;
        break;
    case SETTING_TAX_RATE:
    case SETTING_SHIPPING_METHOD:
        break;
    default:
        return false;
    }
    return number >= 1 && number == row->common.number && row->common.version >= 1 &&
           row->common.version <= INT64_MAX && time_is_valid(row->common.created_wall_ms) &&
           time_is_valid(row->common.updated_wall_ms) &&
           setting_row_problem((enum setting_kind)kind, row).message == NULL;
}

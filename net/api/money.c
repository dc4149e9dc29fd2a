/* SPDX-License-Identifier: Apache-2.0 */
#include "api/money.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ISO 4217 list one (active codes of currencies; funds, metals and test codes left out), ascending.
 * MGA and MRU divide by five; the standard gives them two decimals. */
static const char currencies[][4] = {
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
    "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD",
    "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD",
    "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ",
    "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD",
    "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR",
    "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
    "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN",
    "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR",
    "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
    "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS",
    "VED", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW",
    "ZWG",
};

static const char without_decimals[][4] = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
                                           "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"};
static const char with_three[][4] = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};

static int compare_codes(const void *a, const void *b)
{
    return memcmp(a, b, 3);
}

#define IS_LISTED(code, list)                                                                      \
    (bsearch((code), (list), sizeof(list) / sizeof((list)[0]), sizeof((list)[0]),                  \
             compare_codes) != NULL)

int money_currency_exponent(const char *code, size_t length)
{
    if (length != 3 || !IS_LISTED(code, currencies))
        return -1;
    if (IS_LISTED(code, without_decimals))
        return 0;
    return IS_LISTED(code, with_three) ? 3 : 2;
}

/* Appends a digit to an amount; false when it leaves the range. */
static bool append_digit(int64_t *minor, char digit)
{
    *minor = *minor * 10 + (digit - '0');
    return *minor <= PRICE_MINOR_MAX;
}

enum money_parse money_parse_major(const char *text, size_t length, int exponent,
                                   int64_t *minor_out)
{
    int64_t minor = 0;
    int decimals = -1; /* -1: before the point */
    size_t digits = 0;

    assert(exponent >= 0 && exponent <= 3);
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (byte < '0' || byte > '9')
            return MONEY_MALFORMED;
        digits++;
        if (decimals >= exponent) {
            if (byte != '0')
                return MONEY_TOO_MANY_DECIMALS;
            continue;
        }
        if (decimals >= 0)
            decimals++;
        if (!append_digit(&minor, byte))
            return MONEY_OUT_OF_RANGE;
    }
    if (digits == 0)
        return MONEY_MALFORMED;
    for (int i = decimals < 0 ? 0 : decimals; i < exponent; i++) {
        if (!append_digit(&minor, '0'))
            return MONEY_OUT_OF_RANGE;
    }
    *minor_out = minor;
    return MONEY_OK;
}

enum money_parse money_parse_minor(const char *text, size_t length, int64_t *minor_out)
{
    int64_t minor = 0;

    if (length == 0)
        return MONEY_MALFORMED;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return MONEY_MALFORMED;
    }
    for (size_t i = 0; i < length; i++) {
        if (!append_digit(&minor, text[i]))
            return MONEY_OUT_OF_RANGE;
    }
    *minor_out = minor;
    return MONEY_OK;
}

void money_format(int64_t minor, const char currency[4], char text_out[MONEY_TEXT_MAX])
{
    int exponent = money_currency_exponent(currency, strnlen(currency, 3));
    int decimals = exponent == 2 || exponent == 3 ? exponent : 0;
    uint64_t amount = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    uint64_t unit = decimals == 3 ? 1000 : decimals == 2 ? 100 : 1;
    int length =
        snprintf(text_out, MONEY_TEXT_MAX, "%s%" PRIu64, minor < 0 ? "-" : "", amount / unit);

    text_out[length] = '.';
    for (int i = decimals; i > 0; i--, amount /= 10)
        text_out[length + i] = (char)('0' + amount % 10);
    length += decimals > 0 ? decimals + 1 : 0;
    snprintf(text_out + length, (size_t)(MONEY_TEXT_MAX - length), " %.3s", currency);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Currencies of ISO 4217 with their exponents, and amounts read from text into minor units without
 * a float anywhere. Pure. */
#ifndef STAMPEDE_MONEY_H
#define STAMPEDE_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* docs/openapi.yaml: the greatest price, in minor units. */
#define PRICE_MINOR_MAX 1000000000000LL

/* Decimals of the currency's minor unit (0, 2 or 3); -1 if there is no such code. */
int money_currency_exponent(const char *code, size_t length);

enum money_parse {
    MONEY_OK,
    MONEY_MALFORMED,         /* not digits with at most one point */
    MONEY_TOO_MANY_DECIMALS, /* more than the currency has, and not zeros */
    MONEY_OUT_OF_RANGE,      /* above PRICE_MINOR_MAX */
};

/* Reads a decimal amount in major units: "12", "12.5", ".5", "12.500". No sign, no grouping. */
enum money_parse money_parse_major(const char *text, size_t length, int exponent,
                                   int64_t *minor_out);

/* Reads digits: an amount in minor units. */
enum money_parse money_parse_minor(const char *text, size_t length, int64_t *minor_out);

enum { MONEY_TEXT_MAX = 32 }; /* with its zero */

/* Writes an amount in major units with its currency, as people read it: "12.50 EUR", "7 JPY". */
void money_format(int64_t minor, const char currency[4], char text_out[MONEY_TEXT_MAX]);

#endif

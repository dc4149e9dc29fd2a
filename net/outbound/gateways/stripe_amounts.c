/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/gateways/stripe_amounts.h"

#include <string.h>

enum { HUNDRED = 100 };

static bool is(const char currency[4], const char *code)
{
    return memcmp(currency, code, 3) == 0;
}

static bool multiply(int64_t amount, int64_t *product_out)
{
    return !__builtin_mul_overflow(amount, (int64_t)HUNDRED, product_out);
}

static bool divide(int64_t amount, int64_t *quotient_out)
{
    *quotient_out = amount / HUNDRED;
    return amount % HUNDRED == 0;
}

bool stripe_amount_from_minor(const char currency[4], int64_t minor, int64_t *amount_out)
{
    *amount_out = minor;
    if (is(currency, "ISK"))
        return multiply(minor, amount_out);
    if (is(currency, "MGA"))
        return divide(minor, amount_out);
    return !is(currency, "UGX");
}

bool stripe_amount_to_minor(const char currency[4], int64_t amount, int64_t *minor_out)
{
    *minor_out = amount;
    if (is(currency, "ISK"))
        return divide(amount, minor_out);
    if (is(currency, "MGA"))
        return multiply(amount, minor_out);
    return !is(currency, "UGX");
}

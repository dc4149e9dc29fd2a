/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts as Stripe counts them. Its units are ISO 4217's minor units, which are ours, but for a
 * few currencies (docs.stripe.com/currencies: zero-decimal currencies, special cases): ISK has two
 * decimals there, of which both are 0, and none by ISO; MGA has none, and two by ISO. Of UGX that
 * page says both, so that no amount of it is sent, nor believed. Pure. */
#ifndef STAMPEDE_STRIPE_AMOUNTS_H
#define STAMPEDE_STRIPE_AMOUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* Each is false where the amount, at least 0, has no counterpart. `currency`: capitals. */
bool stripe_amount_from_minor(const char currency[4], int64_t minor, int64_t *amount_out);
bool stripe_amount_to_minor(const char currency[4], int64_t amount, int64_t *minor_out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Every bound of the gateway that is not an option. */
#ifndef STAMPEDE_PSP_LIMITS_H
#define STAMPEDE_PSP_LIMITS_H

enum {
    PSP_ID_MAX = 40, /* "pi_" and 24 letters; "pi_…_secret_…" is PSP_SECRET_MAX */
    PSP_SECRET_MAX = 80,
    PSP_CARD_MAX = 63,         /* pm_card_... */
    PSP_AMOUNT_MAX = 99999999, /* as of Stripe: eight digits */
    PSP_MESSAGE_MAX = 400,

    /* Metadata, as Stripe bounds it. */
    PSP_METADATA_MAX = 50,
    PSP_METADATA_NAME_MAX = 40,
    PSP_METADATA_VALUE_MAX = 500,
    PSP_TEXT_MAX = 1000, /* description and the like */

    PSP_TEXTS_MAX = 32 * 1024,      /* all texts of a payment and its refunds, in bytes */
    PSP_REFUNDS_MAX = 32,           /* of one payment */
    PSP_PAYMENTS_MAX = 1000 * 1000, /* then new ones are refused */
    PSP_KEYS_MAX = 4000 * 1000,     /* idempotency keys; then the oldest is forgotten */
    PSP_KEY_LENGTH_MAX = 255,
    PSP_KEY_LIFE_MS = 24 * 3600 * 1000,
    PSP_EVENTS_MAX = 1000 * 1000, /* that GET /v1/events knows; then the oldest is forgotten */
    PSP_CURRENCIES_MAX = 64,
    PSP_ENTRY_EVENTS_MAX = 4,
    PSP_POSTINGS_MAX = 4,
    PSP_LINE_MAX = 256 * 1024, /* of the ledger */

    PSP_BODY_MAX = 64 * 1024,
    PSP_LIST_MAX = 100,          /* of one answer, as of Stripe */
    PSP_LEDGER_LIST_MAX = 10000, /* payments in one answer of GET /_ledger */
    PSP_CALLS_MAX = 8192,        /* requests under way */

    PSP_DELIVERIES_MAX = 100 * 1000, /* that wait for the webhook; more are not sent */
    PSP_DELIVERIES_ACTIVE_MAX = 16,
    PSP_DELIVERY_ATTEMPTS_MAX = 40,
    PSP_DELIVERY_TIMEOUT_MS = 10 * 1000,
    PSP_RETRY_FIRST_MS = 500, /* doubled with every attempt */
    PSP_RETRY_MOST_MS = 60 * 1000,
    PSP_WEBHOOK_SECRETS_MAX = 4,
    PSP_REORDER_LEAST_MS = 100, /* how long an event is held back to be overtaken */
    PSP_REORDER_MOST_MS = 500,
    PSP_DUPLICATE_MOST_MS = 1000, /* how much later the second of two comes */
    PSP_SETTLE_MS = 500,          /* until a refund ends that is on its way */
};

/* A byte of text takes at most six of JSON; beside texts an entry has room for all else. */
_Static_assert(6 * PSP_TEXTS_MAX + 48 * 1024 <= PSP_LINE_MAX, "every entry fits into a line");

#endif

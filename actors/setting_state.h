/* SPDX-License-Identifier: Apache-2.0 */
/* The shop's settings as they are stored and shown: rows of tax rates, shipping methods and webhook
 * endpoints. Of an endpoint's secrets no actor ever sees one in clear: they are sealed before they
 * come here. */
#ifndef STAMPEDE_SETTING_STATE_H
#define STAMPEDE_SETTING_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "pricing.h"
#include "shop_limits.h"

/* name, prefix of IDs, text. Numbers are stored (a record's subject). */
#define SETTING_KINDS(X)                                                                           \
    X(HEAD, "", "head") /* not a row: the next numbers */                                          \
    X(KEY, "", "key")   /* not a row: the shop's own data key, wrapped */                          \
    X(TAX_RATE, "tax_", "tax_rate")                                                                \
    X(SHIPPING_METHOD, "shm_", "shipping_method")                                                  \
    X(WEBHOOK_ENDPOINT, "whe_", "webhook_endpoint")

enum setting_kind {
#define X(name, prefix, text) SETTING_##name,
    SETTING_KINDS(X)
#undef X
        SETTING_KIND_COUNT
};

enum { SETTING_ID_LENGTH_MAX = 4 + 10 };

#define SETTING_PRICE_MINOR_MAX                                                                    \
    INT64_C(1000000000000000)                  /* of shipping: fits any sum of a cart's */
#define SETTING_TIME_MS_END (INT64_C(1) << 44) /* exclusive */

/* Text of UTF-8, of which `length` bytes are in use, the others zero. */
struct setting_label {
    uint16_t length;
    char text[SETTING_LABEL_BYTES_MAX];
};

/* What all rows have. */
struct setting_common {
    uint32_t number;         /* within its kind, from 1; never reused */
    uint64_t version;        /* grows with each change */
    int64_t created_wall_ms; /* 0: the method that a fresh store has */
    int64_t updated_wall_ms;
};

struct setting_tax_rate {
    struct setting_common common;
    char country[3];               /* ISO 3166-1 alpha-2, capital letters */
    struct setting_label region;   /* empty: the whole country */
    struct setting_label category; /* empty: everything, shipping too */
    uint32_t rate_bp;
    bool inclusive; /* contained in the price */
};

struct setting_shipping_method {
    struct setting_common common;
    struct setting_label name;
    uint8_t kind;                               /* enum shipping_kind */
    char currency[4];                           /* empty: any; where nothing costs anything */
    uint8_t country_count;                      /* 0: every country */
    uint8_t row_count;                          /* flat: 0 */
    int64_t flat_minor;                         /* flat */
    int64_t free_over_minor;                    /* 0: never free */
    uint16_t countries[SHIPPING_COUNTRIES_MAX]; /* pricing_country, ascending */
    struct pricing_shipping_row rows[SHIPPING_ROWS_MAX]; /* up_to ascending */
};

/* A secret of ENDPOINT_SECRET_BYTES, sealed under the shop's key for this place (`place` is random:
 * the row of its vault_place). */
struct setting_secret {
    uint8_t length; /* 0: none */
    uint8_t sealed[SEALED_SECRET_MAX];
    uint64_t place;
    int64_t expires_wall_ms; /* 0: it does not; of all but the newest */
};

struct setting_endpoint {
    struct setting_common common;
    struct setting_label description;
    bool enabled;
    uint16_t url_length;
    uint32_t events; /* bits 1 << enum event_type; never 0 */
    char url[ENDPOINT_URL_MAX];
    int64_t rotated_wall_ms;                             /* when its newest secret was made */
    struct setting_secret secrets[ENDPOINT_SECRETS_MAX]; /* newest first */
};

struct setting_head {
    uint64_t version; /* of the whole: grows with each change */
    uint32_t next_numbers[SETTING_KIND_COUNT];
    bool has_methods; /* shipping methods are stored; before, there is the one of a fresh store */
};

struct setting_key {
    uint8_t length; /* 0: there is none */
    uint8_t bytes[WRAPPED_KEY_MAX];
};

struct setting_record {
    union { /* by the record's subject */
        struct setting_head head;
        struct setting_key key;
        struct setting_common common; /* of all rows */
        struct setting_tax_rate tax_rate;
        struct setting_shipping_method method;
        struct setting_endpoint endpoint;
    };
};

#endif

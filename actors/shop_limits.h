/* SPDX-License-Identifier: Apache-2.0 */
/* Every bound of the shop has a name here; relations between bounds are checked at compile time.
 * Bounds that an operator (or the simulator) may shrink are fields of `struct engine_options`
 * with these values as their defaults. */
#ifndef STAMPEDE_SHOP_LIMITS_H
#define STAMPEDE_SHOP_LIMITS_H

enum {
    /* Partitions are fixed when a store is created; IDs have room for 4,096. */
    PARTITIONS_MAX = 4096,
    PARTITIONS_DEFAULT = 256,
    SHARDS_MAX = 64,

    SKU_LENGTH_MAX = 64,        /* api.md: 1 to 64 of letters, digits, . _ - / : */
    PRODUCT_ID_LENGTH_MAX = 64, /* the same alphabet */
    IDEMPOTENCY_KEY_LENGTH_MAX = 255,
    REASON_LENGTH_MAX = 120,

    RESERVATION_LINES_MAX = 20,
    PRODUCT_VARIANTS_MAX = 100,
    PRODUCT_DOCUMENT_BYTES_MAX = 64 * 1024,
    PRODUCT_SKUS_MAX = 1000,    /* that it ever had: left out variants keep their SKUs */
    PRODUCT_LEFT_OUT_MAX = 200, /* SKUs that a PUT may have to look at beside its own */

    QUANTITY_MAX = 10000,       /* units of one line */
    SKU_STOCK_MAX = 1000000000, /* fits the gate's 32-bit halves with room to add */
    SKUS_PER_PARTITION_MAX = 1 << 20,

    HOLD_EXTENSIONS_MAX = 2,
    HOLD_TTL_MS_DEFAULT = 600 * 1000,
    HOLD_CAP_MS_DEFAULT = 1200 * 1000,
    HOLD_TTL_MS_MAX = 24 * 3600 * 1000,
    /* An ended hold answers repeats of its key this long. */
    HOLD_RETENTION_MS = 24 * 3600 * 1000,
    /* An adjustment's Idempotency-Key is remembered this long. */
    ADJUST_KEY_RETENTION_MS = 24 * 3600 * 1000,
    ADJUST_KEYS_MAX = 1 << 16, /* a shard */
    /* A restocking's at least so long after a start, in which its order asks again. */
    RESTOCK_KEY_UPTIME_MS = 3600 * 1000,
    /* A participant's ended line only has to outlive repeats of its owner's messages. */
    LINE_RETENTION_MS = 60 * 1000,
    /* A saga message that was not acknowledged is sent again after this. */
    SAGA_RETRY_MS = 20,
    /* How long an owner waits for the other partitions of a reservation. */
    INTENT_TIMEOUT_MS = 2000,

    LIST_PAGE_MAX = 100,

    /* ---- accounts ---- */
    EMAIL_LENGTH_MAX = 254,   /* RFC 5321, 4.5.3.1.3, without the angle brackets */
    NAME_LENGTH_MAX = 256,    /* bytes of UTF-8 */
    ADDRESS_LENGTH_MAX = 768, /* bytes of all fields of a postal address, as they are sealed */
    AGENT_LENGTH_MAX = 96,    /* of a User-Agent, to tell one's sessions apart */
    SEALED_OVERHEAD_MAX = 48, /* what sealing adds: version, key ID, nonce, tag */
    SEALED_EMAIL_MAX = EMAIL_LENGTH_MAX + SEALED_OVERHEAD_MAX,
    SEALED_NAME_MAX = NAME_LENGTH_MAX + SEALED_OVERHEAD_MAX,
    SEALED_ADDRESS_MAX = ADDRESS_LENGTH_MAX + SEALED_OVERHEAD_MAX,
    SEALED_AGENT_MAX = AGENT_LENGTH_MAX + SEALED_OVERHEAD_MAX,
    SEALED_TOTP_MAX = 32 + SEALED_OVERHEAD_MAX,
    SEALED_MAIL_MAX = 1024, /* what a template is filled with */
    WRAPPED_KEY_MAX = 96,
    PASSWORD_HASH_MAX = 128, /* libsodium's crypto_pwhash_STRBYTES */
    TOKEN_HASH_BYTES = 32,   /* SHA-256 */
    EMAIL_INDEX_BYTES = 16,
    ACCOUNT_SESSIONS_MAX = 16, /* one more ends the one that is oldest */
    ACCOUNT_ADDRESSES_MAX = 8,
    ACCOUNT_ALIASES_MAX = 8, /* guests whose keys are looked for; one more drops the oldest */
    ACCOUNT_RECOVERY_CODES = 10,
    RECOVERY_CODE_HASH_BYTES = 16,
    ACCOUNT_PENDING_S = 30 * 24 * 3600, /* nobody verified it: it goes */
    ACCOUNTS_ACTIVE_MAX = 1024,         /* in memory, a shard */
    /* A guest that was adopted a moment ago may still have requests on their way. */
    ADOPTED_GUESTS_MAX = 4096,     /* a shard, at once */
    ADOPTED_GUEST_SLACK_MS = 1000, /* beyond what requests and intents may take */
    ADOPT_HOLDS_PER_STEP = 32,
    ADOPT_PRODUCTS_PER_STEP = 4096,

    /* ---- orders ---- */
    ORDER_TEXT_MAX = 8 * 1024, /* what the outer layers keep of names, prices' reasons, shipping */
    ORDER_TIMELINE_MAX = 16,   /* further changes are not refused, only not listed */
    ORDER_REFUNDS_MAX = 8,
    REFUND_REASON_MAX = 80,
    CARRIER_LENGTH_MAX = 40,
    TRACKING_LENGTH_MAX = 64,
    ORDERS_LIVE_MAX = 32768, /* in memory, a shard */
    ORDER_KEY_KEPT_S = 7 * 24 * 3600,
    ORDER_WATCHES_MAX = 8192,            /* streams that wait for orders of one shard's */
    ORDER_WATCHES_EACH = 16,             /* of them for one order */
    ORDER_EVENT_KEPT_S = 30 * 24 * 3600, /* no gateway repeats one for so long */

    /* ---- carts ---- */
    CART_LINES_MAX = RESERVATION_LINES_MAX, /* so that a cart can be held as it is */
    CART_ORDERS_MAX = 4,     /* cleared for last: more than of one caller are under way at once */
    CART_MERGED_MAX = 4,     /* guests taken in last; likewise */
    CARTS_MAX = 1000 * 1000, /* a shard */
    CART_GUEST_TTL_S = 30 * 24 * 3600, /* since the last change */
    CART_CUSTOMER_TTL_S = 90 * 24 * 3600,
    CART_IDLE_MS = 30 * 60 * 1000, /* then it counts as abandoned */
    CARTS_PER_ROUND = 128,

    /* ---- mails ---- */
    OUTBOX_ROWS_MAX = 16384,  /* a shard; more wait in the journal alone */
    MAILS_UNDER_WAY_MAX = 16, /* a shard */
    MAIL_ATTEMPTS_MAX = 16,   /* then it is a dead letter */
    MAIL_BACKOFF_MS_MAX = 6 * 3600 * 1000,
    MAIL_POSTPONE_MS = 1000, /* an attempt that could not be begun */
    /* No mail server is configured; that changes with a restart only. */
    MAIL_NO_ROUTE_MS = MAIL_BACKOFF_MS_MAX,
    MAIL_GOODBYE_KEPT_MS = 7 * 24 * 3600 * 1000, /* of an erased account: then it is dropped */

    /* ---- pricing ---- */
    PRICING_LINES_MAX = RESERVATION_LINES_MAX,
    PRICING_COUPONS_MAX = 4,  /* on one cart */
    COUPON_SCOPE_MAX = 16,    /* products of one coupon, and categories */
    TAX_RATE_BP_MAX = 100000, /* 1000 % */

    /* ---- coupons ---- */
    COUPON_CODE_MAX = 40,
    COUPON_LABEL_BYTES_MAX = 400,  /* of a category's name */
    COUPON_NAMES_BYTES_MAX = 2040, /* of all names of one coupon, two more each */
    COUPON_USES_MAX = 1000000000,  /* that a cap may be */
    COUPONS_MAX = 16 * 1024,       /* a shard */
    COUPON_ROWS_MAX = 1000 * 1000, /* a shard: uses held, and likewise customers counted */
    COUPON_LOOKUPS_MAX = 32,       /* a shard: uses that are looked for in the journal */
    COUPON_ENDED_SLACK_MS = 5000,  /* beyond what requests may take */
    COUPON_FORGET_PER_STEP = 16,   /* ended uses, and a deleted coupon's customers */

    /* ---- events out ---- */
    EVENTS_KEPT_S = 7 * 24 * 3600, /* and longer, as long as a consumer has not passed them */

    /* ---- settings ---- */
    TAX_RATES_MAX = 1000,
    SHIPPING_METHODS_MAX = 200,
    SHIPPING_COUNTRIES_MAX = 250, /* all there are */
    SHIPPING_ROWS_MAX = 50,       /* of one table */
    WEBHOOK_ENDPOINTS_MAX = 50,
    SETTING_LABEL_BYTES_MAX = 400, /* a name, a category, a region: 100 characters */
    ENDPOINT_URL_MAX = 1000,
    ENDPOINT_SECRET_BYTES = 32,
    ENDPOINT_SECRETS_MAX = 2, /* after a rotation the one before is good for a while */
    ENDPOINT_SECRET_OVERLAP_MS = 24 * 3600 * 1000,
    SEALED_SECRET_MAX = ENDPOINT_SECRET_BYTES + SEALED_OVERHEAD_MAX,

    /* ---- webhooks ---- */
    DELIVERIES_PENDING_MAX = 10000, /* of one endpoint; one more makes the oldest a dead letter */
    DELIVERIES_UNDER_WAY_MAX = 48,  /* of all endpoints; over all shards */
    DELIVERIES_OF_ENDPOINT_MAX = 8, /* of them, of one endpoint */
    DELIVERY_ATTEMPTS_MAX = 16,     /* that a schedule may have; then it is a dead letter */
    DELIVERY_DELAY_S_MAX = 7 * 24 * 3600,
    DELIVERY_REASON_MAX = 63,
    DELIVERY_TIMEOUT_MS = 15 * 1000,
    DELIVERY_POSTPONE_MS = 1000,       /* an attempt that could not be begun */
    DELIVERY_PAUSE_MS_MAX = 60 * 1000, /* of an endpoint that fails, between two attempts */
    DELIVERY_RETRY_AFTER_S_MAX = 3600, /* what it may ask for */
    DELIVERY_FAILURES_SERIES = 4,      /* in a row: then the endpoint counts as failing */
    DELIVERIES_PER_STEP = 64,          /* dropped with their endpoint, in one turn */
    DELIVERY_KEPT_S = 7 * 24 * 3600,   /* one that was delivered */
    DELIVERY_DEAD_KEPT_S = 30 * 24 * 3600,

    /* ---- draws and queue tickets ---- */
    DRAW_ENTRIES_MAX = 1 << 20,
    DRAW_DROP_LENGTH_MAX = 64, /* a drop's ID, written as a SKU */
    DRAW_TICKET_LENGTH_MAX = 200,
    DRAW_PUBLIC_LENGTH_MAX = 200, /* characters of the public source's name, and of its value */
    TICKET_KEYS_MAX = 8,          /* that count at once */
    TICKET_LIFE_S_MAX = 30 * 24 * 3600,

    WEIGHT_GRAMS_MAX = 1000 * 1000 * 1000, /* of one unit: a thousand tonnes */
};

/* clang-format takes a product of two names for a pointer. */
/* clang-format off */
_Static_assert(SKU_STOCK_MAX < (1LL << 31) - 1, "a gate counts in 31 bits");
_Static_assert(QUANTITY_MAX * RESERVATION_LINES_MAX < SKU_STOCK_MAX, "a sum of lines cannot wrap");
_Static_assert(QUANTITY_MAX <= 65535, "a cart's line counts in 16 bits");
_Static_assert(RESERVATION_LINES_MAX <= 32, "acknowledgements are a 32-bit set");
_Static_assert((long)PARTITIONS_MAX * SKUS_PER_PARTITION_MAX <= 1L << 32, "a SKU ID has 32 bits");
/* clang-format on */

#endif

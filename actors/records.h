/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored: one struct a kind, typed here, encoded by storage/codec. A record's key is
 * (kind, partition, subject, sequence); keys of one kind are written in nearly ascending order.
 *
 *   PRODUCT   subject = product number; the document, as the outside gave it, follows the struct
 *   SKU       subject = SKU ID; identity: name, product, price
 *   COUNTER   subject = SKU ID; stock and sold as of the newest ledger entry of that SKU
 *   KEY       subject = SKU ID, sequence = of its ledger entry; an adjustment's Idempotency-Key and
 *             the answer it was given, for the retention time
 *   HOLD      sequence = the reservation's (or participant's) number in its partition
 *   LEDGER    subject = SKU ID, sequence; every change of stock or sold, never deleted
 *   LIMIT     subject = product number, principal; units a customer of a limited product has bought
 *   FLOOR     subject = enum floor; the next of the numbers that the partition gives: of holds,
 *             written when one is purged, so that none is reused, of accounts, coupons, orders,
 *             events
 *   ACCOUNT   subject = account number; all of an account but its key
 *   ACCOUNT_KEY  the same subject; the data key that its private fields are sealed under, wrapped.
 *             Of a kind (and a file) of its own, so that destroying it erases the person. Sequence
 *             1, of an erased account: what its last mail is sealed under, until that has gone out
 *   EMAIL     (partition, subject, sequence) = the address's blind index; whose address it is
 *   ALIAS     (partition, subject, sequence) = from the guest's principal; that it has become a
 *             customer, and who
 *   MAIL      subject = account number, sequence = the mail's number, drawn by who sealed it for
 *             that; one that has not gone out
 *   COUPON    subject = coupon number; definition, version, whether it is deleted
 *   COUPON_COUNT  the same subject, principal; uses that this customer's orders committed; of
 *             nobody: that all did
 *   COUPON_USE  the same subject, sequence = the order's (coupon_use_place); a use that is held
 *   COUPON_PAST  the same; a use that was committed; never deleted
 *   CART      (partition, subject, sequence) = from its principal; what they have in their cart
 *   AUDIT     subject 0, sequence = its number in the partition's chain: who did what; never
 *             deleted
 *   AUDIT_HEAD  subject 0: number and hash of the chain's newest entry, under a MAC
 *   SETTING   partition 0; subject = enum setting_kind, sequence = the row's number in it; tax
 *             rates, shipping methods, webhook endpoints, and what all of them need
 *   GUEST_OF  subject = account number, sequence = guest_of_sequence; a guest that it was, ever
 *   ERASURE   subject = account number; that what its orders and carts, and those of its guests,
 *             know of a person is yet to be forgotten
 *   ORDER     sequence = the order's; one that lives: a step or its expiry is pending
 *   ORDER_PAST  the same sequence; one with which nothing is pending
 *   ORDER_BODY, ORDER_PERSON  the same sequence: see order_state.h
 *   ORDER_MAIL  subject = the mail's occasion (order_mail_occasion), sequence = the order's; one
 * that its person is owed and that has not gone out ORDER_OF  subject = 32 bits of the principal's
 * hash, sequence = the order's; whose it is CHECKOUT  (subject, sequence) = from the checkout's
 * key; which order it made EVENT_IN  (subject, sequence) = from the hash of a gateway's event; that
 * it had its effect EVENT_OUT sequence = of the partition's events; what the outside is to learn of
 * an order CURSOR    subject = enum event_consumer; up to which of the partition's events it is
 * done DELIVERY  subject = a webhook endpoint's number, sequence = of an event of this partition
 * (or a test's number); one that is to reach that endpoint DELIVERY_DEAD, DELIVERY_DONE  the same;
 * one that was given up, one that did
 *
 * All of a partition is loaded at start, so that a start does not cost its history, but for those
 * that record_is_history names: they are read when they are asked for.
 * Reserved units are nowhere counted: they are the sum over holds. */
#ifndef STAMPEDE_RECORDS_H
#define STAMPEDE_RECORDS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account_state.h"
#include "audit.h"
#include "coupon_state.h"
#include "delivery_state.h"
#include "hash.h"
#include "identity.h"
#include "order_state.h"
#include "setting_state.h"
#include "shop_limits.h"

#define RECORD_KINDS(X)                                                                            \
    X(PRODUCT, product)                                                                            \
    X(SKU, sku)                                                                                    \
    X(COUNTER, counter)                                                                            \
    X(LIMIT, limit)                                                                                \
    X(LEDGER, ledger)                                                                              \
    X(FLOOR, floor)                                                                                \
    X(KEY, key)                                                                                    \
    X(HOLD, hold)                                                                                  \
    X(ACCOUNT, account)                                                                            \
    X(ACCOUNT_KEY, account_key)                                                                    \
    X(EMAIL, email)                                                                                \
    X(ALIAS, alias)                                                                                \
    X(MAIL, mail)                                                                                  \
    X(COUPON, coupon)                                                                              \
    X(COUPON_COUNT, coupon_count)                                                                  \
    X(COUPON_USE, coupon_use)                                                                      \
    X(COUPON_PAST, coupon_past)                                                                    \
    X(CART, cart)                                                                                  \
    X(AUDIT, audit)                                                                                \
    X(AUDIT_HEAD, audit_head)                                                                      \
    X(ORDER, order)                                                                                \
    X(ORDER_PAST, order_past)                                                                      \
    X(ORDER_BODY, order_body)                                                                      \
    X(ORDER_PERSON, order_person)                                                                  \
    X(ORDER_MAIL, order_mail)                                                                      \
    X(ORDER_OF, order_of)                                                                          \
    X(CHECKOUT, checkout)                                                                          \
    X(EVENT_IN, event_in)                                                                          \
    X(EVENT_OUT, event_out)                                                                        \
    X(SETTING, setting)                                                                            \
    X(CURSOR, cursor)                                                                              \
    X(DELIVERY, delivery)                                                                          \
    X(DELIVERY_DEAD, delivery_dead)                                                                \
    X(DELIVERY_DONE, delivery_done)                                                                \
    X(GUEST_OF, guest_of)                                                                          \
    X(ERASURE, erasure)

/* Kinds whose keys end with a principal: LIMIT, COUPON_COUNT. */
#define RECORD_HAS_PRINCIPAL(kind) ((kind) == RECORD_LIMIT || (kind) == RECORD_COUPON_COUNT)

/* In this order they are loaded: what is referred to comes before what refers to it. */
enum record_kind {
#define X(name, member) RECORD_##name,
    RECORD_KINDS(X)
#undef X
        RECORD_KIND_COUNT
};

/* Whether a kind is left where it is at start, and read by those who ask for it. */
static inline bool record_is_history(enum record_kind kind)
{
    return kind == RECORD_LEDGER || kind == RECORD_ACCOUNT || kind == RECORD_ACCOUNT_KEY ||
           kind == RECORD_EMAIL || kind == RECORD_COUPON_PAST || kind == RECORD_AUDIT ||
           kind == RECORD_ORDER_PAST || kind == RECORD_ORDER_BODY || kind == RECORD_ORDER_PERSON ||
           kind == RECORD_ORDER_OF || kind == RECORD_CHECKOUT || kind == RECORD_EVENT_IN ||
           kind == RECORD_EVENT_OUT || kind == RECORD_DELIVERY_DEAD ||
           kind == RECORD_DELIVERY_DONE || kind == RECORD_GUEST_OF;
}

/* A hold's life (design.md I5); allowed successors stand in inventory_hold.c. */
#define HOLD_STATES(X)                                                                             \
    X(INTENT, "intent")     /* owner: waits for other partitions; not visible to anyone */         \
    X(PREPARED, "prepared") /* participant: reserved, on the owner's word */                       \
    X(HELD, "held")                                                                                \
    X(CONVERTED, "converted")                                                                      \
    X(RELEASED, "released")                                                                        \
    X(EXPIRED, "expired")                                                                          \
    X(ABORTED, "aborted")     /* an intent that failed: had no effect, its key is free again */    \
    X(CAPTURING, "capturing") /* pinned by its order: ends only as that order's capture ends */

enum hold_state {
#define X(name, text) HOLD_##name,
    HOLD_STATES(X)
#undef X
        HOLD_STATE_COUNT
};

#define LEDGER_ENTRIES(X)                                                                          \
    X(RECEIPT, "receipt")     /* stock +n */                                                       \
    X(WRITE_OFF, "write_off") /* stock -n */                                                       \
    X(SOLD, "sold")           /* sold +n */                                                        \
    X(RESTOCK, "restock")     /* sold -n */

enum ledger_entry {
#define X(name, text) LEDGER_##name,
    LEDGER_ENTRIES(X)
#undef X
        LEDGER_ENTRY_COUNT
};

/* Whether a product is shown and sold. Numbers are stored. */
#define PRODUCT_STATUSES(X)                                                                        \
    X(ACTIVE, "active")                                                                            \
    X(DRAFT, "draft")       /* not yet */                                                          \
    X(ARCHIVED, "archived") /* no more; it is never deleted */

enum product_status {
#define X(name, text) PRODUCT_##name,
    PRODUCT_STATUSES(X)
#undef X
        PRODUCT_STATUS_COUNT
};

const char *product_status_name(enum product_status status);

const char *hold_state_name(enum hold_state state);
const char *ledger_entry_name(enum ledger_entry entry);

struct line {
    uint32_t sku_id;
    uint32_t quantity;
};

struct product_record {
    char id[PRODUCT_ID_LENGTH_MAX + 1];
    char currency[4];
    uint32_t limit_per_customer; /* 0: none */
    uint32_t variant_count;
    int64_t updated_wall_ms;  /* of each version a later one than of the version before */
    uint8_t status;           /* enum product_status */
    uint32_t document_length; /* bytes that follow the record in memory */
};

struct sku_record {
    char sku[SKU_LENGTH_MAX + 1];
    uint32_t product_number;
    int64_t price_minor;
    uint32_t weight_grams; /* of one unit; 0: none, or not known */
    uint8_t archived;      /* its product has no such variant any more; or not at the moment */
};

struct counter_record {
    uint32_t stock;
    uint32_t sold;
    uint64_t ledger_sequence; /* of the newest entry that these figures include */
};

struct limit_record {
    struct principal principal;
    uint32_t sold;
    uint8_t adopted; /* some of it by a guest who became this customer */
};

struct ledger_record {
    uint8_t entry; /* enum ledger_entry */
    uint32_t quantity;
    uint64_t hold_sequence; /* of this partition, where a hold is the cause; otherwise 0 */
    int64_t wall_ms;
    char reason[REASON_LENGTH_MAX + 1];
};

/* Numbers that a partition gives, and never again. They are stored: FLOOR's subject. */
enum floor { FLOOR_HOLDS, FLOOR_ACCOUNTS, FLOOR_COUPONS, FLOOR_ORDERS, FLOOR_EVENTS, FLOOR_COUNT };

struct floor_record {
    uint64_t next_sequence;
};

/* Of a restocking; of others a hash of the request's body. */
#define RESTOCK_FINGERPRINT 0

struct key_record {
    struct hash128 key;
    uint64_t fingerprint;
    int64_t wall_ms;
    uint32_t stock; /* the figures that the answer gave */
    uint32_t available;
    uint32_t reserved;
    uint32_t sold;
};

struct hold_record {
    struct hash128 key; /* of principal, call, product and Idempotency-Key */
    uint64_t fingerprint;
    struct principal principal;
    int64_t created_wall_ms;
    int64_t deadline_wall_ms;
    int64_t ended_wall_ms; /* 0 while it lives */
    uint32_t ttl_ms;       /* as first granted: the first answer said created + ttl */
    uint32_t owner_partition;
    uint64_t owner_sequence; /* differs from the record's own for a participant */
    /* Hashes of the newest extensions' Idempotency-Keys, newest first; 0: none. */
    uint64_t extend_keys[HOLD_EXTENSIONS_MAX];
    uint8_t state; /* enum hold_state */
    uint8_t extensions;
    uint8_t adopted; /* made by a guest who became this principal */
    uint8_t line_count;
    uint64_t order; /* order_number of the order that it belongs to; 0: none */
    struct line lines[RESERVATION_LINES_MAX]; /* owner: all lines; participant: its own */
};

struct account_key_record {
    uint8_t length; /* 0 in memory only: there is none */
    uint8_t bytes[WRAPPED_KEY_MAX];
};

struct email_record {
    uint8_t index[EMAIL_INDEX_BYTES];
    struct principal account;
};

struct alias_record {
    struct principal guest;
    struct principal customer;
    int64_t ended_wall_ms; /* when the guest became the customer */
};

struct guest_of_record {
    struct principal guest;
};

struct erasure_record {
    struct principal account;
    int64_t wall_ms; /* when it was asked for */
};

enum mail_state { MAIL_WAITING, MAIL_DEAD };

struct mail_record {
    uint8_t state;    /* enum mail_state */
    uint8_t template; /* enum mail_template, of the outer layers' */
    uint8_t attempts;
    int64_t created_wall_ms;
    int64_t next_wall_ms; /* WAITING: not before */
    char reason[64];      /* of the newest failure, without private data */
    uint16_t sealed_length;
    uint8_t sealed[SEALED_MAIL_MAX]; /* what the template is filled with */
};

/* Small, because a million carts are kept in memory, and each answer carries one. */
struct cart_line {
    uint32_t sku_id;
    uint16_t quantity;   /* 1 to QUANTITY_MAX */
    uint16_t price_high; /* minor units of one, when the line was added: see cart_line_price */
    uint32_t price_low;
};

#define CART_PRICE_MINOR_MAX ((INT64_C(1) << 48) - 1)

static inline int64_t cart_line_price(const struct cart_line *line)
{
    return (int64_t)line->price_high << 32 | line->price_low;
}

static inline struct cart_line cart_line_make(uint32_t sku_id, uint32_t quantity,
                                              int64_t price_minor)
{
    assert(quantity <= QUANTITY_MAX && price_minor >= 0 && price_minor <= CART_PRICE_MINOR_MAX);
    return (struct cart_line){.sku_id = sku_id,
                              .quantity = (uint16_t)quantity,
                              .price_high = (uint16_t)(price_minor >> 32),
                              .price_low = (uint32_t)price_minor};
}

struct cart_content {
    uint8_t line_count;
    uint8_t coupon_length; /* 0: none */
    char coupon[COUPON_CODE_MAX];
    char currency[4];                       /* of all lines; all zero where there is none */
    struct cart_line lines[CART_LINES_MAX]; /* each SKU once, in the order in which they came */
};

struct cart_record {
    struct principal principal;
    int64_t created_wall_ms;
    int64_t changed_wall_ms;
    uint64_t orders[CART_ORDERS_MAX]; /* order numbers that it was cleared for, newest first; 0 */
    uint64_t merged[CART_MERGED_MAX]; /* cart_guest_tag of guests taken in, newest first; 0 */
    uint8_t by_customer;
    struct cart_content content; /* last: only its used lines are there */
};

struct order_of_record {
    struct principal principal;
    int64_t created_wall_ms;
};

struct checkout_record {
    struct hash128 key;
    uint64_t sequence;
    int64_t created_wall_ms;
};

/* What became of an event: `effect` says whether it changed its order. */
struct event_in_record {
    char event_id[PAYMENT_ID_MAX + 1];
    uint8_t provider;
    uint8_t state;  /* enum payment_state, as it told */
    uint8_t effect; /* enum event_effect */
    uint64_t order; /* sequence */
    int64_t wall_ms;
    /* The rest of what it told (struct payment_event): for who takes it in once more. */
    char payment_id[PAYMENT_ID_MAX + 1];
    char currency[4];
    int64_t amount_minor;
    int64_t captured_minor;
    int64_t refunded_minor;
    uint8_t refund_failed;
};

enum event_effect { EVENT_APPLIED, EVENT_STALE, EVENT_MISMATCHED };
const char *event_effect_name(enum event_effect effect);

/* The type of an event that is no order's: no unit of a SKU is left, nor only held. */
enum { EVENT_OUT_SOLD_OUT = 128 };

struct event_out_record {
    uint8_t type;            /* enum order_status that it came to, or the above: event_out_type */
    uint64_t order;          /* sequence; SOLD_OUT: the SKU's ID */
    int64_t created_wall_ms; /* of the order: with it, its ID; SOLD_OUT: 0 */
    int64_t wall_ms;
    int64_t amount_minor; /* of a refund */
};

/* Who is told of events. Numbers are stored. */
enum event_consumer { CONSUMER_FEED, CONSUMER_WEBHOOKS, EVENT_CONSUMER_COUNT };

struct cursor_record {
    uint64_t sequence; /* all events up to it are done; or were deleted while nobody wanted them */
};

enum record_operation { RECORD_PUT, RECORD_DELETE };

struct record {
    uint32_t size; /* bytes of this record in its arena, a multiple of 8 */
    uint8_t kind;
    uint8_t operation;
    uint16_t partition;
    uint32_t subject;
    uint64_t sequence;
    union {
        struct product_record product;
        struct sku_record sku;
        struct counter_record counter;
        struct limit_record limit;
        struct ledger_record ledger;
        struct floor_record floor;
        struct key_record key;
        struct hold_record hold;
        struct account_record account;
        struct account_key_record account_key;
        struct email_record email;
        struct alias_record alias;
        struct mail_record mail;
        struct coupon_record coupon;
        struct coupon_count_record coupon_count;
        struct coupon_use_record coupon_use;
        struct coupon_use_record coupon_past;
        struct cart_record cart;
        struct audit_record audit;
        struct audit_head_record audit_head;
        struct order_record order;
        struct order_record order_past; /* of a name, and so a column family, of its own */
        struct order_body_record order_body;
        struct order_person_record order_person;
        struct order_mail_record order_mail;
        struct order_of_record order_of;
        struct checkout_record checkout;
        struct event_in_record event_in;
        struct event_out_record event_out;
        struct setting_record setting;
        struct cursor_record cursor;
        struct delivery_record delivery;
        struct delivery_record delivery_dead;
        struct delivery_record delivery_done;
        struct guest_of_record guest_of;
        struct erasure_record erasure;
    };
};

/* The bytes that a record of this kind takes without what follows it; for a hold or a cart with
 * `lines`. */
static inline uint32_t record_size(enum record_kind kind, uint32_t lines)
{
    static const uint32_t sizes[RECORD_KIND_COUNT] = {
#define X(name, member)                                                                            \
    [RECORD_##name] =                                                                              \
        (uint32_t)(offsetof(struct record, member) + sizeof(((struct record *)0)->member)),
        RECORD_KINDS(X)
#undef X
    };
    uint32_t size = sizes[kind];

    assert(lines <= RESERVATION_LINES_MAX);
    if (kind == RECORD_HOLD)
        size = (uint32_t)(offsetof(struct record, hold.lines) + lines * sizeof(struct line));
    if (kind == RECORD_CART)
        size = (uint32_t)(offsetof(struct record, cart.content.lines) +
                          lines * sizeof(struct cart_line));
    return (size + 7) & ~7u;
}

/* Where an address's index and a guest's alias are: all their bits are in the key, so that two can
 * share one only if they agree in all of them. */
struct record_place {
    uint32_t partition;
    uint32_t subject;
    uint64_t sequence;
};
struct record_place record_place_of(const uint8_t bytes[16], uint32_t partitions);

/* GUEST_OF: of the guest's random bits. */
static inline uint64_t guest_of_sequence(const struct principal *guest)
{
    uint64_t sequence = 0;

    for (unsigned i = 8; i < 13; i++)
        sequence = sequence << 8 | guest->bytes[i];
    return sequence;
}

/* A product's document: the bytes after the struct. */
static inline const char *record_document(const struct record *record)
{
    return (const char *)record + record_size(RECORD_PRODUCT, 0);
}

#endif

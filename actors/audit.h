/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: who did what to what, in an entry that becomes durable with the act itself.
 *
 *   entry  AUDIT, (partition, 0, number): when, who, from where, what, to what, the value before
 * and after, and the chain's hash up to and with it head   AUDIT_HEAD, (partition, 0, 0): number
 * and hash of the newest entry, under a keyed MAC
 *
 * Each partition has a chain of its own, numbered from 1:
 *
 *   hash(n) = SHA-256(hash(n - 1) | "stampede audit 1" | partition:16 | n:64 | packed entry)
 *
 * with a hash(0) of zeros. So an entry that was changed, taken out, put in or moved breaks the
 * chain where it stands, and a chain that was rewritten to its end, or cut short, is not the one
 * that the head was made for. The head is written with every entry: there is no unanchored tail.
 * Whoever has the store's secret too can forge a chain; what `stampede check` prints of the chains
 * is for those who keep it elsewhere.
 *
 * An actor writes the entry (audit_add), without number and hash; the engine, which hosts all
 * actors of the partition and knows the chain's head, adds them as soon as the actor returns
 * (engine/audit_chain.c). An entry is written for what staff changes, and for what happens to an
 * account; never for a guest's reservation.
 *
 * No private data: a principal, an ID, a number, or a digest; of an address only its network. It
 * stays when an account is erased. */
#ifndef STAMPEDE_AUDIT_H
#define STAMPEDE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"
#include "shop_limits.h"

struct effects;
struct moment;

/* Numbers are stored: rows are added at the end only. */
#define AUDIT_ACTS(X)                                                                              \
    X(PRODUCT_CREATED, "product_created") /* after: digest of its document */                      \
    X(PRODUCT_CHANGED, "product_changed") /* the same */                                           \
    X(STOCK_ADJUSTED, "stock_adjusted")   /* units available, before and after */                  \
    X(RESERVATION_RELEASED, "reservation_released")                                                \
    X(RESERVATION_CONVERTED, "reservation_converted")                                              \
    X(ACCOUNT_REGISTERED, "account_registered")                                                    \
    X(EMAIL_VERIFIED, "email_verified")                                                            \
    X(LOGGED_IN, "logged_in")         /* after: number of the session */                           \
    X(LOGIN_REFUSED, "login_refused") /* staff: a wrong password or code */                        \
    X(LOGGED_OUT, "logged_out")                                                                    \
    X(SESSIONS_ENDED, "sessions_ended") /* all of them, or all but the one that asked */           \
    X(PASSWORD_CHANGED, "password_changed")                                                        \
    X(PASSWORD_RESET, "password_reset")                                                            \
    X(EMAIL_CHANGED, "email_changed")                                                              \
    X(PROFILE_CHANGED, "profile_changed") /* by staff: name or address */                          \
    X(STAFF_INVITED, "staff_invited")     /* after: the role */                                    \
    X(STAFF_REMOVED, "staff_removed")     /* before: the role */                                   \
    X(ROLE_CHANGED, "role_changed")       /* roles, before and after */                            \
    X(SECOND_FACTOR_ON, "second_factor_on")                                                        \
    X(SECOND_FACTOR_OFF, "second_factor_off")                                                      \
    X(RECOVERY_CODE_USED, "recovery_code_used") /* codes left, before and after */                 \
    X(ACCOUNT_ERASED, "account_erased")                                                            \
    X(MAIL_REPLAYED, "mail_replayed")   /* after: the last part of the mail's ID */                \
    X(KEY_ROTATED, "key_rotated")       /* the account's data key was wrapped anew */              \
    X(COUPON_CREATED, "coupon_created") /* after: its version, likewise below */                   \
    X(COUPON_CHANGED, "coupon_changed")                                                            \
    X(COUPON_DELETED, "coupon_deleted")   /* before: its version */                                \
    X(SETTING_CREATED, "setting_created") /* after: a tax rate's basis points, a row's version */  \
    X(SETTING_CHANGED, "setting_changed") /* the same, before and after */                         \
    X(SETTING_REMOVED, "setting_removed") /* before: the same */                                   \
    X(SECRET_ROTATED, "secret_rotated")   /* of a webhook endpoint */                              \
    X(ORDER_FULFILLED, "order_fulfilled") /* by staff; its statuses, before and after */           \
    X(ORDER_DELIVERED, "order_delivered")                                                          \
    X(ORDER_REFUNDED, "order_refunded")   /* asked for; after: the amount in minor units */        \
    X(ORDER_CANCELLED, "order_cancelled") /* asked for; before: its status */                      \
    X(WEBHOOK_REPLAYED, "webhook_replayed")                                                        \
    X(ENDPOINT_TESTED, "endpoint_tested")                                                          \
    X(ORDER_ACKNOWLEDGED, "order_acknowledged") /* before: the reason to look at it */             \
    X(EVENT_REPLAYED, "event_replayed")       /* a gateway's: its effect when it came, and now */  \
    X(PRODUCT_ARCHIVED, "product_archived")   /* changed, and archived; after: as of a change */   \
    X(PRODUCT_PUBLISHED, "product_published") /* the same, and active again or at last */          \
    X(PRODUCT_UNPUBLISHED, "product_unpublished") /* the same, and a draft */

enum audit_act {
#define X(name, text) AUDIT_##name,
    AUDIT_ACTS(X)
#undef X
        AUDIT_ACT_COUNT
};

/* As whom the caller came. Numbers are stored. */
#define AUDIT_CALLERS(X)                                                                           \
    X(NOBODY, "nobody") /* without a session: a registration, a token out of a mail */             \
    X(GUEST, "guest")                                                                              \
    X(CUSTOMER, "customer")                                                                        \
    X(OWNER, "owner")                                                                              \
    X(CATALOGUE, "catalogue")                                                                      \
    X(ORDERS, "orders")                                                                            \
    X(SUPPORT, "support")                                                                          \
    X(READ_ONLY, "read_only")                                                                      \
    X(ADMIN_KEY, "admin_key") /* the shop's own key: nobody in person */                           \
    X(SYSTEM, "system")       /* the program by itself */

enum audit_caller {
#define X(name, text) AUDIT_BY_##name,
    AUDIT_CALLERS(X)
#undef X
        AUDIT_CALLER_COUNT
};

#define AUDIT_SUBJECTS(X)                                                                          \
    X(PRODUCT, "product")         /* its ID, as text */                                            \
    X(SKU, "sku")                 /* its number: 4 bytes */                                        \
    X(RESERVATION, "reservation") /* sequence and time of creation: 8 bytes each */                \
    X(ACCOUNT, "account")         /* its principal: 16 bytes */                                    \
    X(COUPON, "coupon")           /* its code, as text */                                          \
    X(SETTING, "setting")         /* its ID, as text */                                            \
    X(ORDER, "order")             /* sequence and time of creation: 8 bytes each */                \
    X(DELIVERY, "delivery")       /* of the event: the same; of the endpoint: 8 bytes */

enum audit_subject {
#define X(name, text) AUDIT_OF_##name,
    AUDIT_SUBJECTS(X)
#undef X
        AUDIT_SUBJECT_COUNT
};

const char *audit_act_name(enum audit_act act);
const char *audit_caller_name(enum audit_caller caller);
const char *audit_subject_name(enum audit_subject subject);

enum {
    AUDIT_HASH_BYTES = 32,
    AUDIT_MAC_BYTES = 16,
    AUDIT_NETWORK_BYTES = 8, /* 4 or 6, then the /24 or the /56; all zero: unknown */
    AUDIT_SUBJECT_BYTES_MAX = PRODUCT_ID_LENGTH_MAX,
    AUDIT_VALUE_BYTES_MAX = AUDIT_HASH_BYTES,
    /* Of a packed entry. */
    AUDIT_PACKED_BYTES_MAX = 8 + 16 + 1 + AUDIT_NETWORK_BYTES + 1 + 2 + AUDIT_SUBJECT_BYTES_MAX +
                             2 * (2 + AUDIT_VALUE_BYTES_MAX),
    /* Of what is hashed for an entry. */
    AUDIT_LINK_BYTES_MAX = AUDIT_HASH_BYTES + 16 + 2 + 8 + AUDIT_PACKED_BYTES_MAX,
};

/* Who asks, as what, from where. Comes with the command. */
struct origin {
    struct principal who; /* nobody: the admin key, or no session */
    uint8_t caller;       /* enum audit_caller */
    uint8_t network[AUDIT_NETWORK_BYTES];
};

/* Whether the shop's staff asks. */
static inline bool origin_is_staff(const struct origin *origin)
{
    return origin->caller >= AUDIT_BY_OWNER && origin->caller <= AUDIT_BY_ADMIN_KEY;
}

/* The network of an address (16 bytes; of IPv4: mapped) that is kept of it. */
void origin_set_network(struct origin *origin, const uint8_t address[16]);

enum audit_value_kind {
    AUDIT_VALUE_NONE,
    AUDIT_VALUE_NUMBER, /* signed, 8 bytes */
    AUDIT_VALUE_WORD,   /* a name out of a table */
    AUDIT_VALUE_DIGEST, /* SHA-256; in an entry of a product the engine fills it in */
    AUDIT_VALUE_COUNT
};

struct audit_value {
    uint8_t kind; /* enum audit_value_kind */
    uint8_t length;
    uint8_t bytes[AUDIT_VALUE_BYTES_MAX];
};

struct audit_record {
    int64_t wall_ms;
    struct origin origin;
    uint8_t act;     /* enum audit_act */
    uint8_t subject; /* enum audit_subject */
    uint8_t name_length;
    uint8_t name[AUDIT_SUBJECT_BYTES_MAX];
    struct audit_value before;
    struct audit_value after;
    uint8_t hash[AUDIT_HASH_BYTES];
};

struct audit_head_record {
    uint64_t sequence;
    uint8_t hash[AUDIT_HASH_BYTES];
    uint8_t mac[AUDIT_MAC_BYTES]; /* of partition, sequence, hash: audit_head_pack */
};

/* Adds an entry to what this step makes durable; the caller fills in its values. */
struct audit_record *audit_add(struct effects *effects, uint32_t partition,
                               const struct moment *moment, const struct origin *origin,
                               enum audit_act act, enum audit_subject subject, const void *name,
                               size_t name_length);
void audit_set_number(struct audit_value *value, int64_t number);
void audit_set_word(struct audit_value *value, const char *word);
/* Of a NUMBER. */
int64_t audit_number(const struct audit_value *value);

/* What is stored of an entry but its hash; returns the length, at most AUDIT_PACKED_BYTES_MAX. And
 * back: false if it is no entry. */
size_t audit_pack(const struct audit_record *entry, uint8_t bytes_out[AUDIT_PACKED_BYTES_MAX]);
bool audit_unpack(const uint8_t *bytes, size_t length, struct audit_record *entry_out);
bool audit_is_valid(const struct audit_record *entry);

/* What the hash of an entry is the SHA-256 of. */
size_t audit_link_pack(const struct audit_record *entry, uint32_t partition, uint64_t sequence,
                       const uint8_t before[AUDIT_HASH_BYTES],
                       uint8_t bytes_out[AUDIT_LINK_BYTES_MAX]);

enum { AUDIT_HEAD_PACKED_BYTES = 2 + 8 + AUDIT_HASH_BYTES };
/* What the head's MAC is of, for the purpose AUDIT_HEAD_PURPOSE. */
#define AUDIT_HEAD_PURPOSE "audit head"
void audit_head_pack(const struct audit_head_record *head, uint32_t partition,
                     uint8_t bytes_out[AUDIT_HEAD_PACKED_BYTES]);

#endif

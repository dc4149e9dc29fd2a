/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is sent to a partition or shard, as one table: name, body, class.
 *
 *   REQUEST     may be refused by a full mailbox; room for its answer is reserved when it is sent
 *   COMPLETION  is never refused: its room was reserved by the request it answers
 *   SAGA        between the partitions of one reservation: may be dropped, is repeated by its
 *               sender or asked for by its receiver, and may arrive twice
 *
 * A message is a header and the used part of its body (`size`). What varies in length beyond that
 * rides in an envelope, whose ownership moves with the message. */
#ifndef STAMPEDE_MESSAGES_H
#define STAMPEDE_MESSAGES_H

#include <string.h>

#include "outcomes.h"
#include "records.h"

#define MESSAGES(X)                                                                                \
    X(RESERVE, reserve, REQUEST)                                                                   \
    X(HOLD_GET, hold, REQUEST)                                                                     \
    X(HOLD_RELEASE, hold, REQUEST)                                                                 \
    X(HOLD_EXTEND, hold, REQUEST)                                                                  \
    X(HOLD_CONVERT, hold, REQUEST)                                                                 \
    X(HOLD_BIND, hold, REQUEST)    /* it belongs to `order` from now on */                         \
    X(HOLD_UNBIND, hold, REQUEST)  /* no more, if it did */                                        \
    X(HOLD_PIN, hold, REQUEST)     /* held -> capturing, for `order` */                            \
    X(HOLDS_ADOPT, adopt, REQUEST) /* to a shard: its part */                                      \
    X(ACCOUNT, account, REQUEST)                                                                   \
    X(ORDER, order, REQUEST)                                                                       \
    X(HOLD_LIST, list, REQUEST)                                                                    \
    X(CART, cart, REQUEST)                                                                         \
    X(CART_MERGE, cart_merge, REQUEST) /* to the customer's */                                     \
    X(CART_CLEAR, cart_clear, REQUEST) /* of what was ordered */                                   \
    X(STOCK_GET, stock, REQUEST)                                                                   \
    X(STOCK_ADJUST, adjust, REQUEST)                                                               \
    X(PRODUCT_SUBMIT, product, REQUEST) /* to the directory's shard */                             \
    X(PRODUCT_PUT, product, REQUEST)    /* from there to the partition */                          \
    X(PRODUCT_DONE, product, COMPLETION)                                                           \
    X(SETTINGS, settings, REQUEST)                                                                 \
    X(LINE_PREPARE, prepare, SAGA)                                                                 \
    X(LINE_PREPARED, line_answer, SAGA)                                                            \
    X(LINE_REFUSED, line_answer, SAGA)                                                             \
    X(LINE_END, line_end, SAGA)                                                                    \
    X(LINE_ENDED, line_answer, SAGA)                                                               \
    X(LINE_QUERY, line_answer, SAGA)                                                               \
    X(LINE_STANDS, line_end, SAGA)                                                                 \
    X(COUPON_GET, coupon, REQUEST)                                                                 \
    X(COUPON_PUT, coupon, REQUEST)                                                                 \
    X(COUPON_LIST, coupon_list, REQUEST) /* to a shard */                                          \
    X(COUPON_HOLD, coupon_use, REQUEST)                                                            \
    X(COUPON_COMMIT, coupon_use, REQUEST)                                                          \
    X(COUPON_RELEASE, coupon_use, REQUEST)                                                         \
    X(DELIVERY, delivery, REQUEST) /* of a webhook: to be sent once more, or for trial */          \
    X(REPLY, reply, COMPLETION)

enum message_type {
#define X(name, body, class) MESSAGE_##name,
    MESSAGES(X)
#undef X
        MESSAGE_TYPE_COUNT
};

enum message_class { MESSAGE_CLASS_REQUEST, MESSAGE_CLASS_COMPLETION, MESSAGE_CLASS_SAGA };

/* Units taken from a gate travel with the message that will record them. */
enum claim {
    CLAIM_NONE,
    CLAIM_MADE,
    CLAIM_REFUSED,
    CLAIM_EMPTY,  /* RESERVE: refused, and of the one SKU asked for nothing was left */
    CLAIM_BARRED, /* storage is full: only a key that has had its effect is answered */
};

/* ORDER: by `order`, which the hold belongs to. */
enum authority { AUTHORITY_PRINCIPAL, AUTHORITY_STAFF, AUTHORITY_ORDER };

/* Room for other keys, behind the lines: with 20 lines it is the least. */
enum { RESERVE_KEYS_MIN = 3, RESERVE_ROOM = RESERVATION_LINES_MAX + 2 * RESERVE_KEYS_MIN };
_Static_assert(sizeof(struct hash128) == 2 * sizeof(struct line), "a key takes two lines' room");

struct reserve_body {
    struct hash128 key;
    uint64_t fingerprint; /* of the request's body */
    struct principal principal;
    uint8_t claim; /* enum claim, over all lines */
    uint8_t line_count;
    uint16_t filter_generation; /* where the claim's key was set: see key_filter.h */
    /* Keys of guests who became this customer, that the key filter may know: if one of them has had
     * its effect, that is this request's. */
    uint32_t other_key_count;
    struct line lines[RESERVE_ROOM]; /* as asked for, equal SKUs summed; then the other keys */
};

struct hold_body {
    uint64_t sequence;
    int64_t created_wall_ms; /* as the ID says: a number given again after a repair is another */
    uint64_t key;            /* HOLD_EXTEND: a hash of the Idempotency-Key; 0: none */
    uint64_t order;          /* order_number; HOLD_BIND, AUTHORITY_ORDER */
    struct principal principal;
    uint8_t authority;
    struct origin origin; /* of the staff's; otherwise not set */
};

struct list_body {
    struct principal principal; /* nobody: not filtered */
    uint32_t sku_id;            /* UINT32_MAX: not filtered */
    int8_t state;               /* -1: all */
    uint32_t limit;
    int64_t created_before_wall_ms;
    struct reservation_id after; /* exclusive; created_ms 0: from the start */
};

/* A guest has become a customer: the guest's holds and what counts for limits become theirs. Done
 * in slices; the answer says where to go on. */
struct adopt_body {
    struct principal guest;
    struct principal customer;
    uint32_t product; /* of the pool's; 0 at first */
};

struct account_envelope;

struct account_body {
    struct account_envelope *envelope;
};

struct order_envelope;

struct order_body_message {
    struct order_envelope *envelope;
};

struct settings_envelope;

struct settings_body {
    struct settings_envelope *envelope;
};

enum cart_operation {
    CART_GET,
    CART_ADD,    /* `quantity` more of a SKU */
    CART_SET,    /* exactly so many of a SKU that is in it */
    CART_REMOVE, /* a SKU, if it is in it */
    CART_COUPON_SET,
    CART_COUPON_REMOVE,
    CART_DROP, /* all of it */
    CART_OPERATION_COUNT
};

struct cart_body {
    struct principal principal;
    uint8_t operation; /* enum cart_operation */
    uint8_t by_customer;
    uint8_t coupon_length;
    uint32_t sku_id;
    uint32_t quantity;
    int64_t price_minor; /* of one unit, now */
    char currency[4];    /* of the price */
    char coupon[COUPON_CODE_MAX];
};

/* What a guest had becomes the customer's: once, however often it is asked for. */
struct cart_merge_body {
    struct principal customer;
    struct principal guest;
    uint64_t orders[CART_ORDERS_MAX]; /* that the guest's was cleared for: the customer's is, too */
    struct cart_content content;      /* the guest's; last: only its used lines are sent */
};

/* Takes out what was ordered, at most: once an order. Without a cart there is nothing to take out,
 * and nothing is remembered. */
struct cart_clear_body {
    struct principal principal;
    uint64_t order; /* its number; not 0 */
    uint8_t line_count;
    struct line lines[RESERVATION_LINES_MAX];
};

struct stock_body {
    uint32_t sku_id;
};

/* ---- coupons: coupon.h ---- */

struct coupon_envelope;
struct coupon_list_envelope;

struct coupon_body {
    struct coupon_envelope *envelope;
};

struct coupon_list_body {
    uint32_t limit;                  /* at most LIST_PAGE_MAX */
    char after[COUPON_CODE_MAX + 1]; /* exclusive; empty: from the start */
};

/* Of one order's use of a coupon; the message's partition and `number` say which. */
struct coupon_use_body {
    struct reservation_id order; /* partition, sequence and time of creation of the order's ID */
    uint32_t number;
    uint8_t is_saga;            /* asked by the engine for an order's saga, and so answered */
    uint8_t past;               /* the engine's own: enum coupon_past */
    uint8_t alias_count;        /* HOLD */
    uint64_t version;           /* HOLD: of the definition that the order was priced by */
    struct principal principal; /* HOLD: whose order it is */
    struct principal aliases[ACCOUNT_ALIASES_MAX]; /* HOLD: guests that the customer was */
};

struct coupon_use_answer {
    struct reservation_id order; /* as asked */
    uint32_t number;
    uint8_t is_saga;
    uint8_t reason; /* enum coupon_reason: why a HOLD was refused */
};

/* A webhook that is past is to be sent again; or (of DELIVERY_TEST_BIT) a first time. */
struct delivery_body {
    uint32_t endpoint; /* its number */
    uint64_t sequence;
    struct delivery_event event;
    struct origin origin;
};

struct adjust_body {
    uint32_t sku_id;
    uint8_t claim;
    uint8_t is_set;
    uint8_t is_restock; /* sold units are for sale again */
    int64_t value;      /* delta, or what shall be available */
    uint32_t claimed;   /* units taken from the gate, when claim is made */
    uint8_t has_key;    /* key and fingerprint are set: the effect is to happen once */
    struct hash128 key;
    uint64_t fingerprint;
    struct origin origin;
    char reason[REASON_LENGTH_MAX + 1];
};

enum stock_mode { STOCK_KEEP, STOCK_SET, STOCK_ADD };
enum put_mode { PUT_CREATE, PUT_UPSERT };
enum put_result { PUT_CREATED, PUT_UPDATED, PUT_UNCHANGED };

struct variant {
    char sku[SKU_LENGTH_MAX + 1];
    uint32_t sku_id;  /* set by the directory */
    uint32_t claimed; /* units that the partition wants taken from the gate, or was given */
    int64_t price_minor;
    uint32_t stock;
    uint32_t weight_grams;
    bool keeps_stock; /* of a SKU that exists, whatever stock_mode says */
};

/* A SKU that the product had before, and that the PUT does not name. */
struct left_out {
    uint32_t sku_id;
    char sku[SKU_LENGTH_MAX + 1];
};

/* A product on its way to its partition: an envelope. The document follows the struct, and what is
 * left out follows that. */
struct product_envelope {
    char id[PRODUCT_ID_LENGTH_MAX + 1];
    char currency[4];
    uint8_t put_mode;
    uint8_t stock_mode;
    uint8_t result;  /* enum put_result, set by the partition */
    uint8_t outcome; /* set by directory or partition */
    uint8_t dry_run;
    uint8_t is_bulk; /* one of many: room is left for others beside it */
    uint8_t status;  /* enum product_status */
    uint16_t requester_shard;
    uint32_t product_number;
    uint32_t limit_per_customer;
    uint32_t variant_count;
    uint32_t document_length;
    uint32_t left_out_count; /* set by the directory: at least those that are not archived */
    /* 0, or: nothing happens unless the product's record is the version of this updated_wall_ms;
     * PRODUCT_VERSION_ANY: unless there is one. */
    int64_t expected_wall_ms;
    uint64_t cookie;         /* of the requester */
    int64_t updated_wall_ms; /* when it was recorded, set by the partition; 0: nothing was */
    struct origin origin;
    struct variant variants[PRODUCT_VARIANTS_MAX];
    char document[];
};

#define PRODUCT_VERSION_ANY (-1)

/* Where the document ends, rounded up. */
static inline struct left_out *product_left_out(struct product_envelope *envelope)
{
    return (struct left_out *)(void *)((char *)envelope +
                                       ((sizeof(*envelope) + envelope->document_length + 7) &
                                        ~(size_t)7));
}

struct product_body {
    struct product_envelope *envelope;
    uint8_t claim; /* over all variants' `claimed` */
};

struct prepare_body {
    uint64_t owner_sequence;
    struct principal principal;
    uint32_t owner_partition;
    uint32_t ttl_ms;
    int64_t created_wall_ms;
    int64_t deadline_boot_ms;
    int64_t deadline_wall_ms;
    uint8_t line_count;
    struct line lines[RESERVATION_LINES_MAX];
};

/* From a participant to its owner. */
struct line_answer_body {
    uint64_t owner_sequence;
    uint32_t participant;
    uint32_t limit;  /* with LIMIT_REACHED */
    uint8_t outcome; /* why refused */
    uint8_t knew;    /* LINE_ENDED: the participant had the line, so its claim was resolved there */
};

/* From an owner to a participant: the reservation ended (`state`), or stands until a deadline. */
struct line_end_body {
    uint64_t owner_sequence;
    uint32_t owner_partition;
    uint8_t state;
    uint8_t settled; /* LINE_END: the owner waits for nothing more, lines may be forgotten */
    int64_t deadline_boot_ms;
    int64_t deadline_wall_ms;
};

/* A reservation as the outside sees it. */
struct hold_view {
    struct reservation_id id;
    struct principal principal;
    uint64_t fence;
    int64_t deadline_wall_ms;
    uint32_t ttl_ms; /* what remains; in a replay: what the first answer said */
    uint8_t state;
    uint8_t extensions;
    uint8_t line_count;
    uint64_t order; /* that it belongs to; 0: none */
    struct line lines[RESERVATION_LINES_MAX];
};

/* A cart as the outside sees it. */
struct cart_view {
    struct principal principal;
    int64_t created_wall_ms; /* 0: there is none */
    int64_t changed_wall_ms;
    uint64_t orders[CART_ORDERS_MAX]; /* that it was cleared for, newest first; 0: none */
    struct cart_content content;      /* last: only its used lines are sent */
};

struct stock_view {
    uint32_t sku_id;
    uint32_t stock;
    uint32_t available;
    uint32_t reserved;
    uint32_t sold;
};

/* An envelope: what a shard found, in the order of inventory_list. */
struct list_envelope {
    uint32_t count;
    uint8_t more;
    struct hold_view views[];
};

struct reply_body {
    uint8_t outcome;  /* enum outcome */
    uint8_t answers;  /* enum message_type of the request */
    uint8_t replayed; /* the request's key had its effect before */
    uint8_t put_result;
    uint32_t limit;
    union {
        struct {
            struct stock_view stock;
            union {
                struct list_envelope *list; /* HOLD_LIST; the receiver frees it (envelope_free) */
                struct account_envelope *account;     /* ACCOUNT; likewise */
                struct order_envelope *order;         /* ORDER; likewise */
                struct settings_envelope *settings;   /* SETTINGS; likewise */
                struct coupon_envelope *coupon;       /* COUPON_GET, COUPON_PUT; likewise */
                struct coupon_list_envelope *coupons; /* COUPON_LIST; likewise */
                struct coupon_use_answer coupon_use;  /* COUPON_HOLD, _COMMIT, _RELEASE */
                struct {
                    uint32_t next_product;
                    uint8_t more;
                } adopt;               /* HOLDS_ADOPT */
                struct hold_view hold; /* last: only its used lines are sent */
            };
        };
        struct cart_view cart; /* CART, CART_MERGE, CART_CLEAR; likewise */
    };
};

_Static_assert(sizeof(struct coupon_use_answer) <= offsetof(struct hold_view, lines),
               "a reply without lines carries it");

struct message {
    uint32_t size; /* bytes in use, a multiple of 8 */
    uint8_t type;
    uint16_t partition;       /* target; for a REPLY: where it comes from */
    uint16_t shard;           /* whom to answer; for a REPLY: whose it is */
    uint64_t cookie;          /* the requester's, returned untouched */
    int64_t deadline_boot_ms; /* a request past it is dropped undone; 0: none */
    union {
        struct reserve_body reserve;
        struct hold_body hold;
        struct list_body list;
        struct adopt_body adopt;
        struct account_body account;
        struct order_body_message order;
        struct settings_body settings;
        struct cart_body cart;
        struct cart_merge_body cart_merge;
        struct cart_clear_body cart_clear;
        struct stock_body stock;
        struct adjust_body adjust;
        struct product_body product;
        struct prepare_body prepare;
        struct line_answer_body line_answer;
        struct line_end_body line_end;
        struct coupon_body coupon;
        struct coupon_list_body coupon_list;
        struct coupon_use_body coupon_use;
        struct delivery_body delivery;
        struct reply_body reply;
    };
};

enum message_class message_class(enum message_type type);
const char *message_name(enum message_type type);

/* The bytes that a message of this type with so many lines takes; another key counts as two. */
static inline uint32_t message_size(enum message_type type, uint32_t lines)
{
    static const uint32_t sizes[MESSAGE_TYPE_COUNT] = {
#define X(name, body, class)                                                                       \
    [MESSAGE_##name] =                                                                             \
        (uint32_t)(offsetof(struct message, body) + sizeof(((struct message *)0)->body)),
        MESSAGES(X)
#undef X
    };
    uint32_t room = type == MESSAGE_RESERVE ? RESERVE_ROOM : RESERVATION_LINES_MAX;
    uint32_t size;

    assert((unsigned)type < MESSAGE_TYPE_COUNT && lines <= room);
    size = sizes[type];
    if (type == MESSAGE_RESERVE || type == MESSAGE_LINE_PREPARE || type == MESSAGE_CART_CLEAR)
        size -= (room - lines) * (uint32_t)sizeof(struct line);
    if (type == MESSAGE_REPLY)
        size = (uint32_t)offsetof(struct message, reply.hold.lines) +
               lines * (uint32_t)sizeof(struct line);
    if (type == MESSAGE_CART_MERGE)
        size -= (room - lines) * (uint32_t)sizeof(struct cart_line);
    return (size + 7) & ~7u;
}

/* Of a REPLY that carries a cart. */
static inline uint32_t message_size_cart(uint32_t lines)
{
    assert(lines <= CART_LINES_MAX);
    return ((uint32_t)offsetof(struct message, reply.cart.content.lines) +
            lines * (uint32_t)sizeof(struct cart_line) + 7) &
           ~7u;
}

/* How many other keys a request of so many lines has room for. */
static inline uint32_t reserve_keys_max(uint32_t lines)
{
    return (RESERVE_ROOM - lines) / 2;
}

static inline void reserve_set_key(struct reserve_body *body, uint32_t index,
                                   const struct hash128 *key)
{
    assert(index < reserve_keys_max(body->line_count));
    memcpy(&body->lines[body->line_count + 2 * index], key, sizeof(*key));
}

static inline struct hash128 reserve_key(const struct reserve_body *body, uint32_t index)
{
    struct hash128 key;

    assert(index < body->other_key_count && index < reserve_keys_max(body->line_count));
    memcpy(&key, &body->lines[body->line_count + 2 * index], sizeof(key));
    return key;
}

#endif
